"""CoNLL files: a token and its tag a line, an empty line between sentences. Each sentence is a row.

Columns: text (the tokens joined by spaces), tokens, tags. The token is the first column of a line, the tag the last.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from engine.data.readers.stream import BATCH_ROWS, Stream, check_rows
from engine.data.readers.text_files import encoding_note, encoding_of, lines_of, open_text, start_of
from engine.errors import UserError

SCHEMA = pa.schema([("text", pa.string()), ("tokens", pa.list_(pa.string())), ("tags", pa.list_(pa.string()))])
TAG = re.compile(r"(O|[BIESLUM]-\S+)")
SAMPLE_LINES = 400
BATCH_CHARACTERS = 4 * 1024**2

MAX_SENTENCE = 1_000_000  # characters

Sentence = tuple[list[str], list[str]]


def looks_like_conll(path: Path, encoding: str) -> bool:
    """Whether nearly every line of the beginning is a token and a tag such as O, B-PER or I-PER."""
    lines = start_of(path, encoding).splitlines()[:SAMPLE_LINES]
    filled = [line.split() for line in lines if line.strip() and not line.startswith("-DOCSTART-")]
    tagged = sum(len(cells) >= 2 and bool(TAG.fullmatch(cells[-1])) for cells in filled)
    return len(filled) > 1 and tagged >= 0.9 * len(filled) and any(not line.strip() for line in lines)


def read_conll(path: Path, name: str) -> Stream:
    """The sentences of a CoNLL file. Raises UserError with the line number of a line without a tag."""
    encoding = encoding_of(path, name)
    notes = [note] if (note := encoding_note(encoding)) else []
    rows = 0
    for rows, _ in enumerate(_sentences(path, name, encoding), 1):
        check_rows(rows)

    def batches() -> Iterator[pa.RecordBatch]:
        part: list[Sentence] = []
        size = 0
        for sentence in _sentences(path, name, encoding):
            part.append(sentence)
            size += sum(map(len, sentence[0]))
            if len(part) == BATCH_ROWS or size > BATCH_CHARACTERS:
                yield _batch(part)
                part, size = [], 0
        if part:
            yield _batch(part)

    return Stream(SCHEMA, batches, rows, {"format": "conll", "encoding": encoding}, notes)


def _sentences(path: Path, name: str, encoding: str) -> Iterator[Sentence]:
    tokens: list[str] = []
    tags: list[str] = []
    width = length = 0
    with open_text(path, encoding) as file:
        for number, line in enumerate(lines_of(file, name), 1):
            cells = line.split("\t") if "\t" in line else line.split()
            cells = [cell.strip() for cell in cells]
            if not any(cells) or cells[0] == "-DOCSTART-":
                if tokens:
                    yield tokens, tags
                    tokens, tags = [], []
                continue
            if not width and line.startswith("# "):
                continue  # a comment before the first sentence
            width = width or len(cells)
            if len(cells) != width or width < 2:
                if line.startswith("# ") and not tokens:
                    continue
                raise _bad_line(name, number, line, width)
            length = length + len(line) if tokens else len(line)
            if length > MAX_SENTENCE:
                raise UserError(
                    f"“{name}”: at line {number} a sentence has more than {MAX_SENTENCE:,} characters.",
                    "Put an empty line after each sentence.",
                )
            tokens.append(cells[0])
            tags.append(cells[-1])
    if tokens:
        yield tokens, tags


def _bad_line(name: str, number: int, line: str, width: int) -> UserError:
    wanted = f"{width} columns, as the first line has" if width > 1 else "a token and a tag"
    return UserError(
        f"“{name}”: line {number} does not hold {wanted}; it reads: {line.strip():.60}",
        "Put a token and its tag on each line, with a tab between them, and an empty line after each sentence.",
    )


def _batch(sentences: list[Sentence]) -> pa.RecordBatch:
    tokens = [sentence[0] for sentence in sentences]
    tags = [sentence[1] for sentence in sentences]
    texts = [" ".join(words) for words in tokens]
    return pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip((texts, tokens, tags), SCHEMA, strict=True)], schema=SCHEMA
    )
