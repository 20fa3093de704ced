"""The Ready / Not ready line: everything that would stop a run, said before it starts. Called by the page."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.data.feedback_dataset import FeedbackDataset
from engine.errors import UserError
from engine.frameworks import overlays
from engine.frameworks.framework import Framework
from engine.frameworks.validation import validate_config
from engine.registry import FRAMEWORKS, TASKS
from engine.runs.run_directory import RunSpec
from engine.tasks.preparation import divide
from engine.tasks.training_task import TrainingTask
from engine.trust import CodeNotApproved, RemoteCode, running

RECORDS_NAMED = 20  # of those left out for one reason


@dataclass(frozen=True)
class RowsCheck:
    """What a dataset gives for a task and a split: it depends on nothing else of a run, so it can be kept."""

    blocking: tuple[str, ...] = ()
    rows: int = 0
    sizes: tuple[int, int, int] | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    left_out_records: dict[str, list[str]] = field(default_factory=dict)  # reason → the first of their ids
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Readiness:
    """`blocking`: sentences, empty when the run can start. `sizes`: rows of train, validation and test.

    `fetchable`: all that is missing can be downloaded: the base model, or the framework's overlay. `left_out`: reason →
    number. `code`: what the owner would have to approve for this base model.
    """

    blocking: list[str] = field(default_factory=list)
    sizes: tuple[int, int, int] | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    fetchable: bool = False
    code: RemoteCode | None = None

    @property
    def ready(self) -> bool:
        return not self.blocking


def check_rows(dataset: FeedbackDataset, spec: RunSpec) -> RowsCheck:
    """Prepare the rows of `spec` and tell what they are; the rows themselves are not kept."""
    definition = TrainingTask.from_dict(spec.task)
    try:
        rows = TASKS[definition.task].rows(dataset.head(spec.max_records), definition, seed=spec.split.seed)
    except UserError as error:
        return RowsCheck(blocking=(str(error),))
    found = RowsCheck(
        rows=len(rows.table),
        left_out={reason: len(records) for reason, records in rows.left_out.items()},
        left_out_records={reason: records[:RECORDS_NAMED] for reason, records in rows.left_out.items()},
        counts=rows.counts,
    )
    try:
        data = divide(definition.task, rows, spec.split)
    except UserError as error:
        return replace(found, blocking=(str(error),))
    return replace(found, sizes=(len(data.train), len(data.validation or ()), len(data.test or ())))


def readiness(spec: RunSpec, rows: RowsCheck, *, pace: float | None = None) -> Readiness:
    """What blocks `spec`; `pace`: seconds per training row of earlier such runs here, for the estimate."""
    result = Readiness(list(rows.blocking), rows.sizes, rows.left_out, rows.counts)
    framework = FRAMEWORKS[spec.framework]
    missing = framework.missing()
    if missing:
        result.blocking.append(f"{framework.label} is not installed here: {', '.join(missing)} is missing.")
    _check(result, lambda: _check_config(result, framework, spec))
    overlay = framework.overlays.get(spec.task["task"])
    if overlay and not overlays.is_installed(overlay):
        result.fetchable = result.fetchable or not result.blocking
        result.blocking.append(" ".join(overlays.not_installed(overlay)))
    with running(spec.remote_code):
        _check(result, lambda: _check_base(result, framework, spec))
    if pace is not None and result.sizes:
        result.seconds = pace * result.sizes[0]
    return result


def _check(result: Readiness, look: Callable[[], Any]) -> None:
    try:
        look()
    except UserError as error:
        result.blocking.append(str(error))
        if isinstance(error, CodeNotApproved):
            result.code = error.code


def _check_config(result: Readiness, framework: Framework, spec: RunSpec) -> None:
    task = spec.task["task"]
    config = validate_config(spec.framework, task, spec.config)
    missing = framework.other_models(config, task)
    if missing:
        result.fetchable = not result.blocking
        raise UserError(f"{', '.join(missing)} is not on this machine yet.", "It will be downloaded first.")
    framework.check_config(config, task)


def _check_base(result: Readiness, framework: Framework, spec: RunSpec) -> None:
    if not spec.base_model.strip():
        raise UserError("No base model is chosen.", "Choose one of the suggestions, or type a Hub id or a folder.")
    base = framework.locate_base(spec.base_model)
    if base is None:
        result.fetchable = result.fetchable or not result.blocking
        raise UserError(f"The base model {spec.base_model} is not on this machine yet.", "It will be downloaded first.")
    framework.check_base(base, spec.task["task"])
