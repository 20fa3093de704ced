"""What the readers of Argilla 1.x and 2.x exports share: settings made ours, record ids, and a batch put together."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from engine.data.feedback_dataset import DatasetSchema
from engine.data.fields import Field
from engine.data.layout import EXTERNAL_ID, FIELD, METADATA, RECORD_ID, RESPONSES, SUGGESTION, VECTOR, schema_of
from engine.data.questions import Question, question_from_dict
from engine.data.readers.reading import Reading
from engine.data.readers.settings_text import in_short
from engine.data.readers.stream import LONGEST_NAME, Stream, check_columns
from engine.errors import UserError

# what a reader of one vintage does for a question and a batch: (responses, suggestion) in our types
AnswersOf = Callable[[Question, str, pa.RecordBatch], tuple[pa.Array, pa.Array]]


def only_known(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """The keys that our class has: exports of other versions carry ids, settings and more."""
    return {key: value for key, value in data.items() if key in model.model_fields}


def questions_from(
    dicts: Iterable[dict[str, Any]], classes: dict[str, type[Question]], notes: list[str]
) -> list[Question]:
    """Questions from settings as each class takes them; a type that is not known is left out with a note."""
    questions = []
    for data in dicts:
        kind = classes.get(data.get("type", ""))
        if kind is None:
            name, unknown = (str(data.get(key))[:60] for key in ("name", "type"))
            notes.append(f"The question “{name}” is of the type {unknown!r} and is left out.")
            continue
        try:
            questions.append(question_from_dict(only_known(kind, data)))
        except ValidationError as error:
            raise UserError(
                f"The export's question {str(data.get('name'))[:60]!r} can't be read: {error.errors()[0]['msg']:.200}.",
                "Export the dataset from Argilla again.",
            ) from error
    return questions


def checked(schema: DatasetSchema) -> DatasetSchema:
    """The schema. Raises UserError when a name in it is missing, far too long, or stands twice."""
    for kind, names in {
        "field": [field.name for field in schema.fields],
        "question": [question.name for question in schema.questions],
        "vector": [vector.get("name") for vector in schema.vectors_settings],
    }.items():
        for name in names:
            if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or names.count(name) > 1:
                raise UserError(
                    f"The export has a {kind} called {str(name)[:60]!r}; each needs a name of its own, "
                    f"of at most {LONGEST_NAME} characters.",
                    "Export the dataset from Argilla again.",
                )
        check_columns(len(names))
    return schema


@contextmanager
def fitting() -> Iterator[None]:
    """Records that are not as their settings say, in whatever way that shows, as a sentence."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except (pa.ArrowException, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise UserError(
            f"The records of the export do not fit its settings: {in_short(error)}.",
            "Export the dataset from Argilla again.",
        ) from error


def distinct_names(schema: DatasetSchema) -> dict[str, str]:
    """Renames a question that is called like a field, with a note. Gives question's name → its name in the export."""
    names = {question.name: question.name for question in schema.questions}
    taken = {field.name for field in schema.fields}
    for question in schema.questions:
        if question.name not in taken:
            continue
        new = f"{question.name}_question"
        while new in taken or new in names:
            new += "_"
        schema.notes.append(f"A field is called “{question.name}” too; the question is called “{new}” here.")
        names[new] = names.pop(question.name)
        question.name = new
    return names


def argilla_reading(
    schema: DatasetSchema,
    stream: Stream,
    answers_of: AnswersOf,
    metadata_of: Callable[[pa.RecordBatch], pa.Array],
    vectors_of: Callable[[str, pa.RecordBatch], pa.Array],
    id_column: str,
) -> Reading:
    """The rows of an export in our layout."""
    source_names = distinct_names(schema)
    kinds = {f.name: _kind_of(f, stream.schema, schema.notes) for f in schema.fields}
    vectors = [v["name"] for v in schema.vectors_settings]
    arrow_schema = schema_of(kinds, schema.questions, vectors)

    def batches() -> Iterator[pa.RecordBatch]:
        ids = RecordIds()
        for batch in stream.open():
            with fitting():
                converted = in_our_layout(batch, ids)
            yield converted

    def in_our_layout(batch: pa.RecordBatch, ids: RecordIds) -> pa.RecordBatch:
        external = text_column(batch, id_column)
        columns = {RECORD_ID: ids.after(external), EXTERNAL_ID: external, METADATA: metadata_of(batch)}
        for name, kind in kinds.items():
            columns[FIELD + name] = column_or_none(batch, name, kind)
        for question in schema.questions:
            responses, suggestion = answers_of(question, source_names[question.name], batch)
            columns[RESPONSES + question.name] = responses
            columns[SUGGESTION + question.name] = suggestion
        for name in vectors:
            columns[VECTOR + name] = vectors_of(name, batch).cast(pa.list_(pa.float32()))
        return pa.RecordBatch.from_arrays([columns[f.name] for f in arrow_schema], schema=arrow_schema)

    return Reading(schema, arrow_schema, batches, stream)


def _kind_of(field: Field, columns: pa.Schema, notes: list[str]) -> pa.DataType:
    position = columns.get_field_index(field.name)
    if position < 0:
        notes.append(f"The export has no values for the field “{field.name}”.")
        return pa.string()
    return columns.field(position).type


def column_or_none(batch: pa.RecordBatch, name: str, kind: pa.DataType | None = None) -> Any:
    """The column as `kind`, nulls where the batch has none; without `kind` None then."""
    position = batch.schema.get_field_index(name)
    if position < 0:
        return None if kind is None else pa.nulls(len(batch), kind)
    column = batch.column(position)
    return column if kind is None else column.cast(kind)


def text_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    return column_or_none(batch, name, pa.string())


def json_objects(rows: Iterable[dict[str, Any] | None]) -> pa.Array:
    """Metadata as JSON text; null where there is none."""
    texts = []
    for row in rows:
        values = {key: value for key, value in (row or {}).items() if value is not None}
        texts.append(json.dumps(values, default=str) if values else None)
    return pa.array(texts, pa.string())


class RecordIds:
    """Gives each record an id: its external id, unless another record has it already, else r<number>."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._rows = 0

    def after(self, external: pa.Array) -> pa.Array:
        """Ids of the next records, which have these external ids."""
        ids = []
        for value in external.to_pylist():
            self._rows += 1
            wanted = value if value and value not in self._taken else f"r{self._rows}"
            number, free = 1, wanted
            while free in self._taken:
                number += 1
                free = f"{wanted}-{number}"
            self._taken.add(free)
            ids.append(free)
        return pa.array(ids, pa.string())
