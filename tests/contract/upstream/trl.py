"""TRL's config for each task, and peft.LoraConfig. PPO's is the overlay's, asked for in a process of its own."""

import importlib
import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

from engine.frameworks.overlays import install, python_path
from tests.contract.upstream import online_rl
from tests.contract.upstream.dataclass_defaults import SHARED, TRAINER_DIFFERENT, defaults

OURS = {
    "use_lora": "peft_config, or none",
    "load_in_4bit": "the model's quantization_config",
    "lora_arguments": "arguments of LoraConfig without a hyperparameter here",
    "use_margin": "the column margin, given to RewardTrainer or not",
    "prompts_as_chat": "rows as lists of messages, or as texts",
} | {name: SHARED[name] for name in SHARED if name != "class_weights"}
OURS |= online_rl.OURS
AS_TRLS = {"logging_steps", "per_device_eval_batch_size"}
DIFFERENT = {name: why for name, why in TRAINER_DIFFERENT.items() if name not in AS_TRLS} | {
    "learning_rate": "empty: TRL's for the method, ten times that with LoRA",
    "r": "16: TRL's own command line",
    "lora_alpha": "32: TRL's own command line",
    "lora_dropout": "0.05: TRL's own command line",
    "target_modules": "every linear layer, which exists in any architecture (QLoRA, Dettmers 2023)",
    "completion_only_loss": "on: TRL's own choice for prompt-completion rows, which the empty value is",
    "loss_type": "one loss, in DPO's list of them",
    "assistant_only_loss": "on: what users say is not to be learned",
    "stop_token": "eos: what follows the end of an answer is no part of it (TRL's own examples say so too)",
}
CONFIGS = {
    "supervised-fine-tuning": "trl:SFTConfig",
    "reward-modeling": "trl:RewardConfig",
    "direct-preference-optimization": "trl:DPOConfig",
    "kto": "trl:KTOConfig",
    "chat-completion": "trl:SFTConfig",
}


PRINT_PPO = """
import json
from trl.experimental.ppo import PPOConfig
from tests.contract.upstream.dataclass_defaults import defaults
print(json.dumps(defaults(PPOConfig), default=lambda value: getattr(value, "value", str(value))))
"""


def upstream(task: str) -> dict[str, Any]:
    from peft import LoraConfig

    if task == "proximal-policy-optimization":
        return defaults(LoraConfig) | _ppo()
    module, _, name = CONFIGS[task].partition(":")
    return defaults(getattr(importlib.import_module(module), name), LoraConfig)


@cache
def _ppo() -> dict[str, Any]:
    install("trl-ppo")
    env = os.environ | {"PYTHONPATH": python_path("trl-ppo"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", PRINT_PPO], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
