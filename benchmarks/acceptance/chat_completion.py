"""Chat completion with TRL on a local model: what the assistant says is learned, whole model and LoRA."""

from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.acceptance import supervised_fine_tuning as sft
from benchmarks.acceptance.measured import Measured
from engine import ArgillaTrainer, FeedbackDataset, TrainingTask
from tests.models import small_llm, tiny_llm

SETTINGS = {"learning_rate": 5e-3, "per_device_train_batch_size": 8}


def as_pair(row: dict[str, Any]) -> dict[str, Any]:
    """A conversation as bare TRL learns its last turn alone: a prompt and a completion of messages."""
    return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}


def measure(cell: str, lora: dict[str, Any], folder: Path) -> Measured:
    """The conversations of one question and one answer, in which both ways learn the same tokens."""
    dataset = FeedbackDataset.from_file(folder / "llamafactory_demos" / "v1_sft_demo.jsonl")

    numbers = count()

    def formatting_func(sample: dict[str, Any]) -> Any:
        said = [turn for turn in sample["messages"] if turn["role"] != "system"]
        if [turn["role"] for turn in said] == ["user", "assistant"]:
            chat = str(next(numbers))
            for turn, message in enumerate(said):
                yield (chat, turn, message["role"], "".join(part["value"] for part in message["content"]))

    task = TrainingTask.for_chat_completion(formatting_func)
    base = small_llm() if lora else tiny_llm()
    trainer = ArgillaTrainer(dataset, task, "trl", model=base, train_size=0.8, seed=42)
    settings = sft.SETTINGS | ({"learning_rate": 2e-3} if lora else SETTINGS)
    own = {"use_lora": True} | lora if lora else {}
    return sft.compared(cell, trainer, settings, own, lora, as_pair)


CELLS = {
    "trl:chat:v1_sft_demo": partial(measure, "trl:chat:v1_sft_demo", {}),
    "trl-lora:chat:v1_sft_demo": partial(measure, "trl-lora:chat:v1_sft_demo", sft.LORA),
}
