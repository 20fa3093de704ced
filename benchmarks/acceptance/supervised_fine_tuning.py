"""Supervised fine-tuning: instructions of three kinds, whole models and LoRA, by their loss on held-out rows.

The base models are those of the tests: SmolLM2's first four layers, and a small one of random weights.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.acceptance.measured import Measured
from engine import ArgillaTrainer, FeedbackDataset, TrainingTask
from engine.tasks.task import TaskData
from tests.models import small_llm, tiny_llm

Row = dict[str, Any]
Given = tuple[FeedbackDataset, TrainingTask, dict[str, float]]
# By their upstream names; small, so that two CPU cores are enough.
SETTINGS: Row = {
    "num_train_epochs": 1, "per_device_train_batch_size": 4, "learning_rate": 1e-4, "max_length": 128,
    "activation_checkpointing": False,
}  # fmt: skip
LORA: Row = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "target_modules": ["q_proj", "v_proj"]}
PROMPT = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"


def alpaca(data: Path) -> Given:
    """Prompts and completions: 64 to train on, 32 held out."""
    dataset = FeedbackDataset.from_file(data / "llamafactory_demos" / "alpaca_en_demo.jsonl").head(96)
    task = TrainingTask.for_supervised_fine_tuning(prompt=PROMPT, completion="output")
    return dataset, task, {"train_size": 64 / 96}


def self_instruct(data: Path) -> Given:
    """Whole texts, made by a function: the 175 seed tasks."""
    dataset = FeedbackDataset.from_file(data / "self_instruct" / "seed_tasks.jsonl")

    def formatting_func(sample: Row) -> str:
        return (
            PROMPT.format(instruction=sample["instruction"], **sample["instances"][0])
            + sample["instances"][0]["output"]
        )

    return dataset, TrainingTask.for_supervised_fine_tuning(formatting_func), {"train_size": 0.8}


def v1_sft(data: Path) -> Given:
    """Conversations, learned whole: TRL can't mark the assistant's part in the chat template of these models."""
    dataset = FeedbackDataset.from_file(data / "llamafactory_demos" / "v1_sft_demo.jsonl")
    return dataset, TrainingTask.for_supervised_fine_tuning(messages="messages"), {"train_size": 0.8}


# Dataset → rows, base model, further settings of ours and of bare TRL.
DATASETS: dict[str, tuple[Callable[[Path], Given], Callable[[], str], Row]] = {
    "alpaca_en_demo": (alpaca, small_llm, {}),
    "self_instruct": (self_instruct, tiny_llm, {"learning_rate": 5e-3, "per_device_train_batch_size": 8}),
    "v1_sft_demo": (
        v1_sft,
        tiny_llm,
        {"learning_rate": 5e-3, "per_device_train_batch_size": 8, "assistant_only_loss": False},
    ),
}


def measure(cell: str, dataset_name: str, lora: Row, folder: Path) -> Measured:
    """One cell: ours through ArgillaTrainer, then bare TRL on the very rows that ours was given."""
    make, base_model, more = DATASETS[dataset_name]
    dataset, task, shares = make(folder)
    settings = SETTINGS | more | ({"learning_rate": 2e-3} if lora else {})
    own = {"use_lora": True} | lora if lora else {}
    return compared(
        cell, ArgillaTrainer(dataset, task, "trl", model=base_model(), seed=42, **shares), settings, own, lora
    )


def compared(
    cell: str, trainer: ArgillaTrainer, settings: Row, own: Row, lora: Row, as_rows: Callable[[Row], Row] = dict
) -> Measured:
    """Ours and bare TRL. `own`: settings of ours alone; `as_rows`: a canonical row as bare TRL is given it."""
    trainer.update_config(**(settings | own))
    base, data = trainer.get_model_kwargs()["pretrained_model_name_or_path"], trainer._prepared.data
    with tempfile.TemporaryDirectory(prefix="acceptance-") as scratch:
        started = time.monotonic()
        trainer.train(Path(scratch) / "ours")
        ours_seconds, figures = time.monotonic() - started, trainer.report
        started = time.monotonic()
        bare = bare_loss(data, base, settings, lora, Path(scratch) / "bare", as_rows)
        bare_seconds = time.monotonic() - started
    before = figures["baseline"]["metrics"]["loss"]
    rows, seconds = f"{len(data.train)}/{len(data.test)}", (ours_seconds, bare_seconds)
    ours = figures["metrics"]["loss"]
    return Measured(cell, rows, "loss", ours, bare, seconds, is_loss=True, learned=bare < 0.97 * before)


def bare_loss(
    data: TaskData, base: str, settings: Row, lora: Row, folder: Path, as_rows: Callable[[Row], Row] = dict
) -> float:
    """Mean loss a held-out token of TRL's SFTTrainer, used as its documentation does, on `as_rows` of our rows."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    train, test = (
        Dataset.from_list([as_rows(row) for row in table.drop(["record_id"]).to_pylist()])
        for table in (data.train, data.test)
    )
    trainer = SFTTrainer(
        model=base,
        args=SFTConfig(output_dir=str(folder), seed=42, bf16=False, report_to="none", disable_tqdm=True, **settings),
        train_dataset=train,
        eval_dataset=test,
        peft_config=LoraConfig(task_type="CAUSAL_LM", **lora) if lora else None,
    )
    trainer.train()
    model, total, counted = trainer.model.eval(), 0.0, 0
    for row in trainer.eval_dataset:
        ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
        n = int((labels[:, 1:] != -100).sum())
        with torch.no_grad():
            logits = model(input_ids=ids).logits[:, :-1].float()
        total += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
        ).item()
        counted += n
    return total / counted


CELLS = {
    "trl:alpaca_en_demo": partial(measure, "trl:alpaca_en_demo", "alpaca_en_demo", {}),
    "trl-lora:alpaca_en_demo": partial(measure, "trl-lora:alpaca_en_demo", "alpaca_en_demo", LORA),
    "trl:self_instruct": partial(measure, "trl:self_instruct", "self_instruct", {}),
    "trl:v1_sft_demo": partial(measure, "trl:v1_sft_demo", "v1_sft_demo", {}),
}
