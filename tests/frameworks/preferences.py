"""Small preferences that a model learns at once: for the tests that train reward models, DPO and KTO."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.registry import FRAMEWORKS
from engine.tasks.task import TaskData
from tests.frameworks.topics import Told

ROOT = Path(__file__).parents[2]
KIND = ("thank you for your help", "glad to assist you today", "of course, happily", "you are welcome")
RUDE = ("go away now", "no, I refuse to answer", "you are silly", "what a stupid question")


def pairs(n: int, seed: int) -> list[dict[str, Any]]:
    """Kind replies are better than rude ones, whatever was asked."""
    rng = random.Random(seed)
    return [
        {
            "record_id": f"r{i}",
            "prompt": f"Question {rng.randrange(1000)}? ",
            "chosen": rng.choice(KIND) + rng.choice(".!"),
            "rejected": rng.choice(RUDE) + rng.choice(".!"),
            "margin": rng.choice((0.25, 0.5, 1.0)),
        }
        for i in range(n)
    ]


def pair_data(train: int = 32, validation: int = 8) -> TaskData:
    """32 pairs to train on, 8 to validate, 13 held out: no multiple of a batch."""
    parts = [pa.Table.from_pylist(pairs(n, seed)) if n else None for n, seed in ((train, 1), (validation, 2), (13, 3))]
    return TaskData(*parts, {"margin": True, "chat": False})


def judged_data(train: int = 32, validation: int = 8) -> TaskData:
    """The same replies, each called good or bad; good ones first, as a file may have them."""
    parts = []
    for n, seed in ((train, 1), (validation, 2), (14, 3)):
        rows = [
            {"record_id": p["record_id"], "prompt": p["prompt"], "completion": p[side], "label": side == "chosen"}
            for side in ("chosen", "rejected")
            for p in pairs(n // 2, seed)
        ]
        parts.append(pa.Table.from_pylist(rows) if rows else None)
    return TaskData(*parts, {"good": train // 2, "bad": train // 2, "chat": False})


def train(
    task: str, data: TaskData, base: str, folder: Path, report: Told | None = None, **config: Any
) -> tuple[Path, Told]:
    """Train with TRL from `base`. → (the model's folder, what was reported)."""
    report, trl = report or Told(), FRAMEWORKS["trl"]
    trl.train(trl.configs[task](**config), task, data, base, folder / "model", report)
    return folder / "model", report


def printed_by_usage(task: str, model_dir: Path) -> str:
    """What the lines of `usage` print in a fresh process, run on the folder itself."""
    code = FRAMEWORKS["trl"].usage(str(model_dir), task)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.strip()
