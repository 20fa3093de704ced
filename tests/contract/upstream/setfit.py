"""setfit.TrainingArguments."""

from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED, defaults

OURS = SHARED | {
    "max_pairs": "the cap on pairs, which upstream has not",
    "head_num_epochs": "second of num_epochs",
    "head_batch_size": "second of batch_size",
    "body_classifier_learning_rate": "second of body_learning_rate",
    "use_differentiable_head": "SetFitModel.from_pretrained's argument",
    "multi_target_strategy": "SetFitModel.from_pretrained's argument",
    "normalize_embeddings": "SetFitModel.from_pretrained's argument",
    "head_params": "SetFitModel.from_pretrained's argument",
}
DIFFERENT = {
    "num_epochs": "first of upstream's pair",
    "batch_size": "first of upstream's pair",
    "body_learning_rate": "first of upstream's pair",
    "distance_metric": "upstream's default as its name",
    "loss": "upstream's default as its name",
    "logging_steps": "10: 50 would draw two points",
    "eval_strategy": "each epoch, where there are validation rows",
    "load_best_model_at_end": "on: the best encoder is wanted",
}


def upstream(task: str) -> dict[str, Any]:
    from setfit import TrainingArguments

    return defaults(TrainingArguments)
