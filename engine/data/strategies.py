"""The strategies that unify several annotators' answers, by question type, with Argilla 1.29's names.

What a strategy does is in engine/data/unification.py; which a question has is `Question.strategies`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.data.questions import Question
from engine.errors import UserError


class LabelQuestionStrategy(StrEnum):
    MAJORITY = "majority"
    DISAGREEMENT = "disagreement"


class MultiLabelQuestionStrategy(StrEnum):
    MAJORITY = "majority"
    DISAGREEMENT = "disagreement"


class RatingQuestionStrategy(StrEnum):
    MEAN = "mean"
    MAJORITY = "majority"
    MIN = "min"
    MAX = "max"
    DISAGREEMENT = "disagreement"


class RankingQuestionStrategy(StrEnum):
    MAJORITY = "majority"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    DISAGREEMENT = "disagreement"


class TextQuestionStrategy(StrEnum):
    DISAGREEMENT = "disagreement"


@dataclass(frozen=True)
class QuestionUnification:
    """A question together with the strategy that unifies its answers; None is the question's default."""

    question: Question
    strategy: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", strategy_of(self.question, self.strategy))


class LabelQuestionUnification(QuestionUnification):
    """For a LabelQuestion: majority or disagreement."""


class MultiLabelQuestionUnification(QuestionUnification):
    """For a MultiLabelQuestion: majority or disagreement."""


class RatingQuestionUnification(QuestionUnification):
    """For a RatingQuestion: mean, majority, min, max or disagreement."""


class RankingQuestionUnification(QuestionUnification):
    """For a RankingQuestion: majority, mean, min, max or disagreement."""


def strategy_of(question: Question, strategy: Any = None) -> str:
    """The name of a strategy that `question` has; None gives its default. Raises UserError for any other."""
    if not question.strategies:
        kind = question.type.replace("_", " ")
        raise UserError(
            f"The answers to the {kind} question {question.name!r} can't be unified into one value.",
            "Choose a label, multi-label, rating, ranking or text question.",
        )
    name = question.strategies[0] if strategy is None else str(getattr(strategy, "value", strategy))
    if name not in question.strategies:
        raise UserError(
            f"The question {question.name!r} has no strategy named {name!r}.",
            f"Its strategies: {', '.join(question.strategies)}.",
        )
    return name
