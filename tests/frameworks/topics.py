"""Tiny data that is easy to tell apart, and a report that remembers: for the tests that really train."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine import trust
from engine.frameworks import base_models
from engine.registry import FRAMEWORKS
from engine.runs.events import Report
from engine.tasks.task import TaskData

TASK = "text-classification"
WORDS = {
    "weather": ("rain", "snow", "sunshine", "storm", "fog", "wind", "heat", "clouds"),
    "cooking": ("soup", "bread", "pasta", "garlic", "oven", "recipe", "butter", "salad"),
    "football": ("goal", "referee", "striker", "match", "penalty", "stadium", "league", "keeper"),
}
FRAMES = (
    "There was {a} and then {b} all day.",
    "We talked about {a} and {b} again.",
    "Nothing but {a} this week, says my friend, and {b}.",
    "I did not expect the {a} nor the {b}.",
)


def sentences(n: int, *, multi_label: bool, seed: int = 7) -> pa.Table:
    """`n` canonical rows; with several labels a row, about half of them are about two topics."""
    rng, topics, rows = random.Random(seed), list(WORDS), []
    for i in range(n):
        first = topics[i % len(topics)]
        second = topics[(i + 1) % len(topics)] if multi_label and rng.random() < 0.5 else first
        text = rng.choice(FRAMES).format(a=rng.choice(WORDS[first]), b=rng.choice(WORDS[second]))
        rows.append((text, sorted({first, second}) if multi_label else first))
    texts, labels = zip(*rows, strict=True)
    ids = [f"r{i}" for i in range(n)]
    name = "labels" if multi_label else "label"
    return pa.table({"record_id": ids, "text": list(texts), name: list(labels)})


def topic_data(*, multi_label: bool = False, validation: int = 18, train: int = 60) -> TaskData:
    """60 rows to train on, 18 to validate, 30 held out. The classes are not in alphabetical order."""
    return TaskData(
        sentences(train, multi_label=multi_label, seed=1),
        sentences(validation, multi_label=multi_label, seed=2) if validation else None,
        sentences(30, multi_label=multi_label, seed=3),
        {"classes": list(WORDS), "multi_label": multi_label},
    )


class Told(Report):
    """Remembers everything; asks to stop once `stop_after` steps were reported."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.notes: list[str] = []
        self.stages: list[str] = []
        self.steps: list[tuple[int, int | None]] = []
        self.points: list[tuple[int, dict[str, float]]] = []
        self.stop_after = stop_after

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, step: int, total: int | None, **_details: Any) -> None:
        self.steps.append((step, total))
        self.stop_requested = self.stop_after is not None and step >= self.stop_after

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        self.points.append((step, values))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def values(self, name: str) -> list[float]:
        return [values[name] for _, values in self.points if name in values]


def train(framework: str, config: dict[str, Any], data: TaskData, folder: Path, report: Report | None = None) -> Path:
    """Train on the framework's embedded base model. → the model's folder."""
    chosen = FRAMEWORKS[framework]
    base = base_models.locate(chosen.base_models[TASK][0].id)
    model_dir = folder / "model"
    chosen.train(chosen.configs[TASK](**config), TASK, data, base, model_dir, report or Told())
    trust.vouch(model_dir)  # as the worker does
    return model_dir


def held_out_accuracy(framework: str, model_dir: Path, data: TaskData) -> float:
    """Share of held-out rows whose label set is predicted exactly."""
    outputs = FRAMEWORKS[framework].load(model_dir, TASK).predict(data.test["text"].to_pylist())
    if data.info["multi_label"]:
        predicted = [sorted(row["label"] for row in output if row["score"] >= 0.5) for output in outputs]
        expected = data.test["labels"].to_pylist()
    else:
        predicted = [output[0]["label"] for output in outputs]
        expected = data.test["label"].to_pylist()
    return sum(a == b for a, b in zip(predicted, expected, strict=True)) / len(expected)


def scores_of(framework: str, model_dir: Path, text: str) -> dict[str, float]:
    """{label: score} of our predictor."""
    return {row["label"]: row["score"] for row in FRAMEWORKS[framework].load(model_dir, TASK).predict([text])[0]}
