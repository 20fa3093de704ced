"""The SDK's hyperparameters of a supervised job, and the arguments of the request that starts one."""

import inspect
from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED

OURS = SHARED | {
    "base_url": "the client's argument",
    "instruction": "the system message of each row",
    "poll_seconds": "how often we ask",
    "max_hours": "how long we wait",
}
DIFFERENT = {
    "seed": "42: the same job again gives the same model, as far as the provider can",
    "suffix": "an empty text is no suffix",
}


def upstream(task: str) -> dict[str, Any]:
    from openai.resources.fine_tuning.jobs import Jobs
    from openai.types.fine_tuning.supervised_hyperparameters import SupervisedHyperparameters

    asked = inspect.signature(Jobs.create).parameters
    hyperparameters = {name: field.default for name, field in SupervisedHyperparameters.model_fields.items()}
    return {name: None for name in asked} | hyperparameters
