"""The Arrow layout of a FeedbackDataset: one column a field, one a question's responses, one its suggestion.

    record_id                string, distinct
    fields.<name>            the source's own type (string for text)
    responses.<question>     list<struct{user_id, value, status}>, one entry per annotator who gave a value, never null
    suggestions.<question>   struct{value, type, score, agent} or null (a suggested span keeps its own score in value)
    vectors.<name>           list<float32>
    external_id              string or null
    metadata                 string: a JSON object, or null

Prefixes keep a source column called "metadata" or "record_id" from colliding with ours.
"""

from typing import Any

import pyarrow as pa

from engine.data.questions import RANKING, SPANS, Question, response_type, suggestion_type

RECORD_ID, EXTERNAL_ID, METADATA = "record_id", "external_id", "metadata"
FIELD, RESPONSES, SUGGESTION, VECTOR = "fields.", "responses.", "suggestions.", "vectors."


def schema_of(field_types: dict[str, pa.DataType], questions: list[Question], vectors: list[str]) -> pa.Schema:
    """The Arrow schema of a dataset with these fields (name → type), questions and vectors."""
    columns = [pa.field(RECORD_ID, pa.string())]
    columns += [pa.field(FIELD + name, kind) for name, kind in field_types.items()]
    for question in questions:
        columns.append(pa.field(RESPONSES + question.name, response_type(question)))
        columns.append(pa.field(SUGGESTION + question.name, suggestion_type(question)))
    columns += [pa.field(VECTOR + name, pa.list_(pa.float32())) for name in vectors]
    return pa.schema([*columns, pa.field(EXTERNAL_ID, pa.string()), pa.field(METADATA, pa.string())])


def to_arrow_value(question: Question, value: Any, source_text: str = "") -> Any:
    """A response or suggestion value as Arrow stores it; rankings and spans become a struct of lists.

    Spans carry a list of scores, which the type of a response column leaves out.
    """
    if value is None:
        return None
    if question.value_type == RANKING:
        items = [item if isinstance(item, dict) else item.model_dump() for item in value]
        return {"rank": [item.get("rank") for item in items], "value": [item["value"] for item in items]}
    if question.value_type == SPANS:
        items = [item if isinstance(item, dict) else item.model_dump() for item in value]
        spans = {key: [item.get(key) for item in items] for key in ("start", "end", "label", "score")}
        return spans | {"text": [source_text[item["start"] : item["end"]] for item in items]}
    return value


def from_arrow_value(question: Question, value: Any) -> Any:
    """The inverse of `to_arrow_value`: rankings as [{"value", "rank"}], spans as [{"start", "end", "label"}].

    A suggested span that has a score keeps it as "score".
    """
    if value is None:
        return None
    if question.value_type == RANKING:
        return [{"value": v, "rank": r} for v, r in zip(value["value"], value["rank"], strict=True)]
    if question.value_type == SPANS:
        spans = zip(value["start"], value["end"], value["label"], strict=True)
        scores = value.get("score") or [None] * len(value["start"])
        return [
            {"start": s, "end": e, "label": label} | ({} if score is None else {"score": score})
            for (s, e, label), score in zip(spans, scores, strict=True)
        ]
    return value
