"""Chat completion with TRL: supervised fine-tuning on conversations. A model of your own answers messages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.frameworks import _hf, _trl_sft
from engine.frameworks import _trl_common as common
from engine.frameworks.framework import Predictor
from engine.runs.events import Report
from engine.tasks.task import TaskData

Config = _trl_sft.Config
BASE_MODELS = tuple(model for model in _trl_sft.BASE_MODELS if "no chat template" not in model.note)
check_base = _trl_sft.check_base
held_out_scores = _trl_sft.held_out_scores


def train(config: Config, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
    """Train on conversations from the base model at `base`, as _trl_sft.train does."""
    _trl_sft.train(config, data, base, out_dir, report)


class ChatModel(_trl_sft.TunedModel):
    """Messages → the assistant's next message."""

    def predict(self, inputs: Sequence[Any], **options: Any) -> list[dict[str, str]]:
        """{"role": "assistant", "content": text} each, in order."""
        return [{"role": "assistant", "content": text.strip()} for text in super().predict(inputs, **options)]


def load(model_dir: Path) -> Predictor:
    return ChatModel(*common.load_trained(model_dir), as_chat=True)


def load_base(base: str) -> Predictor:
    model = common.load_causal_lm(base).to(_hf.best_device())
    return ChatModel(model, common.load_writer_tokenizer(base), as_chat=True)


def usage(repo_id: str) -> str:
    return (
        "from transformers import pipeline  # an adapter needs the package peft too\n"
        "\n"
        f'chat = pipeline("text-generation", model="{repo_id}")\n'
        'messages = [{"role": "user", "content": "Hello!"}]\n'
        'print(chat(messages, max_new_tokens=64, do_sample=False)[0]["generated_text"][-1]["content"])\n'
    )
