"""What a formatting function gives for every record, before a task looks at it. Same rules for Python and the cell.

Called by the task files. Knows no task: an item is whatever the function returned for one row.
"""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.data.layout import RECORD_ID
from engine.errors import UserError
from engine.formatting.cell import FormattingCell
from engine.formatting.user_code import unpack

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask


@dataclass(frozen=True)
class FormattedRecords:
    """`items[i]`: the items given for record `record_ids[i]`, none to several. `stdout`: what a cell printed."""

    record_ids: list[str]
    items: list[list[Any]]
    stdout: str = ""


class WrongItem(UserError):
    """A formatting function gave something that is no row of the task."""


def formatted_records(dataset: "FeedbackDataset", definition: "TrainingTask") -> FormattedRecords:
    """Run the formatting function of `definition` on every record in order, answered or not.

    A Python function runs here; a cell's code in the sandbox. Raises UserError that names the record it failed on.
    """
    record_ids = dataset.table[RECORD_ID].to_pylist()
    if definition.code is not None:
        with FormattingCell(definition.code) as cell:
            items = [rows for few in cell.run_batches(dataset.sample_batches()) for rows in few]
        return FormattedRecords(record_ids, items, cell.stdout)
    if definition.formatting_func is None:
        raise UserError(
            f"The rows of this run came from the Python function {definition.function!r}, which a run file can't hold.",
            "Start it again from the script that has the function.",
        )
    samples = zip(record_ids, dataset.samples(), strict=True)
    return FormattedRecords(record_ids, [_items(definition, record_id, sample) for record_id, sample in samples])


def _items(definition: "TrainingTask", record_id: str, sample: dict[str, Any]) -> list[Any]:
    try:
        return unpack(definition.formatting_func(sample), sys.maxsize)
    except Exception as error:  # the user's own code may raise anything
        raise UserError(
            f"formatting_func failed on record {record_id!r} with {type(error).__name__}: {error}.",
            f"Correct the function. A sample has the keys {', '.join(sample)}.",
        ) from error
