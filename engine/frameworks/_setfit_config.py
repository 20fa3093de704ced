"""SetFit's hyperparameters, named as in setfit.TrainingArguments (1.2) where it has them. Light: read by the page."""

from typing import Any, Literal

from pydantic import model_validator

from engine.frameworks._hf_config import refuse_reserved, rename
from engine.frameworks.framework import TrainerConfig, knob

# SetFit takes (encoder, head) pairs for these three; here the head's value is a hyperparameter of its own.
PAIRS = {
    "num_epochs": "head_num_epochs",
    "batch_size": "head_batch_size",
    "body_learning_rate": "body_classifier_learning_rate",
}


class SetFitConfig(TrainerConfig):
    """Few-shot training on pairs of texts (Tunstall 2022), then a classification head."""

    num_epochs: int = knob(1, "Epochs", "Passes over the pairs of texts.", level="basic", ge=1, le=100)
    num_iterations: int | None = knob(
        None,
        "Pairs per row",
        "Times each row meets an alike and an unlike one (the paper uses 20). Empty: every pair there is.",
        level="basic",
        ge=1,
        le=1000,
    )
    body_learning_rate: float = knob(
        2e-5, "Learning rate", "Largest step size of the sentence encoder.", level="basic", gt=0, lt=1
    )
    batch_size: int = knob(
        16, "Batch size", "Pairs a step. Lower it when memory runs out.", level="basic", ge=1, le=1024
    )
    max_pairs: int | None = knob(
        2000, "Most pairs", "Never more pairs than this, drawn half alike, half unlike. Empty: no limit.", ge=2
    )
    sampling_strategy: Literal["oversampling", "undersampling", "unique"] = knob(
        "oversampling", "Balance of pairs", "Repeat the rarer kind, drop some of the commoner, or take each pair once."
    )
    max_steps: int = knob(-1, "Steps", "Number of steps; overrides the epochs. -1: by epochs.", ge=-1)
    max_length: int | None = knob(
        None, "Longest text", "In tokens; the rest is not seen. Empty: what the encoder was made for.", ge=4, le=131072
    )
    loss: Literal[
        "CosineSimilarityLoss", "ContrastiveLoss", "OnlineContrastiveLoss", "CoSENTLoss", "AnglELoss",
        "BatchAllTripletLoss", "BatchHardTripletLoss", "BatchSemiHardTripletLoss", "BatchHardSoftMarginTripletLoss",
        "SupConLoss",
    ] = knob(
        "CosineSimilarityLoss", "Loss", "What the encoder learns by. Triplet losses take one label a row."
    )  # fmt: skip
    distance_metric: Literal["cosine_distance", "euclidean_distance"] = knob(
        "cosine_distance", "Distance", "For triplet losses."
    )
    margin: float = knob(0.25, "Margin", "For triplet losses: how much farther the unlike must be.", ge=0, le=100)
    samples_per_label: int = knob(2, "Rows per label in a batch", "For triplet losses.", ge=1, le=64)
    warmup_proportion: float = knob(0.1, "Warm-up", "Share of the steps in which the learning rate rises.", ge=0, le=1)
    l2_weight: float = knob(0.01, "Weight decay", "Pulls weights towards zero.", ge=0, le=10)
    use_amp: bool = knob(False, "Mixed precision", "16-bit floats where safe; needs a GPU.")
    use_differentiable_head: bool = knob(
        False, "Neural head", "A trained layer in place of a logistic regression. The five settings below are its own."
    )
    head_num_epochs: int = knob(16, "Head: epochs", "Passes over the rows.", ge=1, le=1000)
    head_batch_size: int = knob(2, "Head: batch size", "Rows a step.", ge=1, le=1024)
    head_learning_rate: float = knob(1e-2, "Head: learning rate", "Step size of the head.", gt=0, lt=10)
    end_to_end: bool = knob(False, "Head: train the encoder too", "While the head is trained.")
    body_classifier_learning_rate: float = knob(
        1e-5, "Head: encoder's learning rate", "When the encoder is trained too.", gt=0, lt=1
    )
    class_weights: Literal["none", "balanced"] = knob(
        "none", "Class weights", "Balanced: rare labels count more in the logistic regression."
    )
    head_params: dict[str, Any] = knob(
        {},
        "Logistic regression",
        "Arguments of scikit-learn's LogisticRegression, such as C or max_iter, as JSON.",
        json_schema_extra={"widget": "json"},
    )
    multi_target_strategy: Literal["one-vs-rest", "multi-output", "classifier-chain"] = knob(
        "one-vs-rest", "Several labels a row", "How the head is built when rows may have several labels."
    )
    normalize_embeddings: bool = knob(False, "Normalise embeddings", "Scale each to length 1 before the head.")
    eval_strategy: Literal["epoch", "steps", "no"] = knob(
        "epoch", "Validate", "When to look at the validation rows. Without any, nothing is selected."
    )
    eval_steps: int | None = knob(
        None, "Steps between validations", "When validating by steps. Empty: ten times a run.", ge=1
    )
    load_best_model_at_end: bool = knob(
        True, "Keep the best encoder", "The one with the best validation figure, not the last."
    )
    early_stopping_patience: int | None = knob(
        3, "Early stopping", "Validations without a gain before training ends. Empty: never.", ge=1, le=1000
    )
    logging_steps: int = knob(10, "Steps between loss points", "In the loss plot and the log.", ge=1)
    seed: int = knob(42, "Seed", "Of the order of pairs and of dropout.", ge=0, le=2**32 - 1)
    extra_arguments: dict[str, Any] = knob(
        {},
        "More arguments",
        "Any other argument of setfit.TrainingArguments, as JSON.",
        json_schema_extra={"widget": "json"},
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_former_names_and_pairs(cls, values: Any) -> Any:
        values = rename(values, {"learning_rate": "body_learning_rate"})
        if not isinstance(values, dict):
            return values
        for name, head_name in PAIRS.items():
            if isinstance(values.get(name), (list, tuple)) and len(values[name]) == 2:
                body, head = values[name]
                values = values | {name: body, head_name: head}
        return values

    @model_validator(mode="after")
    def _refuse_reserved(self) -> "SetFitConfig":
        refuse_reserved(self.extra_arguments)
        return self
