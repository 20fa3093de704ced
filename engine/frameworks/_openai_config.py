"""Hyperparameters of an OpenAI-style fine-tuning job, named as in the API's supervised method.

Light: read by the page to draw forms.
"""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from pydantic import model_validator

from engine.frameworks.framework import TrainerConfig, knob
from engine.public_hosts import is_private_name
from engine.settings import Settings

# Arguments of a job that the run decides, and names under which a secret could come into a run file.
RESERVED = {"model", "training_file", "validation_file", "method", "hyperparameters", "seed", "suffix", "metadata"}
SECRET = ("key", "token", "secret", "password", "authorization")
HYPERPARAMETERS = ("n_epochs", "batch_size", "learning_rate_multiplier")


class OpenAIConfig(TrainerConfig):
    """What the provider is told, where it is, and how long to wait. An empty number is the provider's choice."""

    n_epochs: int | None = knob(
        None, "Epochs", "Passes over the training rows. Empty: the provider chooses.", level="basic", ge=1, le=50
    )
    learning_rate_multiplier: float | None = knob(
        None,
        "Learning rate multiplier",
        "Times the provider's own learning rate. Empty: the provider chooses.",
        level="basic",
        gt=0,
        le=100,
    )
    batch_size: int | None = knob(
        None, "Batch size", "Rows a step. Empty: the provider chooses.", level="basic", ge=1, le=256
    )
    base_url: str = knob(
        "",
        "Address of the API",
        "Empty: OpenAI, or what OPENAI_BASE_URL says. Your key and your rows are sent to this address: "
        "enter only that of the provider the key belongs to.",
        level="basic",
    )
    suffix: str = knob("", "Suffix", "Becomes part of the tuned model's name.", max_length=64)
    seed: int = knob(42, "Seed", "Of the job, where the provider honours it.", ge=0, le=2**31 - 1)
    poll_seconds: float = knob(
        10.0, "Seconds between questions", "How often the job is asked for news.", ge=0.05, le=600
    )
    max_hours: float = knob(
        24.0, "Longest wait in hours", "A job that has not ended by then is cancelled.", gt=0, le=24 * 14
    )
    extra_arguments: dict[str, Any] = knob(
        {}, "More arguments", "Any other field of the job's request, as JSON.", json_schema_extra={"widget": "json"}
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_the_apis_spelling(cls, values: Any) -> Any:
        """`hyperparameters={...}` as the API once took it, and "auto" for the provider's choice."""
        if not isinstance(values, dict):
            return values
        nested = values.get("hyperparameters")
        flat = {name: value for name, value in values.items() if name != "hyperparameters" or nested is None}
        flat |= nested if isinstance(nested, dict) else {}
        return {name: None if name in HYPERPARAMETERS and value == "auto" else value for name, value in flat.items()}

    @model_validator(mode="after")
    def _refuse_what_could_leak(self) -> "OpenAIConfig":
        check_address(self.base_url)
        for name in self.extra_arguments:
            if name in RESERVED or any(word in name.lower() for word in SECRET):
                raise ValueError(f"{name!r} can't stand in “More arguments”: Annotune sets it, or it could hold a key.")
        return self


class InstructedConfig(OpenAIConfig):
    """Of tasks whose rows are one text and one answer."""

    instruction: str = knob(
        "", "Instruction", "The system message before each text. Empty: written for the task where it needs one."
    )


def check_address(url: str) -> None:
    """Raise ValueError for an address that a key may not be sent to; says nothing of what stood in it."""
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)) or not parts.hostname:
        raise ValueError(
            "Address of the API: it must begin with https://, as in https://api.openai.com/v1; "
            "http:// would send the key in the open and is taken for this machine only"
        )
    if Settings.from_env().on_space and is_private_name(parts.hostname):
        raise ValueError("Address of the API: a Space sends keys and rows to hosts on the public internet only")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("Address of the API: it must hold no name, password or question mark; the key has its own box")


def is_loopback(host: str | None) -> bool:
    """Whether a host's name is this machine's own."""
    if host == "localhost":
        return True
    try:
        return bool(host) and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
