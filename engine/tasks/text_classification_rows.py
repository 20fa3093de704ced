"""Canonical rows of text classification: from a field and a question, or from a formatting function.

Called by engine/tasks/text_classification.py alone; every record that gives no row is accounted for.
"""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.derived import clean_text
from engine.data.layout import RECORD_ID
from engine.data.questions import RANKING
from engine.data.splits import row_codes
from engine.data.unification import Unified, unify
from engine.errors import UserError
from engine.tasks.formatted import WrongItem, formatted_records
from engine.tasks.task import Rows
from engine.tasks.training_task import check_label_question

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

LABEL, LABELS = "label", "labels"
SEPARATOR = "\x1f"  # ASCII's unit separator, between labels that are compared as one text
TEXT_MISSING, TEXT_EMPTY, DUPLICATE, NOTHING_RANKED = "text missing", "text empty", "duplicate row", "nothing ranked"
NOTHING_RETURNED = "the function returned nothing"


# ---- from a field and a question -----------------------------------------------------------------------------------


def rows_from_fields(dataset: "FeedbackDataset", definition: "TrainingTask", seed: int) -> Rows:
    """Rows of the chosen text field and the unified answers to the chosen question; the table may be empty."""
    question = dataset.question_by_name(definition.fields.get("label", ""))
    check_label_question(question)
    texts = text_column(dataset, definition.fields.get("text", ""))
    unified = unify(dataset, question, definition.strategy, seed=seed)
    index, labels, ties = as_labels(unified, seed)
    ids = dataset.table[RECORD_ID]
    left_out = {reason: positions for reason, positions in unified.left_out.items()}
    left_out[NOTHING_RANKED] = np.setdiff1d(unified.index, index)
    missing = texts.is_null().to_numpy()
    empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), False).to_numpy()
    left_out[TEXT_MISSING] = np.unique(index[missing[index]])
    left_out[TEXT_EMPTY] = np.unique(index[empty[index]])
    good = ~(missing | empty)[index]
    index, labels = index[good], labels.filter(pa.array(good))
    column = LABELS if question.is_multi_label else LABEL
    at = pa.array(index)
    table = pa.table({RECORD_ID: ids.take(at), "text": texts.take(at), column: labels})
    first = _first_of_equal_rows(table, column)
    left_out[DUPLICATE] = np.setdiff1d(index, index[first])
    counts = {"ties": ties, "duplicates": len(table) - len(first)}
    table = table.take(pa.array(first))
    if question.is_multi_label:
        counts["no labels"] = pc.sum(pc.equal(pc.list_value_length(table[column]), 0)).as_py() or 0
    named = {reason: ids.take(pa.array(where)).to_pylist() for reason, where in left_out.items() if len(where)}
    info = {"classes": list(question.classes), "multi_label": question.is_multi_label}
    return Rows(table, info, named, counts)


def text_column(dataset: "FeedbackDataset", name: str) -> pa.ChunkedArray:
    """The values of a field as text; numbers are read as their text. Raises UserError when it holds anything else."""
    column = dataset.values(name)
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise UserError(
            f"The field {name!r} holds {column.type}, not text.", "Choose another field, or write a formatting cell."
        )
    return pa.chunked_array([clean_text(column.combine_chunks())])


def as_labels(unified: Unified, seed: int) -> tuple[np.ndarray, pa.Array, int]:
    """Record positions, their label(s) as string or list<string>, and how many were drawn among equals.

    The label of a ranking is its first item.
    """
    if unified.question.value_type != RANKING:
        kind = pa.list_(pa.string()) if unified.question.is_multi_label else pa.string()
        return unified.index, unified.values.cast(kind), unified.ties
    rng = np.random.default_rng(seed)
    index, labels, ties = [], [], set(unified.tied.tolist())
    for record, ranking in zip(unified.index.tolist(), unified.values.to_pylist(), strict=True):
        ranked = [item for item in ranking if item["rank"] is not None]
        best = min((item["rank"] for item in ranked), default=None)
        first = [item["value"] for item in ranked if item["rank"] == best]
        if first:
            index.append(record)
            labels.append(first[int(rng.integers(len(first)))])
        if len(first) > 1:
            ties.add(record)
    return np.array(index, np.int64), pa.array(labels, pa.string()), len(ties)


def _first_of_equal_rows(table: pa.Table, column: str) -> np.ndarray:
    """Positions of the rows whose text and label stand for the first time; label lists compare with their order."""
    if not len(table):
        return np.empty(0, np.int64)
    labels = table[column]
    if column == LABELS:
        labels = pc.binary_join(labels, SEPARATOR)
    codes = row_codes(table["text"]) * len(table) + row_codes(labels)
    return np.sort(np.unique(codes, return_index=True)[1])


# ---- from a formatting function ------------------------------------------------------------------------------------


def rows_from_function(dataset: "FeedbackDataset", definition: "TrainingTask") -> Rows:
    """Rows that the formatting function gives; the table may be empty. Raises UserError naming a record that fails.

    One list of labels anywhere makes every row multi-label; a single label then is a list of one. Classes are those
    that occur: in the order of the first question that has them all, otherwise sorted.
    """
    given = formatted_records(dataset, definition)
    ids, texts, labels = [], [], []
    for record_id, items in zip(given.record_ids, given.items, strict=True):
        for item in items:
            text, label = pair_of(item, record_id)
            ids.append(record_id)
            texts.append(text)
            labels.append(label)
    multi_label = any(isinstance(label, list) for label in labels)
    single = sum(isinstance(label, str) for label in labels)
    sizes = [len(items) for items in given.items]
    counts = {
        "returned": sum(size > 0 for size in sizes),
        "none": sum(size == 0 for size in sizes),
        "several": sum(size > 1 for size in sizes),
    }
    if multi_label:
        counts |= {"single labels taken as lists": single, "no labels": sum(label == [] for label in labels)}
        labels = [label if isinstance(label, list) else [label] for label in labels]
    column, kind = (LABELS, pa.list_(pa.string())) if multi_label else (LABEL, pa.string())
    table = pa.table({RECORD_ID: pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})
    table = table.append_column(column, pa.array(labels, kind))
    occurring = {name for label in labels for name in (label if multi_label else [label])}
    info = {"classes": _class_order(occurring, dataset), "multi_label": multi_label}
    nothing = [record_id for record_id, size in zip(given.record_ids, sizes, strict=True) if not size]
    return Rows(table, info, {NOTHING_RETURNED: nothing} if nothing else {}, counts, given.stdout)


def pair_of(item: Any, record_id: str) -> tuple[str, str | list[str]]:
    """An item as (text, label) or (text, [label, …]); whole numbers and True or False are labels by their name.

    A list stands for a tuple too: JSON, in which a cell's answers come, knows no tuples.
    """
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise _wrong(item, record_id, f"{type(item).__name__}{_length(item)}")
    text, label = item
    if isinstance(text, bool) or not isinstance(text, (str, Real)):
        raise _wrong(item, record_id, f"its text is {type(text).__name__}")
    if isinstance(label, (list, tuple, set, frozenset)):
        names = sorted(label, key=repr) if isinstance(label, (set, frozenset)) else label
        return str(text), [_label_name(name, item, record_id) for name in names]
    return str(text), _label_name(label, item, record_id)


def _label_name(label: Any, item: Any, record_id: str) -> str:
    if not isinstance(label, (str, Integral)):
        raise _wrong(item, record_id, f"a label is {type(label).__name__}")
    return str(label)


def _length(item: Any) -> str:
    return f" of {len(item)}" if isinstance(item, (tuple, list)) else ""


def _wrong(item: Any, record_id: str, found: str) -> WrongItem:
    shown = repr(item)
    shown = shown if len(shown) <= 200 else shown[:200] + "…"
    return WrongItem(
        f"For record {record_id!r} the formatting function gave {shown} ({found}).",
        "A row is (text, label) or (text, [label, …]), with the text and every label as text.",
    )


def _class_order(occurring: set[str], dataset: "FeedbackDataset") -> list[str]:
    for question in dataset.questions:
        if question.strategies and occurring <= set(question.classes):
            return [name for name in question.classes if name in occurring]
    if all(name.lstrip("-").isdecimal() for name in occurring):
        return sorted(occurring, key=int)
    return sorted(occurring)


# ---- for people ----------------------------------------------------------------------------------------------------


def nothing_left(rows: Rows) -> tuple[str, str]:
    """Message and hint for rows that are none, with the count of each reason."""
    reasons = ", ".join(f"{reason} ({len(ids):,})" for reason, ids in rows.left_out.items())
    hint = "Annotate more records, choose other fields, or look at what filter_by and max_records leave."
    if NOTHING_RETURNED in rows.left_out:
        hint = "Let formatting_func return (text, label) for the records that should be learned from."
    return f"No rows are left to learn from. Records left out: {reasons}.", hint


def outcomes_of(dataset: "FeedbackDataset", rows: Rows) -> list[dict[str, Any]]:
    """Per record of `dataset`: {"rows": [{"text", "labels"}], "reason", "wrong"}, from the account that `rows` keep."""
    reasons = {record_id: reason for reason, ids in rows.left_out.items() for record_id in ids}
    of: dict[str, list[dict[str, Any]]] = {}
    for row in rows.table.to_pylist():
        labels = row[LABELS] if LABELS in row else [row[LABEL]]
        of.setdefault(row[RECORD_ID], []).append({"text": row["text"], "labels": labels})
    return [
        {"rows": of.get(record_id, []), "reason": reasons.get(record_id, ""), "wrong": False}
        for record_id in dataset.table[RECORD_ID].to_pylist()
    ]


def formatted_outcomes(dataset: "FeedbackDataset", definition: "TrainingTask") -> tuple[list[dict[str, Any]], str]:
    """The same for a formatting function, and what it printed; an item that is no row is a reason, not a failure."""
    given = formatted_records(dataset, definition)
    outcomes = []
    for record_id, items in zip(given.record_ids, given.items, strict=True):
        rows, reason, wrong = [], "" if items else NOTHING_RETURNED, False
        try:
            for text, label in (pair_of(item, record_id) for item in items):
                rows.append({"text": text, "labels": label if isinstance(label, list) else [label]})
        except WrongItem as error:
            reason, wrong = str(error), True
        outcomes.append({"rows": rows, "reason": reason, "wrong": wrong})
    return outcomes, given.stdout
