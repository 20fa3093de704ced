"""peft.LoraConfig and transformers.TrainingArguments."""

from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED, TRAINER_DIFFERENT, defaults

OURS = SHARED | {
    "lora_arguments": "arguments of LoraConfig without a hyperparameter here",
    "doc_stride": "the tokenizer's stride; 128 as in run_qa.py",
    "max_answer_length": "the longest run of tokens looked at; 30 as in run_qa.py",
}
DIFFERENT = TRAINER_DIFFERENT | {
    "learning_rate": "1e-3: LoRA takes more than whole models (PEFT's guides)",
    "lora_alpha": "16: the ancestor's, twice the rank",
    "lora_dropout": "0.1: the ancestor's",
    "target_modules": "every linear layer, which exists in any architecture (QLoRA, Dettmers 2023)",
}


def upstream(task: str) -> dict[str, Any]:
    from peft import LoraConfig
    from transformers import TrainingArguments

    return defaults(TrainingArguments, LoraConfig)
