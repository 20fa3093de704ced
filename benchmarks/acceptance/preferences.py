"""One walk of the cells that learn from preferences: ours through ArgillaTrainer, then bare TRL on the very same rows.

Rows come from chat data; the bare trainers get them in TRL's conversational form. Called by reward_modeling.py,
direct_preference_optimization.py and kto.py.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.acceptance.measured import Measured
from engine import ArgillaTrainer, FeedbackDataset, TrainingTask
from engine.tasks.task import TaskData

Row = dict[str, Any]
LONGEST = 240  # characters of a prompt
Bare = Callable[[TaskData, str, Row, Path], float]
LORA: Row = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "target_modules": ["q_proj", "v_proj"]}


def short_conversations(folder: Path) -> FeedbackDataset:
    """Preferences on conversations of one short turn: within few tokens the answers begin to differ."""
    dataset = FeedbackDataset.from_file(folder / "llamafactory_demos" / "dpo_en_demo.jsonl")
    turns = [sample["conversations"] for sample in dataset.samples()]
    return dataset.take([i for i, said in enumerate(turns) if len(said) == 1 and len(said[0]["value"]) < LONGEST])


def compared(
    cell: str,
    given: tuple[FeedbackDataset, TrainingTask],
    base: str,
    settings: Row,
    bare: Bare,
    *,
    figure: str,
    own: Row | None = None,
    learned: Callable[[float], bool],
) -> Measured:
    """`settings`: for both, by upstream's names; `own`: for ours alone; `learned`: whether a bare figure is one."""
    trainer = ArgillaTrainer(*given, "trl", model=base, seed=42, train_size=0.7)
    trainer.update_config(**settings, **(own or {}))
    data = trainer._prepared.data
    with tempfile.TemporaryDirectory(prefix="acceptance-") as scratch:
        started = time.monotonic()
        trainer.train(Path(scratch) / "ours")
        ours_seconds, ours = time.monotonic() - started, trainer.report["metrics"][figure]
        started = time.monotonic()
        theirs = bare(data, base, settings, Path(scratch) / "bare")
        seconds = (ours_seconds, time.monotonic() - started)
    rows, is_loss = f"{len(data.train)}/{len(data.test)}", figure == "loss"
    return Measured(cell, rows, figure, ours, theirs, seconds, is_loss=is_loss, learned=learned(theirs))


def arguments(cls: type, settings: Row, folder: Path) -> Any:
    """An upstream config that works on a CPU, writes nothing but below `folder`, and tells nobody."""
    return cls(output_dir=str(folder), seed=42, bf16=False, report_to="none", disable_tqdm=True, **settings)


def conversations(table: pa.Table, answers: tuple[str, ...]) -> Any:
    """Canonical rows in TRL's conversational form, as its documentation shows it."""
    from datasets import Dataset

    rows = []
    for row in table.to_pylist():
        made = {"prompt": [*(row.get("history") or []), {"role": "user", "content": row["prompt"]}]}
        made |= {name: [{"role": "assistant", "content": row[name]}] for name in answers}
        rows.append(made | ({"label": row["label"]} if "label" in row else {}))
    return Dataset.from_list(rows)


def texts(table: pa.Table, answers: tuple[str, ...]) -> Any:
    """Canonical rows in TRL's standard form."""
    from datasets import Dataset

    return Dataset.from_list(table.select(["prompt", *answers, *set(table.column_names) & {"label"}]).to_pylist())
