"""Questions derived from a field: how a plain column ("category", "labels") becomes something annotators answered."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from engine.data.questions import AnyQuestion, response_type
from engine.errors import UserError

EXACT = 2.0**53  # beyond it a float is no certain whole number


class DerivedQuestion(BaseModel):
    """A question whose one response per record is the value of `field`; `separator` splits joined labels."""

    model_config = ConfigDict(extra="forbid")

    field: str
    question: AnyQuestion
    separator: str | None = None


def responses_from_field(column: pa.ChunkedArray, derived: DerivedQuestion) -> pa.ChunkedArray:
    """The field's values as responses of one anonymous annotator; an empty or missing value is no response."""
    question = derived.question
    values = _values(column, derived)
    answered = values.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(answered)]).astype(np.int32)
    given = values.drop_null()
    struct = pa.StructArray.from_arrays(
        [pa.nulls(len(given), pa.string()), given, pa.repeat(pa.scalar("submitted"), len(given))],
        fields=list(response_type(question).value_type),
    )
    return pa.chunked_array([pa.ListArray.from_arrays(pa.array(offsets), struct, type=response_type(question))])


def _values(column: pa.ChunkedArray, derived: DerivedQuestion) -> pa.Array:
    question = derived.question
    array = column.combine_chunks()
    if question.is_multi_label:
        return split_labels(array, derived.separator)
    text = clean_text(array)
    try:
        return text.cast(question.value_type)
    except pa.ArrowInvalid as error:
        raise UserError(
            f"Column {derived.field!r} can't be read as {question.type.replace('_', ' ')}: {error}.",
            "Choose another column, or another kind of label for this one.",
        ) from error


def split_labels(array: pa.Array, separator: str | None) -> pa.Array:
    """list<string> of labels per record. A list stays as it is; text is split at `separator` and trimmed.

    A missing value is null (not annotated); an empty list is an annotated record without labels.
    """
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _without_nulls(array.cast(pa.list_(pa.string())))
    text = clean_text(array)
    if separator:  # "a, ,b," holds two labels
        text = pc.replace_substring_regex(text, rf"(\s*{re.escape(separator)}\s*)+", separator)
        text = clean_text(pc.utf8_trim(text, separator))
    parts = pc.split_pattern(text, separator or "\0")
    flat = pc.utf8_trim_whitespace(parts.flatten())
    return pa.ListArray.from_arrays(parts.offsets, flat, mask=parts.is_null())


def _without_nulls(lists: pa.Array) -> pa.Array:
    """The lists without their missing entries: they are no labels."""
    flat = lists.flatten()
    if not flat.null_count:
        return lists
    rows = pc.list_parent_indices(lists).to_numpy()[flat.is_valid().to_numpy(zero_copy_only=False)]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(lists)))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat.drop_null(), mask=lists.is_null())


def clean_text(array: pa.Array) -> pa.Array:
    """Values as trimmed text, where empty text is missing. Whole floats read as integers ("3.0" → "3")."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        whole = pc.all(pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), EXACT))).as_py()
        array = array.cast(pa.int64()) if whole else array
    text = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def classes_in(array: pa.Array, separator: str | None = None, *, multi: bool = False) -> list[str]:
    """Distinct labels of a column, numbers by value and words by alphabet."""
    labels: list[Any] = (split_labels(array, separator).flatten() if multi else clean_text(array)).unique().to_pylist()
    present = [label for label in labels if label]
    try:
        return sorted(present, key=float)
    except ValueError:
        return sorted(present)
