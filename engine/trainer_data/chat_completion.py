"""Chat completion in the containers of its libraries' own trainers. See the package."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.tasks.chat_completion import CHAT
from engine.trainer_data.containers import CANONICAL, Renderer, pair_in_dict, pair_in_tuple

if TYPE_CHECKING:
    import datasets


def _as_messages(table: pa.Table, _info: dict[str, Any], _lang: Any) -> list[dict[str, Any]]:
    """{"messages": […]} a conversation, in the order of chat ids as text where a function gave ids."""
    rows = table.to_pylist()
    if CHAT in table.column_names:
        rows.sort(key=lambda row: row[CHAT] or "")
    return [{"messages": row["messages"]} for row in rows]


def _as_dataset(table: pa.Table, info: dict[str, Any], lang: Any) -> "datasets.Dataset":
    """The canonical columns, without the chat ids that made them."""
    return CANONICAL.render(table.select([name for name in table.column_names if name != CHAT]), info, lang)


RENDERERS = {"openai": Renderer(_as_messages, pair_in_tuple), "trl": Renderer(_as_dataset, pair_in_dict)}
