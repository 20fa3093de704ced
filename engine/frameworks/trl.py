"""TRL: language models that learn from examples, preferences and rewards.

Each task has a file of its own with Config, BASE_MODELS, train, load, load_base, usage and check_base, and perhaps
check_config, other_models and held_out_scores; this one only finds it.
"""

from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pyarrow as pa

from engine.frameworks import _trl_chat, _trl_dpo, _trl_kto, _trl_ppo, _trl_reward, _trl_sft
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

TASK_FILES: dict[str, ModuleType] = {
    "supervised-fine-tuning": _trl_sft,
    "reward-modeling": _trl_reward,
    "direct-preference-optimization": _trl_dpo,
    "kto": _trl_kto,
    "proximal-policy-optimization": _trl_ppo,
    "chat-completion": _trl_chat,
}


class Trl(Framework):
    name: ClassVar[str] = "trl"
    label: ClassVar[str] = "TRL"
    summary: ClassVar[str] = "Trains a language model to write: all of it, or a small LoRA adapter. Wants a GPU."
    requires: ClassVar[tuple[str, ...]] = ("trl", "transformers", "torch", "accelerate", "datasets", "peft")
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {task: file.Config for task, file in TASK_FILES.items()}
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        task: file.BASE_MODELS for task, file in TASK_FILES.items()
    }
    config_objects: ClassVar[dict[str, str]] = {"peft_config": "lora_arguments", "args": "extra_arguments"}
    config_switches: ClassVar[dict[str, dict[str, bool]]] = {"peft_config": {"use_lora": True}}
    overlays: ClassVar[dict[str, str]] = {"proximal-policy-optimization": "trl-ppo"}
    library_name: ClassVar[str] = "transformers"

    def train(self, config: TrainerConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        TASK_FILES[task].train(config, data, base, out_dir, report)

    def load(self, model_dir: Path, task: str) -> Predictor:
        return TASK_FILES[task].load(model_dir)

    def load_base(self, base: str, task: str) -> Predictor | None:
        return TASK_FILES[task].load_base(base)

    def usage(self, repo_id: str, task: str) -> str:
        return TASK_FILES[task].usage(repo_id)

    def check_base(self, base: str, task: str) -> None:
        TASK_FILES[task].check_base(base)

    def check_config(self, config: TrainerConfig, task: str) -> None:
        getattr(TASK_FILES[task], "check_config", lambda config: None)(config)

    def other_models(self, config: TrainerConfig, task: str) -> list[str]:
        return getattr(TASK_FILES[task], "other_models", lambda config: [])(config)

    def held_out_scores(self, predictor: Any, table: pa.Table, config: TrainerConfig, task: str) -> dict[str, float]:
        own = getattr(TASK_FILES[task], "held_out_scores", None)
        return own(predictor, table, config) if own else super().held_out_scores(predictor, table, config, task)
