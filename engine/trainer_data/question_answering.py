"""Question answering in the containers of its libraries' own trainers. See the package."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.trainer_data.containers import Renderer, pair_in_dict

if TYPE_CHECKING:
    import datasets


def _as_dataset(table: pa.Table, _info: dict[str, Any], _lang: Any) -> "datasets.Dataset":
    """question, context, answer ({"text": […], "answer_start": […]}; Argilla's name, SQuAD's is answers), id."""
    import datasets

    columns = {"question": table["question"], "context": table["context"], "answer": table["answers"]}
    return datasets.Dataset(pa.table(columns | {"id": table["id"]}))


_DATASET = Renderer(_as_dataset, pair_in_dict)
RENDERERS = {"transformers": _DATASET, "peft": _DATASET}
