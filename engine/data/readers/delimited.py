"""CSV, TSV and their kin, with the csv module: its rules for quotes are the usual ones, and it knows the line.

The file is read twice: once to recognise it, count the rows and find every line that does not fit, then for its cells.
All cells are text. An empty cell is missing.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from engine.data.readers.header import looks_like_header
from engine.data.readers.stream import BATCH_BYTES, BATCH_ROWS, Stream, check_columns, check_rows, checked_names
from engine.data.readers.text_files import (
    MAX_LINE,
    checked_encoding,
    encoding_note,
    encoding_of,
    open_text,
    undecodable,
)
from engine.errors import UserError

DELIMITERS = (",", "\t", ";", "|")
NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar", None: "none"}
NO_DELIMITERS = '"\r\n\0'
NO_DELIMITER = "\x1f"  # a character that text does not hold: one column
SAMPLE_ROWS = 200
INSPECTED_BYTES = 8 * 1024**2
SAMPLE_CHARACTERS = 4 * 1024**2
MISSING = frozenset({"nan", "NaN", "NAN", "#N/A", "<NA>"})
MISSING_NOTE = "{n} cells that say NaN or #N/A are read as missing."


@dataclass(frozen=True)
class Dialect:
    """How one file is written."""

    encoding: str
    delimiter: str | None  # None: one column
    header: bool
    quoted: bool = True

    def rows(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """(line number where the row ends, cells); blank lines are left out."""
        csv.field_size_limit(MAX_LINE)
        with open_text(path, self.encoding) as file:
            lines = _RowLines(file)
            reader = csv.reader(
                lines,
                delimiter=self.delimiter or NO_DELIMITER,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                strict=self.quoted,
            )
            try:
                for row in reader:
                    lines.left = MAX_LINE
                    if len(row) > 1 or (row and row[0].strip()):
                        yield reader.line_num, row
            except csv.Error as error:
                raise _BadLine(max(1, reader.line_num), str(error)) from error


class _RowLines:
    """Lines for the csv module, which holds those of a row: `left` is how many characters the row may still have."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self.left = file, MAX_LINE

    def __iter__(self) -> "_RowLines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(self.left + 1)
        self.left -= len(line)
        if self.left < 0:
            raise csv.Error(f"the row has more than {MAX_LINE:,} characters")
        if not line:
            raise StopIteration
        return line


class _BadLine(Exception):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


def read_delimited(path: Path, name: str, options: dict[str, Any]) -> Stream:
    """The columns of a delimited text file. options: "delimiter", "header" (bool) and "encoding" override detection.

    Raises UserError with the line number for a row with too many or too few cells, or a quote that never ends.
    """
    dialect, width, rows = _recognised(path, name, options)
    if not rows:
        raise UserError(f"“{name}” is empty.", "Choose a file that has at least one row.")
    notes = [note] if (note := encoding_note(dialect.encoding)) else []
    first = next(iter(dialect.rows(path)))[1]
    if not dialect.quoted:
        notes.append("Quotes stand singly in this file, so they are read as part of the texts.")
    if not dialect.header:
        notes.append("The first line is read as data, since it does not look like column names.")
        names = _numbered(width)
    else:
        names = first
    schema = pa.schema([(column, pa.string()) for column in checked_names(names, notes)])

    def batches() -> Iterator[pa.RecordBatch]:
        cells = (row for _, row in dialect.rows(path))
        if dialect.header:
            next(cells, None)
        for part in _parts(cells):
            yield _batch(part, schema, stream)

    stream = Stream(schema, batches, rows - dialect.header, _detected(dialect), notes)
    return stream


def inspect_delimited(path: Path, name: str) -> dict[str, Any]:
    """What is recognised from the beginning of the file alone, however large it is. Keys as `inspect_file`."""
    encoding = encoding_of(path, name, within=INSPECTED_BYTES)
    try:
        dialect = _dialect(path, name, encoding, {})
        rows = _sample(path, dialect)
    except UnicodeError as error:
        raise undecodable(path, name, encoding) from error
    notes: list[str] = []
    names = rows[0] if rows and dialect.header else _numbered(len(rows[0]) if rows else 0)
    preview = rows[dialect.header :][:5]
    return _detected(dialect) | {
        "columns": checked_names(names, notes),
        "rows": None,
        "preview": preview,
        "notes": notes,
    }


def _numbered(width: int) -> list[str]:
    return ["text"] if width == 1 else [f"column_{i + 1}" for i in range(width)]


def _detected(dialect: Dialect) -> dict[str, Any]:
    return {
        "format": "delimited",
        "encoding": dialect.encoding,
        "delimiter": dialect.delimiter,
        "delimiter_name": NAMES.get(dialect.delimiter, dialect.delimiter),
        "header": dialect.header,
    }


def _recognised(path: Path, name: str, options: dict[str, Any]) -> tuple[Dialect, int, int]:
    encoding = options.get("encoding")
    encoding = checked_encoding(encoding) if encoding else encoding_of(path, name)
    try:
        dialect = _dialect(path, name, encoding, options)
        try:
            return dialect, *_checked(path, name, dialect)
        except UserError as error:
            plain = replace(dialect, quoted=False)
            try:  # many tab-separated files never quote, and a lone quote in a text must not swallow lines
                found = _checked(path, name, plain)
            except UserError:
                raise error from None
            if _quotes_cells(path, plain):
                raise
            return plain, *found
    except UnicodeError as error:
        raise undecodable(path, name, encoding) from error


def _checked(path: Path, name: str, dialect: Dialect) -> tuple[int, int]:
    """(cells a row, rows), header included. Every row is looked at, so that reading can't fail half-way."""
    width, rows, bad, first_bad = 0, 0, 0, (0, 0)
    try:
        for line, row in dialect.rows(path):
            width = width or len(row)
            rows += 1
            check_rows(rows)
            if len(row) != width:
                first_bad = first_bad if bad else (line, len(row))
                bad += 1
    except _BadLine as error:
        raise UserError(
            f"“{name}”: line {error.line} can't be read: {error.why}.",
            'Look for a quote (") that is opened and never closed, or not doubled inside a text.',
        ) from error
    if bad:
        raise UserError(
            f"“{name}”: line {first_bad[0]} has {first_bad[1]} cells, but the first line has {width}. "
            f"{'This is the only such line' if bad == 1 else f'{bad:,} lines are like that'}.",
            f"Put quotes around texts that contain the delimiter ({NAMES.get(dialect.delimiter, dialect.delimiter)}), "
            "or choose another delimiter.",
        )
    return width, rows


def _quotes_cells(path: Path, plain: Dialect) -> bool:
    """Whether more cells are quoted as a whole than begin with a quote that is part of the text."""
    cells = (cell for _, row in plain.rows(path) for cell in row if cell[:1] == '"')
    found = Counter(cell.endswith('"') and len(cell) > 1 for cell in cells)
    return found[True] > found[False]


def _dialect(path: Path, name: str, encoding: str, options: dict[str, Any]) -> Dialect:
    tabs = name.lower().endswith((".tsv", ".tab"))
    delimiter = options.get("delimiter", "")
    if delimiter == "":
        delimiter = _delimiter(path, encoding, DELIMITERS if not tabs else ("\t", *DELIMITERS))
    elif delimiter is not None and (len(delimiter) != 1 or delimiter in NO_DELIMITERS):
        raise UserError(f"A delimiter is one character, not {delimiter!r}.", "Choose comma, tab, semicolon or another.")
    header = options.get("header")
    if header is None:
        sample = _sample(path, Dialect(encoding, delimiter, False))
        check_columns(len(sample[0]) if sample else 0)
        header = looks_like_header(sample)
    return Dialect(encoding, delimiter, bool(header))


def _sample(path: Path, dialect: Dialect) -> list[list[str]]:
    rows: list[list[str]] = []
    size = 0
    try:
        for _, row in dialect.rows(path):
            rows.append(row)
            size += len(row) + sum(map(len, row))
            if len(rows) == SAMPLE_ROWS or size > SAMPLE_CHARACTERS:
                break
    except _BadLine:  # what was read before it is enough for a guess; the check reports the line
        pass
    return rows


def _delimiter(path: Path, encoding: str, candidates: tuple[str, ...]) -> str | None:
    """The delimiter that gives most rows the same number of cells; None when none splits the first line."""
    best: tuple[float, int, str | None] = (0.0, 0, None)
    for delimiter in candidates:
        rows = _sample(path, Dialect(encoding, delimiter, False))
        if not rows or len(rows[0]) < 2:
            continue
        widths = Counter(map(len, rows))
        share = widths[len(rows[0])] / len(rows)
        if (round(share, 1), len(rows[0])) > best[:2]:
            best = (round(share, 1), len(rows[0]), delimiter)
    return best[2]


def _parts(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    part: list[list[str]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(map(sys.getsizeof, row))
        if len(part) == BATCH_ROWS or size > BATCH_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _batch(rows: list[list[str]], schema: pa.Schema, stream: Stream) -> pa.RecordBatch:
    columns = []
    missing = 0
    for cells in zip(*rows, strict=True):
        values: list[str | None] = [cell or None for cell in cells]
        if not MISSING.isdisjoint(values):
            missing += sum(value in MISSING for value in values)
            values = [None if value in MISSING else value for value in values]
        columns.append(pa.array(values, pa.string()))
    stream.count(MISSING_NOTE, missing)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
