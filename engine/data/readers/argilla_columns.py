"""Answers and suggestions as Argilla exports them → columns of our layout. Shared by the readers of 1.x and 2.x."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.questions import RANKING, Question, response_type, suggestion_type
from engine.data.readers.settings_text import in_short
from engine.errors import UserError

STATUSES = ("submitted", "draft", "discarded")


def response_lists(
    question: Question, n: int, rows: np.ndarray, values: pa.Array, users: pa.Array, statuses: pa.Array
) -> pa.Array:
    """The responses column of `n` records from flat answers; `rows` is each one's record, ascending.

    An answer without a value is left out; one without a status was submitted; one with a status that Argilla does
    not know counts as a draft, so that it is never trained on.
    """
    given = values.is_valid().to_numpy(zero_copy_only=False)
    values, users, statuses = (array.filter(pa.array(given)) for array in (values, users, statuses))
    statuses = pc.fill_null(statuses.cast(pa.string()), "submitted")
    statuses = pc.if_else(pc.is_in(statuses, pa.array(STATUSES, pa.string())), statuses, "draft")
    struct = pa.StructArray.from_arrays(
        [users.cast(pa.string()), values, statuses], fields=list(response_type(question).value_type)
    )
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows[given], minlength=n))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), struct, type=response_type(question))


def no_responses(question: Question, n: int) -> pa.Array:
    return pa.array([[]] * n, response_type(question))


def suggestions(question: Question, values: pa.Array, kind: pa.Array, score: pa.Array, agent: pa.Array) -> pa.Array:
    """The suggestion column; null where there is no suggested value."""
    struct = pa.StructArray.from_arrays(
        [values, kind.cast(pa.string()), _scores(question, score, values), agent.cast(pa.string())],
        fields=list(suggestion_type(question)),
        mask=values.is_null(),
    )
    return struct


def _scores(question: Question, score: pa.Array, values: pa.Array) -> pa.Array:
    is_list = pa.types.is_list(score.type)
    if not question.score_is_list:
        return (pc.list_element(_padded(score), 0) if is_list else score).cast(pa.float32())
    if is_list:
        return score.cast(pa.list_(pa.float32()))
    lengths = pc.fill_null(pc.list_value_length(_one_list(values)), 0)
    scores = [
        None if s is None else [float(s)] * n for s, n in zip(score.to_pylist(), lengths.to_pylist(), strict=True)
    ]
    return pa.array(scores, pa.list_(pa.float32()))


def _padded(lists: pa.Array) -> pa.Array:
    """Lists of which none is empty, so that each has a first element."""
    return pa.array([items or [None] for items in lists.to_pylist()], lists.type)


def _one_list(values: pa.Array) -> pa.Array:
    return pc.struct_field(values, values.type.field(0).name) if pa.types.is_struct(values.type) else values


def as_answers(question: Question, values: pa.Array, kind: pa.DataType, texts: list[str | None]) -> pa.Array:
    """Answer values of any export as `kind`, the question's own type. `texts`: each one's source text, for spans.

    Rankings may be {"rank": […], "value": […]}, a list of {"rank", "value"}, or just the values from first to last.
    """
    if pa.types.is_null(values.type) or values.null_count == len(values):
        return pa.nulls(len(values), kind)
    try:
        return _converted(values, kind, texts)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, AttributeError, LookupError) as error:
        raise UserError(
            f"The answers to the question {question.name!r} can't be read as {question.type.replace('_', ' ')}: "
            f"{in_short(error)}.",
            "Export the dataset from Argilla again.",
        ) from error


def _converted(values: pa.Array, kind: pa.DataType, texts: list[str | None]) -> pa.Array:
    if not pa.types.is_struct(kind):
        return values.cast(kind)
    if kind == RANKING and pa.types.is_list(values.type) and not pa.types.is_struct(values.type.value_type):
        values = _ranked(values)
    lists = _struct_of_lists(values)
    if "text" in [f.name for f in kind] and "text" not in lists:
        lists["text"] = _cut(lists, texts)
    arrays = [lists[f.name].cast(f.type) if f.name in lists else pa.array([None] * len(values), f.type) for f in kind]
    return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=values.is_null())


def _ranked(values: pa.Array) -> pa.Array:
    ranked = [
        None if items is None else [{"rank": rank, "value": item} for rank, item in enumerate(items, 1)]
        for items in values.to_pylist()
    ]
    return pa.array(ranked, pa.list_(pa.struct({"rank": pa.uint8(), "value": pa.string()})))


def _struct_of_lists(values: pa.Array) -> dict[str, pa.Array]:
    if pa.types.is_struct(values.type):
        return {f.name: pc.struct_field(values, f.name) for f in values.type}
    inner = values.flatten()
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return {f.name: pa.ListArray.from_arrays(offsets, pc.struct_field(inner, f.name)) for f in inner.type}


def _cut(lists: dict[str, pa.Array], texts: list[str | None]) -> pa.Array:
    spans: Any = zip(lists["start"].to_pylist(), lists["end"].to_pylist(), texts, strict=True)
    cut = [[(text or "")[s:e] for s, e in zip(starts or [], ends or [], strict=True)] for starts, ends, text in spans]
    return pa.array(cut, pa.list_(pa.string()))
