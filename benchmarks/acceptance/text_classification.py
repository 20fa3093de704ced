"""Text classification: ten intents, 28 emotions (any number a row), and the majority of several annotators."""

import csv
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.acceptance import bare_classifiers
from benchmarks.acceptance.measured import Measured
from engine import FRAMEWORKS, ArgillaTrainer, FeedbackDataset, TrainingTask, locate
from engine.tasks.task import TaskData

TASK = "text-classification"
LABELS, TEST_PER_LABEL, EXAMPLES = 10, 40, 8
# Settings by their upstream names, and how ours differ where they do. Small, so that two CPU cores are enough.
TRAINER = {"num_train_epochs": 3, "per_device_train_batch_size": 16}
SETTINGS: dict[str, dict[str, Any]] = {
    "setfit": {"num_epochs": 1, "num_iterations": 5, "batch_size": 16},
    "spacy": {"max_epochs": 10, "eval_frequency": 50, "dropout": 0.1},
    "transformers": TRAINER | {"learning_rate": 1e-4},
    "peft": TRAINER | {"learning_rate": 2e-3},
}
FOR_MORE_ROWS = {"setfit": {"num_iterations": 1}}
# 28 rare labels: with small steps both would say "no label" everywhere, and equal zeros prove nothing.
FOR_MANY_LABELS = {
    "transformers": {"num_train_epochs": 4, "learning_rate": 5e-4},
    # Small steps and many of them: at 1e-3 and more this adapter ends at "no label" everywhere.
    "peft": {
        "num_train_epochs": 8,
        "learning_rate": 3e-4,
        "per_device_train_batch_size": 8,
        "r": 16,
        "lora_alpha": 32,
    },
}
# Upstream has no cap, and stops early only when a callback is added.
NO_STOP = {"early_stopping_patience": None}
OURS = {"setfit": {"max_pairs": None} | NO_STOP, "transformers": NO_STOP, "peft": NO_STOP}
SELECTS = {"setfit": False, "spacy": True, "transformers": True, "peft": True}  # on validation rows, in both


def banking77(data: Path, framework: str) -> tuple[FeedbackDataset, TrainingTask, dict[str, float]]:
    """Ten intents. SetFit: 8 rows each to train on, 40 each held out; the others: 1,000, 100 and 400 rows."""
    rows = []
    for name in ("train.csv", "test.csv"):
        with (data / "banking77" / name).open(encoding="utf-8", newline="") as file:
            rows.append(list(csv.DictReader(file)))
    labels = sorted({row["category"] for row in rows[0]})[:LABELS]
    train, test = ([row for row in part if row["category"] in labels] for part in rows)
    random.Random(42).shuffle(train)
    if SELECTS[framework]:
        chosen = train[:1100] + test
        shares = _shares(len(chosen), train=1000, validation=100)
    else:
        few = [row for label in labels for row in [r for r in train if r["category"] == label][:EXAMPLES]]
        chosen = few + [row for label in labels for row in [r for r in test if r["category"] == label][:TEST_PER_LABEL]]
        shares = _shares(len(chosen), train=len(few), validation=0)
    table = pa.table({"text": [row["text"] for row in chosen], "label": [row["category"] for row in chosen]})
    return *_with_label(table), shares


def go_emotions(data: Path, framework: str) -> tuple[FeedbackDataset, TrainingTask, dict[str, float]]:
    """28 emotions, any number a row: 2,000 rows to train on, 1,000 held out."""
    names = (data / "go_emotions" / "labels.txt").read_text(encoding="utf-8").split()
    with (data / "go_emotions" / "train.tsv").open(encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][: 3200 if SELECTS[framework] else 3000]
    labels = [[names[int(i)] for i in row[1].split(",")] for row in rows]
    table = pa.table({"text": [row[0] for row in rows], "label": pa.array(labels, pa.list_(pa.string()))})
    return *_with_label(table), _shares(len(rows), train=2000, validation=200 if SELECTS[framework] else 0)


def convabuse(data: Path, framework: str) -> tuple[FeedbackDataset, TrainingTask, dict[str, float]]:
    """An Argilla export, several annotators a record: their majority."""
    dataset = FeedbackDataset.from_file(data / "argilla_v1_convabuse")
    task = TrainingTask.for_text_classification(
        text=dataset.field_by_name("text"), label=dataset.question_by_name("label"), label_strategy="majority"
    )
    return dataset, task, _shares(1000, train=700, validation=100 if SELECTS[framework] else 0)


DATASETS: dict[str, Callable[..., tuple[FeedbackDataset, TrainingTask, dict[str, float]]]] = {
    "banking77": banking77,
    "go_emotions": go_emotions,
    "convabuse": convabuse,
}


def measure(framework: str, dataset_name: str, folder: Path) -> Measured:
    """One cell: ours, then the bare library on the very rows that ours was given."""
    dataset, task, shares = DATASETS[dataset_name](folder, framework)
    settings = SETTINGS[framework] | (FOR_MORE_ROWS.get(framework, {}) if dataset_name != "banking77" else {})
    settings |= FOR_MANY_LABELS.get(framework, {}) if dataset_name == "go_emotions" else {}
    with tempfile.TemporaryDirectory(prefix="acceptance-") as scratch:
        trainer = ArgillaTrainer(dataset, task, framework, seed=42, **shares)
        trainer.update_config(**(settings | OURS.get(framework, {})))
        started = time.monotonic()
        trainer.train(Path(scratch) / "ours")
        ours_seconds, data = time.monotonic() - started, trainer._prepared.data
        figure = "f1_macro" if data.info["multi_label"] else "accuracy"
        ours = trainer.report["metrics"][figure]
        bare_classifiers.seed_everything()
        (Path(scratch) / "bare").mkdir()
        base = locate(FRAMEWORKS[framework].base_models[TASK][0].id)
        started = time.monotonic()
        splits = dict(_splits(data))
        predicted = bare_classifiers.TRAINERS[framework](
            splits, data.info["classes"], data.info["multi_label"], base, settings, Path(scratch) / "bare"
        )
        bare_seconds = time.monotonic() - started
        bare = _score(splits["test"]["target"], predicted, data.info)
    rows, seconds = f"{len(data.train)}/{len(data.test)}", (ours_seconds, bare_seconds)
    return Measured(f"{framework}:{dataset_name}", rows, figure, ours, bare, seconds, learned=bool(bare))


def _with_label(table: pa.Table) -> tuple[FeedbackDataset, TrainingTask]:
    dataset = FeedbackDataset.from_dataset(table)
    task = TrainingTask.for_text_classification(
        text=dataset.field_by_name("text"), label=dataset.question_by_name("label")
    )
    return dataset, task


def _shares(rows: int, *, train: int, validation: int) -> dict[str, float]:
    return {"train_size": train / rows, "validation_size": validation / rows}


def _splits(data: TaskData) -> Iterator[tuple[str, bare_classifiers.Rows]]:
    classes = data.info["classes"]
    for name in ("train", "validation", "test"):
        table = getattr(data, name)
        if table is None:
            continue
        if data.info["multi_label"]:
            target = [[int(label in labels) for label in classes] for labels in table["labels"].to_pylist()]
        else:
            target = [classes.index(label) for label in table["label"].to_pylist()]
        yield name, {"text": table["text"].to_pylist(), "target": target}


def _score(expected: list, predicted: Any, info: dict[str, Any]) -> float:
    """scikit-learn's own accuracy, or macro F1 over the labels that occur."""
    import numpy as np
    from sklearn.metrics import accuracy_score, f1_score

    truth, guess = np.asarray(expected), np.asarray(predicted)
    if not info["multi_label"]:
        return float(accuracy_score(truth, guess))
    occurring = (truth.any(axis=0) | guess.any(axis=0)).nonzero()[0]
    return float(f1_score(truth[:, occurring], guess[:, occurring], average="macro", zero_division=0.0))


CELLS = {
    f"{framework}:{dataset}": partial(measure, framework, dataset)
    for dataset in DATASETS
    for framework in bare_classifiers.TRAINERS
}
