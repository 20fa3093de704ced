"""Loaded models and upstream config objects given in Python, turned into folders and plain values.

So a framework, and a run file, only ever see paths and values. Called by ArgillaTrainer.
"""

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.frameworks import base_models
from engine.frameworks.framework import Framework, TrainerConfig

DECIDED_ELSEWHERE = {"output_dir", "task_type", "base_model_name_or_path"}  # by train() and the task


def base_from_object(model: Any, tokenizer: Any, folder: Path) -> tuple[str, str]:
    """Write a loaded model (or a copy of the named one) and its tokenizer into `folder`. → (public name, folder)."""
    if isinstance(model, (str, Path)):
        located = base_models.locate(str(model)) or base_models.fetch(str(model))
        shutil.copytree(located, folder)
        name = str(model)
    elif hasattr(model, "save_pretrained"):
        model.save_pretrained(folder)
        name = getattr(model, "name_or_path", "") or type(model).__name__
        if tokenizer is None and name:
            tokenizer = name
    elif hasattr(model, "to_disk"):  # a spaCy pipeline
        model.to_disk(folder)
        name = model.meta.get("name") or "pipeline"
    else:
        raise UserError(
            f"`model` is a {type(model).__name__}, which can't be trained here.",
            "Pass a Hub id, a folder, or a model with save_pretrained (Transformers) or to_disk (spaCy).",
        )
    _save_tokenizer(tokenizer, folder)
    return name, str(folder)


def _save_tokenizer(tokenizer: Any, folder: Path) -> None:
    if tokenizer is None:
        return
    if isinstance(tokenizer, str):
        from transformers import AutoTokenizer

        located = base_models.locate(tokenizer) or base_models.fetch(tokenizer)
        tokenizer = AutoTokenizer.from_pretrained(located, trust_remote_code=False)
    if not hasattr(tokenizer, "save_pretrained"):
        raise UserError(
            f"`tokenizer` is a {type(tokenizer).__name__}, which has no save_pretrained.",
            "Pass a Transformers tokenizer or its name.",
        )
    tokenizer.save_pretrained(folder)


def models_as_folders(config: type[TrainerConfig], kwargs: dict[str, Any], scratch: str | None) -> dict[str, Any]:
    """`kwargs` with every model, pipeline or path given for a hyperparameter that names a model turned into a folder.

    Models are written into new folders of `scratch`, or of the system's place for such.
    """
    values = dict(kwargs)
    for name, value in kwargs.items():
        extra = getattr(config.model_fields.get(name), "json_schema_extra", None) or {}
        if not extra.get("model_folder") or isinstance(value, str) or value is None:
            continue
        if isinstance(value, Path):
            values[name] = str(value)
            continue
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
        model, tokenizer = getattr(value, "model", value), getattr(value, "tokenizer", None)
        is_pipeline = hasattr(model, "save_pretrained") and tokenizer is not None
        base_from_object(model if is_pipeline else value, tokenizer if is_pipeline else None, folder)
        values[name] = str(folder)
    return values


def spread_objects(framework: Framework, config: type[TrainerConfig], kwargs: dict[str, Any]) -> dict[str, Any]:
    """`kwargs` with every upstream config object replaced by its values.

    Which keywords may hold one is the framework's `config_objects`.
    """
    values: dict[str, Any] = {}
    for name, value in kwargs.items():
        if name in framework.config_objects and dataclasses.is_dataclass(value):
            values |= _values(value, config, framework.config_objects[name])
            values |= framework.config_switches.get(name, {})
        else:
            values[name] = value
    return values


def _values(given: Any, config: type[TrainerConfig], rest: str) -> dict[str, Any]:
    """Every hyperparameter that `given` and the config share, and under `rest` what else the caller chose.

    Chosen is what differs from a default object of the same class.
    """
    fields = [field for field in dataclasses.fields(given) if field.init and field.name not in DECIDED_ELSEWHERE]
    required = {
        field.name: getattr(given, field.name)
        for field in dataclasses.fields(given)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and field.init
    }
    default = type(given)(**required)
    values: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for field in fields:
        value = getattr(given, field.name)
        if field.name in config.model_fields and value is not None:
            values[field.name] = _plain(value)
        elif value != getattr(default, field.name):
            others[field.name] = _plain(value)
    return values | ({rest: others} if others else {})


def _plain(value: Any) -> Any:
    """A value as a run file can hold it: sets as sorted lists, enum members as their values."""
    return sorted(value) if isinstance(value, (set, frozenset)) else getattr(value, "value", value)
