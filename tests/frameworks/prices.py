"""Prices in short texts, as canonical rows of question answering: learned in seconds, the answer is the only number."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.frameworks import base_models
from engine.registry import FRAMEWORKS
from engine.runs.events import Report
from engine.tasks.question_answering import SCHEMA
from engine.tasks.task import TaskData
from tests.frameworks.topics import Told

TASK = "question-answering"
THINGS = ("lamp", "chair", "book", "kettle", "scarf", "piano", "bicycle", "carpet")
FRAMES = (
    "We sold the {thing} for {price} euros.",
    "The old {thing} costs {price} euros today.",
    "{price} euros is what they ask for the {thing}.",
    "Nobody wanted the {thing}, although {price} euros is not much for it.",
)
LONG = "It stood in the shop for many years and nobody asked for it, and so it was forgotten. " * 40


def rows(n: int, seed: int) -> pa.Table:
    """`n` canonical rows; every third has two right answers."""
    rng, made = random.Random(seed), []
    for i in range(n):
        thing, price = rng.choice(THINGS), str(rng.randint(2, 999))
        context = rng.choice(FRAMES).format(thing=thing, price=price)
        texts = [price] + ([f"{price} euros"] if i % 3 == 0 else [])
        found = {"text": texts, "answer_start": [context.index(text) for text in texts]}
        question = f"How much is the {thing}?"
        made.append({"record_id": f"r{i}", "question": question, "context": context, "answers": found})
    return pa.Table.from_pylist(made, schema=SCHEMA)


def price_data(*, validation: int = 16, train: int = 120) -> TaskData:
    """Rows of three parts."""
    return TaskData(rows(train, 1), rows(validation, 2) if validation else None, rows(24, 3), {})


def train(framework: str, config: dict[str, Any], data: TaskData, folder: Path, report: Report | None = None) -> Path:
    """Train on the embedded base model. → the model's folder."""
    chosen = FRAMEWORKS[framework]
    base = base_models.locate(base_models.EMBEDDED_ID)
    chosen.train(chosen.configs[TASK](**config), TASK, data, base, folder / "model", report or Told())
    return folder / "model"


def held_out_f1(framework: str, model_dir: Path, data: TaskData) -> tuple[float, float]:
    """F1 on the held-out rows: (the model's, the baseline's)."""
    from engine.registry import TASKS

    inputs = [example["input"] for example in TASKS[TASK].example_inputs(data.test, len(data.test))]
    predictions = FRAMEWORKS[framework].load(model_dir, TASK).predict(inputs)
    report = TASKS[TASK].evaluate(predictions, data.test, data.info, data.train)
    return report["metrics"]["f1"], report["baseline"]["metrics"]["f1"]
