"""Exports of Argilla 1.x: argilla.yaml (argilla.cfg before 1.13) and Parquet files. Older vintages are read too."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.feedback_dataset import DatasetSchema
from engine.data.fields import Field
from engine.data.questions import (
    LabelQuestion,
    MultiLabelQuestion,
    Question,
    RankingQuestion,
    RatingQuestion,
    SpanQuestion,
    TextQuestion,
)
from engine.data.readers.argilla_columns import as_answers, no_responses, response_lists, suggestions
from engine.data.readers.argilla_rows import (
    argilla_reading,
    checked,
    column_or_none,
    json_objects,
    only_known,
    questions_from,
    text_column,
)
from engine.data.readers.reading import Reading
from engine.data.readers.settings_text import in_short, parse_settings
from engine.data.readers.stream import Stream
from engine.errors import UserError

SETTINGS_FILES = ("argilla.yaml", "argilla.cfg")
CLASSES: dict[str, type[Question]] = {
    "text": TextQuestion,
    "label_selection": LabelQuestion,
    "multi_label_selection": MultiLabelQuestion,
    "rating": RatingQuestion,
    "ranking": RankingQuestion,
    "span": SpanQuestion,
}


def v1_schema(text: str, name: str) -> DatasetSchema:
    """Fields, questions and the rest from argilla.yaml or argilla.cfg. Raises UserError when it can't be read."""
    try:
        settings = parse_settings(text)
        if not isinstance(settings, dict) or not settings.get("fields"):
            raise ValueError("it names no fields")
        notes: list[str] = []
        schema = DatasetSchema(
            name=name,
            fields=[Field(**only_known(Field, _field(f))) for f in settings["fields"]],
            questions=questions_from([_question(q) for q in settings.get("questions") or []], CLASSES, notes),
            guidelines=settings.get("guidelines"),
            metadata_properties=settings.get("metadata_properties") or [],
            vectors_settings=settings.get("vectors_settings") or [],
            notes=notes,
        )
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"The settings of the Argilla export can't be read: {in_short(error)}.",
            "Export the dataset from Argilla again.",
        ) from error
    return checked(schema)


def _field(data: dict[str, Any]) -> dict[str, Any]:
    return {"type": (data.get("settings") or {}).get("type", "text")} | data


def _question(data: dict[str, Any]) -> dict[str, Any]:
    """Until 1.12 the type and the options of a question were inside its settings."""
    if data.get("type"):
        return data
    settings = data.get("settings") or {}
    options = settings.get("options") or []
    values = [option["value"] for option in options]
    shown = {option["value"]: option.get("text") or option["value"] for option in options}
    labels = shown if any(key != text for key, text in shown.items()) else values
    kind = settings.get("type")
    found = {"rating": {"values": values}, "ranking": {"values": labels}, "text": {}}.get(kind, {"labels": labels})
    return data | {"type": kind, "visible_labels": settings.get("visible_options")} | found


def read_v1(schema: DatasetSchema, stream: Stream) -> Reading:
    """The records of an export. Columns are found by name; those that older versions did not write may be missing."""

    def answers_of(question: Question, name: str, batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
        texts = text_column(batch, question.field).to_pylist() if isinstance(question, SpanQuestion) else []
        return _responses(question, name, batch, texts), _suggestion(question, name, batch, texts)

    return argilla_reading(schema, stream, answers_of, _metadata, _vector, id_column="external_id")


def _responses(question: Question, name: str, batch: pa.RecordBatch, texts: list[str | None]) -> pa.Array:
    column = column_or_none(batch, name)
    n = len(batch)
    if column is None or column.null_count == n:
        return no_responses(question, n)
    if pa.types.is_list(column.type):
        rows = pc.list_parent_indices(column).to_numpy()
        struct = column.flatten()
        parts = {f.name: pc.struct_field(struct, f.name) for f in struct.type}
    else:  # until about 1.8: one struct of lists instead of a list of structs
        lists = {f.name: pc.struct_field(column, f.name) for f in column.type}
        rows = pc.list_parent_indices(lists["value"]).to_numpy()
        parts = {key: items.flatten() for key, items in lists.items()}
    return response_lists(
        question,
        n,
        rows,
        as_answers(question, parts["value"], question.value_type, _at(texts, rows)),
        parts.get("user_id", pa.nulls(len(rows), pa.string())),
        parts.get("status", pa.nulls(len(rows), pa.string())),
    )


def _at(texts: list[str | None], rows: np.ndarray) -> list[str | None]:
    return [texts[row] for row in rows] if texts else []


def _suggestion(question: Question, name: str, batch: pa.RecordBatch, texts: list[str | None]) -> pa.Array:
    n = len(batch)
    value = column_or_none(batch, f"{name}-suggestion")
    about = column_or_none(batch, f"{name}-suggestion-metadata")
    known = [f.name for f in about.type] if about is not None and pa.types.is_struct(about.type) else []
    parts = {key: pc.struct_field(about, key) if key in known else pa.nulls(n) for key in ("type", "score", "agent")}
    kind = question.suggestion_value_type
    values = pa.nulls(n, kind) if value is None else as_answers(question, value, kind, texts)
    return suggestions(question, values, parts["type"], parts["score"], parts["agent"])


def _metadata(batch: pa.RecordBatch) -> pa.Array:
    column = column_or_none(batch, "metadata")
    if column is None or pa.types.is_string(column.type):
        text = text_column(batch, "metadata")
        return pc.if_else(pc.equal(text, "{}"), pa.scalar(None, pa.string()), text)
    return json_objects(column.to_pylist())


def _vector(name: str, batch: pa.RecordBatch) -> pa.Array:
    column = column_or_none(batch, "vectors")
    if column is None or not pa.types.is_struct(column.type) or column.type.get_field_index(name) < 0:
        return pa.nulls(len(batch), pa.list_(pa.float32()))
    return pc.struct_field(column, name)
