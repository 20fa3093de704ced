"""Records as samples: the rows that `format_as("datasets")` and a formatting_func get, with Argilla 1.x's keys.

All in Arrow, a batch at a time. Keys, in order: each field; for each question its responses, `-suggestion` and
`-suggestion-metadata`; external_id; metadata (JSON text); vectors (only with vectors settings).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.data.layout import EXTERNAL_ID, FIELD, METADATA, RESPONSES, SUGGESTION, VECTOR

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

BATCH_ROWS = 1024


def as_table(dataset: "FeedbackDataset") -> pa.Table:
    """All samples; the columns of fields and responses are those of the dataset's table, not copies."""
    table = dataset.table
    batches = [_sample_batch(dataset, batch) for batch in table.to_batches()]
    return pa.Table.from_batches(batches, schema=_sample_batch(dataset, _no_rows(table.schema)).schema)


def iterate(dataset: "FeedbackDataset", start: int, stop: int) -> Iterator[dict[str, Any]]:
    """Samples `start` to `stop` (0-based, half open), one dict each, built a batch at a time."""
    for batch in batches(dataset, start, stop):
        yield from batch.to_pylist()


def batches(dataset: "FeedbackDataset", start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """The same as record batches, each row a sample."""
    rows = dataset.table.slice(start, max(0, stop - start))
    for batch in rows.to_batches(max_chunksize=BATCH_ROWS):
        yield _sample_batch(dataset, batch)


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _sample_batch(dataset: "FeedbackDataset", batch: pa.RecordBatch) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {field.name: batch.column(FIELD + field.name) for field in dataset.fields}
    ours: dict[str, pa.Array] = {}
    for question in dataset.questions:
        suggestion = batch.column(SUGGESTION + question.name)
        ours[question.name] = batch.column(RESPONSES + question.name)
        ours[f"{question.name}-suggestion"] = pc.struct_field(suggestion, "value")
        about = {key: pc.struct_field(suggestion, key) for key in ("type", "score", "agent")}
        ours[f"{question.name}-suggestion-metadata"] = pa.StructArray.from_arrays(
            list(about.values()), fields=[pa.field(key, array.type) for key, array in about.items()]
        )
    ours["external_id"] = batch.column(EXTERNAL_ID)
    ours["metadata"] = pc.fill_null(batch.column(METADATA), "{}")
    vectors = {v["name"]: batch.column(VECTOR + v["name"]) for v in dataset.schema.vectors_settings}
    if vectors:
        ours["vectors"] = pa.StructArray.from_arrays(
            list(vectors.values()), fields=[pa.field(name, array.type) for name, array in vectors.items()]
        )
    for name, array in ours.items():
        columns.setdefault(name, array)  # a source column of that name is the user's own data: it is what they see
    return pa.RecordBatch.from_pydict(columns)
