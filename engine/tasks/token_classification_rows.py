"""Canonical rows of token classification: from a span question, a column of spans, words and tags, or a function."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.data.layout import FIELD, from_arrow_value
from engine.data.questions import SPANS, Question
from engine.data.roles import CLASSES, TOKEN_NAMES
from engine.data.unification import NOT_SUBMITTED, UNANSWERED
from engine.errors import UserError
from engine.tasks import columns
from engine.tasks.sample_task import Account, Row, as_text, wrong_item
from engine.tasks.tag_schemes import chunks_of, split_tag

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

Span = dict[str, Any]

SPAN = pa.struct({"start": pa.int32(), "end": pa.int32(), "label": pa.string()})
PREDICTED_SPAN = pa.struct([*SPAN, pa.field("text", pa.string()), pa.field("score", pa.float64())])
TOKEN = pa.struct({"start": pa.int32(), "end": pa.int32()})

MAJORITY, DISAGREEMENT = "majority", "disagreement"
STRATEGIES = (MAJORITY, DISAGREEMENT)

EMPTY_TEXT = "empty text"
NOT_MARKED = "no spans given"
NO_AGREEMENT = "no span is shared by a majority of the answers"
NOT_ACCEPTED = "not accepted in Prodigy"
NO_WORDS = "no words or no tags"
UNEQUAL = "another number of tags than of words"
NOT_FOUND = "words that are not in the text"
OVERLAPPING = "in part, because spans overlap (the longer one is kept)"


# ---- which columns can be what --------------------------------------------------------------------------------------


def is_span_question(question: Question) -> bool:
    return question.value_type == SPANS


def _is_list_of(kind: pa.DataType, wanted: Callable[[pa.DataType], bool]) -> bool:
    return pa.types.is_list(kind) and wanted(kind.value_type)


def _has(kind: pa.DataType, *names: str) -> bool:
    return pa.types.is_struct(kind) and all(kind.get_field_index(name) >= 0 for name in names)


def are_located(kind: pa.DataType) -> bool:
    """Whether a column's type is that of words with their place in the text, as Prodigy has them."""
    return _is_list_of(kind, lambda inner: _has(inner, "start", "end") and not _has(inner, "label"))


FITS: dict[str, Callable[[pa.DataType], bool]] = {
    "spans": lambda kind: _is_list_of(kind, lambda inner: _has(inner, "start", "end", "label")),
    "tokens": lambda kind: are_located(kind) or _is_list_of(kind, pa.types.is_string),
    "tags": lambda kind: _is_list_of(kind, pa.types.is_string),
}


def words_and_tags(dataset: "FeedbackDataset", words: list[str], tags: list[str]) -> tuple[str | None, str | None]:
    """The columns of words and tags to begin with: by name first, then by their lengths, which are equal."""
    chosen = columns.named([name for name in words if not are_located(dataset.values(name).type)], *sorted(TOKEN_NAMES))
    if chosen is None:
        return None, None
    lengths = pc.list_value_length(dataset.values(chosen))
    same = [name for name in tags if name != chosen and pc.list_value_length(dataset.values(name)).equals(lengths)]
    return chosen, columns.named(same, "ner_tags", "tags", "ner", "labels", "entities") or next(iter(same), None)


def check_text(account: Account, given: dict[str, str]) -> None:
    """Raise UserError when spans have no text, or a span question's spans are taken for those of another field."""
    question = account.questions.get(given.get("spans", ""))
    wanted = question.field if question is not None and is_span_question(question) else None
    if "spans" in given and "text" not in given and wanted is None:
        raise UserError("Spans are chosen, and no text that they are marked in.", "Choose the text.")
    if wanted is not None and given.get("text", wanted) != wanted:
        raise UserError(
            f"The spans of {given['spans']!r} are marked in {wanted!r}, not in {given['text']!r}.",
            f"Choose {wanted!r} as the text.",
        )


# ---- rows by chosen columns -----------------------------------------------------------------------------------------


def rows_of(sample: Row, account: Account) -> Iterator[Row]:
    """The rows of one record; tells `account` why none."""
    if account.chosen("tags"):
        yield from _tagged_row(sample, account)
        return
    name = account.chosen("spans")
    question = account.questions.get(name)
    text = columns.text_of(sample, account.chosen("text") or question.field, account.questions)
    if not (text or "").strip():
        return account.leave_out(EMPTY_TEXT)
    tokens = _tokens(sample, account, text)
    if tokens is None:
        return None
    marked = _from_column(sample, name, account) if question is None else _from_answers(sample, question, account)
    for spans in marked:
        problem = _problem(spans, text, question.classes if question is not None else ())
        if problem:
            account.leave_out(problem)
            continue
        yield _row(text, spans, tokens)


def _row(text: str, spans: Iterable[Span], tokens: list[tuple[int, int]] = ()) -> Row:
    row: Row = {"text": text, "spans": [{key: span[key] for key in ("start", "end", "label")} for span in spans]}
    return row | {"tokens": [{"start": start, "end": end} for start, end in tokens] or None}


def from_prodigy(names: Iterable[str]) -> bool:
    """Whether columns of these names are Prodigy's tasks: the answer decides, and no spans are an empty list."""
    return {"_task_hash", "answer"} <= set(names)


def _from_column(sample: Row, name: str, account: Account) -> Iterator[list[Span]]:
    spans = sample.get(name)
    if from_prodigy(sample):
        answer = columns.text_of(sample, "answer", account.questions)
        if answer not in (None, "accept"):
            return account.leave_out(NOT_ACCEPTED)
        spans = spans or []
    if spans is None:
        return account.leave_out(NOT_MARKED)
    yield spans


def _from_answers(sample: Row, question: Question, account: Account) -> Iterator[list[Span]]:
    """The spans that most of the submitted answers share exactly; or each answer's own (strategy disagreement)."""
    answers = [from_arrow_value(question, value) for value in columns.answers(sample, question.name) if value]
    if not answers:
        return account.leave_out(NOT_SUBMITTED if sample.get(question.name) else UNANSWERED)
    if account.definition.strategy == DISAGREEMENT:
        yield from answers
        return
    votes = Counter(key for answer in answers for key in dict.fromkeys(_key(span) for span in answer))
    shared = [key for key, n in votes.items() if 2 * n > len(answers)]
    account.counts["spans without a majority"] += len(votes) - len(shared)
    if votes and not shared and 2 * sum(map(bool, answers)) > len(answers):
        return account.leave_out(NO_AGREEMENT)
    yield [dict(zip(("start", "end", "label"), key, strict=True)) for key in shared]


def _key(span: Span) -> tuple[int, int, str]:
    return span["start"], span["end"], span["label"]


def _problem(spans: list[Span], text: str, classes: tuple[str, ...]) -> str:
    """Why a text can't be learned with these spans; empty when it can."""
    for span in spans:
        start, end, label = span.get("start"), span.get("end"), span.get("label")
        if start is None or end is None or not label:
            return "a span without start, end or label"
        if start < 0 or end > len(text):
            return "a span that ends after the text"
        if start >= end or not text[start:end].strip():
            return "a span without a character"
        if classes and label not in classes:
            return f"a span with the label {label!r}, which the question has not"
    return ""


def _tokens(sample: Row, account: Account, text: str) -> list[tuple[int, int]] | None:
    """Where the chosen words stand in the text; none chosen: an empty list; None: they are not there."""
    given = sample.get(account.chosen("tokens")) if account.chosen("tokens") else None
    if not given:
        return []
    if isinstance(given[0], dict):
        offsets = [(word["start"], word["end"]) for word in given]
        found = all(0 <= start < end <= len(text) for start, end in offsets)
    else:
        offsets, found = located(given, text)
    if not found:
        account.leave_out(NOT_FOUND)
        return None
    return offsets


def located(words: list[str], text: str) -> tuple[list[tuple[int, int]], bool]:
    """(start, end) of each word, looked for one after the other; False when one is not there."""
    offsets, place = [], 0
    for word in words:
        start = text.find(word, place)
        if start < 0:
            return [], False
        place = start + len(word)
        offsets.append((start, place))
    return offsets, True


def _tagged_row(sample: Row, account: Account) -> Iterator[Row]:
    words, tags = sample.get(account.chosen("tokens")), sample.get(account.chosen("tags"))
    if not words or not tags:
        return account.leave_out(NO_WORDS)
    if len(words) != len(tags):
        return account.leave_out(UNEQUAL)
    if account.chosen("text"):
        text = sample.get(account.chosen("text")) or ""
        offsets = _tokens(sample, account, text)
        if offsets is None:
            return None
    else:
        text, offsets = joined([word["text"] if isinstance(word, dict) else word for word in words])
    if not text.strip():
        return account.leave_out(EMPTY_TEXT)
    yield tagged(text, offsets, [tag or "O" for tag in tags])


def joined(words: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """The words with single spaces between them, and where each stands; a missing word is an empty one."""
    offsets, place, words = [], 0, [word or "" for word in words]
    for word in words:
        offsets.append((place, place + len(word)))
        place += len(word) + 1
    return " ".join(words), offsets


def tagged(text: str, offsets: list[tuple[int, int]], tags: list[str]) -> Row:
    """The row of a text whose words, at `offsets`, have these tags. Words without a character have none."""
    kept = [i for i, (start, end) in enumerate(offsets) if end > start]
    chunks = chunks_of([tags[i] for i in kept])
    spans = [
        {"start": offsets[kept[first]][0], "end": offsets[kept[stop - 1]][1], "label": label}
        for first, stop, label in chunks
    ]
    return _row(text, spans, [offsets[i] for i in kept])


# ---- rows from a function -------------------------------------------------------------------------------------------


def row_of(item: Any, record_id: str, expected: str) -> Row:
    """The row of (text, spans) or (words, tags). Raises WrongItem that names the record."""
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        length = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
        raise wrong_item(item, record_id, f"{type(item).__name__}{length}", f"Expected {expected}.")
    first, second = item
    if not isinstance(second, (tuple, list)):
        raise wrong_item(item, record_id, f"{type(second).__name__} in second place", f"Expected {expected}.")
    if isinstance(first, (tuple, list)):
        return _tagged_item(item, list(first), list(second), record_id, f"Expected {expected}.")
    text = as_text(first, item, record_id, f"Expected {expected}.")
    spans = [_span_of(span, item, record_id, f"Expected {expected}.") for span in second]
    problem = _problem(spans, text, ()) if text.strip() else EMPTY_TEXT
    if problem:
        raise wrong_item(item, record_id, problem, f"The text has {len(text)} characters; the first one is number 0.")
    return _row(text, spans)


def _tagged_item(item: Any, words: list[Any], tags: list[Any], record_id: str, expected: str) -> Row:
    if len(words) != len(tags) or not words:
        raise wrong_item(item, record_id, f"{len(words)} words and {len(tags)} tags", expected)
    text, offsets = joined([as_text(word, item, record_id, expected) for word in words])
    if not text.strip():
        raise wrong_item(item, record_id, EMPTY_TEXT, expected)
    return tagged(text, offsets, ["O" if tag is None else as_text(tag, item, record_id, expected) for tag in tags])


def _span_of(span: Any, item: Any, record_id: str, expected: str) -> Span:
    if isinstance(span, dict) and {"start", "end", "label"} <= span.keys():
        span = (span["start"], span["end"], span["label"])
    if not isinstance(span, (tuple, list)) or len(span) != 3:
        raise wrong_item(item, record_id, f"{span!r} is no span", expected)
    start, end, label = span
    for place in (start, end):
        if isinstance(place, bool) or not isinstance(place, int):
            raise wrong_item(item, record_id, f"{place!r} is no place in a text", expected)
    return {"start": start, "end": end, "label": as_text(label, item, record_id, expected)}


# ---- the table ------------------------------------------------------------------------------------------------------


def tabulate(account: Account) -> tuple[pa.Table, dict[str, Any]]:
    """The canonical table and info of `account.rows`; counts spans that were trimmed or dropped."""
    has_tokens = all(row["tokens"] for row in account.rows)
    for row in account.rows:
        account.record_id = row["record_id"]
        row["spans"] = _settled(row, account)
    present = Counter(span["label"] for row in account.rows for span in row["spans"])
    schema = [("record_id", pa.string()), ("text", pa.string()), ("spans", pa.list_(SPAN))]
    schema += [("tokens", pa.list_(TOKEN))] if has_tokens else []
    table = pa.Table.from_pylist(account.rows, schema=pa.schema(schema))
    return table, {"classes": _classes(account, present), "has_tokens": has_tokens}


def _settled(row: Row, account: Account) -> list[Span]:
    """The row's spans in order, without spaces at their ends; of spans that overlap the longest, then the first."""
    spans = {}
    for span in row["spans"]:
        piece = row["text"][span["start"] : span["end"]]
        start = span["start"] + len(piece) - len(piece.lstrip())
        trimmed = span | {"start": start, "end": start + len(piece.strip())}
        account.counts["spans trimmed of spaces"] += trimmed != span
        spans[_key(trimmed)] = trimmed  # marked twice is marked once
    kept: list[Span] = []
    for span in sorted(spans.values(), key=lambda span: (span["start"] - span["end"], span["start"])):
        if any(span["start"] < other["end"] and other["start"] < span["end"] for other in kept):
            account.counts["overlapping spans dropped"] += 1
            account.leave_out(OVERLAPPING)
        else:
            kept.append(span)
    return sorted(kept, key=lambda span: span["start"])


def _classes(account: Account, present: Counter) -> list[str]:
    """Labels in the order of the question, or of the class names in the data; else those that occur, by alphabet."""
    if account.definition.is_formatted:
        return sorted(present)
    question = account.questions.get(account.chosen("spans"))
    if question is not None:
        return list(question.classes)
    name = account.chosen("tags")
    known = account.dataset.table.schema.field(FIELD + name).metadata if name else None
    named = json.loads((known or {}).get(CLASSES, b"[]"))
    labels = [label for _, label in map(split_tag, named) if label]
    return list(dict.fromkeys([*labels, *sorted(present)]))
