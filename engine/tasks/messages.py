"""Conversations as rows: lists of {"role", "content"}, read from a column or a function, checked, and cut for prompts.

Called by supervised_fine_tuning.py and chat_completion.py, and by frameworks that read their rows.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.tasks.turns import KEYS, holds_turns
from engine.tasks.turns import ROLES as SHAREGPT

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

Message = dict[str, str]
ROLES = ("system", "user", "assistant")
TYPE = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))  # of the canonical column
FIELD_TYPES = ("chat", "custom", "text")
NAMES = ("messages", "conversations", "conversation", "chat", "dialogue", "dialog")
NO_MESSAGES, EMPTY, NO_ASSISTANT = "no messages", "a message is empty", "no assistant turn"
UNREADABLE = "the messages can't be read"
LOOKED_AT = 20  # values of a text column that are read to see whether they are messages


class NotMessages(ValueError):
    """Why a value is no conversation to learn from, in a few words."""


def read(value: Any) -> tuple[list[Message], bool]:
    """(messages, whether their roles or keys were ShareGPT's) of a list of messages, or a JSON text of one.

    A content may be a list of text parts. Raises NotMessages: none, unreadable, an unknown role, an empty message,
    no assistant turn.
    """
    given = _parsed(value)
    if not given:
        raise NotMessages(NO_MESSAGES)
    read_ones = [_message(one) for one in given]
    messages = [message for message, _ in read_ones]
    for message in messages:
        if message["role"] not in ROLES:
            raise NotMessages(f"a message has the role {message['role'][:40]!r}")
        if not message["content"].strip():
            raise NotMessages(EMPTY)
    if not any(message["role"] == "assistant" for message in messages):
        raise NotMessages(NO_ASSISTANT)
    return messages, any(turned for _, turned in read_ones)


def _parsed(value: Any) -> list[Any]:
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError as error:
            raise NotMessages(UNREADABLE) from error
    if isinstance(value, dict):
        value = value.get("messages") or value.get("conversations")
    if value is None or value == "":
        return []
    if not isinstance(value, (list, tuple)):
        raise NotMessages(UNREADABLE)
    return list(value)


def _message(given: Any) -> tuple[Message, bool]:
    if isinstance(given, dict):
        for keys in KEYS:
            role, content = (given.get(key) for key in keys)
            if role is not None:
                name = str(role).strip().lower()
                turned = keys != KEYS[0] or name in SHAREGPT
                return {"role": SHAREGPT.get(name, name), "content": _text(content)}, turned
    raise NotMessages(UNREADABLE)


def _text(content: Any) -> str:
    """A message's content, or the text parts of one that comes in parts."""
    if isinstance(content, list):
        parts = [part if isinstance(part, dict) else {"text": part} for part in content]
        return "".join(str(part.get("text") or part.get("value") or "") for part in parts)
    return "" if content is None else str(content)


def can_hold(dataset: "FeedbackDataset", field: str) -> bool:
    """Whether a field holds conversations: lists of messages, or texts of which the first are JSON lists of them."""
    values = dataset.values(field)
    if pa.types.is_list(values.type):
        return holds_turns(values.type)
    if not pa.types.is_string(values.type):
        return False
    texts = [text for text in values.slice(0, LOOKED_AT).to_pylist() if text]
    return bool(texts) and all(text.lstrip().startswith("[") and _is_read(text) for text in texts)


def _is_read(text: str) -> bool:
    try:
        return bool([_message(one) for one in _parsed(text)])
    except NotMessages:
        return False


def is_message(item: Any) -> bool:
    """Whether an item of a formatting function is one message."""
    return isinstance(item, dict) and any(set(keys) <= item.keys() for keys in KEYS)


def conversations(items: Sequence[Any]) -> list[Any]:
    """Items of which messages that follow each other are one conversation: {"messages": […]}.

    A system message begins a new one. Other items stay as they are.
    """
    grouped: list[Any] = []
    running: list[Any] | None = None
    for item in items:
        if not is_message(item):
            running = None
            grouped.append(item)
        elif running is None or item.get("role", item.get("from")) == "system":
            running = [item]
            grouped.append({"messages": running})
        else:
            running.append(item)
    return grouped


def prompt_and_answer(messages: list[Message]) -> tuple[list[Message], str]:
    """(what stands before the last assistant turn, that turn's content)."""
    last = max(i for i, message in enumerate(messages) if message["role"] == "assistant")
    return messages[:last], messages[last]["content"]


def as_text(messages: Sequence[Message]) -> str:
    """A conversation for people and previews: one line a message, with its role."""
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)


def is_conversation(given: Any) -> bool:
    """Whether an input of predict is one conversation: a list of messages."""
    return isinstance(given, (list, tuple)) and bool(given) and all(is_message(one) for one in given)
