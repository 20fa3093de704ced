"""transformers.TrainingArguments."""

from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED, TRAINER_DIFFERENT, defaults

OURS = SHARED | {"freeze_base_model": "requires_grad of the base's weights"}
DIFFERENT = TRAINER_DIFFERENT


def upstream(task: str) -> dict[str, Any]:
    from transformers import TrainingArguments

    return defaults(TrainingArguments)
