"""Starter code of the formatting cell for token classification, written for a dataset's own columns.

Called by engine/tasks/token_classification.py. The code gives the rows that the chosen columns would give.
"""

from typing import TYPE_CHECKING

from engine.tasks.token_classification_rows import DISAGREEMENT, from_prodigy, is_span_question

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

_MAJORITY = """from collections import Counter


def formatting_func(sample):
    # One record in, one row out: (text, [(start, end, label), …]). None leaves the record out.
    text = sample[{text!r}]
    answers = [answer["value"] for answer in sample[{spans!r}] if answer["status"] == "submitted"]
    if not text or not answers:
        return None
    marked = [set(zip(value["start"], value["end"], value["label"])) for value in answers]
    votes = Counter(span for spans in marked for span in spans)
    spans = [span for span, n in votes.items() if n > len(answers) / 2]  # shared by more than half
    if votes and not spans and sum(map(bool, marked)) > len(answers) / 2:
        return None  # they agree on no span
    return text, sorted(spans)
"""
_EVERY_ANSWER = """def formatting_func(sample):
    # One row for each annotator's answer: (text, [(start, end, label), …]).
    text = sample[{text!r}]
    answers = [answer["value"] for answer in sample[{spans!r}] if answer["status"] == "submitted"]
    if not text:
        return None
    different = dict.fromkeys(tuple(zip(value["start"], value["end"], value["label"])) for value in answers)
    return [(text, list(spans)) for spans in different]
"""
_COLUMN = """def formatting_func(sample):
    # One record in, one row out: (text, [(start, end, label), …]). None leaves the record out.
    text, spans = sample[{text!r}], sample[{spans!r}]
    if not text or spans is None:
        return None
    return text, [(span["start"], span["end"], span["label"]) for span in spans]
"""
_PRODIGY = """def formatting_func(sample):
    # One accepted task of Prodigy in, one row out: (text, [(start, end, label), …]). None leaves the task out.
    text, spans, answer = sample[{text!r}], sample[{spans!r}] or [], sample["answer"]
    if isinstance(answer, list):  # as a question
        answer = answer[0]["value"] if answer else "accept"
    if not text or answer not in (None, "accept"):
        return None
    return text, [(span["start"], span["end"], span["label"]) for span in spans]
"""
_TAGGED = """def formatting_func(sample):
    # One record in, one row out: (words, tags). None leaves the record out.
    words, tags = sample[{tokens!r}], sample[{tags!r}]
    if not words or not tags:
        return None
    return words, tags
"""


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str], strategy: str | None) -> str:
    """Source of `formatting_func(sample)` for the chosen columns (by role), or with names to be replaced."""
    if chosen.get("tags"):
        return _TAGGED.format(tokens=chosen.get("tokens", "tokens"), tags=chosen["tags"])
    fields = [field.name for field in dataset.fields]
    spans = chosen.get("spans") or "spans"
    question = next((q for q in dataset.questions if q.name == spans and is_span_question(q)), None)
    if question is None:
        code = _PRODIGY if from_prodigy([field.name for field in (*dataset.fields, *dataset.questions)]) else _COLUMN
        return code.format(text=chosen.get("text") or (fields[0] if fields else "text"), spans=spans)
    code = _EVERY_ANSWER if strategy == DISAGREEMENT else _MAJORITY
    return code.format(text=question.field, spans=spans)
