"""Supervised fine-tuning with TRL's SFTTrainer: texts, prompts with completions, and conversations."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from engine.frameworks import _hf, _trl_rows
from engine.frameworks import _trl_common as common
from engine.frameworks._generation import Generator
from engine.frameworks.framework import Predictor, SuggestedModel, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData

PROMPT_FORMAT = "prompt_format.json"  # beside the model: whether a prompt is to be written as a user's message


class Config(common.TrlConfig):
    """Hyperparameters of SFTTrainer."""

    usual_learning_rate: ClassVar[float] = 2e-5

    completion_only_loss: bool = knob(
        True, "Learn completions only", "The prompt is read but not learned. For rows of prompt and completion."
    )
    assistant_only_loss: bool = knob(
        True, "Learn the assistant only", "What others say is read but not learned. For conversations."
    )
    packing: bool = knob(
        False, "Packing", "Put several short rows into one of the longest length: less padding, more rows a step."
    )
    packing_strategy: Literal["bfd", "bfd_split", "wrapped"] = knob(
        "bfd",
        "Way of packing",
        "bfd: rows stay whole; bfd_split: the rest of a long row is a row; wrapped: cut anywhere.",
    )
    eval_packing: bool | None = knob(None, "Packing when validating", "Empty: as when training.")
    loss_type: Literal["nll", "dft"] = knob(
        "nll", "Loss", "nll: cross-entropy; dft: each token weighed by its probability (Wu 2025)."
    )


BASE_MODELS = (
    SuggestedModel("HuggingFaceTB/SmolLM2-135M-Instruct", 269, "Small, English, has a chat template; trains on a CPU."),
    SuggestedModel("HuggingFaceTB/SmolLM2-360M-Instruct", 724, "A little stronger, for a small GPU."),
    SuggestedModel("openai-community/gpt2", 548, "The guide's; English, no chat template."),
    SuggestedModel("Qwen/Qwen2.5-0.5B-Instruct", 988, "Many languages; long texts."),
    SuggestedModel("Qwen/Qwen3-0.6B", 1503, "Many languages, newer; can think before it answers."),
    SuggestedModel("HuggingFaceTB/SmolLM2-1.7B-Instruct", 3422, "Strong English; with LoRA on a GPU."),
)


def check_base(base: str) -> None:
    common.check_writer(base, "TRL")


def train(config: Config, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
    """Train from the base model at `base`; leave in `out_dir` the model or its adapter, and the tokenizer."""
    from trl import SFTConfig, SFTTrainer

    check_base(base)
    report.stage("loading")
    _hf.note_device(report, config.use_cpu)
    _hf.set_seed(config)
    tokenizer = common.load_writer_tokenizer(base, report)
    model = common.load_causal_lm(base, config)
    max_length = common.window(tokenizer, model.config, config.max_length)
    train_set, validation_set = datasets(config, data, tokenizer, max_length, report)
    # The labels stand in the rows: nothing is left for the trainer to mask.
    masks = {"completion_only_loss": False, "assistant_only_loss": False}
    checkpoints = out_dir.parent / "checkpoints"
    with common.quiet():
        trainer = SFTTrainer(
            model=model,
            args=common.training_arguments(config, data, checkpoints, SFTConfig, max_length=max_length, **masks),
            train_dataset=train_set,
            eval_dataset=validation_set,
            processing_class=tokenizer,
            peft_config=common.lora(config),
        )
    model = common.fit(trainer, config, data, report)
    report.stage("saving")
    common.save(model, tokenizer, base, out_dir)
    as_chat = {"chat": "messages" in data.train.column_names}
    (out_dir / PROMPT_FORMAT).write_text(json.dumps(as_chat) + "\n", encoding="utf-8")


def datasets(config: Config, data: TaskData, tokenizer: Any, max_length: int, report: Report) -> tuple[Any, Any]:
    """Training and validation rows as token ids and labels; what was cut or left out is told."""
    from datasets import Dataset

    made = []
    for split, table in (("training", data.train), ("validation", data.validation)):
        if table is None:
            made.append(None)
            continue
        rows = _trl_rows.told(encoded(table, tokenizer, max_length, config), split, max_length, report)
        ids, labels = ([row[i] for row in rows] for i in (0, 1))
        kind = pa.list_(pa.int64())
        made.append(Dataset(pa.table({"input_ids": pa.array(ids, kind), "labels": pa.array(labels, kind)})))
    return made[0], made[1]


def encoded(table: pa.Table, tokenizer: Any, max_length: int, config: Config) -> _trl_rows.Rows:
    """Canonical rows as token ids and labels, by what `config` says is learned."""
    masks = {"completion_only": config.completion_only_loss, "assistant_only": config.assistant_only_loss}
    return _trl_rows.encode(table, tokenizer, max_length, **masks)


class TunedModel(Generator):
    """A fine-tuned model, or the base model: writes texts, and knows its loss on canonical rows."""

    def score(self, table: pa.Table, config: Config | None = None) -> dict[str, float]:
        """Loss, perplexity and token accuracy on the tokens that `config` trains on, within its longest row.

        By default those of completions, of the assistant's turns, or of whole texts.
        """
        config = config or Config()
        longest = common.window(self.tokenizer, self.model.config, config.max_length)
        return self.token_scores(encoded(table, self.tokenizer, longest, config).rows)


def held_out_scores(predictor: TunedModel, table: pa.Table, config: Config) -> dict[str, float]:
    """Figures on what was trained on, so that they fit the validation's: of the trained and of the base model."""
    return predictor.score(table, config)


def load(model_dir: Path) -> Predictor:
    return TunedModel(*common.load_trained(model_dir), as_chat=is_chat(model_dir))


def load_base(base: str) -> Predictor:
    return TunedModel(common.load_causal_lm(base).to(_hf.best_device()), common.load_writer_tokenizer(base))


def is_chat(model_dir: Path) -> bool:
    """Whether the model learned conversations, so that a prompt is what a user says."""
    file = model_dir / PROMPT_FORMAT
    return file.is_file() and json.loads(file.read_text(encoding="utf-8"))["chat"]


def usage(repo_id: str) -> str:
    return (
        "from transformers import pipeline  # an adapter needs the package peft too\n"
        "\n"
        f'write = pipeline("text-generation", model="{repo_id}")\n'
        '# Trained on conversations: give [{"role": "user", "content": "A prompt."}] in place of the text.\n'
        'print(write("A prompt.", max_new_tokens=64, do_sample=False, return_full_text=False)[0]["generated_text"])\n'
    )
