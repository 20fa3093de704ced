"""Hyperparameters that the frameworks built on transformers' Trainer share, named as in its TrainingArguments (5.23).

Light: read by the page to draw forms. Frameworks subclass it and redeclare what differs.
"""

from typing import Any, Literal

from pydantic import model_validator

from engine.frameworks.framework import TrainerConfig, knob

# What older versions and the ancestor's guide called them.
RENAMED = {
    "evaluation_strategy": "eval_strategy",
    "warmup_ratio": "warmup_steps",
    "gradient_checkpointing": "activation_checkpointing",
    "batch_size": "per_device_train_batch_size",
}

# Arguments with which a run would write elsewhere, publish, or report to a service: ours alone.
RESERVED = {
    "output_dir", "report_to", "run_name", "project", "logging_dir", "do_train", "do_eval", "do_predict",
    "disable_tqdm", "resume_from_checkpoint", "save_strategy", "save_steps", "save_total_limit", "save_only_model",
    "log_level", "greater_is_better", "push_to_hub", "remove_unused_columns", "label_names", "bf16", "fp16",
}  # fmt: skip


class HfLoopConfig(TrainerConfig):
    """The training loop of transformers' Trainer, whatever is learned."""

    num_train_epochs: float = knob(
        3.0, "Epochs", "Passes over the training rows. Early stopping may end sooner.", level="basic", gt=0, le=1000
    )
    learning_rate: float = knob(
        5e-5, "Learning rate", "Largest step size. Smaller is safer, larger is faster.", level="basic", gt=0, lt=1
    )
    per_device_train_batch_size: int = knob(
        8, "Batch size", "Rows a step. Lower it when memory runs out.", level="basic", ge=1, le=1024
    )
    per_device_eval_batch_size: int = knob(32, "Batch size when validating", "No effect on the model.", ge=1, le=4096)
    gradient_accumulation_steps: int = knob(
        1, "Gradient accumulation", "Batches added up before each step: a larger batch in little memory.", ge=1, le=4096
    )
    max_steps: int = knob(-1, "Steps", "Number of steps; overrides the epochs. -1: by epochs.", ge=-1)
    weight_decay: float = knob(0.0, "Weight decay", "Pulls weights towards zero.", ge=0, le=10)
    lr_scheduler_type: Literal[
        "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"
    ] = knob("linear", "Learning rate schedule", "How the learning rate goes down.")
    warmup_steps: float = knob(
        0.0, "Warm-up", "Steps in which the learning rate rises; below 1, a share of all steps.", ge=0
    )
    optim: Literal["adamw_torch_fused", "adamw_torch", "adafactor", "sgd", "adagrad", "rmsprop"] = knob(
        "adamw_torch_fused", "Optimizer", "AdamW suits nearly everything; Adafactor needs less memory."
    )
    adam_beta1: float = knob(0.9, "Adam β1", "Decay of the gradient's mean.", ge=0, lt=1)
    adam_beta2: float = knob(0.999, "Adam β2", "Decay of the gradient's square.", ge=0, lt=1)
    adam_epsilon: float = knob(1e-8, "Adam ε", "Keeps the division stable.", gt=0, lt=1)
    max_grad_norm: float = knob(1.0, "Gradient clipping", "Longest gradient allowed; 0: no clipping.", ge=0)
    neftune_noise_alpha: float | None = knob(
        None, "NEFTune noise", "Noise on the embeddings while training (Jain 2023). Empty: none.", gt=0
    )
    train_sampling_strategy: Literal["random", "sequential", "group_by_length"] = knob(
        "random", "Order of rows", "Grouping by length wastes less padding."
    )
    eval_strategy: Literal["epoch", "steps", "no"] = knob(
        "epoch", "Validate", "When to look at the validation rows. Without any, nothing is selected."
    )
    eval_steps: int | None = knob(
        None, "Steps between validations", "When validating by steps. Empty: ten times a run.", ge=1
    )
    load_best_model_at_end: bool = knob(
        True, "Keep the best checkpoint", "The one with the best validation figure, not the last."
    )
    early_stopping_patience: int | None = knob(
        3, "Early stopping", "Validations without a gain before training ends. Empty: never.", ge=1, le=1000
    )
    early_stopping_threshold: float = knob(0.0, "Smallest gain", "That early stopping counts.", ge=0, le=1)
    logging_steps: int = knob(10, "Steps between loss points", "In the loss plot and the log.", ge=1)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = knob(
        "auto", "Number format", "Auto: bf16 or fp16 where a GPU has it, 32 bits on a CPU."
    )
    activation_checkpointing: bool | None = knob(None, "Activation checkpointing", "Less memory, about a third slower.")
    dataloader_num_workers: int = knob(0, "Loader processes", "Extra processes that prepare batches.", ge=0, le=64)
    use_cpu: bool = knob(False, "Use the CPU", "Even where there is a GPU.")
    full_determinism: bool = knob(False, "Full determinism", "The same result every time on a GPU too; slower.")
    seed: int = knob(42, "Seed", "Of the order of rows, of dropout and of the new layer.", ge=0, le=2**32 - 1)
    extra_arguments: dict[str, Any] = knob(
        {},
        "More arguments",
        "Any other argument of transformers.TrainingArguments, as JSON.",
        json_schema_extra={"widget": "json"},
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_former_names(cls, values: Any) -> Any:
        return rename(values, RENAMED)

    @model_validator(mode="after")
    def _refuse_reserved(self) -> "HfLoopConfig":
        refuse_reserved(self.extra_arguments)
        return self


class HfTrainingConfig(HfLoopConfig):
    """What transformers' Trainer is told for a classifier."""

    max_length: int | None = knob(
        None,
        "Longest text",
        "In tokens; the rest of a longer text is not seen. Empty: what the base model can read, at most 512.",
        level="basic",
        ge=4,
        le=131072,
    )
    label_smoothing_factor: float = knob(
        0.0, "Label smoothing", "Share of certainty taken from the right label. For one label a row.", ge=0, lt=1
    )
    class_weights: Literal["none", "balanced"] = knob(
        "none", "Class weights", "Balanced: rare labels count more in the loss, by 1 / frequency."
    )
    metric_for_best_model: Literal["accuracy", "f1_macro", "f1_micro", "loss"] | None = knob(
        None, "Best by", "Empty: accuracy with one label a row, macro F1 with several."
    )


class HfTokensConfig(HfLoopConfig):
    """What transformers' Trainer is told for token classification."""

    max_length: int | None = knob(
        None,
        "Window",
        "Tokens read at once; longer texts are read in windows that overlap. Empty: what the base model can read, at "
        "most 512.",
        level="basic",
        ge=8,
        le=131072,
    )
    label_smoothing_factor: float = knob(
        0.0, "Label smoothing", "Share of certainty taken from the right tag of each word.", ge=0, lt=1
    )
    metric_for_best_model: Literal["f1", "precision", "recall", "tag_accuracy", "loss"] | None = knob(
        None, "Best by", "Empty: F1 of whole spans."
    )


class HfAnswersConfig(HfLoopConfig):
    """What transformers' Trainer is told for question answering. Windows as in transformers' run_qa.py."""

    max_length: int | None = knob(
        None,
        "Window",
        "Tokens of question and context read at once; longer contexts are read in windows that overlap. Empty: what "
        "the base model can read, at most 384.",
        level="basic",
        ge=32,
        le=131072,
    )
    doc_stride: int = knob(
        128, "Overlap of windows", "Tokens of the context; at most a third of the window is shared.", ge=0, le=65536
    )
    max_answer_length: int = knob(30, "Longest answer", "In tokens; longer ones are never predicted.", ge=1, le=4096)
    metric_for_best_model: Literal["f1", "exact_match", "loss"] | None = knob(None, "Best by", "Empty: F1.")


class HfSeq2SeqConfig(HfLoopConfig):
    """What transformers' Seq2SeqTrainer is told for text2text."""

    max_length: int | None = knob(
        None,
        "Longest text",
        "In tokens; the rest of a longer text is not seen. Empty: what the base model can read, at most 512.",
        level="basic",
        ge=4,
        le=131072,
    )
    max_target_length: int = knob(
        128, "Longest target", "In tokens; longer targets are cut, and nothing longer is written.", ge=1, le=8192
    )
    predict_with_generate: bool = knob(
        False,
        "Write when validating",
        "Write out the validation rows and measure chrF. Slow; without it, validation measures the loss.",
    )
    generation_num_beams: int | None = knob(
        None, "Beams", "Texts tried side by side when writing. Empty: one, the likeliest token each time.", ge=1, le=64
    )
    label_smoothing_factor: float = knob(
        0.0, "Label smoothing", "Share of certainty taken from the right token.", ge=0, lt=1
    )
    metric_for_best_model: Literal["chrf", "exact_match", "loss"] | None = knob(
        None, "Best by", "Empty: the loss; chrF when validation rows are written out."
    )


def is_reserved(name: str) -> bool:
    """Whether an upstream argument is ours alone, or could hold a secret."""
    return name in RESERVED or name.startswith(("hub_", "trackio_")) or name.endswith("token")


def refuse_reserved(arguments: dict[str, Any]) -> None:
    """Raise ValueError for a reserved name: here, before a run file is written, so that no token ever stands in one."""
    for name in filter(is_reserved, arguments):
        raise ValueError(
            f"{name!r} can't stand in “More arguments”: Annotune decides where a run writes and whom it tells."
        )


def rename(values: Any, former: dict[str, str]) -> Any:
    """`values` with former names replaced by today's, so that old scripts and guides keep working."""
    if not isinstance(values, dict) or not former.keys() & values.keys():
        return values
    named = {key: value for key, value in values.items() if key not in former}
    return named | {former[key]: values[key] for key in former if key in values}
