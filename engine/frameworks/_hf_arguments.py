"""Our hyperparameters → transformers.TrainingArguments, and the check of arguments that have no knob.

Called by _hf.py and setfit.py inside the worker, where importing transformers is paid for already.
"""

import dataclasses
import difflib
import math
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.frameworks._hf_config import RESERVED, HfLoopConfig, is_reserved
from engine.tasks.task import TaskData


def validated_arguments(given: dict[str, Any], upstream: type, knobs: set[str], reserved: set[str]) -> dict[str, Any]:
    """`given` if each key is a field of the dataclass `upstream`, and neither a knob of ours nor reserved."""
    known = {field.name for field in dataclasses.fields(upstream) if field.init}
    for key in given:
        if key in knobs:
            raise UserError(
                f"{key!r} stands among the settings already.", "Set it there and take it out of “More arguments”."
            )
        if key in reserved or is_reserved(key):
            raise UserError(
                f"{key!r} can't be set: Annotune decides where a run writes and whom it tells.",
                "Take it out of “More arguments”.",
            )
        if key not in known:
            close = difflib.get_close_matches(key, sorted((known | knobs) - reserved), n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise UserError(
                f"{upstream.__name__} has no argument named {key!r}.{meant}",
                "Correct the name, or take it out of “More arguments”.",
            )
    return given


def training_arguments(
    config: HfLoopConfig, data: TaskData, checkpoints: Path, upstream: type, best_by: str, **own: Any
) -> Any:
    """transformers' arguments of class `upstream` for this run: nothing is written outside `checkpoints`, nothing sent
    anywhere. `best_by`: the validation figure of the best checkpoint. `own`: arguments stronger than hyperparameters.
    """
    names = {field.name for field in dataclasses.fields(upstream)}
    values = {name: value for name, value in config.model_dump().items() if name in names}
    extra = validated_arguments(config.extra_arguments, upstream, set(type(config).model_fields), RESERVED)
    validates = data.validation is not None and config.eval_strategy != "no"
    selects = validates and config.load_best_model_at_end
    eval_steps = config.eval_steps or max(1, total_steps(config, len(data.train)) // 10)
    values |= {
        "dataloader_pin_memory": not on_cpu(config),
        "eval_strategy": config.eval_strategy if validates else "no",
        "eval_steps": eval_steps,
        "save_strategy": config.eval_strategy if selects else "no",
        "save_steps": eval_steps,
        "load_best_model_at_end": selects,
        "metric_for_best_model": best_by if validates else None,
        "greater_is_better": best_by != "loss",
    }
    try:
        return upstream(
            **(values | extra | precision(config) | own),
            output_dir=str(checkpoints),
            save_total_limit=1,
            save_only_model=True,
            report_to="none",
            disable_tqdm=True,
            logging_nan_inf_filter=False,  # a loss that is not a number must be seen, not averaged away
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"Transformers refuses these settings: {error}", "Change the setting named.") from error


def precision(config: HfLoopConfig) -> dict[str, bool]:
    """{"bf16": True}, {"fp16": True}, or nothing for 32 bits, by what was asked for and the device has."""
    import torch

    if config.precision == "auto":
        if on_cpu(config) or not torch.cuda.is_available():
            return {}
        return {"bf16": True} if torch.cuda.is_bf16_supported() else {"fp16": True}
    return {} if config.precision == "fp32" else {config.precision: True}


def on_cpu(config: HfLoopConfig) -> bool:
    """Whether training will run on the CPU: no accelerator, or none wanted."""
    import torch

    return config.use_cpu or not (torch.cuda.is_available() or torch.backends.mps.is_available())


def total_steps(config: HfLoopConfig, rows: int) -> int:
    """Optimizer steps of a whole run over `rows` training rows."""
    if config.max_steps > 0:
        return config.max_steps
    batches = math.ceil(rows / config.per_device_train_batch_size)
    return math.ceil(config.num_train_epochs * math.ceil(batches / config.gradient_accumulation_steps))
