"""Questions: what annotators answered. Names and arguments are those of Argilla 1.29.

Code elsewhere asks a question's properties (`classes`, `is_multi_label`, `strategies`, `value_type`), never its type.
"""

from typing import Annotated, Any, ClassVar, Literal, Union

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Discriminator, TypeAdapter, field_validator

RANKING = pa.struct({"rank": pa.list_(pa.uint8()), "value": pa.list_(pa.string())})
SPANS = pa.struct(
    {
        "start": pa.list_(pa.int32()),
        "end": pa.list_(pa.int32()),
        "label": pa.list_(pa.string()),
        "text": pa.list_(pa.string()),
    }
)

SCORED_SPANS = pa.struct(
    [*SPANS, pa.field("score", pa.list_(pa.float32()))]
)  # a suggested span may carry its own score


class Question(BaseModel):
    """What every question has. `labels` and `values` given as a dict map the stored value to the text shown."""

    model_config = ConfigDict(extra="forbid")

    name: str
    title: str | None = None
    description: str | None = None
    required: bool = True
    type: str

    value_type: ClassVar[pa.DataType] = pa.string()
    score_is_list: ClassVar[bool] = False  # one suggestion score per chosen value
    strategies: ClassVar[tuple[str, ...]] = ()  # the first is the default
    is_multi_label: ClassVar[bool] = False
    classifies: ClassVar[bool] = False  # its answers are classes of the whole record

    def model_post_init(self, _context: object) -> None:
        self.title = self.title or self.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the question's own order; empty when the question does not choose among classes."""
        return ()

    @property
    def suggestion_value_type(self) -> pa.DataType:
        """Arrow type of a suggested value."""
        return self.value_type


class TextQuestion(Question):
    type: Literal["text"] = "text"
    use_markdown: bool = False
    strategies: ClassVar[tuple[str, ...]] = ("disagreement",)


class LabelQuestion(Question):
    type: Literal["label_selection"] = "label_selection"
    classifies: ClassVar[bool] = True
    labels: list[str] | dict[str, str]
    visible_labels: int | None = None
    strategies: ClassVar[tuple[str, ...]] = ("majority", "disagreement")

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: list[str] | dict[str, str]) -> list[str] | dict[str, str]:
        if len(set(labels)) != len(labels):
            raise ValueError("labels must be distinct")
        return labels

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.labels)


class MultiLabelQuestion(LabelQuestion):
    type: Literal["multi_label_selection"] = "multi_label_selection"
    labels_order: Literal["natural", "suggestion"] = "natural"
    value_type: ClassVar[pa.DataType] = pa.list_(pa.string())
    score_is_list: ClassVar[bool] = True
    is_multi_label: ClassVar[bool] = True


class RatingQuestion(Question):
    type: Literal["rating"] = "rating"
    classifies: ClassVar[bool] = True
    values: list[int]
    value_type: ClassVar[pa.DataType] = pa.int32()
    strategies: ClassVar[tuple[str, ...]] = ("mean", "majority", "min", "max", "disagreement")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(value) for value in self.values)


class RankingQuestion(Question):
    type: Literal["ranking"] = "ranking"
    classifies: ClassVar[bool] = True
    values: list[str] | dict[str, str]
    value_type: ClassVar[pa.DataType] = RANKING
    score_is_list: ClassVar[bool] = True
    strategies: ClassVar[tuple[str, ...]] = ("majority", "mean", "min", "max", "disagreement")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.values)


class SpanLabelOption(BaseModel):
    value: str
    text: str | None = None
    description: str | None = None


class SpanQuestion(Question):
    type: Literal["span"] = "span"
    field: str
    labels: list[SpanLabelOption]
    visible_labels: int | None = None
    allow_overlapping: bool = False
    value_type: ClassVar[pa.DataType] = SPANS
    score_is_list: ClassVar[bool] = True

    @field_validator("labels", mode="before")
    @classmethod
    def _options(cls, labels: Any) -> Any:
        if isinstance(labels, dict):
            return [{"value": value, "text": text} for value, text in labels.items()]
        return [{"value": label, "text": label} if isinstance(label, str) else label for label in labels]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(option.value for option in self.labels)

    @property
    def suggestion_value_type(self) -> pa.DataType:
        return SCORED_SPANS


AnyQuestion = Annotated[
    Union[TextQuestion, LabelQuestion, MultiLabelQuestion, RatingQuestion, RankingQuestion, SpanQuestion],  # noqa: UP007
    Discriminator("type"),
]
_ADAPTER: TypeAdapter = TypeAdapter(AnyQuestion)


def question_from_dict(data: dict[str, Any]) -> Question:
    """The question that `data` (as written by `model_dump`) describes; `type` picks the class."""
    return _ADAPTER.validate_python(data)


def response_type(question: Question) -> pa.DataType:
    """Arrow type of a question's response column: one entry per annotator who gave a value."""
    return pa.list_(pa.struct({"user_id": pa.string(), "value": question.value_type, "status": pa.string()}))


def suggestion_type(question: Question) -> pa.DataType:
    """Arrow type of a question's suggestion column: at most one suggestion a record."""
    score = pa.list_(pa.float32()) if question.score_is_list else pa.float32()
    value = question.suggestion_value_type
    return pa.struct({"value": value, "type": pa.string(), "score": score, "agent": pa.string()})
