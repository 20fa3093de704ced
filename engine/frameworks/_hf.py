"""What the frameworks built on Hugging Face's Trainer share, as functions: loading, training, what is told of it.

Called by transformers.py, peft.py and others inside their train and load. Knows no framework's name; what differs
between tasks stands in a module each (a Cell): _hf_labels, _hf_tokens, _hf_answers, _hf_seq2seq.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine import trust
from engine.errors import UserError
from engine.frameworks._hf_arguments import training_arguments
from engine.frameworks._hf_config import HfLoopConfig
from engine.frameworks.framework import Predictor
from engine.runs.events import Report
from engine.tasks.task import TaskData

# Ends of the figures of a validation that say nothing about the model.
OF_THE_MACHINE = ("_runtime", "_per_second", "_num_tokens", "_preparation_time")
LONGEST = 512  # tokens, where neither the config nor the base model says less
WRITERS = ("ForCausalLM", "LMHeadModel")  # ends of the names of models that read from left to right


@dataclass(frozen=True)
class Learning:
    """What one task gives the Trainer: rows as tokens (datasets), their collator, and how a validation is measured.

    `figures`: the Trainer's EvalPrediction → name → number. `shrink`: logits → what of them `figures` needs.
    """

    train: Any
    validation: Any | None
    collator: Any
    figures: Callable[[Any], dict[str, float]] | None = None
    shrink: Callable[..., Any] | None = None
    loss: Callable[..., Any] | None = None  # in place of the model's own


class Cell(Protocol):
    """One task as the Trainer learns it: a module beside this one."""

    MODEL: str  # transformers' class that loads it: "AutoModelForTokenClassification"
    TRAINER: str  # "": Trainer and TrainingArguments; "Seq2Seq": those of that name
    WRITES_BEFORE: bool  # whether the base model can do the task, well or badly, before it is trained

    def check_base(self, base: str) -> None:
        """Raise UserError when the model at `base` is of a kind that can't learn the task. Reads its config only."""

    def new_model(self, base: str, tokenizer: Any, info: dict[str, Any]) -> Any:
        """The base model, with a new layer for the task where it needs one."""

    def best_by(self, config: Any, info: dict[str, Any]) -> str:
        """The validation figure that chooses the best checkpoint; loss: the lowest."""

    def arguments(self, config: Any) -> dict[str, Any]:
        """Arguments of the Trainer beside the hyperparameters."""

    def learning(self, model: Any, tokenizer: Any, config: Any, data: TaskData, report: Report) -> Learning:
        """The rows for the Trainer; what is cut or lost of them is told."""

    def predictor(self, model: Any, tokenizer: Any) -> Predictor:
        """A trained model, ready to predict."""

    def usage(self, repo_id: str) -> str:
        """Lines that load the published model and predict with transformers itself."""


class AdaptedCell(Cell, Protocol):
    """One that an adapter can learn."""

    PEFT_TYPE: str  # peft's name for the kind of model: "TOKEN_CLS"
    NEW_LAYERS: tuple[str, ...]  # names of the new layer that peft does not tell from the base model's

    def info_of(self, config: Any) -> dict[str, Any]:
        """The task's info, as far as `new_model` needs it, from a saved model's config."""

    def adapter_usage(self, repo_id: str) -> str:
        """Lines that load the published adapter and predict with peft itself."""


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


def check_encoder(base: str, task: str) -> None:
    """Raise UserError unless the model at `base` is an encoder, which reads a text in both directions at once."""
    config = json.loads((Path(base) / "config.json").read_text(encoding="utf-8"))
    kinds = config.get("architectures") or []
    named = ", ".join(kinds) or config.get("model_type", "of an unknown kind")
    hint = "Choose an encoder such as distilbert/distilroberta-base or answerdotai/ModernBERT-base."
    if config.get("is_encoder_decoder"):
        raise UserError(f"The base model ({named}) turns texts into texts; {task} needs an encoder.", hint)
    if config.get("is_decoder") or any(kind.endswith(WRITERS) for kind in kinds):
        raise UserError(
            f"The base model ({named}) is a decoder: it reads from left to right, and never sees what follows a word. "
            f"{task} needs an encoder.",
            hint,
        )


def check_offsets(tokenizer: Any, task: str) -> None:
    """Raise UserError for a tokenizer that can't say which characters a token stands for."""
    if not tokenizer.is_fast:
        raise UserError(
            f"The base model's tokenizer ({type(tokenizer).__name__}) does not say which characters a token stands "
            f"for, as {task.lower()} needs.",
            "Choose a base model with a fast tokenizer (a tokenizer.json), such as distilbert/distilroberta-base.",
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
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=trust.may_run(base))
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is not None:
            tokenizer.pad_token = tokenizer.eos_token
        else:
            tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    return tokenizer


def load_trained_tokenizer(model_dir: str | Path) -> Any:
    """The tokenizer that was saved with a model, as it is."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model_dir, trust_remote_code=trust.may_run(model_dir))


def load_config(base: str | Path) -> Any:
    """The config of the model at `base`."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(base, trust_remote_code=trust.may_run(base))


def load_base(auto: str, base: str, tokenizer: Any, **kwargs: Any) -> Any:
    """The base model as transformers' class `auto`, in 32 bits; a layer that the task needs and it lacks is new."""
    import torch
    import transformers

    with quiet():
        model = getattr(transformers, auto).from_pretrained(
            base,
            use_safetensors=True,
            trust_remote_code=trust.may_run(base),
            dtype=torch.float32,  # transformers 5 would otherwise train half-precision checkpoints in half precision
            **kwargs,
        )
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def load_trained(auto: str, model_dir: Path) -> Any:
    """What `save_pretrained` left of a whole model, on this machine's best device."""
    import transformers

    with quiet():
        options = {"use_safetensors": True, "trust_remote_code": trust.may_run(model_dir)}
        return getattr(transformers, auto).from_pretrained(model_dir, **options).to(best_device())


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


def count_truncated(tokenizer: Any, batch: Any, texts: list[str], max_length: int) -> int:
    """How many of `texts`, tokenised as `batch`, were longer than `max_length` tokens."""
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
        longer += count_truncated(tokenizer, batch, chunk, max_length)
    return longer


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


def fit(model: Any, tokenizer: Any, config: Any, data: TaskData, out_dir: Path, report: Report, cell: Cell) -> Any:
    """Train `model` with transformers' Trainer and return it with its best weights. Checkpoints are removed again."""
    import transformers

    checkpoints = out_dir.parent / "checkpoints"
    kinds = [getattr(transformers, cell.TRAINER + name) for name in ("TrainingArguments", "Trainer")]
    best_by = cell.best_by(config, data.info)
    arguments = training_arguments(config, data, checkpoints, kinds[0], best_by, **cell.arguments(config))
    learning = cell.learning(model, tokenizer, config, data, report)
    trainer = kinds[1](
        model=model,
        args=arguments,
        train_dataset=learning.train,
        eval_dataset=learning.validation,
        processing_class=tokenizer,
        data_collator=learning.collator,
        compute_metrics=learning.figures,
        preprocess_logits_for_metrics=learning.shrink,
        compute_loss_func=learning.loss,
        callbacks=[progress_callback(report)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    if arguments.eval_strategy != "no" and config.early_stopping_patience:
        trainer.add_callback(early_stopping(config))
    report.stage("training")
    with quiet(), memory_errors(config.per_device_train_batch_size):
        trainer.train()
    note_end(report, trainer.state, arguments, data)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trainer.model


def early_stopping(config: Any) -> Any:
    """A callback that ends training after some validations without a gain.

    Validations at 0 before the first gain don't count: macro F1 of many rare labels stays there for epochs, and a model
    that has not begun to answer is not one that has stopped learning.
    """
    from transformers import EarlyStoppingCallback

    class EarlyStopping(EarlyStoppingCallback):
        def check_metric_value(self, args: Any, state: Any, control: Any, metric_value: float) -> None:
            if not (args.greater_is_better and metric_value == 0 and not state.best_metric):
                super().check_metric_value(args, state, control, metric_value)

    return EarlyStopping(config.early_stopping_patience, config.early_stopping_threshold)


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


def best_device() -> str:
    """Where to put a model for predicting."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
