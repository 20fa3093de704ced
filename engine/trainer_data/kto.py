"""KTO: `prompt`, `completion` and `label` (bool), as TRL reads them. See the package."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.trainer_data.containers import Renderer, pair_in_dict
from engine.trainer_data.preferences import as_dataset

if TYPE_CHECKING:
    import datasets

COLUMNS, ANSWERS = ("prompt", "completion", "label"), ("completion",)


def _render(table: pa.Table, _info: dict[str, Any], _lang: Any) -> "datasets.Dataset":
    return as_dataset(table, COLUMNS, ANSWERS)


RENDERERS = {"trl": Renderer(_render, pair_in_dict)}
