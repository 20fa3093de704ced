"""Small annotated datasets, written as tables of answers. For the tests of unification, tasks and training data."""

from typing import Any

import pyarrow as pa

from engine.data.feedback_dataset import DatasetSchema, FeedbackDataset
from engine.data.fields import TextField
from engine.data.questions import Question

Answer = Any  # a value (submitted), or (status, value)


def annotated(
    question: Question, records: dict[str, list[Answer]] | list[tuple[str | None, list[Answer]]]
) -> FeedbackDataset:
    """One text field and `question`; per record its text and what annotators answered.

    Record ids are r1, r2, …; annotators of each record are a1, a2, ….
    """
    dataset = FeedbackDataset([TextField(name="text", required=False)], [question])
    pairs = records.items() if isinstance(records, dict) else records
    dataset.add_records([{"fields": {"text": text}, "responses": _responses(question, a)} for text, a in pairs])
    return dataset


def _responses(question: Question, answers: list[Answer]) -> list[dict[str, Any]]:
    responses = []
    for number, answer in enumerate(answers, 1):
        status, value = answer if isinstance(answer, tuple) else ("submitted", answer)
        responses.append({"user_id": f"a{number}", "status": status, "values": {question.name: {"value": value}}})
    return responses


def ranking(*items: str, ranks: list[int] | None = None) -> list[dict[str, Any]]:
    """Items in the order given, ranked 1, 2, 3, … or as `ranks` says."""
    return [{"value": item, "rank": rank} for item, rank in zip(items, ranks or range(1, len(items) + 1), strict=True)]


def plain(columns: dict[str, list[Any]]) -> FeedbackDataset:
    """A dataset of fields alone, as a CSV file gives it."""
    n = len(next(iter(columns.values())))
    table = {"record_id": [f"r{i + 1}" for i in range(n)]} | {
        f"fields.{name}": values for name, values in columns.items()
    }
    table |= {"external_id": pa.nulls(n, pa.string()), "metadata": pa.nulls(n, pa.string())}
    return FeedbackDataset.from_arrow(DatasetSchema(fields=[TextField(name=name) for name in columns]), pa.table(table))
