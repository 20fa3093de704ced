"""Values from a form, a run file or update_config → a validated config, or one sentence a field, by its label."""

import difflib
from typing import Any

from pydantic import ValidationError

from engine.errors import UserError
from engine.frameworks.framework import TrainerConfig
from engine.registry import FRAMEWORKS, frameworks_for


def config_class(framework: str, task: str) -> type[TrainerConfig]:
    """The config of `framework` for `task`. Raises UserError listing the frameworks that can train the task."""
    configs = FRAMEWORKS[framework].configs
    if task not in configs:
        names = ", ".join(frameworks_for(task)) or "none"
        raise UserError(f"{FRAMEWORKS[framework].label} does not train {task}.", f"Frameworks that do: {names}.")
    return configs[task]


def validate_config(framework: str, task: str, values: dict[str, Any]) -> TrainerConfig:
    """The config with `values` over the defaults. Raises UserError with a sentence for every value that is wrong."""
    model = config_class(framework, task)
    try:
        return model(**values)
    except ValidationError as error:
        sentences = [sentence(model, problem) for problem in error.errors()]
        raise UserError(" ".join(sentences), "Correct it, or leave it at its default.") from error


def sentence(model: type[TrainerConfig], problem: dict[str, Any]) -> str:
    """One pydantic problem in words, by its label: "Learning rate: should be greater than 0; you entered -1."."""
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, model.model_fields, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(model.model_fields)}."
        return f"There is no hyperparameter {name!r} here.{meant}"
    field = model.model_fields.get(name)
    label = (field.title if field else None) or name
    said = problem["msg"].removeprefix("Input ").removeprefix("Value error, ").rstrip(".")
    if not name:
        return f"{said[:1].upper()}{said[1:]}."
    return f"{label}: {said}; you entered {problem['input']!r}."
