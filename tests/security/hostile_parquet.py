"""Strategies that write hostile Parquet files: odd types, metadata that lies, damage, bytes that unfold to much."""

import io
import json
import struct
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.security.hostile_text import HostileFile, damaged, file_names, odd_name, odd_text, rarely

_LEAF_TYPES = (
    *(pa.string(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary(3), pa.null(), pa.bool_()),
    *(pa.int8(), pa.uint64(), pa.int64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(20, 4)),
    *(pa.decimal256(60, 2), pa.date32(), pa.date64(), pa.time32("s"), pa.time64("ns"), pa.timestamp("us",
    "Asia/Tokyo")),
    *(pa.timestamp("ns"), pa.duration("ms"), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(),
    pa.int64())),
    *(pa.uuid(), pa.json_(pa.string()), pa.bool8()),
)  # fmt: skip
_types = st.recursive(
    st.sampled_from(_LEAF_TYPES),
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(pa.large_list),
        inner.map(lambda kind: pa.list_(kind, 2)),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
        st.lists(st.tuples(odd_name, inner), max_size=3).map(pa.struct),
    ),
    max_leaves=4,
)


def _value(draw: st.DrawFn, kind: pa.DataType) -> Any:
    """One Python value of an Arrow type, or None."""
    if draw(st.integers(0, 6)) == 0:
        return None
    if isinstance(kind, pa.BaseExtensionType):
        return _value(draw, kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _value(draw, kind.value_type)
    if pa.types.is_map(kind):
        return [(draw(odd_text), _value(draw, kind.item_type))]
    if pa.types.is_fixed_size_list(kind):
        return [_value(draw, kind.value_type) for _ in range(kind.list_size)]
    if pa.types.is_nested(kind) and not pa.types.is_struct(kind):
        return [_value(draw, kind.value_type) for _ in range(draw(st.integers(0, 2)))]
    if pa.types.is_struct(kind):
        return {inner.name: _value(draw, inner.type) for inner in kind}
    if pa.types.is_fixed_size_binary(kind):
        return draw(st.binary(min_size=kind.byte_width, max_size=kind.byte_width))
    return draw(odd_text)


def _array(draw: st.DrawFn, kind: pa.DataType, rows: int) -> pa.Array:
    """Values of the type: texts as they are where it takes them, else small numbers, else nothing."""
    numbers = [draw(st.sampled_from([0, 1, 100])) for _ in range(rows)]
    for make in (
        lambda: pa.array([_value(draw, kind) for _ in range(rows)], kind),
        lambda: pa.array(numbers, pa.int64()).cast(kind),
        lambda: pa.array(numbers, pa.int32()).cast(kind),
    ):
        try:
            return make()
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
    return pa.nulls(rows, kind)


@st.composite
def parquet_files(draw: st.DrawFn) -> HostileFile:
    """Real Parquet files of odd types, with hostile metadata, then damaged; and short ones that unfold to gigabytes."""
    if rarely(draw):
        content = draw(st.sampled_from(sorted(BOMBS)).map(lambda name: BOMBS[name]()))
        return HostileFile("bomb.parquet", content)
    kinds = draw(st.lists(_types, min_size=draw(st.sampled_from([0, 1, 1, 1])), max_size=4))
    rows = draw(st.sampled_from([0, 1, 2, 3, 3]))
    names = [draw(odd_name) for _ in kinds]
    arrays = [_array(draw, kind, rows) for kind in kinds]
    table = pa.Table.from_arrays(arrays, names=names) if arrays else pa.table({})
    if draw(st.integers(0, 3)) == 0:
        table = table.replace_schema_metadata({"huggingface": draw(st.sampled_from(_FEATURES))})
    if rows and arrays and draw(st.integers(0, 5)) == 0:
        table = pa.concat_tables([table] * draw(st.sampled_from([10, 1000])))
    content = written(table, compression=draw(st.sampled_from(["snappy", "zstd", "gzip", "none", "lz4", "brotli"])))
    return HostileFile(draw(file_names(".parquet", ".csv")), draw(damaged(content, likely=1)))


def written(table: pa.Table, **options: Any) -> bytes:
    """A table as Parquet; a table that Parquet has no types for as one without columns."""
    sink = io.BytesIO()
    try:
        pq.write_table(table, sink, **options)
    except (pa.ArrowException, UnicodeError):
        sink = io.BytesIO()
        pq.write_table(pa.table({"text": ["a"]}), sink)
    return sink.getvalue()


_FEATURES = (
    *("null", "[]", "{", '{"info": []}', '{"info": {"features": 5}}', "[" * 100_000),
    *(json.dumps({"info": {"features": {"text": feature, "label": feature, "1": feature}}}) for feature in (
        None, [], [[]], {"_type": "ClassLabel"}, {"_type": "ClassLabel", "names": 5}, {"_type": "ClassLabel",
        "names": []},
        {"_type": "ClassLabel", "names": [None, {}, 3]}, {"_type": "ClassLabel", "names": ["a", "a", "x" * 100_000]},
        [{"_type": "ClassLabel", "names": ["a"]}], {"_type": "List", "feature": {"_type": "ClassLabel",
        "names": ["a", "b"]}},
    )),
)  # fmt: skip


def deep_schema(levels: int) -> bytes:
    """A Parquet footer whose schema nests this deep, written by hand: Arrow would not."""

    def number(n: int) -> bytes:
        return bytes([n & 127 | 128]) + number(n >> 7) if n > 127 else bytes([n])

    group = b"\x35\x02\x18\x01a\x15\x02\x00"  # repetition optional, name "a", one child
    leaf = b"\x15\x02\x25\x02\x18\x01x\x00"  # type int32, repetition optional, name "x"
    schema = b"\x19\xfc" + number(levels + 1) + group * levels + leaf
    footer = b"\x15\x02" + schema + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


BOMBS = {
    "one long text in every row": lambda: written(pa.table({"text": pa.array(["x" * 1_000_000] * 400)})),
    "not as a dictionary": lambda: written(pa.table({"text": ["x" * 1_000_000] * 400}), use_dictionary=False,
    compression="zstd"),
    "prefixes": lambda: written(
        pa.table({"text": ["x" * 1_000_000] * 400}), use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}
    ),
    "lists": lambda: written(pa.table({"t": pa.array([["x" * 100_000] * 50] * 200)})),
    "a row of millions": lambda: written(pa.table({"t": pa.array([[1] * 3_000_000, []])})),
    "many rows": lambda: written(pa.table({"a": pa.nulls(20_000_000, pa.int8())})),
    "a thousand columns": lambda: written(pa.table({f"c{i}": ["a", None] for i in range(1500)})),
    "deep": lambda: deep_schema(200_000),
    "long metadata": lambda: written(pa.table({"a": [1]}).replace_schema_metadata({"k": "v" * 20_000_000})),
}  # fmt: skip
