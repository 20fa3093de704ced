"""Arrow columns of any origin → the few types the rest of the product handles. Used by the Parquet and table readers.

Strings, lists, numbers and structs stay what they are; class numbers with names (`ClassLabel`) become their names.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.readers.stream import LONGEST_NAME, Stream, checked_names
from engine.data.roles import CLASSES

NAN_NOTE = "{n} cells that are not a number (NaN) are read as missing."


class Columns:
    """How the columns of one Arrow schema are read: which are kept, under what name and type."""

    def __init__(self, schema: pa.Schema, notes: list[str]) -> None:
        features = _features(schema)
        names = checked_names(schema.names, notes)
        self._kept: list[tuple[int, Any]] = []
        fields = []
        for position, (field, name) in enumerate(zip(schema, names, strict=True)):
            feature = features.get(field.name)
            kind = plain_type(field.type)
            if kind is None:
                notes.append(
                    f"Column “{name}” holds {str(field.type):.60}, which is not text or a label; it is left out."
                )
                continue
            classes = _class_names(feature)
            if classes is not None:
                kind = pa.string() if not pa.types.is_list(kind) else pa.list_(pa.string())
            metadata = {CLASSES: json.dumps([c for c in classes if c is not None])} if classes is not None else None
            fields.append(pa.field(name, kind, metadata=metadata))
            self._kept.append((position, classes))
        self.schema = pa.schema(fields)

    def convert(self, batch: pa.RecordBatch, stream: Stream) -> pa.RecordBatch:
        columns = []
        for (position, classes), field in zip(self._kept, self.schema, strict=True):
            array = batch.column(position)
            array = _named(_plain(array), classes) if classes is not None else _plain(array).cast(field.type)
            columns.append(_without_nan(array, stream))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The type a column of `kind` is kept as, or None when it can't be shown or learnt from (images, audio, maps)."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_null(kind):
        return pa.string()
    if _is_list(kind):
        inner = plain_type(kind.value_type)
        return None if inner is None else pa.list_(inner)
    if pa.types.is_struct(kind):
        inner = {f.name: plain_type(f.type) for f in kind if len(f.name) <= LONGEST_NAME}
        whole = 0 < len(inner) == kind.num_fields and None not in inner.values()  # a name may stand twice
        return pa.struct(inner) if whole else None
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind):
        return kind
    return None


def _is_list(kind: pa.DataType) -> bool:
    return any(
        check(kind)
        for check in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    )


def _plain(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _without_nan(array: pa.Array, stream: Stream) -> pa.Array:
    if not pa.types.is_floating(array.type):
        return array
    nan = pc.fill_null(pc.is_nan(array), False)
    n = pc.sum(nan).as_py() or 0
    stream.count(NAN_NOTE, n)
    return pc.if_else(nan, pa.scalar(None, array.type), array) if n else array


def _features(schema: pa.Schema) -> dict[str, Any]:
    """The `datasets` features that Parquet files of the Hub carry in their schema's metadata."""
    try:
        info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):  # other tools may write anything under that key
        return {}
    for key in ("info", "features"):
        info = info.get(key) if isinstance(info, dict) else None
    return info if isinstance(info, dict) else {}


def _class_names(feature: Any) -> list[str | None] | None:
    """Names by class number of a ClassLabel, or of a list of them; None for anything else. A name may be None."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    elif isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList"):
        feature = feature.get("feature")
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    known = isinstance(names, list) and all(name is None or isinstance(name, str) for name in names)
    return names if known else None


def _named(array: pa.Array, names: list[str | None]) -> pa.Array:
    if _is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
        inner = _named(array.flatten(), names)
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        return pa.ListArray.from_arrays(offsets, inner, mask=array.is_null())
    if not pa.types.is_integer(array.type):
        return array.cast(pa.string())
    numbers = pc.if_else(pc.less(array, 0), pa.scalar(None, array.type), array)  # -1 is datasets' "no label"
    beyond = pc.if_else(pc.greater_equal(numbers, len(names)), pa.scalar(None, array.type), numbers)
    return pc.take(pa.array(names, pa.string()), beyond)
