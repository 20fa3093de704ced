"""Reward modelling: which of two texts was rated or ranked higher, on an encoder and on a small language model."""

from pathlib import Path
from typing import Any

from benchmarks.acceptance.measured import Measured
from benchmarks.acceptance.preferences import Row, arguments, compared
from engine import FeedbackDataset, TrainingTask
from engine.tasks.task import TaskData
from tests.models import encoder, tiny_llm

CLEARLY = 1.5  # of ratings from 1 to 10
SETTINGS: Row = {
    "num_train_epochs": 2, "per_device_train_batch_size": 8, "max_length": 96, "activation_checkpointing": False,
}  # fmt: skip


def on_encoder(folder: Path) -> Measured:
    """MiniLM on sentences that fifteen annotators rated, each beside the four before it. Its tokenizer has no
    end-of-text token: bare TRL gets token ids, as its documentation allows.
    """
    dataset, earlier = FeedbackDataset.from_file(folder / "argilla_v1_asset_ratings"), []

    def formatting_func(sample: Row) -> list[tuple[str, str]]:
        ratings = [answer["value"] for answer in sample["fluency"]]
        mine = sum(ratings) / len(ratings), sample["simplification"]
        pairs = [(max(mine, other), min(mine, other)) for other in earlier[-4:]]
        earlier.append(mine)
        return [(better[1], worse[1]) for better, worse in pairs if better[0] - worse[0] >= CLEARLY]

    given = dataset, TrainingTask.for_reward_modeling(formatting_func)
    settings = SETTINGS | {"learning_rate": 1e-4}
    return compared(
        "trl:reward asset_ratings", given, encoder(), settings, _bare_on_ids, figure="accuracy", learned=_learned
    )


def on_language_model(folder: Path) -> Measured:
    """A language model of random weights; bare TRL gets the texts and puts the end-of-text token itself."""
    given = FeedbackDataset.example("ranked_replies"), _ranked()
    settings = SETTINGS | {"learning_rate": 5e-3}
    return compared(
        "trl:reward ranked_replies", given, tiny_llm(), settings, _bare_on_texts, figure="accuracy", learned=_learned
    )


def _ranked() -> TrainingTask:
    return TrainingTask.for_reward_modeling(prompt="{prompt}\n\n", preference="ranking")


def _learned(accuracy: float) -> bool:
    return accuracy > 0.5


def _bare_on_ids(data: TaskData, base: str, settings: Row, folder: Path) -> float:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)

    def ids(row: Row) -> Row:
        cut = {"truncation": True, "max_length": settings["max_length"]}
        return {f"{side}_ids": tokenizer(row[side], **cut)["input_ids"] for side in ("chosen", "rejected")}

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


CELLS = {"trl:reward asset_ratings": on_encoder, "trl:reward ranked_replies": on_language_model}
