"""trl.GRPOConfig, and peft.LoraConfig."""

from typing import Any

from tests.contract.upstream import online_rl, trl
from tests.contract.upstream.dataclass_defaults import defaults

OURS = trl.OURS | online_rl.OURS
DIFFERENT = online_rl.DIFFERENT | {
    "beta": "0.04, the paper's: without it no KL divergence is measured, and nothing holds the model back",
}


def upstream(task: str) -> dict[str, Any]:
    from peft import LoraConfig
    from trl import GRPOConfig

    return defaults(GRPOConfig, LoraConfig)
