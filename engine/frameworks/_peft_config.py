"""Hyperparameters of a LoRA adapter, named as in peft.LoraConfig (0.21), with those of the task's training.

Light: read by the page to draw forms.
"""

from typing import Any, Literal

from pydantic import field_validator

from engine.frameworks._hf_config import HfAnswersConfig, HfTokensConfig, HfTrainingConfig
from engine.frameworks.framework import TrainerConfig, knob

ALL_LINEAR = "all-linear"


def _advanced(config: type[TrainerConfig], name: str) -> Any:
    """A hyperparameter as `config` has it, off the basic form: LoRA's rank takes its place there."""
    about = config.model_fields[name]
    bounds = {key: getattr(bound, key) for bound in about.metadata for key in ("ge", "le") if hasattr(bound, key)}
    return knob(about.default, about.title, about.description, **bounds)


class AdapterConfig(TrainerConfig):
    """A LoRA adapter (Hu 2021)."""

    # An adapter starts from nothing: the paper and PEFT's own guides train it ten times faster than whole models.
    learning_rate: float = knob(
        1e-3, "Learning rate", "Largest step size. LoRA takes about ten times that of whole models.", level="basic",
        gt=0, lt=1,
    )  # fmt: skip
    r: int = knob(8, "Rank", "Width of the adapter: larger learns more, and weighs more.", level="basic", ge=1, le=1024)
    lora_alpha: int = knob(16, "Alpha", "The adapter's part is scaled by alpha / rank.", ge=1, le=4096)
    lora_dropout: float = knob(0.1, "Dropout", "Of the adapter's input while training.", ge=0, lt=1)
    target_modules: list[str] | None = knob(
        [ALL_LINEAR],
        "Layers adapted",
        "Names such as query; all-linear: every linear layer. Empty: PEFT's choice.",
    )
    exclude_modules: list[str] | None = knob(None, "Layers left out", "Names of layers that get no adapter.")
    modules_to_save: list[str] | None = knob(None, "Layers trained whole", "Besides the new layer, which always is.")
    bias: Literal["none", "all", "lora_only"] = knob(
        "none", "Biases trained", "Of all layers, of adapted ones, or none."
    )
    fan_in_fan_out: bool = knob(False, "Transposed weights", "For GPT-2 and others that store weights as (in, out).")
    init_lora_weights: bool = knob(True, "Start from zero", "The adapter changes nothing at first. Leave it on.")
    use_rslora: bool = knob(False, "Rank-stabilised", "Scale by alpha / √rank (Kalajdzievski 2023): for large ranks.")
    use_dora: bool = knob(False, "DoRA", "Learn size and direction apart (Liu 2024): better at low rank, slower.")
    lora_arguments: dict[str, Any] = knob(
        {},
        "More LoRA arguments",
        "Any other argument of peft.LoraConfig, as JSON.",
        json_schema_extra={"widget": "json"},
    )

    @field_validator("target_modules", "exclude_modules", "modules_to_save", mode="before")
    @classmethod
    def _one_name_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class PeftConfig(AdapterConfig, HfTrainingConfig):
    """A LoRA adapter for text classification, and the training of it."""

    max_length: int | None = _advanced(HfTrainingConfig, "max_length")


class PeftTokensConfig(AdapterConfig, HfTokensConfig):
    """A LoRA adapter for token classification, and the training of it."""

    max_length: int | None = _advanced(HfTokensConfig, "max_length")


class PeftAnswersConfig(AdapterConfig, HfAnswersConfig):
    """A LoRA adapter for question answering, and the training of it."""

    max_length: int | None = _advanced(HfAnswersConfig, "max_length")
