"""Direct preference optimisation: real conversations and the bundled ranked replies, whole model and LoRA."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.acceptance.measured import Measured
from benchmarks.acceptance.preferences import (
    LORA,
    Row,
    arguments,
    compared,
    conversations,
    short_conversations,
    texts,
)
from engine import FeedbackDataset, TrainingTask
from engine.tasks.task import TaskData
from tests.models import tiny_llm

ANSWERS = ("chosen", "rejected")
# By their upstream names; few and short, so that two CPU cores are enough.
SETTINGS: Row = {
    "num_train_epochs": 2, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "max_length": 96,
    "activation_checkpointing": False,
}  # fmt: skip
BEFORE = math.log(2)


def on_conversations(folder: Path) -> Measured:
    """All weights; the reference is the base model. Both answers are a good model's own, and nothing this small learns
    which is better: that the loss has moved shows that there was training.
    """
    task = TrainingTask.for_direct_preference_optimization(prompt="conversations", chosen="chosen", rejected="rejected")
    given = short_conversations(folder), task
    moved = {"learning_rate": 5e-3, "beta": 1.0}
    return _measured("trl:dpo dpo_en_demo", given, conversations, moved, {}, lambda loss: abs(loss - BEFORE) > 0.002)


def adapter(folder: Path) -> Measured:
    """LoRA on replies that helped more and less; the reference is the model without its adapter."""
    task = TrainingTask.for_direct_preference_optimization(prompt="{prompt}", preference="ranking")
    given, own = (FeedbackDataset.example("ranked_replies"), task), {"use_lora": True} | LORA
    return _measured(
        "trl:dpo-lora ranked_replies", given, texts, {"learning_rate": 1e-2}, own, lambda loss: loss < 0.97 * BEFORE
    )


def _measured(
    cell: str, given: tuple[FeedbackDataset, TrainingTask], form: Any, more: Row, own: Row, learned: Callable
) -> Measured:
    def bare(data: TaskData, base: str, settings: Row, folder: Path) -> float:
        from peft import LoraConfig
        from trl import DPOConfig, DPOTrainer

        trainer = DPOTrainer(
            model=base,
            args=arguments(DPOConfig, settings, folder),
            train_dataset=form(data.train, ANSWERS),
            eval_dataset=form(data.test, ANSWERS),
            peft_config=LoraConfig(task_type="CAUSAL_LM", **LORA) if own else None,
        )
        trainer.train()
        return trainer.evaluate()["eval_loss"]

    return compared(cell, given, tiny_llm(), SETTINGS | more, bare, figure="loss", own=own, learned=learned)


CELLS = {"trl:dpo dpo_en_demo": on_conversations, "trl:dpo-lora ranked_replies": adapter}
