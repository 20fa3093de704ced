"""KTO: conversations that were called good or bad, and simplified sentences with the ratings of fifteen annotators."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.acceptance.measured import Measured
from benchmarks.acceptance.preferences import Row, arguments, compared, conversations, texts
from engine import FeedbackDataset, TrainingTask
from engine.tasks.task import TaskData
from tests.models import tiny_llm

ANSWERS, BEFORE = ("completion",), 0.5  # the loss of a model that is its own reference
SETTINGS: Row = {
    "num_train_epochs": 2, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "max_length": 64,
    "activation_checkpointing": False,
}  # fmt: skip


def good_or_bad(folder: Path) -> Measured:
    """Conversations whose last turn is good (true) or bad (false): too few for so small a model to tell which; that the
    loss has moved shows that there was training.
    """
    dataset = FeedbackDataset.from_file(folder / "llamafactory_demos" / "kto_en_demo.jsonl")
    task = TrainingTask.for_kto(completion="messages", label="label")
    return _measured("trl:kto kto_en_demo", (dataset, task), conversations, lambda loss: abs(loss - BEFORE) > 0.001)


def by_rating(folder: Path) -> Measured:
    """An Argilla export: mean simplicity from 1 to 10, 5.5 being the middle."""
    dataset = FeedbackDataset.from_file(folder / "argilla_v1_asset_ratings")
    task = TrainingTask.for_kto(
        prompt="Simplify: {original}\n", completion="simplification", label=dataset.question_by_name("simplicity")
    )
    return _measured("trl:kto asset_ratings", (dataset, task), texts, lambda loss: loss < 0.97 * BEFORE)


def _measured(cell: str, given: tuple[FeedbackDataset, TrainingTask], form: Any, learned: Callable) -> Measured:
    def bare(data: TaskData, base: str, settings: Row, folder: Path) -> float:
        from trl import KTOConfig, KTOTrainer

        trainer = KTOTrainer(
            model=base,
            args=arguments(KTOConfig, settings, folder),
            train_dataset=form(data.train, ANSWERS).shuffle(seed=42),
            eval_dataset=form(data.test, ANSWERS),
        )
        trainer.train()
        return trainer.evaluate()["eval_loss"]

    return compared(cell, given, tiny_llm(), SETTINGS, bare, figure="loss", learned=learned)


CELLS = {"trl:kto kto_en_demo": good_or_bad, "trl:kto asset_ratings": by_rating}
