"""Values of a record by the name of its field or question, and templates with such names in braces.

A record is a sample: the dict that a formatting function gets (engine/data/samples.py). Called by the task files.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import UserError

SUBMITTED = "submitted"
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}")
NAME = re.compile(r"[\w.-]+")


def answers(sample: dict[str, Any], question: str) -> list[Any]:
    """The submitted values of a question, in the annotators' order."""
    return [answer["value"] for answer in sample.get(question) or () if answer["status"] == SUBMITTED]


def texts_of(sample: dict[str, Any], name: str, questions: Iterable[str]) -> list[str]:
    """The texts that a record has for a field (one or none) or a text question (one a submitted answer)."""
    values = answers(sample, name) if name in questions else [sample.get(name)]
    return [str(value) for value in values if value is not None]


def text_of(sample: dict[str, Any], name: str, questions: Iterable[str]) -> str | None:
    """A field's text, or the first submitted answer to a text question; None when there is none."""
    return next(iter(texts_of(sample, name, questions)), None)


def placeholders(template: str) -> list[str]:
    """Names in braces, each once, in order. Doubled braces are braces; {"a": 1} names nothing."""
    found = (match.group(1) for match in PLACEHOLDER.finditer(template))
    return list(dict.fromkeys(name for name in found if name and NAME.fullmatch(name)))


def check_template(template: str, names: Iterable[str], what: str) -> None:
    """Raise UserError when a template names no column, or one that the dataset has not."""
    known = list(names)
    asked = placeholders(template)
    unknown = [name for name in asked if name not in known]
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=1)
        meant = f" Did you mean {{{close[0]}}}?" if close else ""
        raise UserError(
            f"{what} names {{{unknown[0]}}}, and there is no such column.{meant}",
            f"The columns are: {', '.join(known)}. Write {{{{ and }}}} for braces that are part of the text.",
        )
    if not asked:
        raise UserError(
            f"{what} names no column, so every row would be the same.",
            f"Write a column's name in braces, such as {{{known[0] if known else 'text'}}}.",
        )


def fill(template: str, sample: dict[str, Any], questions: Iterable[str]) -> str | None:
    """The template with the record's values; None when not one of its columns has a value."""
    values = {name: text_of(sample, name, questions) for name in placeholders(template)}
    if not any((value or "").strip() for value in values.values()):
        return None

    def put(match: re.Match) -> str:
        if match.group() in ("{{", "}}"):
            return match.group()[0]
        return values[match.group(1)] or "" if match.group(1) in values else match.group()

    return PLACEHOLDER.sub(put, template)


def mean_length(column: pa.ChunkedArray, rows: int = 1000) -> float:
    """Mean number of characters in the first rows; 0 for what is no text."""
    if not pa.types.is_string(column.type):
        return 0.0
    return pc.mean(pc.utf8_length(column.slice(0, rows))).as_py() or 0.0


def wordiest(table: pa.Table, among: Iterable[str] | None = None) -> str:
    """The column called "text", or else the one with the longest texts."""
    lengths = {name: mean_length(table[name]) for name in (among or table.column_names)}
    return "text" if lengths.get("text") else max(lengths, key=lengths.__getitem__)


def named(candidates: list[str], *wanted: str) -> str | None:
    """The first candidate that is called as one of `wanted`, or holds it as a word; None when none does."""
    for name in wanted:
        if name in candidates:
            return name
    for name in wanted:
        for candidate in candidates:
            if name in re.split(r"[^a-z0-9]+", candidate.lower()):
                return candidate
    return None
