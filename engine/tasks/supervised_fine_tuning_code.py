"""Starter code of the formatting cell for supervised fine-tuning, written for a dataset's own columns.

Called by supervised_fine_tuning.py. The code gives the rows that the chosen columns would give.
"""

from typing import TYPE_CHECKING

import pyarrow as pa

from engine.tasks.template_code import TEXT_OF, TEXTS_OF, any_source, text_source

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

_PAIRS = """def formatting_func(sample):
    # One record in, rows out: (prompt, completion) each. None leaves the record out.
    if not ({any}):
        return None
    prompt = {prompt}
    completions = dict.fromkeys(texts_of(sample[{completion!r}]))  # each different one once
    return [(prompt, completion) for completion in completions if completion.strip()]
"""
_TEXT = """def formatting_func(sample):
    # One record in, one row out: a text. None leaves the record out; a list gives several rows.
    if not ({any}):
        return None
    return {text}
"""
_TEXTS = """def formatting_func(sample):
    # One record in, rows out: a text each.
    return [text for text in dict.fromkeys(texts_of(sample[{text!r}])) if text.strip()]
"""
_MESSAGES = """def formatting_func(sample):
    # One record in, one conversation out: a list of messages with role and content. None leaves the record out.
    return sample[{messages!r}] or None
"""
_JSON_MESSAGES = """import json


def formatting_func(sample):
    # One record in, one conversation out: a list of messages with role and content. None leaves the record out.
    return json.loads(sample[{messages!r}]) if sample[{messages!r}] else None
"""


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str]) -> str:
    """Source of `formatting_func(sample)` for the chosen columns and templates (by role)."""
    asked = [question.name for question in dataset.questions]
    names = [field.name for field in dataset.fields] + asked
    if chosen.get("messages"):
        is_text = pa.types.is_string(dataset.values(chosen["messages"]).type)
        return (_JSON_MESSAGES if is_text else _MESSAGES).format(messages=chosen["messages"])
    if chosen.get("prompt") and chosen.get("completion"):
        prompt = chosen["prompt"]
        source = _PAIRS.format(
            any=any_source(prompt, names), prompt=text_source(prompt, names), completion=chosen["completion"]
        )
        return TEXT_OF + TEXTS_OF + source
    text = chosen.get("text") or f"{{{names[0] if names else 'text'}}}"
    if text in asked:
        return TEXTS_OF + _TEXTS.format(text=text)
    return TEXT_OF + _TEXT.format(any=any_source(text, names), text=text_source(text, names))
