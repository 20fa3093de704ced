"""What a person may set when a trained model writes text: shared by every task whose prediction is written text."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def option(default: Any, title: str, description: str, *, level: str = "advanced", **bounds: Any) -> Any:
    """One setting with its label, help and bounds, drawn by the page as a hyperparameter is."""
    return Field(default, title=title, description=description, json_schema_extra={"level": level}, **bounds)


class GenerationOptions(BaseModel):
    """How text is generated. Temperature 0 always takes the likeliest token; above 0, tokens are drawn."""

    model_config = ConfigDict(extra="forbid")

    max_new_tokens: int = option(
        64, "Most new tokens", "Generation ends here at the latest.", level="basic", ge=1, le=8192
    )
    temperature: float = option(
        0.0, "Temperature", "0: always the likeliest token. Higher: more varied, less sure.", level="basic", ge=0, le=5
    )
    top_p: float = option(
        1.0,
        "Top p",
        "Draw from the likeliest tokens that add up to this share. No effect at temperature 0.",
        gt=0,
        le=1,
    )
    seed: int = option(42, "Seed", "The same seed draws the same text.", ge=0, le=2**32 - 1)
