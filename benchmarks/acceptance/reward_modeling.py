"""Reward modelling: which of two answers was preferred, on an encoder and on a small language model."""

from pathlib import Path
from typing import Any

from benchmarks.acceptance.measured import Measured
from benchmarks.acceptance.preferences import Row, arguments, compared
from engine import FeedbackDataset, TrainingTask
from engine.tasks.task import TaskData
from tests.models import encoder, tiny_llm

ROWS = 120  # few and short, so that two CPU cores are enough
SETTINGS: Row = {
    "num_train_epochs": 2, "per_device_train_batch_size": 8, "max_length": 64, "activation_checkpointing": False,
}  # fmt: skip


def on_encoder(folder: Path) -> Measured:
    """MiniLM, whose tokenizer has no end-of-text token: bare TRL gets token ids, as its documentation allows."""
    given = FeedbackDataset.from_file(folder / "llamafactory_demos" / "dpo_en_demo.jsonl").head(ROWS), _task()
    settings = SETTINGS | {"learning_rate": 1e-4}
    return compared(
        "trl:reward dpo_en_demo", given, encoder(), settings, _bare_on_ids, figure="accuracy", learned=_learned
    )


def on_language_model(folder: Path) -> Measured:
    """A language model of random weights; bare TRL gets the texts and puts the end-of-text token itself."""
    given = FeedbackDataset.example("ranked_replies"), _ranked()
    settings = SETTINGS | {"learning_rate": 5e-3}
    return compared(
        "trl:reward ranked_replies", given, tiny_llm(), settings, _bare_on_texts, figure="accuracy", learned=_learned
    )


def _task() -> TrainingTask:
    return TrainingTask.for_reward_modeling(prompt="conversations", chosen="chosen", rejected="rejected")


def _ranked() -> TrainingTask:
    return TrainingTask.for_reward_modeling(prompt="{prompt}\n\n", preference="ranking")


def _learned(accuracy: float) -> bool:
    return accuracy > 0.5


def _bare_on_ids(data: TaskData, base: str, settings: Row, folder: Path) -> float:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)

    def ids(row: Row) -> Row:
        cut = {"truncation": True, "max_length": settings["max_length"]}
        return {
            f"{side}_ids": tokenizer((row["prompt"] or "") + row[side], **cut)["input_ids"]
            for side in ("chosen", "rejected")
        }

    return _accuracy(*(_rows(table).map(ids) for table in (data.train, data.test)), base, settings, folder)


def _bare_on_texts(data: TaskData, base: str, settings: Row, folder: Path) -> float:
    return _accuracy(_rows(data.train), _rows(data.test), base, settings, folder)


def _rows(table: Any) -> Any:
    from datasets import Dataset

    return Dataset(table.drop_columns(["record_id"]))


def _accuracy(train: Any, test: Any, base: str, settings: Row, folder: Path) -> float:
    """Share of held-out pairs in the right order, a batch of one each: TRL averages batches."""
    from trl import RewardConfig, RewardTrainer

    args = arguments(RewardConfig, settings | {"per_device_eval_batch_size": 1}, folder)
    trainer = RewardTrainer(model=base, args=args, train_dataset=train, eval_dataset=test)
    trainer.train()
    return trainer.evaluate()["eval_accuracy"]


CELLS = {"trl:reward dpo_en_demo": on_encoder, "trl:reward ranked_replies": on_language_model}
