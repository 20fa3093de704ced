"""Columns that hold conversations: lists of messages, as chat datasets on the Hub have them. Called by the task files.

A message is {"role", "content"} or {"from", "value"} (ShareGPT); a column may hold a list of them, or a single one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.data.layout import FIELD

if TYPE_CHECKING:
    from engine.tasks.sample_task import Account

Turn = dict[str, str]
ROLES = {"human": "user", "prompter": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
KEYS = (("role", "content"), ("from", "value"))
NAMES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def holds_turns(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are messages, or lists of messages."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if not pa.types.is_struct(kind):
        return False
    names = {kind.field(i).name for i in range(kind.num_fields)}
    return any(set(keys) <= names for keys in KEYS)


def turns_of(value: Any) -> list[Turn] | None:
    """A value as messages with today's role names; None when it holds none."""
    messages = [value] if isinstance(value, dict) else value
    if not isinstance(messages, (list, tuple)) or not messages:
        return None
    turns = [_turn(message) for message in messages]
    return None if any(turn is None for turn in turns) else turns


def _turn(message: Any) -> Turn | None:
    if not isinstance(message, dict):
        return None
    for role, content in KEYS:
        if role in message and content in message:
            name = str(message[role]).lower()
            return {"role": ROLES.get(name, name), "content": str(message[content] or "")}
    return None


def as_text(turns: Sequence[Turn]) -> str:
    """A conversation as text that ends where the assistant answers, for models without a chat template.

    One user's turn alone is its words and an empty line.
    """
    if [turn["role"] for turn in turns] == ["user"]:
        return f"{turns[0]['content']}\n\n"
    lines = [f"{NAMES.get(turn['role'], turn['role'])}: {turn['content']}" for turn in turns]
    return "\n\n".join([*lines, f"{NAMES['assistant']}: "])


def in_turns(account: "Account", role: str) -> bool:
    """Whether the column chosen for `role` (by name, or as a template of it alone) is a field of conversations."""
    name = _column(account, role)
    table = account.dataset.table
    is_field = name not in account.questions and FIELD + name in table.column_names
    return is_field and holds_turns(table[FIELD + name].type)


def last_turns(sample: dict[str, Any], account: "Account", role: str) -> tuple[list[Turn], list[str]]:
    """(turns before it, texts) of a record's column for `role`: of a conversation its last turn, else all its texts."""
    if not in_turns(account, role):
        return [], [text for text in account.values(sample, role) if text.strip()]
    said = turns_of(sample.get(_column(account, role))) or []
    return said[:-1], [turn["content"] for turn in said[-1:] if turn["content"].strip()]


def prompt_of(sample: dict[str, Any], account: "Account", before: Sequence[Turn] = ()) -> tuple[list[Turn], str | None]:
    """(turns before the prompt, the prompt) of a record: a column, a filled template, or the last of the turns given.

    The prompt is None where it is empty.
    """
    if account.chosen("prompt") and not in_turns(account, "prompt"):
        text = account.value(sample, "prompt")
        return [], text if text and text.strip() else None
    said = turns_of(sample.get(_column(account, "prompt"))) if account.chosen("prompt") else list(before)
    if not said or not said[-1]["content"].strip():
        return [], None
    return said[:-1], said[-1]["content"]


def _column(account: "Account", role: str) -> str:
    return account.chosen(role).removeprefix("{").removesuffix("}")
