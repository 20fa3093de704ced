"""Prompts in the containers of their libraries' own trainers: `id` and `query`, as Argilla 1.x gave them; today's
GRPO and RLOO of TRL read `prompt`. See the package.
"""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.tasks.proximal_policy_optimization import QUERY
from engine.trainer_data.containers import CANONICAL, Renderer, canonical, pair_in_dict

if TYPE_CHECKING:
    import datasets


def _as_prompts(table: pa.Table, info: dict[str, Any], lang: Any) -> "datasets.Dataset":
    return canonical(table, info, lang).rename_column(QUERY, "prompt")


_PROMPTS = Renderer(_as_prompts, pair_in_dict)
RENDERERS = {"trl": CANONICAL, "grpo": _PROMPTS, "rloo": _PROMPTS}
