"""Defaults of upstream's dataclasses, for the files beside this one."""

import dataclasses
from typing import Any

# Hyperparameters of ours that several frameworks share, with what they become.
SHARED = {
    "max_length": "the tokenizer's argument",
    "precision": "bf16 or fp16, chosen by the device",
    "class_weights": "the loss, or the regression's class_weight",
    "early_stopping_patience": "transformers.EarlyStoppingCallback's first argument",
    "early_stopping_threshold": "its second",
    "extra_arguments": "arguments without a hyperparameter here",
}
TRAINER_DIFFERENT = {
    "per_device_eval_batch_size": "32: no effect on the model, faster than 8",
    "logging_steps": "10: 500 would draw no loss curve for small data",
    "eval_strategy": "each epoch, where there are validation rows, for the best checkpoint",
    "load_best_model_at_end": "on: the best checkpoint is wanted",
}


def defaults(*classes: type) -> dict[str, Any]:
    """Field → default of dataclasses; the first that has a field decides."""
    found: dict[str, Any] = {}
    for cls in classes:
        for field in dataclasses.fields(cls):
            made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
            found.setdefault(field.name, made)
    return found
