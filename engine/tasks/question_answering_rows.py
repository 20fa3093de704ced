"""The answers of one row of question answering: as they were given, and where they stand in the context.

Called by question_answering.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.tasks.columns import texts_of
from engine.tasks.sample_task import Account, Row

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

EMPTY, ELSEWHERE = "answer empty", "answer not in the context"
NAMED, LONGEST_NAMED = 20, 60  # so many answers are told by name, the rest together

_HEAD = """def formatting_func(sample):
    # One record in, one row out: (question, context, answers). None leaves the record out; a list gives several rows.
    question, context = sample[{question!r}], sample[{context!r}]
"""
_FROM_QUESTION = """    answers = [answer["value"] for answer in sample[{answer!r}] if answer["status"] == "submitted"]
"""
_FROM_SQUAD = """    answers = sample[{answer!r}]  # their texts, and the characters of the context where they start
"""
_FROM_LIST = """    answers = sample[{answer!r}] or []
"""
_FROM_FIELD = """    answers = [sample[{answer!r}]] if sample[{answer!r}] is not None else []
"""
_END = """    if not question or not context or not answers:
        return None
    return question, context, answers
"""


@dataclass(frozen=True)
class Given:
    """An answer as somebody gave it, and the character of the context where it starts, if that was told."""

    text: str
    start: int | None = None


def is_squad(kind: pa.DataType) -> bool:
    """Whether a column holds answers as SQuAD does ({"text": […], "answer_start": […]}), or lists of texts."""
    if pa.types.is_struct(kind):
        at = kind.get_field_index("text")
        return at >= 0 and pa.types.is_list(kind.field(at).type)
    return pa.types.is_list(kind) and pa.types.is_string(kind.value_type)


def given_answers(sample: Row, name: str, questions: Iterable[str]) -> list[Given]:
    """The submitted answers to a question, or the values of a column, in their order."""
    value = None if name in questions else sample.get(name)
    if isinstance(value, dict):
        texts = value.get("text") or []
        starts = value.get("answer_start") or [None] * len(texts)
        return [Given(text, start) for text, start in zip(texts, starts, strict=False) if text is not None]
    if isinstance(value, list):
        return [Given(text) for text in value if text is not None]
    return [Given(text) for text in texts_of(sample, name, questions)]


def in_context(given: Iterable[Given], context: str, account: Account) -> dict[str, list[Any]]:
    """{"text", "answer_start"} of the different answers that stand in `context`; `account` is told of the others.

    Without a start, or with one at which the context has something else, the first place counts (code points).
    """
    found: dict[tuple[str, int], None] = {}
    for answer in given:
        text = answer.text if answer.text in context else answer.text.strip()
        if not text.strip():
            account.counts["empty answers"] += 1
            account.leave_out(EMPTY)
        elif text not in context:
            account.counts["answers not in their context"] += 1
            account.leave_out(_named(text, context, account))
        else:
            told = answer.start is not None and context.startswith(text, answer.start)
            found[text, answer.start if told else context.index(text)] = None
    return {"text": [text for text, _ in found], "answer_start": [start for _, start in found]}


def _named(answer: str, context: str, account: Account) -> str:
    """The reason, with the answer's name in it while there are few, and how the context writes it in other capitals."""
    shown = answer if len(answer) <= LONGEST_NAMED else answer[:LONGEST_NAMED] + "…"
    reason = f"answer “{shown}” not in the context"
    at = context.lower().find(answer.lower())
    if at >= 0 and len(context.lower()) == len(context):
        reason += f", which has “{context[at : at + len(shown)]}”"
    few = sum(ELSEWHERE.removeprefix("answer ") in told for told in account.left_out) < NAMED
    return reason if few or reason in account.left_out else ELSEWHERE


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str]) -> str:
    """Source of `formatting_func(sample)` for the `chosen` columns (by role)."""
    answer = chosen["answer"]
    if answer in {question.name for question in dataset.questions}:
        line = _FROM_QUESTION
    elif answer not in {field.name for field in dataset.fields}:
        line = _FROM_FIELD
    else:
        kind = dataset.values(answer).type
        line = _FROM_SQUAD if pa.types.is_struct(kind) else _FROM_LIST if pa.types.is_list(kind) else _FROM_FIELD
    return (_HEAD + line + _END).format(**chosen)
