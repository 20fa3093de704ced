"""The reference cases (cases.jsonl): what ArgillaTrainer 1.29.1 did with small datasets, and how ours does the same.

A case is a dataset, a task and a framework; its verdict says what ours must do: KEEP the result, FIX it (fixed.py says
how), give an ERROR of our own, or anything sensible (FREE). The older record classes (legacy) are not offered.
"""

import json
import uuid
from pathlib import Path
from typing import Any

from engine import FeedbackDataset, FeedbackRecord, TextField, TrainingTask
from engine.data import strategies
from engine.data.questions import question_from_dict

FILE = Path(__file__).with_name("cases.jsonl")
UNIFICATIONS = {
    "label_selection": strategies.LabelQuestionUnification,
    "multi_label_selection": strategies.MultiLabelQuestionUnification,
    "rating": strategies.RatingQuestionUnification,
    "ranking": strategies.RankingQuestionUnification,
}


def load(*verdicts: str) -> list[dict[str, Any]]:
    """The cases with these verdicts that are not of the older classes."""
    cases = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return [case for case in cases if case["verdict"] in verdicts and case["given"].get("probe") != "legacy"]


def dataset_of(given: dict[str, Any]) -> FeedbackDataset:
    """The case's dataset; a user that is no UUID stands for one."""
    fields = [TextField(**field) for field in given["fields"]]
    questions = [question_from_dict(question) for question in given["questions"]]
    dataset = FeedbackDataset(fields, questions, vectors_settings=given.get("vectors_settings"))
    if given["records"]:
        dataset.add_records([_record(record) for record in given["records"]])
    return dataset


def _record(given: dict[str, Any]) -> FeedbackRecord:
    responses = [
        {
            "user_id": _user(response.get("user")),
            "status": response.get("status", "submitted"),
            "values": {name: {"value": value} for name, value in response["values"].items()},
        }
        for response in given.get("responses", [])
    ]
    suggestions = [
        {("question_name" if key == "question" else key): value for key, value in suggestion.items()}
        for suggestion in given.get("suggestions", [])
    ]
    about = {name: given.get(name) or {} for name in ("metadata", "vectors")}
    return FeedbackRecord(
        fields=given["fields"],
        responses=responses,
        suggestions=suggestions,
        external_id=given.get("external_id"),
        **about,
    )


def _user(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def task_of(given: dict[str, Any], dataset: FeedbackDataset) -> TrainingTask:
    """The case's TrainingTask, by the constructor that a script would call."""
    arguments: dict[str, Any] = {}
    if "formatting_func" in given:
        scope: dict[str, Any] = {}
        exec("\n".join(given["formatting_func"]), scope)  # written by the team, part of the repository
        arguments["formatting_func"] = scope["formatting_func"]
    for name in ("text", "question", "context"):
        if name in given:
            arguments[name] = dataset.field_by_name(given[name])
    if "texts" in given:
        arguments["texts"] = [dataset.field_by_name(name) for name in given["texts"]]
    for name in ("label", "answer"):
        if name in given:
            arguments[name] = dataset.question_by_name(given[name])
    if "label_unification_strategy" in given:
        kind = UNIFICATIONS[arguments["label"].type]
        arguments["label"] = kind(question=arguments["label"], strategy=given["label_unification_strategy"])
    if "label_strategy" in given:
        arguments["label_strategy"] = given["label_strategy"]
    return getattr(TrainingTask, f"for_{given['kind']}")(**arguments)


def ours(given: dict[str, Any]) -> Any:
    """What ours makes of a case, in the form of `theirs`. Raises what ours raises."""
    dataset = dataset_of(given["dataset"])
    probe = given.get("probe", "prepare")
    if probe == "sample":
        return rendered(dataset.format_as("datasets"))
    if probe == "unify":
        dataset.compute_unified_responses(given["unify"]["question"], given["unify"]["strategy"])
        return [record.unified_responses for record in dataset.records]
    options = {name: given[name] for name in ("train_size", "test_size", "seed", "lang") if name in given}
    prepared = [
        dataset.prepare_for_training(given["framework"], task_of(task, dataset), **options)
        for task in given.get("tasks", [given.get("task")])
    ]
    found = [rendered(one) for one in prepared]
    return found if probe == "repeat" else found[0]


def rendered(container: Any) -> Any:
    """A prepared container as plain values."""
    import datasets
    import pandas
    import spacy
    from spacy.tokens import DocBin

    if isinstance(container, datasets.DatasetDict):
        return {"splits": {name: rendered(part) for name, part in container.items()}}
    if isinstance(container, datasets.Dataset):
        found = {"columns": container.column_names, "rows": list(container)}
        return found | ({"names": names} if (names := _class_names(container)) else {})
    if isinstance(container, DocBin):
        docs = list(container.get_docs(spacy.blank("en").vocab))
        return {"docs": [{"text": d.text, "tokens": [t.text for t in d], "cats": dict(d.cats)} for d in docs]}
    if isinstance(container, tuple):
        return {"items": [rendered(part) for part in container]}
    if isinstance(container, pandas.DataFrame):
        return {"columns": list(container.columns), "rows": container.to_dict("records")}
    return {"items": container}


def _class_names(container: Any) -> list[str] | None:
    feature = container.features.get("label")
    feature = getattr(feature, "feature", feature)
    return getattr(feature, "names", None)


def theirs(result: Any) -> Any:
    """An expected result in the form of `rendered`: without feature types, but with the names of classes.

    Sentence pairs were InputExample objects; ours are columns.
    """
    if isinstance(result, list):
        return [theirs(one) for one in result]
    if not isinstance(result, dict):
        return result
    if result.get("container") == "list[sentence_transformers.InputExample]":
        rows = [_pair(item) for item in result["items"]]
        return {"columns": ["id", *rows[0]], "rows": [{"id": i} | row for i, row in enumerate(rows)]}
    if result.get("container") == "datasets.Dataset":
        found = {"columns": result["columns"], "rows": result["rows"]}
        label = result["features"].get("label", {})
        names = label.get("ClassLabel") or label.get("List", {}).get("ClassLabel")
        return found | ({"names": [str(name) for name in names]} if names else {})
    return {key: theirs(value) for key, value in result.items() if key not in ("container", "num_rows")}


def _pair(item: dict[str, Any]) -> dict[str, Any]:
    sentences = {f"sentence-{i}": text for i, text in enumerate(item["texts"], 1)}
    return sentences | {"label": item["label"]}


def expected(case: dict[str, Any]) -> list[Any]:
    """The results that are right for a KEEP case; several where a tie was drawn at random."""
    outcomes = [case["expected"]["outcome"], *(other["outcome"] for other in case["expected"]["alternatives"])]
    if case["given"].get("probe") == "unify":
        return [outcome["unified"] for outcome in outcomes]
    found = [theirs(outcome["result"]) for outcome in outcomes]
    task = case["given"].get("task", {})
    if "texts" in task and "label" not in task:  # InputExample's own default, 0, stood for "no label"
        for one in found:
            one["columns"].remove("label")
            one["rows"] = [{name: value for name, value in row.items() if name != "label"} for row in one["rows"]]
    return found
