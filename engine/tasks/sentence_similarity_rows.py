"""Canonical rows of sentence similarity: numbers as labels, items of a formatting function, the format of the rows.

Called by engine/tasks/sentence_similarity.py; the names of the formats and columns are read by frameworks too.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from engine.data.layout import RECORD_ID
from engine.data.unification import NOT_SUBMITTED, UNANSWERED, unify
from engine.errors import UserError
from engine.tasks.columns import answers
from engine.tasks.sample_task import Account, Row, as_text, wrong_item
from engine.tasks.text_classification_rows import as_labels

FIRST, SECOND, THIRD, SENTENCE, LABEL = "sentence-1", "sentence-2", "sentence-3", "sentence", "label"
SENTENCES = (FIRST, SECOND, THIRD)
PAIRS, LABELLED_PAIRS = "pairs", "pairs with a label"
TRIPLETS, LABELLED_TRIPLETS = "triplets", "triplets with a label"
CLASSES = "sentences with a class"
FORMATS = {
    (FIRST, SECOND): PAIRS,
    (FIRST, SECOND, LABEL): LABELLED_PAIRS,
    (FIRST, SECOND, THIRD): TRIPLETS,
    (FIRST, SECOND, THIRD, LABEL): LABELLED_TRIPLETS,
    (SENTENCE, LABEL): CLASSES,
}
WHOLE = re.compile(r"[+-]?\d+")
NUMBERED = re.compile(r"(.+?)[-_ ]?([123abc])")  # sentence1, text_a, question-2
KNOWN = (
    ("premise", "hypothesis"), ("anchor", "positive", "negative"), ("query", "positive", "negative"),
    ("query", "document"), ("query", "passage"),
)  # fmt: skip
SAME = "the second and the third sentence are the same"
EXPECTED = (
    "A row is a dict with sentence-1 and sentence-2, and perhaps sentence-3 and a number as label; "
    "or with a sentence and its class as label."
)


def format_of(table: pa.Table) -> str:
    """The format of canonical rows, by their columns."""
    return FORMATS[tuple(name for name in (*SENTENCES, SENTENCE, LABEL) if name in table.column_names)]


def number(text: str) -> int | float | None:
    """A text as a number: an int if it is written as one, else a float; None for words, nan and infinity."""
    text = text.strip()
    if WHOLE.fullmatch(text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


# ---- labels of chosen columns ---------------------------------------------------------------------------------------


def labels_of(sample: Row, account: Account) -> list[int | float]:
    """The labels of the record that is being looked at: one, several (disagreement), or none, which is accounted for.

    Raises UserError that names a label that is no number.
    """
    name = account.chosen(LABEL)
    if name not in account.questions:
        return _of_column(sample.get(name), name, account)
    if LABEL not in account.memory:
        account.memory[LABEL] = _of_question(name, account)
    found = account.memory[LABEL].get(account.index, [])
    if not found:
        account.leave_out(NOT_SUBMITTED if sample[name] and not answers(sample, name) else UNANSWERED)
    return [_checked(text, name, account.record_id) for text in found]


def _of_question(name: str, account: Account) -> dict[int, list[str]]:
    unified = unify(account.dataset, name, account.definition.strategy, seed=account.seed)
    index, texts, account.counts["ties"] = as_labels(unified, account.seed)
    found: dict[int, list[str]] = {}
    for record, text in zip(index.tolist(), texts.cast(pa.string()).to_pylist(), strict=True):
        found.setdefault(record, []).append(text)
    return found


def _of_column(value: Any, name: str, account: Account) -> list[int | float]:
    if value is None or not str(value).strip() or (isinstance(value, float) and math.isnan(value)):
        account.leave_out(f"“{name}” missing")
        return []
    return [int(value)] if isinstance(value, bool) else [_checked(str(value), name, account.record_id)]


def _checked(text: str, name: str, record_id: str) -> int | float:
    value = number(text)
    if value is None:
        raise UserError(
            f"The label {text!r} of {name!r} (record {record_id!r}) is no number, and how alike two sentences are is "
            "learned from numbers.",
            "Write a formatting_func that gives a number for each label, such as 1 for alike and 0 for not alike, "
            "or leave the label out and keep only the pairs that are alike.",
        )
    return value


# ---- items of a formatting function ---------------------------------------------------------------------------------


def item_row(item: Any, record_id: str) -> Row:
    """The row of one item of a formatting function, its keys in the order of FORMATS. Raises WrongItem."""
    if not isinstance(item, dict):
        raise wrong_item(item, record_id, type(item).__name__, EXPECTED)
    keys = next((keys for keys in FORMATS if set(keys) == set(item)), None)
    if keys is None:
        raise wrong_item(item, record_id, f"its keys are {', '.join(map(str, item)) or 'none'}", EXPECTED)
    row = {key: as_text(item[key], item, record_id, EXPECTED) for key in keys if key != LABEL}
    if row.get(THIRD) is not None and row[SECOND] == row[THIRD]:
        raise wrong_item(item, record_id, SAME, "A triplet is a sentence, one that is like it, and one that is not.")
    if LABEL in keys:
        row[LABEL] = _class(item, record_id) if SENTENCE in keys else _given_number(item, record_id)
    return row


def _given_number(item: Row, record_id: str) -> int | float:
    label = item[LABEL]
    if isinstance(label, (bool, int)):
        return int(label)
    value = number(str(label)) if isinstance(label, (str, float)) else None
    if value is None:
        advice = "Give a number for each label, such as 1 for alike and 0 for not alike, or no label at all."
        raise wrong_item(item, record_id, f"its label is {label!r}, which is no number", advice)
    return float(value) if isinstance(label, float) else value


def _class(item: Row, record_id: str) -> int | str:
    label = item[LABEL]
    if not isinstance(label, (bool, int, str)):
        advice = "The class of a sentence is a whole number or a name."
        raise wrong_item(item, record_id, f"its label is {type(label).__name__}", advice)
    return int(label) if isinstance(label, bool) else label


# ---- the table ------------------------------------------------------------------------------------------------------


def table_of(account: Account) -> tuple[pa.Table, dict[str, Any]]:
    """`account.rows` as a table and info {"format", "label", "values", "range", "names"}.

    "label": "int", "float" or None; one float makes all labels floats. "values": the different whole-number labels.
    "range": [lowest, highest] label that the chosen question allows, if there is one. "names": of classes, by id.
    Raises UserError that names the first record whose row has other keys than those before.
    """
    keys = _same_keys(account.rows)
    columns = {name: pa.array([row[name] for row in account.rows], pa.string()) for name in keys if name != LABEL}
    info: dict[str, Any] = {"format": FORMATS[keys], "label": None, "values": None, "range": None, "names": None}
    if LABEL in keys:
        labels = [row[LABEL] for row in account.rows]
        if info["format"] == CLASSES:
            labels, info["names"] = _class_ids(labels)
        is_whole = all(isinstance(label, int) for label in labels)
        account.counts["whole numbers read as decimals"] = sum(isinstance(x, int) for x in labels) * (not is_whole)
        info |= {"label": "int" if is_whole else "float", "range": _range(account)}
        info["values"] = sorted(set(labels)) if is_whole else None
        columns[LABEL] = pa.array(labels, pa.int64() if is_whole else pa.float64())
    return pa.table({RECORD_ID: pa.array([row[RECORD_ID] for row in account.rows], pa.string())} | columns), info


def _same_keys(rows: list[Row]) -> tuple[str, ...]:
    """The columns that all rows have."""
    first = tuple(key for key in rows[0] if key != RECORD_ID)
    for row in rows:
        keys = tuple(key for key in row if key != RECORD_ID)
        if keys != first:
            raise UserError(
                f"For record {row[RECORD_ID]!r} the formatting function gave a row with {', '.join(keys)}, but for "
                f"record {rows[0][RECORD_ID]!r} one with {', '.join(first)}.",
                "Give every row the same keys; leave a record out by returning None.",
            )
    return first


def _class_ids(labels: list[int | str]) -> tuple[list[int], list[str]]:
    """Whole numbers as they are; names (one is enough) as their place in alphabetical order."""
    names = sorted({str(label) for label in labels})
    if all(isinstance(label, int) for label in labels):
        return labels, [str(label) for label in sorted(set(labels))]
    place = {name: i for i, name in enumerate(names)}
    return [place[str(label)] for label in labels], names


def _range(account: Account) -> list[float] | None:
    question = account.questions.get(account.chosen(LABEL))
    numbers = [number(name) for name in question.classes] if question else []
    return [min(numbers), max(numbers)] if numbers and None not in numbers else None


def texts(table: pa.Table) -> list[list[str]]:
    """The columns of sentences, in order."""
    return [table[name].to_pylist() for name in sentence_columns(table.column_names)]


def sentence_columns(names: Iterable[str]) -> list[str]:
    return [name for name in (*SENTENCES, SENTENCE) if name in names]


def named_together(names: Iterable[str]) -> list[str]:
    """Two or three of `names` that say they belong together (sentence1 and sentence2); [] without such names."""
    lower = {name.lower(): name for name in names}
    for known in KNOWN:
        if known[0] in lower and known[1] in lower:
            return [lower[name] for name in known if name in lower]
    stems: dict[str, dict[str, str]] = {}
    for name, match in ((name, NUMBERED.fullmatch(low)) for low, name in lower.items()):
        if match:
            stems.setdefault(match[1], {})[match[2]] = name
    for of in stems.values():
        for ends in ("123", "abc"):
            if of.keys() >= set(ends[:2]):
                return [of[end] for end in ends if end in of]
    return []
