"""Records as Python objects, with Argilla 1.29's names. Built on demand from Arrow; never kept in bulk."""

import uuid
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RankingValueSchema(_Schema):
    value: str
    rank: int | None = None


class SpanValueSchema(_Schema):
    start: int
    end: int
    label: str
    score: float | None = None


class ValueSchema(_Schema):
    """The value of one answer: text, label, list of labels, rating, ranking items or spans."""

    value: str | int | list[RankingValueSchema] | list[SpanValueSchema] | list[str]


class ResponseSchema(_Schema):
    """What one annotator answered to one record: a value per question, and one status for all of them."""

    user_id: str | None = None
    values: dict[str, ValueSchema] = Field(default_factory=dict)
    status: Literal["submitted", "draft", "discarded"] = "submitted"

    @field_validator("user_id", mode="before")
    @classmethod
    def _uuid_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, uuid.UUID) else value

    @field_validator("values", mode="before")
    @classmethod
    def _values(cls, values: Any) -> Any:
        if values is None:
            return {}
        return {name: v if isinstance(v, (dict, ValueSchema)) else {"value": v} for name, v in dict(values).items()}

    @field_validator("status", mode="before")
    @classmethod
    def _status(cls, status: Any) -> Any:
        return getattr(status, "value", status)


class SuggestionSchema(_Schema):
    question_name: str
    value: str | int | list[RankingValueSchema] | list[SpanValueSchema] | list[str]
    score: float | list[float] | None = None
    type: str | None = None
    agent: str | None = None
    question_id: Any = None


class FeedbackRecord(_Schema):
    """One record: its fields, every annotator's responses, suggestions, metadata and vectors."""

    fields: dict[str, Any]
    responses: list[ResponseSchema] = Field(default_factory=list)
    suggestions: list[SuggestionSchema] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    vectors: dict[str, list[float]] = Field(default_factory=dict)
    external_id: str | None = None

    _unified_responses: dict[str, list[dict[str, Any]]] = PrivateAttr(default_factory=dict)

    @field_validator("responses", "suggestions", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        if value is None:
            return []
        return [value] if isinstance(value, (dict, BaseModel)) else list(value)

    @field_validator("metadata", "vectors", mode="before")
    @classmethod
    def _as_dict(cls, value: Any) -> Any:
        return value or {}

    @property
    def unified_responses(self) -> dict[str, list[dict[str, Any]]]:
        """Question → list of {"value", "strategy"}, filled by `FeedbackDataset.compute_unified_responses`."""
        return self._unified_responses
