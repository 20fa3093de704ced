"""What the frameworks built on Hugging Face's Trainer share, as functions: loading, tokenising, training, predicting.

Called by transformers.py, peft.py and setfit.py inside their train and load. Knows no framework's name.
"""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import UserError
from engine.frameworks import _classification as classification
from engine.frameworks._hf_arguments import training_arguments
from engine.frameworks._hf_config import HfLoopConfig, HfTrainingConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

# Ends of the figures of a validation that say nothing about the model.
OF_THE_MACHINE = ("_runtime", "_per_second", "_num_tokens", "_preparation_time")
LONGEST = 512  # tokens, where neither the config nor the base model says less


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and load reports of transformers: the events say what is happening."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def check_base(base: str, framework: str) -> None:
    """Raise UserError unless `base` is a folder that transformers can load."""
    if not (Path(base) / "config.json").is_file():
        raise UserError(
            f"The base model {base} is not a Transformers model, so {framework} can't train it.",
            "Choose a model with a config.json and safetensors weights, such as distilbert/distilroberta-base.",
        )


def note_device(report: Report, use_cpu: bool = False) -> str:
    """The device training will run on, told to the owner."""
    import torch

    if torch.cuda.is_available() and not use_cpu:
        report.note(f"Training on {torch.cuda.get_device_name(0)}.")
        return "cuda"
    if torch.backends.mps.is_available() and not use_cpu:
        report.note("Training on this Mac's GPU.")
        return "mps"
    report.note("Training on the CPU.")
    return "cpu"


def set_seed(config: HfLoopConfig) -> None:
    """Seed everything before the model is loaded: its new layer is drawn at random."""
    from transformers import enable_full_determinism, set_seed

    enable_full_determinism(config.seed) if config.full_determinism else set_seed(config.seed)


def load_tokenizer(base: str) -> Any:
    """The base model's tokenizer, with a padding token if it has none (an existing one is never replaced)."""
    from transformers import AutoTokenizer

    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is not None:
            tokenizer.pad_token = tokenizer.eos_token
        else:
            tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    return tokenizer


def load_classifier(base: str, tokenizer: Any, info: dict[str, Any], **kwargs: Any) -> Any:
    """The base model with a new classification layer, one output a class in the question's order."""
    import torch
    from transformers import AutoModelForSequenceClassification

    classes = info["classes"]
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(
            base,
            num_labels=len(classes),
            id2label=dict(enumerate(classes)),
            label2id={label: i for i, label in enumerate(classes)},
            problem_type="multi_label_classification" if info["multi_label"] else "single_label_classification",
            ignore_mismatched_sizes=True,  # a base that classified into another number of labels gets a new layer
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,  # transformers 5 would otherwise train half-precision checkpoints in half precision
            **kwargs,
        )
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def longest(tokenizer: Any, model_config: Any, wanted: int | None) -> int:
    """Tokens a text may have: what was asked for, within what the base model can read."""
    positions = getattr(model_config, "max_position_embeddings", None) or LONGEST
    if getattr(model_config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl"):
        positions -= 2  # their first two positions are reserved
    limit = min(tokenizer.model_max_length, positions)
    if wanted is not None and wanted > limit:
        raise UserError(
            f"Longest text: {wanted} tokens is more than the {limit} that this base model can read.",
            f"Enter {limit} or less, or choose a base model for long texts.",
        )
    return wanted or min(limit, LONGEST)


def tokenise(table: pa.Table, info: dict[str, Any], tokenizer: Any, max_length: int) -> tuple[Any, int]:
    """Canonical rows as a dataset of token ids and labels, without padding, and the number of texts cut."""
    from datasets import Dataset

    texts, columns, truncated = classification.texts(table), {}, 0
    for start in range(0, len(texts), 1000):
        batch = tokenizer(texts[start : start + 1000], truncation=True, max_length=max_length, padding=False)
        truncated += _count_truncated(tokenizer, batch, texts[start : start + 1000], max_length)
        for name, values in batch.items():
            columns.setdefault(name, []).extend(values)
    arrays = {name: pa.array(values, pa.list_(pa.int32())) for name, values in columns.items()}
    targets = classification.targets(table, info)
    arrays["labels"] = pa.array(targets, pa.list_(pa.float32()) if info["multi_label"] else pa.int64())
    return Dataset(pa.table(arrays)), truncated


def _count_truncated(tokenizer: Any, batch: Any, texts: list[str], max_length: int) -> int:
    if batch.encodings is not None:
        return sum(bool(encoding.overflowing) for encoding in batch.encodings)
    full = tokenizer(texts, truncation=False, padding=False, verbose=False)["input_ids"]
    return sum(len(ids) > max_length for ids in full)


def count_longer(tokenizer: Any, texts: list[str], max_length: int) -> int:
    """How many texts have more tokens than `max_length`."""
    longer = 0
    for start in range(0, len(texts), 1000):
        chunk = texts[start : start + 1000]
        batch = tokenizer(chunk, truncation=True, max_length=max_length, padding=False)
        longer += _count_truncated(tokenizer, batch, chunk, max_length)
    return longer


def tokenised_splits(data: TaskData, tokenizer: Any, max_length: int, report: Report) -> tuple[Any, Any]:
    """Training and validation rows as token ids; how many texts were cut is told."""
    splits = []
    for name, table in (("training", data.train), ("validation", data.validation)):
        if table is None:
            splits.append(None)
            continue
        dataset, truncated = tokenise(table, data.info, tokenizer, max_length)
        classification.note_truncated(report, name, truncated, len(table), max_length)
        splits.append(dataset)
    return splits[0], splits[1]


def progress_callback(report: Report) -> Any:
    """A TrainerCallback that passes steps, loss and validation figures on, and honours a stop."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            report.progress(state.global_step, state.max_steps, epoch=round(state.epoch or 0.0, 2))
            if report.stop_requested and not control.should_training_stop:
                control.should_training_stop = True
                # What was learnt since the last validation takes part in the choice of the best checkpoint.
                if args.eval_strategy == "steps":
                    control.should_evaluate, control.should_save = True, args.save_strategy == "steps"
            return control

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
            report_loss(report, state, logs.get("loss"))

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
            values = {
                key.replace("eval_", "validation_", 1): value
                for key, value in metrics.items()
                if key.startswith("eval_") and not key.endswith(OF_THE_MACHINE)
            }
            report.metrics(values, step=state.global_step)
            print(f"step {state.global_step}/{state.max_steps}  {values}", flush=True)

    return Progress()


def report_loss(report: Report, state: Any, loss: float | None) -> None:
    """A point of the loss plot and a line of the log. Raises UserError when the loss is no longer a number."""
    if loss is None:
        return
    if not math.isfinite(loss):
        raise UserError(
            f"Training came apart: the loss at step {state.global_step} is {loss}.",
            "Lower the learning rate, and try again.",
        )
    report.metrics({"loss": loss}, step=state.global_step)
    print(f"step {state.global_step}/{state.max_steps}  loss {loss:.4f}", flush=True)


def weighted_loss(data: TaskData, label_smoothing: float, device: str) -> Any:
    """A loss in which rare labels count more: weight n / (classes · n of the label), as scikit-learn's “balanced”."""
    import torch
    from torch.nn import functional

    targets = np.asarray(classification.targets(data.train, data.info))
    multi_label, width = data.info["multi_label"], len(data.info["classes"])
    counts = targets.sum(axis=0) if multi_label else np.bincount(targets, minlength=width)
    rare = (len(targets) - counts) if multi_label else np.full(width, len(targets) / width)
    weights = torch.tensor(rare / np.maximum(counts, 1), dtype=torch.float32, device=device)

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        if multi_label:
            total = functional.binary_cross_entropy_with_logits(
                outputs.logits, labels, pos_weight=weights, reduction="sum"
            )
        else:
            total = functional.cross_entropy(
                outputs.logits, labels, weight=weights, reduction="sum", label_smoothing=label_smoothing
            )
        return total / (labels.numel() if num_items_in_batch is None else num_items_in_batch)

    return loss


def fit(model: Any, tokenizer: Any, config: HfTrainingConfig, data: TaskData, out_dir: Path, report: Report) -> Any:
    """Train `model` with transformers' Trainer and return it with its best weights. Checkpoints are removed again."""
    from transformers import DataCollatorWithPadding, EarlyStoppingCallback, PrinterCallback, Trainer

    if data.info["multi_label"] and config.label_smoothing_factor:
        raise UserError(
            "Label smoothing is for one label a row, and these rows may have several.", "Set label smoothing to 0."
        )
    checkpoints = out_dir.parent / "checkpoints"
    arguments = training_arguments(config, data, checkpoints)
    max_length = longest(tokenizer, model.config, config.max_length)
    tokenizer.model_max_length = max_length  # saved with the model: whoever loads it cuts texts as in training
    train_set, validation_set = tokenised_splits(data, tokenizer, max_length, report)
    weights = config.class_weights == "balanced"
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=train_set,
        eval_dataset=validation_set,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda output: evaluate(output, data.info),
        compute_loss_func=weighted_loss(data, config.label_smoothing_factor, arguments.device) if weights else None,
        callbacks=[progress_callback(report)],
    )
    trainer.remove_callback(PrinterCallback)
    if arguments.eval_strategy != "no" and config.early_stopping_patience:
        trainer.add_callback(EarlyStoppingCallback(config.early_stopping_patience, config.early_stopping_threshold))
    report.stage("training")
    with quiet(), memory_errors(config.per_device_train_batch_size):
        trainer.train()
    note_end(report, trainer.state, arguments, data)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trainer.model


def evaluate(output: Any, info: dict[str, Any]) -> dict[str, float]:
    """accuracy and F1 of the Trainer's logits (n_rows, n_classes)."""
    logits = output.predictions[0] if isinstance(output.predictions, tuple) else output.predictions
    predicted = (logits >= 0).astype(int) if info["multi_label"] else logits.argmax(axis=-1)
    return classification.scores(output.label_ids, predicted, info)


def note_end(report: Report, state: Any, arguments: Any, data: TaskData) -> None:
    """Say why training ended and which checkpoint was kept."""
    if report.stop_requested:
        report.note(f"Stopped by its owner after step {state.global_step} of {state.max_steps}.")
    elif state.global_step < state.max_steps:
        report.note(f"Stopped early after step {state.global_step} of {state.max_steps}: no gain on validation rows.")
    if arguments.load_best_model_at_end and state.best_metric is not None:
        metric = arguments.metric_for_best_model.removeprefix("eval_")
        report.note(
            f"Kept the checkpoint of step {state.best_global_step}: validation {metric} {state.best_metric:.3f} "
            f"on {len(data.validation)} rows."
        )


@contextmanager
def memory_errors(batch_size: int) -> Iterator[None]:
    """An accelerator that runs out of memory, said in words."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"The GPU ran out of memory with a batch of {batch_size} rows.",
            "Lower the batch size and raise gradient accumulation, shorten the longest text, or take a smaller model.",
        ) from error


class SequenceClassifier:
    """A loaded classifier. `predict`: texts → every class as {"label", "score"}, best first."""

    def __init__(self, model: Any, tokenizer: Any, batch_size: int = 32) -> None:
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size
        config = model.config
        self.classes = [config.id2label[i] for i in range(config.num_labels)]
        self.multi_label = config.problem_type == "multi_label_classification"

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        texts = classification.checked_inputs(inputs)
        outputs: list[Any] = [None] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of one length waste no padding
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            for i, row in zip(chosen, self._probabilities([texts[i] for i in chosen]), strict=True):
                outputs[i] = classification.ranked(self.classes, row)
        return outputs

    def _probabilities(self, texts: list[str]) -> list[list[float]]:
        import torch

        batch = self.tokenizer(texts, truncation=True, padding=True, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            logits = self.model(**batch).logits.float()
        return (logits.sigmoid() if self.multi_label else logits.softmax(dim=-1)).tolist()


def best_device() -> str:
    """Where to put a model for predicting."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
