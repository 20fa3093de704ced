"""RLOO of TRL: REINFORCE, each completion's reward compared with the mean of the others of its prompt."""

from pathlib import Path
from typing import ClassVar

from engine.frameworks._group_rl import TASK, GroupConfig, GroupFramework, train
from engine.frameworks.framework import TrainerConfig, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData


class RlooConfig(GroupConfig):
    """REINFORCE leave-one-out (Ahmadian 2024)."""

    usual_learning_rate: ClassVar[float] = 1e-6

    beta: float = knob(
        0.05, "KL coefficient", "Pulls the model back to its base: larger, less drift. 0: no pull, less memory.", ge=0
    )
    normalize_advantages: bool = knob(
        False, "Normalise advantages", "To mean 0 and deviation 1 over a drawing of completions."
    )
    reward_clip_range: list[float] | None = knob(
        None, "Clip rewards", "Smallest and largest reward that counts. Empty: as they are.", min_length=2, max_length=2
    )


class Rloo(GroupFramework):
    name: ClassVar[str] = "rloo"
    label: ClassVar[str] = "RLOO"
    summary: ClassVar[str] = "Several answers to a prompt are compared, with plain REINFORCE; needs no value model."
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {TASK: RlooConfig}

    def train(self, config: RlooConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        from trl import RLOOConfig, RLOOTrainer

        train(RLOOTrainer, RLOOConfig, config, data, base, out_dir, report)
