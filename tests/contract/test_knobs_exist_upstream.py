"""Every hyperparameter is an upstream argument with upstream's default, or stands here with the reason why not."""

import dataclasses
from typing import Any

import pytest

from engine.registry import FRAMEWORKS

pytestmark = pytest.mark.slow

TASK = "text-classification"
# Hyperparameters of ours, with what they become.
OURS = {
    "max_length": "the tokenizer's argument",
    "precision": "bf16 or fp16, chosen by the device",
    "class_weights": "the loss, or the regression's class_weight",
    "early_stopping_patience": "transformers.EarlyStoppingCallback's first argument",
    "early_stopping_threshold": "its second",
    "freeze_base_model": "requires_grad of the base's weights",
    "extra_arguments": "arguments without a hyperparameter here",
    "lora_arguments": "the same for LoraConfig",
    # SetFit
    "max_pairs": "the cap on pairs, which upstream has not",
    "head_num_epochs": "second of num_epochs",
    "head_batch_size": "second of batch_size",
    "body_classifier_learning_rate": "second of body_learning_rate",
    "use_differentiable_head": "SetFitModel.from_pretrained's argument",
    "multi_target_strategy": "SetFitModel.from_pretrained's argument",
    "normalize_embeddings": "SetFitModel.from_pretrained's argument",
    "head_params": "SetFitModel.from_pretrained's argument",
    # spaCy
    "architecture": "the component's model block",
    "metric_for_best_model": "score_weights",
    "batch_start": "batcher.size.start",
    "batch_stop": "batcher.size.stop",
    "batch_compound": "batcher.size.compound",
    "batch_tolerance": "batcher.tolerance",
    "logging_steps": "points of the plot",
    **dict.fromkeys(
        ["ngram_size", "width", "depth", "window_size", "include_static_vectors", "threshold"], "the component's config"
    ),
    "use_pipeline_tok2vec": "a Tok2VecListener in place of a Tok2Vec",
    "freeze_tok2vec": "frozen_components",
}
DIFFERENT = {
    ("transformers", "per_device_eval_batch_size"): "32: no effect on the model, faster than 8",
    ("transformers", "logging_steps"): "10: 500 would draw no loss curve for small data",
    ("transformers", "eval_strategy"): "each epoch, where there are validation rows, for the best checkpoint",
    ("transformers", "load_best_model_at_end"): "on: the best checkpoint is wanted",
    ("peft", "learning_rate"): "1e-3: LoRA takes more than whole models (PEFT's guides)",
    ("peft", "lora_alpha"): "16: the ancestor's, twice the rank",
    ("peft", "lora_dropout"): "0.1: the ancestor's",
    ("peft", "target_modules"): "every linear layer, which exists in any architecture (QLoRA, Dettmers 2023)",
    ("setfit", "num_epochs"): "first of upstream's pair",
    ("setfit", "batch_size"): "first of upstream's pair",
    ("setfit", "body_learning_rate"): "first of upstream's pair",
    ("setfit", "distance_metric"): "upstream's default as its name",
    ("setfit", "loss"): "upstream's default as its name",
    ("setfit", "logging_steps"): "10: 50 would draw two points",
    ("setfit", "eval_strategy"): "each epoch, where there are validation rows",
    ("setfit", "load_best_model_at_end"): "on: the best encoder is wanted",
    ("spacy", "max_epochs"): "20: without validation rows upstream would do 20,000 steps",
    ("spacy", "eval_frequency"): "after each epoch at the latest: small data would wait for 10 epochs",
}
DIFFERENT |= {("peft", name): why for (owner, name), why in DIFFERENT.items() if owner == "transformers"}


def defaults(*classes: type) -> dict[str, Any]:
    """Field → default of dataclasses; the first that has a field decides."""
    found: dict[str, Any] = {}
    for cls in classes:
        for field in dataclasses.fields(cls):
            made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
            found.setdefault(field.name, made)
    return found


def upstream(framework: str) -> dict[str, Any]:
    """Argument → default of the library's own class or config."""
    if framework == "spacy":
        import spacy

        training = spacy.blank("en").config.interpolate()["training"]
        return training | training["optimizer"] | {"seed": 42}  # the ancestor's seed; spaCy's own is 0
    if framework == "setfit":
        from setfit import TrainingArguments

        return defaults(TrainingArguments)
    from peft import LoraConfig
    from transformers import TrainingArguments

    return defaults(TrainingArguments, LoraConfig) if framework == "peft" else defaults(TrainingArguments)


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_knobs_exist_upstream(framework: str) -> None:
    theirs = upstream(framework)
    ours = set(FRAMEWORKS[framework].configs[TASK].model_fields)
    assert sorted(ours - theirs.keys() - OURS.keys()) == []


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_defaults_are_upstreams_or_stand_here(framework: str) -> None:
    theirs = upstream(framework)
    changed = {}
    for name, field in FRAMEWORKS[framework].configs[TASK].model_fields.items():
        if name in theirs and name not in OURS and (framework, name) not in DIFFERENT:
            value = getattr(theirs[name], "value", theirs[name])
            if field.get_default(call_default_factory=True) != value:
                changed[name] = (field.default, value)
    assert changed == {}


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_listed_differences_are_still_differences(framework: str) -> None:
    theirs = upstream(framework)
    fields = FRAMEWORKS[framework].configs[TASK].model_fields
    listed = [name for owner, name in DIFFERENT if owner == framework]
    stale = [name for name in listed if fields[name].default == getattr(theirs[name], "value", theirs[name])]
    assert stale == []


def test_architecture_defaults_are_spacys() -> None:
    from spacy.pipeline.textcat import DEFAULT_SINGLE_TEXTCAT_MODEL
    from spacy.pipeline.textcat_multilabel import DEFAULT_MULTI_TEXTCAT_MODEL

    from engine.frameworks._spacy_config import SpacyConfig
    from engine.frameworks._spacy_pipeline import _model

    for multi_label, expected in ((False, DEFAULT_SINGLE_TEXTCAT_MODEL), (True, DEFAULT_MULTI_TEXTCAT_MODEL)):
        ours = _model(SpacyConfig(), {"multi_label": multi_label}, None)
        assert ours == expected
