"""Starter code of the formatting cell for chat completion, written for a dataset's own columns.

Called by chat_completion.py. The code gives the conversations that the chosen columns would give.
"""

from typing import TYPE_CHECKING

import pyarrow as pa

from engine.tasks.columns import placeholders
from engine.tasks.template_code import TEXT_OF, TEXTS_OF, any_source, text_source

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

_ROLES = """def formatting_func(sample):
    # One record in, turns out: (chat, turn, role, content) each. Turns with one chat id make one conversation.
    if not ({any}):
        return
    system = {system}
    user = {user}
    for answer in dict.fromkeys(texts_of(sample[{assistant!r}])):  # each different one once
        if answer.strip():
            chat = str(uuid4())
            turns = [(chat, 1, "user", user), (chat, 2, "assistant", answer)]
            yield [(chat, 0, "system", system), *turns] if system.strip() else turns
"""
_MESSAGES = """def formatting_func(sample):
    # One record in, one conversation out: a list of messages with role and content. None leaves the record out.
    return {value} if sample[{messages!r}] else None
"""


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str]) -> str:
    """Source of `formatting_func(sample)` for the chosen columns and templates (by role)."""
    names = [field.name for field in dataset.fields] + [question.name for question in dataset.questions]
    if chosen.get("messages"):
        value = f"sample[{chosen['messages']!r}]"
        if pa.types.is_string(dataset.values(chosen["messages"]).type):
            code = _MESSAGES.format(value=f"json.loads({value})", messages=chosen["messages"])
            return "import json\n\n\n" + code
        return _MESSAGES.format(value=value, messages=chosen["messages"])
    user = chosen.get("user") or f"{{{names[0] if names else 'user-message'}}}"
    system = chosen.get("system") or ""
    fixed = system not in names and not placeholders(system)
    code = _ROLES.format(
        any=any_source(user, names),
        system=repr(system) if fixed else text_source(system, names),
        user=text_source(user, names),
        assistant=chosen.get("assistant") or (names[-1] if names else "response"),
    )
    return "from uuid import uuid4\n\n\n" + TEXT_OF + TEXTS_OF + code
