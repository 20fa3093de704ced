"""What every file format is read into: named columns, a batch at a time. Knows no dataset, no question.

A reader gives a `Stream`; reading.py and the Argilla readers turn it into a dataset's rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from engine.errors import UserError

BATCH_ROWS = 10_000
BATCH_BYTES = 16 * 1024**2  # a batch ends here too, so that huge cells do not pile up
MAX_COLUMNS = 1000
MAX_ROWS = 10_000_000  # the profile and the guesses hold some bytes of every row
LONGEST_NAME = 200

OpenBatches = Callable[[], Iterator[pa.RecordBatch]]


@dataclass
class Stream:
    """Columns of a source. `open` starts reading from the first row, and may be called again.

    `rows` is the number of rows where it is known before reading. `detected` is what was recognised (format,
    encoding, delimiter, header); `notes` are sentences for the owner. `counts` are filled while reading:
    a sentence with {n} → how many cells it is about.
    """

    schema: pa.Schema
    open: OpenBatches
    rows: int | None = None
    detected: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, sentence: str, n: int) -> None:
        if n:
            self.counts[sentence] = self.counts.get(sentence, 0) + n

    def all_notes(self) -> list[str]:
        """Everything noticed; complete only after the last batch."""
        return [*self.notes, *(sentence.format(n=f"{n:,}") for sentence, n in self.counts.items())]


def check_columns(n: int) -> None:
    """Raises UserError for more columns than can be read."""
    if n > MAX_COLUMNS:
        raise UserError(
            f"The data has {n:,} columns; at most {MAX_COLUMNS:,} can be read.",
            "Keep the columns with the texts and the labels, and load it again.",
        )


def check_rows(n: int) -> None:
    """Raises UserError for more rows than can be read."""
    if n > MAX_ROWS:
        raise UserError(
            f"The data has more than {MAX_ROWS:,} rows, which is the most that can be read.",
            "Load a part of it: a model learns little from the rest.",
        )


def checked_names(names: list[str], notes: list[str]) -> list[str]:
    """Column names that are distinct, not empty and not too long to show; every change is a note.

    Raises UserError for too many columns.
    """
    check_columns(len(names))
    given = [_shortened(name.strip(), number, notes) for number, name in enumerate(names, 1)]
    taken, result, again = set(given), set(), Counter()
    for number, name in enumerate(given, 1):
        wanted = name or f"column_{number}"
        if not name:
            notes.append(f"Column {number} has no name; it is called “{wanted}” here.")
        free = wanted
        while free in result or (free != name and free in taken):
            again[wanted] += 1
            free = f"{wanted}_{again[wanted] + 1}"
        if free != wanted:
            notes.append(f"The name “{wanted}” stands more than once; column {number} is called “{free}” here.")
        result.add(free)
        given[number - 1] = free
    return given


def _shortened(name: str, number: int, notes: list[str]) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    notes.append(f"The name of column {number} has {len(name):,} characters; only the first {LONGEST_NAME} are kept.")
    return name[:LONGEST_NAME]


def concatenated(streams: list[Stream]) -> Stream:
    """The rows of several files (shards of one split), in order. A column that one lacks is missing there."""
    if len(streams) == 1:
        return streams[0]
    schema = streams[0].schema
    for stream in streams[1:]:
        schema = _common(schema, stream.schema)
        check_columns(len(schema))

    def batches() -> Iterator[pa.RecordBatch]:
        for stream in streams:
            for batch in stream.open():
                yield in_schema(batch, schema)

    joined = Stream(schema, batches, None, dict(streams[0].detected))
    joined.notes = list(dict.fromkeys(note for stream in streams for note in stream.notes))
    counts = [stream.rows for stream in streams]
    joined.rows = None if None in counts else sum(counts)
    joined.counts = _SharedCounts(streams)
    return joined


class _SharedCounts(dict):
    """The counts of several streams, added up when they are asked for."""

    def __init__(self, streams: list[Stream]) -> None:
        super().__init__()
        self._streams = streams

    def items(self) -> Any:
        total: dict[str, int] = {}
        for stream in self._streams:
            for sentence, n in stream.counts.items():
                total[sentence] = total.get(sentence, 0) + n
        return total.items()


def _common(one: pa.Schema, other: pa.Schema) -> pa.Schema:
    """The columns of both; where their types do not agree, text."""
    fields = {f.name: f for f in one}
    for f in other:
        if f.name not in fields:
            fields[f.name] = f
        elif fields[f.name].type != f.type:
            try:
                kind = (
                    pa.unify_schemas(
                        [pa.schema([(f.name, fields[f.name].type)]), pa.schema([(f.name, f.type)])],
                        promote_options="permissive",
                    )
                    .field(0)
                    .type
                )
            except (pa.ArrowTypeError, pa.ArrowInvalid):
                kind = pa.string()
            fields[f.name] = pa.field(f.name, kind, metadata=fields[f.name].metadata)
    return pa.schema(list(fields.values()))


def in_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows with exactly these columns, cast; absent ones are null. Nested values become text as JSON."""
    columns = []
    for f in schema:
        position = batch.schema.get_field_index(f.name)
        if position < 0:
            columns.append(pa.nulls(len(batch), f.type))
        else:
            columns.append(as_type(batch.column(position), f.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_type(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    if pa.types.is_string(kind) and pa.types.is_nested(array.type):
        import orjson

        texts = [None if v is None else orjson.dumps(v, default=str).decode() for v in array.to_pylist()]
        return pa.array(texts, kind)
    return array.cast(kind)
