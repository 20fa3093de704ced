"""A training at the stand-in of the OpenAI-style API, as short as can be."""

from pathlib import Path
from typing import Any

from engine import FRAMEWORKS, validate_config
from engine.tasks.task import TaskData
from tests.frameworks.topics import Told, topic_data

BASE = "gpt-4.1-mini-2025-04-14"
TASK = "text-classification"
QUICK = {"poll_seconds": 0.05}


def train(
    folder: Path, data: TaskData | None = None, told: Told | None = None, task: str = TASK, **config: Any
) -> Path:
    """Train on `data` (else on topics); → the model's folder."""
    told = told or Told()
    chosen = validate_config("openai", task, QUICK | config)
    FRAMEWORKS["openai"].train(chosen, task, data or topic_data(), BASE, folder / "model", told)
    return folder / "model"
