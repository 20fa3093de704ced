"""What the trainers of TRL share: hyperparameters, arguments, loading a language model, LoRA, the loop, saving.

Called by the _trl_*.py files, one a task. TRL names its figures and its arguments; nothing here knows a task.
"""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator, model_validator

from engine import trust
from engine.errors import UserError
from engine.frameworks import _hf, base_models
from engine.frameworks._hf_arguments import on_cpu, precision, total_steps, validated_arguments
from engine.frameworks._hf_config import RESERVED, HfLoopConfig, rename
from engine.frameworks.framework import knob
from engine.runs.events import Report
from engine.tasks.task import TaskData

ALL_LINEAR = "all-linear"
LORA_TIMES = 10  # an adapter starts from nothing and takes larger steps (Schulman 2025, "LoRA Without Regret")
# Former names, and TRL's own command line's.
RENAMED = {"use_peft": "use_lora", "lora_r": "r", "lora_target_modules": "target_modules"}
LORA_OWN = {"r", "lora_alpha", "lora_dropout", "target_modules"}
LORA_RESERVED = {"task_type", "peft_type", "inference_mode", "base_model_name_or_path", "auto_mapping", "peft_version"}
# Arguments of TRL's configs that would run foreign code, load something else, or say what the task says already.
TRL_RESERVED = {
    "model_init_kwargs", "ref_model_init_kwargs", "trust_remote_code", "chat_template_path", "dataset_kwargs",
    "dataset_text_field",
}  # fmt: skip
WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # ends of the names of models that write text
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class TrlConfig(HfLoopConfig):
    """Hyperparameters of TRL's trainers. A subclass says its trainer's usual learning rate and adds its own."""

    usual_learning_rate: ClassVar[float] = 2e-5

    learning_rate: float | None = knob(
        None,
        "Learning rate",
        "Largest step size. Empty: TRL's for this method, and ten times that with LoRA.",
        level="basic",
        gt=0,
        lt=1,
    )
    use_lora: bool = knob(
        False,
        "LoRA",
        "Train a small adapter beside the model instead of all its weights: far less memory, a file of a few MB.",
        level="basic",
    )
    per_device_eval_batch_size: int = knob(8, "Batch size when validating", "No effect on the model.", ge=1, le=4096)
    max_length: int | None = knob(
        None,
        "Longest row",
        "In tokens, prompt and answer together; the rest is cut. Empty: what the model can read, at most 1,024.",
        ge=4,
        le=1048576,
    )
    r: int = knob(16, "LoRA rank", "Width of the adapter: larger learns more, and weighs more.", ge=1, le=1024)
    lora_alpha: int = knob(32, "LoRA alpha", "The adapter's part is scaled by alpha / rank.", ge=1, le=4096)
    lora_dropout: float = knob(0.05, "LoRA dropout", "Of the adapter's input while training.", ge=0, lt=1)
    target_modules: list[str] | None = knob(
        [ALL_LINEAR],
        "Layers adapted",
        "Names such as q_proj; all-linear: every linear layer. Empty: PEFT's choice.",
    )
    load_in_4bit: bool = knob(
        False, "4-bit base (QLoRA)", "The frozen model in 4 bits beside the adapter (Dettmers 2023). Needs a CUDA GPU."
    )
    lora_arguments: dict[str, Any] = knob(
        {},
        "More LoRA arguments",
        "Any other argument of peft.LoraConfig, as JSON.",
        json_schema_extra={"widget": "json"},
    )
    activation_checkpointing: bool | None = knob(
        None, "Activation checkpointing", "Less memory, about a third slower. Empty: on a GPU, as TRL does."
    )
    extra_arguments: dict[str, Any] = knob(
        {},
        "More arguments",
        "Any other argument of TRL's config for this method, as JSON.",
        json_schema_extra={"widget": "json"},
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_trl_names(cls, values: Any) -> Any:
        return rename(values, RENAMED)

    @field_validator("target_modules", mode="before")
    @classmethod
    def _one_name_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _four_bits_need_lora(self) -> "TrlConfig":
        if self.load_in_4bit and not self.use_lora:
            raise ValueError("A model in 4 bits can't be trained itself: switch LoRA on, or 4-bit base off.")
        return self


@contextmanager
def quiet() -> Iterator[None]:
    """As _hf.quiet, and no progress bars of datasets either, with which TRL shows how it prepares rows."""
    from datasets.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with _hf.quiet():
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def training_arguments(
    config: TrlConfig, data: TaskData, checkpoints: Path, cls: type, *, metric: str = "loss", **own: Any
) -> Any:
    """TRL's config `cls` for this run: nothing is written outside `checkpoints`, nothing sent anywhere.

    `metric`: the validation figure (without eval_) by which the best checkpoint is chosen; loss: lower is better, any
    other: higher. `own`: further arguments, stronger than the hyperparameters of the same name.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    values = {name: value for name, value in config.model_dump().items() if name in names}
    reserved = RESERVED | TRL_RESERVED
    extra = validated_arguments(config.extra_arguments, cls, set(type(config).model_fields), reserved)
    validates = data.validation is not None and config.eval_strategy != "no"
    selects = validates and config.load_best_model_at_end
    eval_steps = config.eval_steps or max(1, total_steps(config, len(data.train)) // 10)
    usual = config.usual_learning_rate * (LORA_TIMES if config.use_lora else 1)
    checkpointing = config.activation_checkpointing
    values |= {
        "learning_rate": config.learning_rate or usual,
        "activation_checkpointing": not on_cpu(config) if checkpointing is None else checkpointing,
        "dataloader_pin_memory": not on_cpu(config),
        "eval_strategy": config.eval_strategy if validates else "no",
        "eval_steps": eval_steps,
        "save_strategy": config.eval_strategy if selects else "no",
        "save_steps": eval_steps,
        "load_best_model_at_end": selects,
        "metric_for_best_model": metric if validates else None,
        "greater_is_better": metric != "loss",
        "bf16": False,  # TRL would switch it on, and raise where there is none
        "fp16": False,
    }
    try:
        arguments = cls(
            **(values | precision(config) | own | extra),
            output_dir=str(checkpoints),
            save_total_limit=1,
            save_only_model=True,
            report_to="none",
            disable_tqdm=True,
            logging_nan_inf_filter=False,  # a loss that is not a number must be seen, not averaged away
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"TRL refuses these settings: {error}", "Change the setting named.") from error
    arguments._n_gpu = min(arguments.n_gpu, 1)  # TRL refuses the DataParallel that Trainer would use for several
    return arguments


def check_writer(base: str, framework: str) -> None:
    """Raise UserError unless the model at `base` writes text: a causal language model, by its config.json alone."""
    file = Path(base) / "config.json"
    hint = "Choose a language model such as HuggingFaceTB/SmolLM2-135M-Instruct or openai-community/gpt2."
    if not file.is_file():
        raise UserError(f"The base model {base} is not a Transformers model, so {framework} can't train it.", hint)
    config = json.loads(file.read_text(encoding="utf-8"))
    kinds = config.get("architectures") or []
    if config.get("is_encoder_decoder"):
        raise UserError(
            f"The base model is a sequence-to-sequence model ({', '.join(kinds) or config.get('model_type')}); "
            "this task needs a model that goes on writing a text.",
            f"{hint} Sequence-to-sequence models learn the task text2text.",
        )
    if not any(kind.endswith(WRITERS) for kind in kinds):
        raise UserError(
            f"The base model does not write text ({', '.join(kinds) or 'its config.json names no architecture'}): it "
            "is an encoder or a classifier.",
            hint,
        )


def load_writer_tokenizer(base: str, report: Report | None = None) -> Any:
    """The tokenizer of a causal language model, with a padding token and a chat template if it has none.

    Raises UserError for a tokenizer without an end-of-text token: a model could never learn to stop.
    """
    tokenizer = _hf.load_tokenizer(base)
    if tokenizer.eos_token is None:
        raise UserError(
            "The base model's tokenizer has no end-of-text token, so the model could never learn to stop.",
            "Choose another base model, or set eos_token in its tokenizer_config.json.",
        )
    if tokenizer.chat_template is None:
        tokenizer.chat_template = CHATML
        if report is not None:
            report.note("The base model has no chat template: messages are written as ChatML, saved with the model.")
    return tokenizer


def load_causal_lm(base: str, config: TrlConfig | None = None) -> Any:
    """The language model at `base`, in 32 bits (in 4 where `config` asks for QLoRA)."""
    import torch
    from transformers import AutoModelForCausalLM

    quantized = four_bits(config) if config is not None and config.load_in_4bit else {}
    with _hf.quiet():
        return AutoModelForCausalLM.from_pretrained(
            base, use_safetensors=True, trust_remote_code=trust.may_run(base), dtype=torch.float32, **quantized
        )


def four_bits(config: TrlConfig) -> dict[str, Any]:
    import torch

    if on_cpu(config) or not torch.cuda.is_available():
        raise UserError(
            "A 4-bit base (QLoRA) needs a CUDA GPU, and this machine has none.",
            "Switch 4-bit base off: LoRA alone works here.",
        )
    if find_spec("bitsandbytes") is None:
        raise UserError(
            "A 4-bit base (QLoRA) needs the package bitsandbytes, which is not installed.",
            "Run: pip install bitsandbytes; or switch 4-bit base off.",
        )
    from transformers import BitsAndBytesConfig

    half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=half
    )
    return {"quantization_config": settings, "device_map": {"": 0}}


def lora(config: TrlConfig, task_type: str = "CAUSAL_LM") -> Any:
    """peft.LoraConfig as asked for, for TRL's `peft_config`; None when all weights are trained."""
    if not config.use_lora:
        return None
    from peft import LoraConfig

    extra = validated_arguments(config.lora_arguments, LoraConfig, LORA_OWN, LORA_RESERVED)
    values = {name: getattr(config, name) for name in LORA_OWN}
    if values["target_modules"] == [ALL_LINEAR]:
        values["target_modules"] = ALL_LINEAR
    return LoraConfig(task_type=task_type, **values, **extra)


def fit(trainer: Any, config: TrlConfig, data: TaskData, report: Report) -> Any:
    """Run a TRL trainer to its end, or until the owner stops it; → its model, with the best weights."""
    from transformers import PrinterCallback

    arguments = trainer.args
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_hf.progress_callback(report))
    if arguments.load_best_model_at_end and config.early_stopping_patience:
        trainer.add_callback(_hf.early_stopping(config))
    if config.use_lora:
        trainable, total = trainer.model.get_nb_trainable_parameters()
        report.note(f"Training {trainable:,} of {total:,} weights ({trainable / total:.1%}).")
    report.stage("training")
    with _hf.quiet(), _hf.memory_errors(config.per_device_train_batch_size):
        trainer.train()
    _hf.note_end(report, trainer.state, arguments, data)
    shutil.rmtree(arguments.output_dir, ignore_errors=True)
    return trainer.model


def save(model: Any, tokenizer: Any, base: str, out_dir: Path) -> None:
    """Leave in `out_dir` what from_pretrained (an adapter: AutoPeftModel…) loads, with the tokenizer."""
    adapters = getattr(model, "peft_config", None)
    if adapters:
        # Others get the base model by its id, not from this machine's folder. Named only now: given an id while
        # training, PEFT would ask the Hub about it at every checkpoint.
        adapters["default"].base_model_name_or_path = base_models.public_id(base)
        adapters["default"].revision = base_models.revision(base)
    with _hf.quiet():
        model.save_pretrained(out_dir)
    tokenizer.save_pretrained(out_dir)
    (out_dir / "README.md").unlink(missing_ok=True)  # PEFT's empty card; publishing writes the real one


def load_trained(model_dir: Path) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder that `save` left, whole or an adapter, on this machine's best device."""
    tokenizer = _hf.load_trained_tokenizer(model_dir)
    adapter = model_dir / "adapter_config.json"
    if not adapter.is_file():
        return load_causal_lm(str(model_dir)).to(_hf.best_device()), tokenizer
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_causal_lm(adapter_base(model_dir)), model_dir)
    return model.to(_hf.best_device()), tokenizer


def adapter_base(model_dir: Path) -> str:
    """Where the base model of an adapter lies. Raises UserError when it is not on this machine."""
    name = json.loads((model_dir / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    base = base_models.locate(name)
    if base is None:
        raise UserError(
            f"The base model {name} of this adapter is not on this machine.",
            "Fetch it: start a run on it, or put it into the Hub cache.",
        )
    return base


def window(tokenizer: Any, model_config: Any, wanted: int | None, most: int = 1024) -> int:
    """Tokens a row may have: what was asked for, within what the model can read; `most` when nothing was asked.

    Raises UserError when more was asked for than the model can read.
    """
    positions = getattr(model_config.get_text_config(), "max_position_embeddings", None) or most
    limit = min(tokenizer.model_max_length, positions)
    if wanted is not None and wanted > limit:
        raise UserError(
            f"Longest row: {wanted:,} tokens is more than the {limit:,} that this base model can read.",
            f"Enter {limit:,} or less, or choose a base model for long texts.",
        )
    return wanted or min(limit, most)
