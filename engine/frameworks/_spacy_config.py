"""spaCy's training settings, named as in the [training] block of its config (3.8) where it has them. Light."""

from typing import Any, Literal

from pydantic import model_validator

from engine.frameworks._hf_config import rename
from engine.frameworks.framework import TrainerConfig, knob

OPTIMIZE = {"efficiency": "bow", "accuracy": "ensemble"}  # the names in spaCy's quickstart and the ancestor's guide


class SpacyTrainingConfig(TrainerConfig):
    """What spaCy's training loop is told, whatever component it trains."""

    max_epochs: int = knob(
        20, "Epochs", "Passes over the training rows at most; 0: until the steps below.", level="basic", ge=0, le=10000
    )
    learn_rate: float = knob(0.001, "Learning rate", "Step size of the optimizer.", level="basic", gt=0, lt=1)
    dropout: float = knob(0.1, "Dropout", "Share of inputs hidden while training.", level="basic", ge=0, lt=1)
    max_steps: int = knob(20000, "Steps", "Most steps; 0: no limit.", ge=0)
    patience: int = knob(
        1600, "Early stopping", "Steps without a better validation figure before training ends; 0: never.", ge=0
    )
    eval_frequency: int | None = knob(
        None, "Steps between validations", "Empty: after each pass over the rows, at the latest every 200 steps.", ge=1
    )
    batch_start: int = knob(100, "First batch size", "In words.", ge=1, le=1_000_000)
    batch_stop: int = knob(1000, "Largest batch size", "In words; batches grow up to it.", ge=1, le=1_000_000)
    batch_compound: float = knob(1.001, "Growth of batches", "Factor a step.", ge=1, le=2)
    batch_tolerance: float = knob(0.2, "Batch tolerance", "Share by which a batch may be too large.", ge=0, le=1)
    accumulate_gradient: int = knob(1, "Gradient accumulation", "Parts a batch is split into.", ge=1, le=1024)
    beta1: float = knob(0.9, "Adam β1", "Decay of the gradient's mean.", ge=0, lt=1)
    beta2: float = knob(0.999, "Adam β2", "Decay of the gradient's square.", ge=0, lt=1)
    eps: float = knob(1e-8, "Adam ε", "Keeps the division stable.", gt=0, lt=1)
    L2: float = knob(0.01, "Weight decay", "Pulls weights towards zero.", ge=0, le=10)
    L2_is_weight_decay: bool = knob(True, "Decoupled weight decay", "As in AdamW; off: added to the gradient.")
    grad_clip: float = knob(1.0, "Gradient clipping", "Longest gradient allowed; 0: no clipping.", ge=0)
    use_averages: bool = knob(False, "Average weights", "Validate and save the mean of the weights over the steps.")
    window_size: int = knob(1, "Window", "Neighbours each layer sees on either side.", ge=1, le=5)
    include_static_vectors: bool = knob(
        False, "Use the pipeline's vectors", "On a pipeline that has word vectors (md, lg); not for bow."
    )
    use_pipeline_tok2vec: bool = knob(
        False, "Use the pipeline's tok2vec", "Read words with the trained layer of the base pipeline; not for bow."
    )
    freeze_tok2vec: bool = knob(
        False, "Keep that tok2vec as it is", "Only the new component learns; faster, and needs fewer rows."
    )
    logging_steps: int = knob(10, "Steps between loss points", "In the loss plot.", ge=1)
    seed: int = knob(42, "Seed", "Of the new weights, the order of rows and dropout.", ge=0, le=2**32 - 1)
    extra_arguments: dict[str, Any] = knob(
        {},
        "More arguments",
        "Any other value of the spaCy config by its dotted name, as JSON: "
        '{"training.optimizer.beta1": 0.8}, or one of the new component under "components.".',
        json_schema_extra={"widget": "json"},
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_other_names(cls, values: Any) -> Any:
        return rename(values, {"learning_rate": "learn_rate"})

    @model_validator(mode="after")
    def _check_batches(self) -> "SpacyTrainingConfig":
        if self.batch_stop < self.batch_start:
            raise ValueError(f"Largest batch size ({self.batch_stop}) is below the first one ({self.batch_start}).")
        if self.max_epochs == 0 and self.max_steps == 0:
            raise ValueError("Epochs and steps are both 0: training would never end.")
        return self


class _Architecture(TrainerConfig):
    """Apart, to stand first on the form."""

    architecture: Literal["bow", "cnn", "ensemble"] = knob(
        "ensemble",
        "Architecture",
        "bow: words alone, fastest. cnn: words in their context. ensemble: both.",
        level="basic",
    )


class SpacyConfig(SpacyTrainingConfig, _Architecture):
    """A text categorizer in a spaCy pipeline."""

    metric_for_best_model: Literal["accuracy", "f1_macro", "f1_micro"] | None = knob(
        None, "Best by", "Empty: accuracy with one label a row, macro F1 with several."
    )
    ngram_size: int = knob(1, "Words in a row", "For bow and ensemble: 2 also looks at pairs of words.", ge=1, le=5)
    width: int = knob(64, "Width", "Size of the word vectors learnt, for cnn and ensemble.", ge=8, le=1024)
    depth: int = knob(2, "Depth", "Layers over the words, for cnn and ensemble.", ge=1, le=16)
    threshold: float = knob(0.5, "Threshold", "Score from which a label counts, with several labels a row.", ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _accept_quickstart_names(cls, values: Any) -> Any:
        values = rename(values, {"optimize": "architecture"})
        if isinstance(values, dict) and values.get("architecture") in OPTIMIZE:
            values = values | {"architecture": OPTIMIZE[values["architecture"]]}
        return values


class SpacyNerConfig(SpacyTrainingConfig):
    """An entity recognizer in a spaCy pipeline."""

    metric_for_best_model: Literal["f1", "precision", "recall", "f1_macro"] = knob(
        "f1", "Best by", "The validation figure that chooses the weights that are kept."
    )
    width: int = knob(96, "Width", "Size of the word vectors learnt.", ge=8, le=1024)
    depth: int = knob(4, "Depth", "Layers over the words.", ge=1, le=16)
    embed_size: int = knob(2000, "Rows of the word table", "More tell more words apart.", ge=100, le=1_000_000)
    hidden_width: int = knob(64, "Hidden width", "Size of the layer that decides on spans.", ge=8, le=1024)
    maxout_pieces: int = knob(2, "Maxout pieces", "Of the layer that decides on spans.", ge=1, le=8)
