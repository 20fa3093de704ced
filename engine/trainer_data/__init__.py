"""`prepare_for_training`: a task's rows in the container that a library's own trainer takes, as Argilla 1.x gave them.

Called by FeedbackDataset for scripts; Annotune's own frameworks read the canonical rows instead. One file a task, named
after it, with RENDERERS: framework → Renderer, and perhaps check(info), which raises UserError.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.data.splits import split
from engine.errors import UserError
from engine.registry import TASKS

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

DEFAULT_SEED = 42


def prepare_for_training(
    dataset: "FeedbackDataset",
    framework: str,
    task: "TrainingTask",
    *,
    train_size: float | None = 1,
    test_size: float | None = None,
    seed: int | None = None,
    lang: Any = None,
) -> Any:
    """The rows of `task` for `framework`; two parts when train_size is below 1.

    Containers, columns and features: each task's own file. `lang` (spaCy): a language code, a pipeline's name, or a
    pipeline. Raises UserError for a framework that has no format for the task.
    """
    formats = _formats(task.task)
    if framework not in formats.RENDERERS:
        raise UserError(
            f"prepare_for_training has no format for {framework!r} with the task {task.task!r}.",
            f"Choose one of: {', '.join(formats.RENDERERS)}.",
        )
    renderer = formats.RENDERERS[framework]
    shares = _shares(train_size, test_size)
    rows = TASKS[task.task].rows(dataset, task, seed=DEFAULT_SEED if seed is None else seed)
    getattr(formats, "check", lambda info: None)(rows.info)
    table = rows.table.append_column("id", pa.array(range(len(rows.table)), pa.int32()))
    if shares[0] == 1:
        return renderer.render(table, rows.info, lang)
    parts = split(
        table,
        shares,
        seed=DEFAULT_SEED if seed is None else seed,
        label_column=TASKS[task.task].label_column(rows.info),
        together=TASKS[task.task].together,
    )
    return renderer.pair(*(renderer.render(parts[name], rows.info, lang) for name in ("train", "test")))


def _formats(task: str) -> ModuleType:
    """The task's file in this package."""
    TASKS[task]  # an unknown name is told here
    return importlib.import_module(f"{__name__}.{task.replace('-', '_')}")


def _shares(train_size: float | None, test_size: float | None) -> tuple[float, float, float]:
    train = 1 if train_size is None else train_size
    test = 1 - train if test_size is None else test_size
    for name, size in (("train_size", train), ("test_size", test)):
        if size < 0:
            raise UserError(
                f"{name} is {size:g}; it must be 0 or more.", "Give train_size as a share above 0 and up to 1."
            )
    if abs(train + test - 1) > 1e-6:
        raise UserError(
            f"train_size and test_size must sum to 1; {train:g} and {test:g} sum to {train + test:g}.",
            "Leave test_size out: it is what train_size leaves.",
        )
    if train == 0:
        raise UserError(
            "train_size is 0, so there would be nothing to learn from.", "Give a share above 0 and up to 1."
        )
    return train, 0, test
