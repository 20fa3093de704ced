"""④ The report of a run: the trained model, loaded again from its folder, on test rows that nothing was selected on."""

import time
from pathlib import Path
from typing import Any

from engine.frameworks.framework import Predictor, TrainerConfig
from engine.registry import FRAMEWORKS, TASKS
from engine.runs.events import Report
from engine.tasks.task import TaskData

BATCH = 64  # rows between two looks at the progress
SHOWN_EXAMPLES = 20
BEFORE = "The base model before training"


def evaluate(
    framework: str,
    task: str,
    data: TaskData,
    model_dir: Path,
    report: Report,
    base: str | None = None,
    config: TrainerConfig | None = None,
) -> dict[str, Any]:
    """Figures on `data.test`, and what it costs to use the model (ms a row, bytes on disk).

    `base`: where the base model lies, to be measured on the same rows where the framework can. `config`: what the
    model was trained with, the defaults without. Without a test part there are no figures: {"metrics": None} and the
    counts only. Raises what the library raises when the folder does not load, so a model that can't be loaded never
    counts as trained.
    """
    report.stage("evaluating")
    about, trainer = TASKS[task], FRAMEWORKS[framework]
    config = config or trainer.configs[task]()
    predictor = trainer.load(model_dir, task)
    result: dict[str, Any] = {
        "n": {split: len(getattr(data, split) or ()) for split in ("train", "validation", "test")},
        "metrics": None,
        "model_bytes": sum(file.stat().st_size for file in model_dir.rglob("*") if file.is_file()),
    }
    held_out = data.test
    if held_out is None:
        report.note("There are no test rows, so nothing says how good this model is on texts it has not seen.")
        return result
    result["metrics"] = trainer.held_out_scores(predictor, held_out, config, task) if about.model_scores else {}
    before = trainer.load_base(base, task) if base else None
    if before is not None and about.model_scores:
        report.stage("evaluating the base model")
        result["baseline"] = {"name": BEFORE, "metrics": trainer.held_out_scores(before, held_out, config, task)}
    shown = held_out.slice(0, about.predicted_rows)
    inputs = [example["input"] for example in about.example_inputs(shown, len(shown))]
    started = time.monotonic()
    predictions = _predict(predictor, inputs, report)
    seconds = time.monotonic() - started
    found = about.evaluate(predictions, shown, data.info, data.train)
    if before is not None and found.get("samples"):  # it writes: the base's texts beside its own
        of_base = about.evaluate(before.predict(inputs), shown, data.info, data.train)["samples"]
        pairs = zip(found["samples"], of_base, strict=True)
        found["samples"] = [own | {"base": base["predicted"]} for own, base in pairs]
    result |= found | {"metrics": result["metrics"] | found.get("metrics", {})}
    result["examples"] = list(about.example_inputs(held_out, SHOWN_EXAMPLES))
    return result | {"seconds": {"evaluate": round(seconds, 3)}, "ms_per_row": round(1000 * seconds / len(inputs), 2)}


def _predict(predictor: Predictor, inputs: list[Any], report: Report) -> list[Any]:
    predictions: list[Any] = []
    for start in range(0, len(inputs), BATCH):
        predictions += predictor.predict(inputs[start : start + BATCH])
        report.progress(len(predictions), len(inputs))
    return predictions
