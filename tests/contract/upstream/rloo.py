"""trl.RLOOConfig, and peft.LoraConfig."""

from typing import Any

from tests.contract.upstream import online_rl, trl
from tests.contract.upstream.dataclass_defaults import defaults

OURS = trl.OURS | online_rl.OURS
DIFFERENT = online_rl.DIFFERENT | {
    "num_generations": "8, as in GRPO: of two, the mean of the other one is a poor measure",
}


def upstream(task: str) -> dict[str, Any]:
    from peft import LoraConfig
    from trl import RLOOConfig

    return defaults(RLOOConfig, LoraConfig)
