"""Sentence Transformers' hyperparameters, named as in its TrainingArguments (6.2). Light: read by the page."""

from typing import Any, ClassVar, Literal

from engine.frameworks._hf_config import HfLoopConfig
from engine.frameworks.framework import knob


class SentenceTransformersConfig(HfLoopConfig):
    """A bi-encoder, which turns each sentence into a vector, or a cross-encoder, which reads two sentences together."""

    cross_encoder: bool = knob(
        False,
        "Cross-encoder",
        "Reads both sentences together: more exact, but every pair anew, so too slow to search many texts. For pairs.",
        level="basic",
    )
    learning_rate: float = knob(
        2e-5, "Learning rate", "Largest step size. Smaller is safer, larger is faster.", level="basic", gt=0, lt=1
    )
    per_device_train_batch_size: int = knob(
        16,
        "Batch size",
        "Rows a step. Without labels larger is better: more sentences to tell apart. Lower it when memory runs out.",
        level="basic",
        ge=1,
        le=4096,
    )
    warmup_steps: float = knob(
        0.1, "Warm-up", "Steps in which the learning rate rises; below 1, a share of all steps.", ge=0
    )
    loss: (
        Literal[
            "MultipleNegativesRankingLoss", "CachedMultipleNegativesRankingLoss", "CosineSimilarityLoss", "CoSENTLoss",
            "AnglELoss", "ContrastiveLoss", "OnlineContrastiveLoss", "SoftmaxLoss", "TripletLoss", "MarginMSELoss",
            "BatchAllTripletLoss", "BatchHardTripletLoss", "BatchSemiHardTripletLoss", "BatchHardSoftMarginTripletLoss",
            "BinaryCrossEntropyLoss", "MSELoss",
        ]
        | None
    ) = knob(
        None, "Loss", "What is learned by. Empty: the one that suits the rows; the run says which, and why."
    )  # fmt: skip
    scale: float | None = knob(
        None, "Loss: scale", "Of the similarities, for ranking losses, CoSENT and AnglE. Empty: the loss's own.", gt=0
    )
    margin: float | None = knob(
        None, "Loss: margin", "How far apart is far enough, for contrastive and triplet losses. Empty: their own.", gt=0
    )
    mini_batch_size: int = knob(
        32, "Loss: rows at a time", "For cached losses: the batch is worked through in parts.", ge=1, le=4096
    )
    batch_sampler: Literal["batch_sampler", "no_duplicates", "group_by_label"] | None = knob(
        None, "Rows of a batch", "Empty: what the loss needs (no sentence twice, or several of each class)."
    )
    max_length: int | None = knob(
        None,
        "Longest text",
        "In tokens, of a cross-encoder both sentences together; the rest is not seen. Empty: what the model reads.",
        ge=4,
        le=131072,
    )
    metric_for_best_model: (
        Literal["spearman", "pearson", "average_precision", "triplet_accuracy", "mrr", "recall_at_1", "loss"] | None
    ) = knob(None, "Best by", "Empty: Spearman, average precision, triplet accuracy or MRR, whichever fits the rows.")
    extra_arguments: dict[str, Any] = knob(
        {},
        "More arguments",
        "Any other argument of SentenceTransformerTrainingArguments, such as prompts, as JSON.",
        json_schema_extra={"widget": "json"},
    )

    # Sentence Transformers' trainer takes no notice of these two.
    neftune_noise_alpha: ClassVar[None] = None
    train_sampling_strategy: ClassVar[None] = None
