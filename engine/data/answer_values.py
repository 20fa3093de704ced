"""Checks one annotator's answer, or one suggestion, against its question. Called when records are added in Python."""

from typing import Any

import pyarrow as pa

from engine.data.layout import to_arrow_value
from engine.data.questions import RANKING, SPANS, Question
from engine.data.records import RankingValueSchema, SpanValueSchema, SuggestionSchema
from engine.errors import UserError

LARGEST_RANK = 255  # ranks are stored as uint8


def checked_value(question: Question, value: Any, source_text: str, where: str) -> Any:
    """The value as Arrow stores it (rating: int; ranking and spans: struct of lists). Raises UserError."""
    kind = question.value_type
    if kind == RANKING:
        _check_ranking(question, value, where)
    elif kind == SPANS:
        _check_spans(question, value, source_text, where)
    elif question.is_multi_label:
        if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
            raise _wrong(question, value, where, "a list of labels")
    elif pa.types.is_integer(kind):
        return _whole_number(question, value, where)
    elif isinstance(value, int):
        return str(value)
    elif not isinstance(value, str):
        raise _wrong(question, value, where, "text" if not question.classes else "one label")
    return to_arrow_value(question, value, source_text)


def checked_score(question: Question, suggestion: SuggestionSchema, where: str) -> float | list[float] | None:
    """One score, or one per chosen value. A single score on a list of values is the score of each of them."""
    score = suggestion.score
    if score is None:
        return None
    if not question.score_is_list:
        if isinstance(score, list) and len(score) != 1:
            raise UserError(
                f"{where}: the suggestion for {question.name!r} has {len(score)} scores for one value.",
                "Give one number as its score.",
            )
        return score[0] if isinstance(score, list) else score
    n = len(suggestion.value)
    if not isinstance(score, list):
        return [score] * n
    if len(score) != n:
        raise UserError(
            f"{where}: the suggestion for {question.name!r} has {len(score)} scores for {n} values.",
            "Give one score per value, or a single score for all of them.",
        )
    return score


def _wrong(question: Question, value: Any, where: str, wanted: str) -> UserError:
    return UserError(
        f"{where}: the question {question.name!r} takes {wanted}, not {type(value).__name__} ({value!r:.80}).",
        f"Give {wanted} as its value.",
    )


def _whole_number(question: Question, value: Any, where: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise _wrong(question, value, where, "a whole number") from error


def _check_ranking(question: Question, value: Any, where: str) -> None:
    wanted = 'a list of {"value", "rank"}'
    if not isinstance(value, list) or not all(isinstance(item, RankingValueSchema) for item in value):
        raise _wrong(question, value, where, wanted)
    for item in value:
        if item.rank is not None and not 0 <= item.rank <= LARGEST_RANK:
            raise UserError(
                f"{where}: the question {question.name!r} ranks {item.value!r} at {item.rank}.",
                f"Ranks are whole numbers from 0 to {LARGEST_RANK}.",
            )


def _check_spans(question: Question, value: Any, source_text: str, where: str) -> None:
    if not isinstance(value, list) or not all(isinstance(item, SpanValueSchema) for item in value):
        raise _wrong(question, value, where, 'a list of {"start", "end", "label"}')
    for span in value:
        if not 0 <= span.start < span.end <= len(source_text):
            raise UserError(
                f"{where}: the question {question.name!r} marks characters {span.start} to {span.end}, but the field "
                f"{question.field!r} has {len(source_text)} characters.",
                "Spans count characters from 0; the end is one after the last character.",
            )
