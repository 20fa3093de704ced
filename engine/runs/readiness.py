"""The Ready / Not ready line: everything that would stop a run, said before it starts. Called by the page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.data.feedback_dataset import FeedbackDataset
from engine.errors import UserError
from engine.frameworks import base_models
from engine.frameworks.validation import validate_config
from engine.registry import FRAMEWORKS
from engine.runs.run_directory import RunSpec
from engine.tasks.preparation import prepare
from engine.tasks.training_task import TrainingTask


@dataclass(frozen=True)
class RowsCheck:
    """What a dataset gives for a task and a split: it depends on nothing else of a run, so it can be kept."""

    blocking: tuple[str, ...] = ()
    sizes: tuple[int, int, int] | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Readiness:
    """`blocking`: sentences, empty when the run can start. `sizes`: rows of train, validation and test.

    `fetchable`: the only thing missing is the base model, which can be downloaded. `left_out`: reason → number.
    """

    blocking: list[str] = field(default_factory=list)
    sizes: tuple[int, int, int] | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    fetchable: bool = False

    @property
    def ready(self) -> bool:
        return not self.blocking


def check_rows(dataset: FeedbackDataset, spec: RunSpec) -> RowsCheck:
    """Prepare the rows of `spec` and tell what they are; the rows themselves are not kept."""
    try:
        prepared = prepare(dataset.head(spec.max_records), TrainingTask.from_dict(spec.task), spec.split)
    except UserError as error:
        return RowsCheck(blocking=(str(error),))
    data, rows = prepared.data, prepared.rows
    sizes = (len(data.train), len(data.validation or ()), len(data.test or ()))
    return RowsCheck((), sizes, {reason: len(records) for reason, records in rows.left_out.items()}, rows.counts)


def readiness(spec: RunSpec, rows: RowsCheck, *, pace: float | None = None) -> Readiness:
    """What blocks `spec`; `pace`: seconds per training row of earlier such runs here, for the estimate."""
    result = Readiness(list(rows.blocking), rows.sizes, rows.left_out, rows.counts)
    framework = FRAMEWORKS[spec.framework]
    missing = framework.missing()
    if missing:
        result.blocking.append(f"{framework.label} is not installed here: {', '.join(missing)} is missing.")
    _check(result, lambda: validate_config(spec.framework, spec.task["task"], spec.config))
    _check(result, lambda: _check_base(result, spec.base_model))
    if pace is not None and result.sizes:
        result.seconds = pace * result.sizes[0]
    return result


def _check(result: Readiness, look: Callable[[], Any]) -> None:
    try:
        look()
    except UserError as error:
        result.blocking.append(str(error))


def _check_base(result: Readiness, base_model: str) -> None:
    if not base_model.strip():
        raise UserError("No base model is chosen.", "Choose one of the suggestions, or type a Hub id or a folder.")
    if base_models.locate(base_model) is None:
        result.fetchable = not result.blocking
        raise UserError(f"The base model {base_model} is not on this machine yet.", "It will be downloaded first.")
