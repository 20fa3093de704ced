"""TRL's config for each task, and peft.LoraConfig."""

import importlib
from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED, TRAINER_DIFFERENT, defaults

OURS = {
    "use_lora": "peft_config, or none",
    "load_in_4bit": "the model's quantization_config",
    "lora_arguments": "arguments of LoraConfig without a hyperparameter here",
    "use_margin": "the column margin, given to RewardTrainer or not",
    "prompts_as_chat": "rows as lists of messages, or as texts",
} | {name: SHARED[name] for name in SHARED if name != "class_weights"}
DIFFERENT = {name: why for name, why in TRAINER_DIFFERENT.items() if name != "logging_steps"} | {
    "learning_rate": "empty: TRL's for the method, ten times that with LoRA",
    "per_device_eval_batch_size": "8: a validation batch of 32 long rows would not fit",
    "r": "16: TRL's own command line",
    "lora_alpha": "32: TRL's own command line",
    "lora_dropout": "0.05: TRL's own command line",
    "target_modules": "every linear layer, which exists in any architecture (QLoRA, Dettmers 2023)",
    "completion_only_loss": "on: TRL's own choice for prompt-completion rows, which the empty value is",
    "loss_type": "one loss, in DPO's list of them",
    "assistant_only_loss": "on: what users say is not to be learned",
}
CONFIGS = {
    "supervised-fine-tuning": "trl:SFTConfig",
    "reward-modeling": "trl:RewardConfig",
    "direct-preference-optimization": "trl:DPOConfig",
    "kto": "trl:KTOConfig",
    "chat-completion": "trl:SFTConfig",
}


def upstream(task: str) -> dict[str, Any]:
    from peft import LoraConfig

    module, _, name = CONFIGS[task].partition(":")
    return defaults(getattr(importlib.import_module(module), name), LoraConfig)
