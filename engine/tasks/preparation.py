"""Dataset + TrainingTask + split → TaskData, with an account of what was left out. For workers and ArgillaTrainer."""

from dataclasses import dataclass

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.splits import split
from engine.errors import UserError
from engine.registry import TASKS
from engine.runs.run_directory import SplitSpec
from engine.tasks.task import Rows, TaskData
from engine.tasks.training_task import TrainingTask


@dataclass
class Prepared:
    """What training starts from: the split rows, and the rows' account (who was left out, ties, printed text)."""

    task: str
    data: TaskData
    rows: Rows


def prepare(dataset: FeedbackDataset, definition: TrainingTask, shares: SplitSpec) -> Prepared:
    """The task's rows of `dataset`, split. Raises UserError when nothing is left or a requested part would be empty."""
    rows = TASKS[definition.task].rows(dataset, definition, seed=shares.seed)
    return Prepared(definition.task, divide(definition.task, rows, shares), rows)


def divide(name: str, rows: Rows, shares: SplitSpec) -> TaskData:
    """Rows in their parts. Raises UserError when a part would be empty, or training could not learn from its own."""
    task = TASKS[name]
    sizes = (shares.train, shares.validation, shares.test)
    if abs(sum(sizes) - 1) > 1e-6:
        raise UserError(
            f"The shares for training, validation and test must sum to 1; they sum to {sum(sizes):g}.",
            "Change one of them.",
        )
    parts = split(
        rows.table, sizes, seed=shares.seed, label_column=task.label_column(rows.info), together=task.together
    )
    data = TaskData(parts["train"], parts.get("validation"), parts.get("test"), rows.info)
    blocking = task.blocking(rows, data)
    if blocking:
        raise UserError(blocking[0], " ".join(blocking[1:]))
    return data
