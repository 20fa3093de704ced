"""Canonical rows of text → token ids and labels: what takes part in the loss is decided here, and counted.

Texts and prompt-completion rows come out as TRL's SFTTrainer itself makes them (TRL 1.16, sft_trainer.py). Called by
_trl_sft.py for training, and for the figures of the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from engine.errors import UserError
from engine.frameworks._generation import IGNORED, chat_ids
from engine.runs.events import Report

Encoded = tuple[list[int], list[int]]  # token ids, and labels: the same ids, or IGNORED


@dataclass
class Rows:
    """Rows that can be learned from, and an account of the others and of what was cut."""

    rows: list[Encoded] = field(default_factory=list)
    given: int = 0
    longer: int = 0  # rows longer than the limit
    tokens: int = 0  # of all rows
    tokens_cut: int = 0
    nothing_left: int = 0  # rows of which nothing to learn is left within the limit
    refused: int = 0  # conversations that the chat template does not take
    refusal: str = ""  # the template's reason
    whole: int = 0  # conversations learned whole, because the template can't tell the assistant's tokens


def encode(
    table: pa.Table, tokenizer: Any, max_length: int, *, completion_only: bool = True, assistant_only: bool = True
) -> Rows:
    """Rows of `table` (text; prompt and completion; or messages), cut after `max_length` tokens."""
    found = Rows(given=len(table))
    template = _training_template(tokenizer) if "messages" in table.column_names and assistant_only else None
    for row in table.to_pylist():
        if "messages" in row:
            made = _conversation(row["messages"], tokenizer, template, assistant_only, found)
        elif "prompt" in row:
            made = _pair(row["prompt"], row["completion"], tokenizer, completion_only)
        else:
            made = _text(row["text"], tokenizer)
        if made is not None:
            _add(made, max_length, found)
    return found


def _add(made: Encoded, max_length: int, found: Rows) -> None:
    ids, labels = made
    found.tokens += len(ids)
    if len(ids) > max_length:
        found.longer += 1
        found.tokens_cut += len(ids) - max_length
    ids, labels = ids[:max_length], labels[:max_length]
    if all(label == IGNORED for label in labels[1:]):  # the first token is never predicted
        found.nothing_left += 1
    else:
        found.rows.append((ids, labels))


def _text(text: str, tokenizer: Any) -> Encoded:
    ids = tokenizer(_ended(text, tokenizer))["input_ids"]
    return ids, list(ids)


def _ended(text: str, tokenizer: Any) -> str:
    """The text with the end-of-text token, so that the model learns to stop."""
    return text if text.endswith(tokenizer.eos_token) else text + tokenizer.eos_token


def _pair(prompt: str, completion: str, tokenizer: Any, completion_only: bool) -> Encoded:
    ids = tokenizer(prompt + _ended(completion, tokenizer))["input_ids"]
    if not completion_only:
        return ids, list(ids)
    start = _common(tokenizer(prompt)["input_ids"], ids)
    return ids, [IGNORED] * start + ids[start:]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Leading tokens that two sequences share: a prompt's last token may melt into its completion."""
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


def _training_template(tokenizer: Any) -> str | None:
    """A chat template that marks the assistant's tokens: the tokenizer's own, or TRL's of a known one; else None."""
    from trl.chat_template_utils import get_training_chat_template, has_generation_markers

    if has_generation_markers(tokenizer.chat_template):
        return tokenizer.get_chat_template()
    try:
        return get_training_chat_template(tokenizer)
    except ValueError:  # a template that TRL does not know
        return None


def _conversation(
    messages: list[dict[str, str]], tokenizer: Any, template: str | None, assistant_only: bool, found: Rows
) -> Encoded | None:
    """A conversation in the chat template; None when the template refuses it, which is counted."""
    from jinja2 import TemplateError

    try:
        if not assistant_only:
            ids = chat_ids(tokenizer, messages)
            return ids, list(ids)
        made = _marked(messages, tokenizer, template) if template else _by_turns(messages, tokenizer)
        if made is None:
            found.whole += 1
            ids = chat_ids(tokenizer, messages)
            made = ids, list(ids)
        return made
    except TemplateError as error:
        found.refused, found.refusal = found.refused + 1, str(error)
        return None


def _marked(messages: list[dict[str, str]], tokenizer: Any, template: str) -> Encoded:
    made = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    ids = list(made["input_ids"])
    return ids, [token if mine else IGNORED for token, mine in zip(ids, made["assistant_masks"], strict=True)]


def _by_turns(messages: list[dict[str, str]], tokenizer: Any) -> Encoded | None:
    """The assistant's tokens are what each of its turns adds; None when earlier turns look different later on."""
    ids = chat_ids(tokenizer, messages)
    labels = [IGNORED] * len(ids)
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = chat_ids(tokenizer, messages[:i], add_generation_prompt=True)
        after = chat_ids(tokenizer, messages[: i + 1])
        if ids[: len(before)] != before or ids[: len(after)] != after:
            return None
        labels[len(before) : len(after)] = after[len(before) :]
    return ids, labels


def told(found: Rows, split: str, max_length: int, report: Report) -> list[Encoded]:
    """The rows; what was cut or left out is told. Raises UserError when nothing is left."""
    if found.refused:
        report.note(
            f"{found.refused:,} of {found.given:,} {split} conversations are left out: the model's chat template "
            f"refuses them ({found.refusal})."
        )
    if found.longer:
        report.note(
            f"{found.longer:,} of {found.given:,} {split} rows are longer than {max_length:,} tokens; what is beyond "
            f"is cut: {found.tokens_cut:,} of {found.tokens:,} tokens."
        )
    if found.nothing_left:
        report.note(
            f"{found.nothing_left:,} {split} rows are left out: nothing to learn is left of them within "
            f"{max_length:,} tokens."
        )
    if found.whole:
        report.note(
            f"{found.whole:,} {split} conversations are learned whole, the user's words too: the chat template does "
            "not tell which tokens are the assistant's."
        )
    if not found.rows:
        why = (
            f"the chat template refuses all of them ({found.refusal})"
            if found.refused == found.given
            else (f"within {max_length:,} tokens, nothing is left of any answer")
        )
        raise UserError(
            f"There is nothing to learn in the {found.given:,} {split} rows: {why}.",
            "Raise “Longest row”, shorten the prompts, or choose another base model.",
        )
    return found.rows
