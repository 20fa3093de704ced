"""Direct preference optimisation: real conversations with a better and a worse answer, whole model and LoRA."""

import math
from pathlib import Path

from benchmarks.acceptance.measured import Measured
from benchmarks.acceptance.preferences import LORA, Row, arguments, compared, conversations
from engine import FeedbackDataset, TrainingTask
from engine.tasks.task import TaskData
from tests.models import tiny_llm

ANSWERS, ROWS = ("chosen", "rejected"), 80  # few and short, so that two CPU cores are enough
SETTINGS: Row = {
    "num_train_epochs": 2, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "max_length": 64,
    "activation_checkpointing": False,
}  # fmt: skip


def whole(folder: Path) -> Measured:
    """All weights; the reference is the base model."""
    return _measured("trl:dpo dpo_en_demo", folder, {}, {})


def adapter(folder: Path) -> Measured:
    """LoRA; the reference is the model without its adapter."""
    return _measured("trl:dpo-lora dpo_en_demo", folder, {"learning_rate": 1e-2}, {"use_lora": True} | LORA)


def _measured(cell: str, folder: Path, more: Row, own: Row) -> Measured:
    dataset = FeedbackDataset.from_file(folder / "llamafactory_demos" / "dpo_en_demo.jsonl").head(ROWS)
    task = TrainingTask.for_direct_preference_optimization(prompt="conversations", chosen="chosen", rejected="rejected")

    def bare(data: TaskData, base: str, settings: Row, folder: Path) -> float:
        from peft import LoraConfig
        from trl import DPOConfig, DPOTrainer

        trainer = DPOTrainer(
            model=base,
            args=arguments(DPOConfig, settings, folder),
            train_dataset=conversations(data.train, ANSWERS),
            eval_dataset=conversations(data.test, ANSWERS),
            peft_config=LoraConfig(task_type="CAUSAL_LM", **LORA) if own else None,
        )
        trainer.train()
        return trainer.evaluate()["eval_loss"]

    return compared(
        cell, (dataset, task), tiny_llm(), SETTINGS | more, bare, figure="loss", own=own,
        learned=lambda loss: loss < 0.97 * math.log(2),
    )  # fmt: skip


CELLS = {"trl:dpo dpo_en_demo": whole, "trl:dpo-lora dpo_en_demo": adapter}
