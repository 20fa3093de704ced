"""Exports of Argilla 2.x: .argilla/settings.json beside Parquet files (`to_hub`) or records.json (`to_disk`).

Columns of questions are found as <known question> + suffix, never by splitting at dots: names may hold dots.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.feedback_dataset import DatasetSchema
from engine.data.fields import Field
from engine.data.questions import Question, SpanQuestion
from engine.data.readers.argilla_columns import as_answers, no_responses, response_lists, suggestions
from engine.data.readers.argilla_rows import (
    argilla_reading,
    checked,
    column_or_none,
    fitting,
    json_objects,
    only_known,
    questions_from,
    text_column,
)
from engine.data.readers.argilla_v1 import CLASSES
from engine.data.readers.reading import Reading
from engine.data.readers.settings_text import in_short, parse_settings
from engine.data.readers.stream import Stream
from engine.errors import UserError

SETTINGS_FILE = ".argilla/settings.json"
RECORDS_FILE = "records.json"
OURS = ("id", "status", "_server_id")
QUESTION_SUFFIXES = (
    ".responses",
    ".responses.users",
    ".responses.status",
    ".suggestion",
    ".suggestion.score",
    ".suggestion.agent",
)


def v2_schema(text: str, name: str) -> DatasetSchema:
    """Fields, questions and the rest from settings.json. Raises UserError when it can't be read."""
    try:
        settings = parse_settings(text)
        notes: list[str] = []
        schema = DatasetSchema(
            name=name,
            fields=[_field(f) for f in settings["fields"]],
            questions=questions_from([_question(q) for q in settings["questions"]], CLASSES, notes),
            guidelines=settings.get("guidelines"),
            metadata_properties=[_property(m) for m in settings.get("metadata") or []],
            vectors_settings=[
                {k: v.get(k) for k in ("name", "title", "dimensions")} for v in settings.get("vectors") or []
            ],
            notes=notes,
        )
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"The settings of the Argilla export (.argilla/settings.json) can't be read: {in_short(error)}.",
            "Export the dataset from Argilla again.",
        ) from error
    return checked(schema)


def _field(data: dict[str, Any]) -> Field:
    settings = data.get("settings") or {}
    kind = data.get("type") or settings.get("type", "text")
    return Field(**only_known(Field, data | {"type": kind, "use_markdown": settings.get("use_markdown", False)}))


def _question(data: dict[str, Any]) -> dict[str, Any]:
    settings = data.get("settings") or {}
    kind = data.get("type") or settings.get("type")
    options = settings.get("options") or []
    values = [option["value"] for option in options]
    shown = {option["value"]: option.get("text") or option["value"] for option in options}
    labels: Any = shown if any(key != text for key, text in shown.items()) else values
    extra = {
        "text": {"use_markdown": settings.get("use_markdown", False)},
        "rating": {"values": values},
        "ranking": {"values": labels},
        "span": {
            "field": settings.get("field"),
            "labels": [{"value": key, "text": text} for key, text in shown.items()],
            "allow_overlapping": settings.get("allow_overlapping", False),
        },
    }.get(kind, {"labels": labels})
    if settings.get("options_order"):
        extra["labels_order"] = settings["options_order"]
    return data | {"type": kind, "visible_labels": settings.get("visible_options")} | extra


def _property(data: dict[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in (data.get("settings") or {}).items() if k != "visible_for_annotators"}
    return {
        "name": data["name"],
        "title": data.get("title"),
        "visible_for_annotators": data.get("visible_for_annotators", True),
    } | settings


def read_v2(schema: DatasetSchema, stream: Stream) -> Reading:
    """The records of an export. A question without a column was answered by no one."""
    source_names = [question.name for question in schema.questions]
    metadata_columns = _metadata_columns(schema, stream.schema, source_names)

    def answers_of(question: Question, name: str, batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
        texts = text_column(batch, question.field).to_pylist() if isinstance(question, SpanQuestion) else []
        return _responses(question, name, batch, texts), _suggestion(question, name, batch, texts)

    def vectors_of(name: str, batch: pa.RecordBatch) -> pa.Array:
        kind = pa.list_(pa.float32())
        plain = column_or_none(batch, name)
        return plain if plain is not None else column_or_none(batch, f"vector.{name}", kind)

    return argilla_reading(schema, stream, answers_of, _metadata_reader(metadata_columns), vectors_of, id_column="id")


def _metadata_columns(schema: DatasetSchema, columns: pa.Schema, questions: list[str]) -> dict[str, str]:
    """Column → metadata name: what is no field, question, vector or record key (extra metadata has no settings)."""
    vectors = [v["name"] for v in schema.vectors_settings]
    taken = {f.name for f in schema.fields} | set(OURS) | set(vectors) | {f"vector.{name}" for name in vectors}
    taken |= {question + suffix for question in questions for suffix in QUESTION_SUFFIXES}
    return {name: name.removeprefix("metadata.") for name in columns.names if name not in taken}


def _metadata_reader(columns: dict[str, str]) -> Callable[[pa.RecordBatch], pa.Array]:
    def metadata_of(batch: pa.RecordBatch) -> pa.Array:
        values = {name: batch.column(batch.schema.get_field_index(column)) for column, name in columns.items()}
        if not values:
            return pa.nulls(len(batch), pa.string())
        return json_objects(pa.RecordBatch.from_pydict(values).to_pylist())

    return metadata_of


def _responses(question: Question, name: str, batch: pa.RecordBatch, texts: list[str | None]) -> pa.Array:
    column = column_or_none(batch, f"{name}.responses")
    n = len(batch)
    if column is None or column.null_count == n:
        return no_responses(question, n)
    rows = pc.list_parent_indices(column).to_numpy()
    flat_texts = [texts[row] for row in rows] if texts else []
    return response_lists(
        question,
        n,
        rows,
        as_answers(question, column.flatten(), question.value_type, flat_texts),
        _beside(column, column_or_none(batch, f"{name}.responses.users")),
        _beside(column, column_or_none(batch, f"{name}.responses.status")),
    )


def _beside(responses: pa.Array, other: pa.Array | None) -> pa.Array:
    """The flat entries of a list column that stands beside the responses; nulls where a record's are not as many."""
    lengths = pc.fill_null(pc.list_value_length(responses), 0).to_numpy(zero_copy_only=False)
    if other is None or not pa.types.is_list(other.type):
        return pa.nulls(int(lengths.sum()), pa.string())
    if np.array_equal(pc.fill_null(pc.list_value_length(other), 0).to_numpy(zero_copy_only=False), lengths):
        return other.flatten()
    entries = zip(other.to_pylist(), lengths, strict=True)
    return pa.array(
        [x for items, n in entries for x in (items if items and len(items) == n else [None] * n)], pa.string()
    )


def _suggestion(question: Question, name: str, batch: pa.RecordBatch, texts: list[str | None]) -> pa.Array:
    n = len(batch)
    value = column_or_none(batch, f"{name}.suggestion")
    kind = question.suggestion_value_type
    values = pa.nulls(n, kind) if value is None else as_answers(question, value, kind, texts)
    score = column_or_none(batch, f"{name}.suggestion.score")
    agent = column_or_none(batch, f"{name}.suggestion.agent", pa.string())
    return suggestions(question, values, pa.nulls(n, pa.string()), pa.nulls(n) if score is None else score, agent)


def flat_record(record: dict[str, Any]) -> dict[str, Any]:
    """A record of records.json with the column names of the Parquet export. Raises UserError when it is none."""
    with fitting():
        return _flat(record)


def has_statuses(record: dict[str, Any]) -> bool:
    """Whether every answer of a record says its status."""
    return all("status" in answer for given in (record.get("responses") or {}).values() for answer in given)


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": record.get("id")} | (record.get("fields") or {})
    row |= {f"metadata.{key}": value for key, value in (record.get("metadata") or {}).items()}
    row |= {f"vector.{key}": value for key, value in (record.get("vectors") or {}).items()}
    for question, answers in (record.get("responses") or {}).items():
        row[f"{question}.responses"] = [answer.get("value") for answer in answers]
        row[f"{question}.responses.users"] = [answer.get("user_id") for answer in answers]
        row[f"{question}.responses.status"] = [answer.get("status") for answer in answers]
    for question, suggestion in (record.get("suggestions") or {}).items():
        row |= {f"{question}.suggestion": suggestion.get("value")}
        row |= {f"{question}.suggestion.{key}": suggestion.get(key) for key in ("score", "agent")}
    return row
