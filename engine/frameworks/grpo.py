"""GRPO of TRL: completions of a prompt are scored by a reward model, and better than average ones become likelier."""

from pathlib import Path
from typing import ClassVar, Literal

from engine.frameworks._group_rl import TASK, GroupConfig, GroupFramework, train
from engine.frameworks.framework import TrainerConfig, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData


class GrpoConfig(GroupConfig):
    """Group relative policy optimisation (Shao 2024), and the loss variants that TRL has."""

    usual_learning_rate: ClassVar[float] = 1e-6

    beta: float = knob(
        0.04, "KL coefficient", "Pulls the model back to its base: larger, less drift. 0: no pull, less memory.", ge=0
    )
    loss_type: Literal["grpo", "dapo", "bnpo", "dr_grpo"] = knob(
        "dapo", "Loss", "How tokens are averaged: grpo by completion, dapo and bnpo by token, dr_grpo by length."
    )
    scale_rewards: Literal["group", "batch", "none"] = knob(
        "group", "Scale rewards", "Divide by their spread in a prompt's completions, in the batch, or not at all."
    )
    importance_sampling_level: Literal["token", "sequence"] = knob(
        "token", "Ratios of", "Single tokens, or whole completions (GSPO, Zheng 2025)."
    )
    delta: float | None = knob(None, "Two-sided clipping", "Largest ratio allowed (INTELLECT-2). Empty: none.", gt=0)
    top_entropy_quantile: float = knob(
        1.0, "Share of tokens", "Only the least sure tokens count in the loss (Wang 2025).", gt=0, le=1
    )


class Grpo(GroupFramework):
    name: ClassVar[str] = "grpo"
    label: ClassVar[str] = "GRPO"
    summary: ClassVar[str] = "Today's choice: several answers to a prompt are compared; needs no value model."
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {TASK: GrpoConfig}

    def train(self, config: GrpoConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        from trl import GRPOConfig, GRPOTrainer

        train(GRPOTrainer, GRPOConfig, config, data, base, out_dir, report)
