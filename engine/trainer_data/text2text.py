"""Text2text in the containers of its libraries' own trainers. See the package."""

from typing import Any

import pyarrow as pa

from engine.trainer_data.containers import CANONICAL, Renderer, pair_in_tuple
from engine.trainer_data.text_classification import OPENAI_SEPARATOR

OPENAI_END = " END"  # ends a completion, in OpenAI's format for prompt and completion


def _as_prompts(table: pa.Table, _info: dict[str, Any], _lang: Any) -> list[dict[str, str]]:
    rows = zip(table["text"].to_pylist(), table["target"].to_pylist(), strict=True)
    return [{"prompt": text + OPENAI_SEPARATOR, "completion": f" {target}{OPENAI_END}"} for text, target in rows]


RENDERERS = {"transformers": CANONICAL, "openai": Renderer(_as_prompts, pair_in_tuple)}
