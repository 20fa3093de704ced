"""What of a dataset fits sentence similarity, and starter code of the formatting cell for it.

Called by engine/tasks/sentence_similarity.py. The code gives the rows that the chosen columns would give.
"""

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from engine.data.questions import LabelQuestion, Question, RankingQuestion, RatingQuestion
from engine.tasks.columns import mean_length, named
from engine.tasks.sentence_similarity_rows import LABEL, SENTENCES, WHOLE, named_together, number

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

LABELS = ("similarity", "score", "label", "rating", "gold", "duplicate", "related", "alike")
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
INSPECTED_ROWS = 10_000

_COUNTER = "from collections import Counter\n\n\n"
_HEAD = """def formatting_func(sample):
    # One record in, one row out. None leaves the record out; a list gives several rows.
    row = {{{row}}}
    if not all(row.values()):
        return None
"""
_ANSWERS = """    answers = [answer["value"] for answer in sample[{label!r}] if answer["status"] == "submitted"]
    if not answers:
        return None
"""
_MOST_FREQUENT = """    row["label"] = {kind}(Counter(answers).most_common(1)[0][0])  # the answer most annotators gave
"""
_MEAN = """    mean = sum(answers) / len(answers)
    row["label"] = max(value for value in {values} if value <= mean)  # the mean, rounded down to a rating
"""
_TOP_ITEM = """    first = [answer["value"][answer["rank"].index(min(answer["rank"]))] for answer in answers]
    row["label"] = {kind}(Counter(first).most_common(1)[0][0])  # the item most annotators put first
"""
_FROM_FIELD = """    if sample[{label!r}] in (None, ""):
        return None
    row["label"] = {kind}(sample[{label!r}])
"""
_ENDS: dict[type[Question], tuple[str, str]] = {
    LabelQuestion: (_COUNTER, _MOST_FREQUENT),
    RatingQuestion: ("", _MEAN),
    RankingQuestion: (_COUNTER, _TOP_ITEM),
}


def suggestion(dataset: "FeedbackDataset", can_be_label: list[str]) -> dict[str, str]:
    """Two or three fields whose names say that they belong together, and a label of numbers; {} without such fields.

    Pairs that only have a label in words are no suggestion: without it, unlike pairs would be learned as alike.
    """
    columns = {field.name: dataset.values(field.name) for field in dataset.fields}
    texts = [name for name, column in columns.items() if mean_length(column) and not is_number_column(column)]
    sentences = named_together(texts)
    if not sentences:
        return {}
    numeric = [name for name in can_be_label if _is_numeric(name, dataset)]
    label = named(numeric, *LABELS) or next((q.name for q in dataset.questions if q.name in numeric), None)
    if label is None and any(question.classifies for question in dataset.questions):
        return {}
    return dict(zip(SENTENCES, sentences, strict=False)) | ({LABEL: label} if label else {})


def _is_numeric(name: str, dataset: "FeedbackDataset") -> bool:
    question = next((q for q in dataset.questions if q.name == name), None)
    return question is None or all(number(value) is not None for value in question.classes)


def is_number_column(column: pa.ChunkedArray) -> bool:
    """Whether a column holds numbers, true and false, or (in its first rows) texts that read as numbers."""
    if pa.types.is_string(column.type):
        head = column.slice(0, INSPECTED_ROWS).drop_null()
        head = head.filter(pc.not_equal(pc.utf8_trim_whitespace(head), ""))
        return len(head) > 0 and bool(pc.all(pc.match_substring_regex(head, NUMBER)).as_py())
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(column.type) for test in tests)


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str]) -> str:
    """Source of `formatting_func(sample)` for the `chosen` columns (by role), or the first two fields."""
    fields = [field.name for field in dataset.fields]
    first_two = dict(zip(SENTENCES, fields[:2] if len(fields) > 1 else fields * 2, strict=False))
    sentences = {role: chosen[role] for role in SENTENCES if chosen.get(role)} or first_two
    head = _HEAD.format(row=", ".join(f'"{role}": sample[{name!r}]' for role, name in sentences.items()))
    name = chosen.get(LABEL)
    question = next((q for q in dataset.questions if q.name == name and type(q) in _ENDS), None)
    if question is None:
        return head + (_FROM_FIELD.format(label=name, kind=_kind(name, dataset)) if name else "") + "    return row\n"
    start, end = _ENDS[type(question)]
    kind = "int" if all(WHOLE.fullmatch(value) for value in question.classes) else "float"
    end = end.format(kind=kind, values=getattr(question, "values", None))
    return start + head + _ANSWERS.format(label=name) + end + "    return row\n"


def _kind(name: str, dataset: "FeedbackDataset") -> str:
    """What makes numbers of a column's values: int if all are whole."""
    column = dataset.values(name)
    if not pa.types.is_string(column.type):
        return "float" if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type) else "int"
    return "int" if all(WHOLE.fullmatch(value.strip()) for value in column.unique().to_pylist() if value) else "float"
