"""FeedbackRecord ↔ one row of the Arrow table. Called by FeedbackDataset; knows no reader and no task.

A row is a dict with the keys of the table's schema (engine/data/layout.py).
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import ValidationError

from engine.data.answer_values import checked_score, checked_value
from engine.data.derived import DerivedQuestion, responses_from_field
from engine.data.layout import EXTERNAL_ID, FIELD, METADATA, RECORD_ID, RESPONSES, SUGGESTION, VECTOR, from_arrow_value
from engine.data.questions import Question
from engine.data.records import FeedbackRecord, ResponseSchema, SuggestionSchema
from engine.errors import UserError

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset


def rows_from_records(
    dataset: "FeedbackDataset", records: Iterable[FeedbackRecord | dict], start: int
) -> list[dict[str, Any]]:
    """Rows to append after `start` records, each with a `record_id` that no other row has."""
    rows = [row_from_record(dataset, record, start + i) for i, record in enumerate(records)]
    taken = set(dataset.table[RECORD_ID].to_pylist())
    for position, row in enumerate(rows, start + 1):
        wanted = row[RECORD_ID]
        row[RECORD_ID] = _free_id(wanted if wanted not in taken else f"r{position}", taken)
        taken.add(row[RECORD_ID])
    return rows


def _free_id(wanted: str, taken: set[str]) -> str:
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free


def row_from_record(dataset: "FeedbackDataset", record: FeedbackRecord | dict, index: int) -> dict[str, Any]:
    """The row of the record at `index` (0-based): its external id, or "r<index + 1>", is its record id.

    Raises UserError that names the record and the field or question that does not fit. A label outside the
    question's classes is allowed here, as in Argilla: annotators' answers are kept, and the task decides.
    """
    where = f"Record {index + 1}"
    record = _as_record(record, where)
    derived = {d.question.name: d for d in dataset.schema.derived}
    answers = _DerivedAnswers(derived, record, where)
    row: dict[str, Any] = {RECORD_ID: record.external_id or f"r{index + 1}", EXTERNAL_ID: record.external_id}
    row |= _fields(dataset, record.fields, answers.field_values, where)
    row |= _vectors(dataset, record, where)
    row[METADATA] = _metadata(record, where)
    questions = [q for q in dataset.questions if q.name not in derived]
    responses = record.responses
    _refuse_unknown("question", [n for r in responses for n in r.values], [q.name for q in dataset.questions], where)
    _refuse_unknown("question", [s.question_name for s in record.suggestions], [q.name for q in questions], where)
    for question in questions:
        text = record.fields.get(getattr(question, "field", ""), "") or ""
        row[RESPONSES + question.name] = _responses(question, responses, text, where)
        row[SUGGESTION + question.name] = _suggestion(question, record.suggestions, text, where)
    for name, question_of in derived.items():
        row[RESPONSES + name] = answers.as_stored(dataset, question_of)
        row[SUGGESTION + name] = None
    return row


def record_from_row(dataset: "FeedbackDataset", row: dict[str, Any]) -> FeedbackRecord:
    """The record of a row of the table.

    Answers are put together by annotator, status and how many such answers a question had before: so that every
    answer of several anonymous annotators is kept.
    """
    responses: dict[tuple, dict[str, Any]] = {}
    suggestions = []
    for question in dataset.questions:
        seen: dict[tuple, int] = {}
        for answer in row[RESPONSES + question.name] or []:
            who = (answer["user_id"], answer["status"])
            seen[who] = seen.get(who, 0) + 1
            values = responses.setdefault((*who, seen[who]), {})
            values[question.name] = {"value": from_arrow_value(question, answer["value"])}
        suggestion = row[SUGGESTION + question.name]
        if suggestion is not None and suggestion["value"] is not None:
            value = from_arrow_value(question, suggestion["value"])
            suggestions.append(suggestion | {"value": value, "question_name": question.name})
    vectors = {v["name"]: row[VECTOR + v["name"]] for v in dataset.schema.vectors_settings}
    return FeedbackRecord(
        fields={f.name: row[FIELD + f.name] for f in dataset.fields},
        responses=[
            ResponseSchema(user_id=user, status=status, values=values)
            for (user, status, _), values in responses.items()
        ],
        suggestions=[SuggestionSchema(**s) for s in suggestions],
        metadata=json.loads(row[METADATA] or "{}"),
        vectors={name: vector for name, vector in vectors.items() if vector is not None},
        external_id=row[EXTERNAL_ID],
    )


def _as_record(record: FeedbackRecord | dict, where: str) -> FeedbackRecord:
    if isinstance(record, FeedbackRecord):
        return record
    try:
        return FeedbackRecord.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{where} is not a record: {place}: {first['msg']}.",
            "A record is a FeedbackRecord, or a dict with fields, responses, suggestions, metadata, vectors and "
            "external_id.",
        ) from error


def _refuse_unknown(kind: str, given: Iterable[str], known: list[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise UserError(
                f"{where} has a {kind} {name!r}, which the dataset does not have.",
                f"Its {kind}s: {', '.join(known) or 'none'}.",
            )


def _fields(dataset: "FeedbackDataset", given: dict, derived_values: dict, where: str) -> dict[str, Any]:
    _refuse_unknown("field", given, [f.name for f in dataset.schema.fields], where)
    values = derived_values | given
    row = {}
    for field in dataset.schema.fields:
        value = values.get(field.name)
        if value is None and field.required and field.name not in derived_values:
            raise UserError(
                f"{where} has no value for the field {field.name!r}, which every record must have.",
                "Give it a value, or declare the field with required=False.",
            )
        kind = dataset.table.schema.field(FIELD + field.name).type
        row[FIELD + field.name] = _field_value(value, kind, field.name, where)
    return row


def _field_value(value: Any, kind: pa.DataType, name: str, where: str) -> Any:
    if value is None:
        return None
    if pa.types.is_string(kind) and isinstance(value, (bool, int, float)):
        return str(value)
    try:
        pa.scalar(value, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError) as error:
        shown = "text" if pa.types.is_string(kind) else str(kind)
        raise UserError(
            f"{where}: the field {name!r} holds {shown}, not {type(value).__name__} ({_shown(value)}).",
            f"Give a value of that type for {name!r}.",
        ) from error
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _responses(question: Question, responses: list[ResponseSchema], text: str, where: str) -> list[dict[str, Any]]:
    given = []
    for response in responses:
        if question.name in response.values:
            value = checked_value(question, response.values[question.name].value, text, where)
            given.append({"user_id": response.user_id, "value": value, "status": response.status})
    return given


def _suggestion(question: Question, suggestions: list[SuggestionSchema], text: str, where: str) -> dict | None:
    mine = [s for s in suggestions if s.question_name == question.name]
    if not mine:
        return None
    if len(mine) > 1:
        raise UserError(
            f"{where} has {len(mine)} suggestions for the question {question.name!r}; a record has at most one.",
            "Keep one of them.",
        )
    suggestion = mine[0]
    return {
        "value": checked_value(question, suggestion.value, text, where),
        "type": suggestion.type,
        "score": checked_score(question, suggestion, where),
        "agent": suggestion.agent,
    }


def _vectors(dataset: "FeedbackDataset", record: FeedbackRecord, where: str) -> dict[str, Any]:
    settings = {v["name"]: v for v in dataset.schema.vectors_settings}
    _refuse_unknown("vector", record.vectors, list(settings), where)
    for name, vector in record.vectors.items():
        wanted = settings[name].get("dimensions")
        if wanted and len(vector) != wanted:
            raise UserError(
                f"{where}: the vector {name!r} has {len(vector)} dimensions, not {wanted}.",
                f"Give {wanted} numbers, as the dataset's settings say.",
            )
    return {VECTOR + name: record.vectors.get(name) for name in settings}


def _metadata(record: FeedbackRecord, where: str) -> str | None:
    if not record.metadata:
        return None
    try:
        return json.dumps(record.metadata)
    except TypeError as error:
        raise UserError(
            f"{where}: its metadata can't be written as JSON: {error}.",
            "Metadata holds texts, numbers, true or false, and lists of them.",
        ) from error


class _DerivedAnswers:
    """What a record answers to questions derived from a field: the field is what is stored, the answer follows."""

    def __init__(self, derived: dict[str, DerivedQuestion], record: FeedbackRecord, where: str) -> None:
        self.field_values: dict[str, Any] = {}
        for name, d in derived.items():
            answers = [r.values[name].value for r in record.responses if name in r.values]
            if len(answers) > 1:
                raise UserError(
                    f"{where} has {len(answers)} answers to {name!r}, which is read from the column {d.field!r} and "
                    "so has one.",
                    "Give one answer, or build a FeedbackDataset with this question of its own.",
                )
            value = record.fields.get(d.field, answers[0] if answers else None)
            if isinstance(value, list) and d.separator:
                value = d.separator.join(map(str, value))
            self.field_values[d.field] = value

    def as_stored(self, dataset: "FeedbackDataset", d: DerivedQuestion) -> list[dict[str, Any]]:
        kind = dataset.table.schema.field(FIELD + d.field).type
        column = pa.chunked_array([pa.array([self.field_values[d.field]], kind)])
        return responses_from_field(column, d).to_pylist()[0]
