"""Starter code of the formatting cell for text classification, written for a dataset's own columns.

Called by engine/tasks/text_classification.py. The code gives the rows that the chosen field and question would give.
"""

from typing import TYPE_CHECKING

from engine.data.questions import LabelQuestion, MultiLabelQuestion, Question, RankingQuestion, RatingQuestion

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

_COUNTER = "from collections import Counter\n\n\n"
_HEAD = """def formatting_func(sample):
    # One record in, one row out: (text, label). None leaves the record out; a list gives several rows.
    text = sample[{text!r}]
"""
_ANSWERS = """    answers = [answer["value"] for answer in sample[{label!r}] if answer["status"] == "submitted"]
    if not text or not answers:
        return None
"""
_MOST_FREQUENT = """    label = Counter(answers).most_common(1)[0][0]  # the answer most annotators gave
    return text, label
"""
_MORE_THAN_HALF = """    votes = Counter(label for labels in answers for label in labels)
    labels = [label for label, n in votes.items() if n > len(answers) / 2]  # chosen by more than half
    return text, labels
"""
_MEAN = """    mean = sum(answers) / len(answers)
    label = max(value for value in {values} if value <= mean)  # the mean, rounded down to a rating
    return text, str(label)
"""
_TOP_ITEM = """    first = [answer["value"][answer["rank"].index(min(answer["rank"]))] for answer in answers]
    label = Counter(first).most_common(1)[0][0]  # the item most annotators put first
    return text, label
"""
_FROM_FIELD = """    label = sample[{label!r}]
    if not text or label is None:
        return None
    return text, str(label)
"""
_ENDS: dict[type[Question], tuple[str, str]] = {
    LabelQuestion: (_COUNTER, _MOST_FREQUENT),
    MultiLabelQuestion: (_COUNTER, _MORE_THAN_HALF),
    RatingQuestion: ("", _MEAN),
    RankingQuestion: (_COUNTER, _TOP_ITEM),
}


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str]) -> str:
    """Source of `formatting_func(sample)` for the `chosen` fields and questions (by role), or the first that fit."""
    fields = [field.name for field in dataset.fields]
    text = chosen.get("text") or (fields[0] if fields else "text")
    questions = {question.name: question for question in dataset.questions if type(question) in _ENDS}
    question = questions.get(chosen.get("label", "")) or next(iter(questions.values()), None)
    if question is None:
        others = [name for name in fields if name != text]
        return (_HEAD + _FROM_FIELD).format(text=text, label=others[-1] if others else "label")
    start, end = _ENDS[type(question)]
    values = getattr(question, "values", None)
    return start + (_HEAD + _ANSWERS + end).format(text=text, label=question.name, values=values)
