"""Prompts and answers that a tiny language model learns in seconds, and the usage lines of a model, run as printed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.registry import FRAMEWORKS
from engine.runs.events import Report
from engine.tasks.messages import TYPE
from engine.tasks.task import TaskData
from tests.frameworks.topics import Told
from tests.models import tiny_llm

PLACES = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Norway": "Oslo", "Greece": "Athens", "Japan": "Tokyo",
    "Egypt": "Cairo", "Peru": "Lima", "Cuba": "Havana", "Kenya": "Nairobi", "Poland": "Warsaw", "Austria": "Vienna",
}  # fmt: skip
QUICK = {"num_train_epochs": 12, "learning_rate": 1e-2, "per_device_train_batch_size": 6}
BY_HEART = {"num_train_epochs": 60, "per_device_train_batch_size": 12, "eval_strategy": "no"}  # learns every answer


def rows(kind: str, places: list[str]) -> pa.Table:
    """Canonical rows of one kind: text, prompt or messages."""
    asked = [(f"Capital of {place}?\n", PLACES[place]) for place in places]
    columns: dict[str, Any] = {"record_id": [f"r{i}" for i in range(len(places))]}
    if kind == "text":
        columns["text"] = [question + answer for question, answer in asked]
    elif kind == "prompt":
        columns |= {"prompt": [question for question, _ in asked], "completion": [answer for _, answer in asked]}
    else:
        said = [[("user", question.strip()), ("assistant", answer)] for question, answer in asked]
        columns["messages"] = pa.array(
            [[{"role": role, "content": content} for role, content in turns] for turns in said], TYPE
        )
    return pa.table(columns)


def data_of(kind: str, *, validation: bool = True) -> TaskData:
    """All places to train on; some of them again to validate and test: what counts here is that rows are learned."""
    places = list(PLACES)
    held_out = rows(kind, places[:4])
    return TaskData(rows(kind, places), held_out if validation else None, held_out, {"format": kind})


def train(
    task: str, config: dict[str, Any], data: TaskData, folder: Path, report: Report | None = None, base: str = ""
) -> Path:
    """Train a tiny language model with TRL. → the model's folder."""
    framework = FRAMEWORKS["trl"]
    settings = framework.configs[task](**(QUICK | config))
    framework.train(settings, task, data, base or tiny_llm(), folder / "model", report or Told())
    return folder / "model"


def run_lines(code: str, folder: Path) -> str:
    """What a fresh interpreter that knows nothing of Annotune prints, offline."""
    env = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()
