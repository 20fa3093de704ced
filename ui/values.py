"""What a cell of the data, a canonical row or an answer looks like: by the shape of the value, never by its task."""

from collections.abc import Sequence
from typing import Any

from ui import drawn, markup, text
from ui.markup import Raw

SHOWN_CHARS = 220
LABELLED = frozenset({"text", "label", "labels"})  # a row of these is an input and its chips


def is_messages(value: Any) -> bool:
    """Whether it is a conversation: a list of {"role", "content"}."""
    return _dicts_with(value, "role", "content")


def is_spans(value: Any) -> bool:
    """Whether it is a list of {"start", "end", …}."""
    return _dicts_with(value, "start", "end")


def _dicts_with(value: Any, *keys: str) -> bool:
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(v, dict) and set(keys) <= v.keys() for v in value)
    )


def plain(value: Any) -> str:
    """A value as one line of text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return _plain_dict(value)
    if is_messages(value):
        return " ".join(map(_plain_dict, value))
    if is_spans(value):
        return ", ".join(
            f"{span.get('text') or (span['start'], span['end'])} ({span.get('label', '')})" for span in value
        )
    if isinstance(value, (list, tuple)):
        return " · ".join(plain(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain_dict(value: dict[str, Any]) -> str:
    """Answers as they are stored: spans and rankings are a struct of lists."""
    if {"start", "end", "label"} <= value.keys() and isinstance(value["start"], list):
        words = value.get("text") or [f"{s}–{e}" for s, e in zip(value["start"], value["end"], strict=True)]
        return ", ".join(f"{word} ({label})" for word, label in zip(words, value["label"], strict=True))
    if {"role", "content"} <= value.keys():
        return f"{value['role']}: {plain(value['content'])}"
    if {"rank", "value"} <= value.keys() and isinstance(value["value"], list):
        ranked = sorted(zip(value["rank"], value["value"], strict=True), key=lambda pair: (pair[0] is None, pair[0]))
        return " > ".join(str(name) for _, name in ranked)
    return "; ".join(f"{key}: {plain(item)}" for key, item in value.items() if item is not None)


def shorten(value: Any, length: int = 160) -> str:
    """A value as one line of at most `length` characters."""
    shown = " ".join(plain(value).split())
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def html(value: Any, limit: int = SHOWN_CHARS) -> str:
    """A value to be put into a table: conversations as turns, labels as chips, anything else as a short text."""
    if is_messages(value):
        return drawn.turns(value, limit)
    if isinstance(value, bool):
        return markup.chips([text.WANTED[value]])
    if isinstance(value, (list, tuple)) and not is_spans(value):
        return markup.chips([shorten(item, 60) for item in value] or [text.NOTHING])
    return shorten(value, limit)


def answer(value: Any, source: Any, limit: int = SHOWN_CHARS) -> str:
    """What was expected or predicted: spans are marked in `source`, the text that they are spans of."""
    if value is None or value == "" or value == []:
        return markup.reason(text.NOTHING)
    if is_spans(value) and isinstance(source, str) and all(span["end"] <= len(source) for span in value):
        return drawn.marked(source, value, limit=limit)
    return html(value, limit)


def row(found: dict[str, Any], limit: int = SHOWN_CHARS, colours: dict[str, int] | None = None) -> Raw:
    """One canonical row, drawn by the columns that it has. `colours`: of the labels of spans (`drawn.colours_of`)."""
    if "spans" in found:
        return drawn.marked(found["text"], found["spans"] or [], colours, limit=limit * 2)
    if "answers" in found:
        return _question_row(found, limit)
    if "chosen" in found and "rejected" in found:
        before = [(part_name(name), html(found[name], limit)) for name in ("prompt",) if found.get(name)]
        compared = drawn.sides([(part_name(name), html(found[name], limit)) for name in ("chosen", "rejected")])
        others = [
            (part_name(k), html(v, limit))
            for k, v in found.items()
            if k not in ("prompt", "chosen", "rejected") and v is not None
        ]
        return Raw(drawn.parts(before) * bool(before) + compared + drawn.parts(others) * bool(others))
    if set(found) == {"messages"}:
        return drawn.turns(found["messages"], limit)
    return drawn.parts([(part_name(name), html(value, limit)) for name, value in found.items() if value is not None])


def _question_row(found: dict[str, Any], limit: int) -> Raw:
    answers = found["answers"] or {}
    texts, starts = answers.get("text") or [], answers.get("answer_start") or []
    spans = [{"start": start, "end": start + len(words)} for start, words in zip(starts, texts, strict=False)]
    lines = [(part_name("question"), shorten(found["question"], limit))]
    lines.append((part_name("context"), drawn.marked(found["context"], _apart(spans), limit=limit)))
    return drawn.parts(lines + [(part_name("answers"), markup.chips(list(dict.fromkeys(texts)) or [text.NOTHING]))])


def _apart(spans: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Different spans that don't overlap: several annotators mark nearly the same."""
    kept: list[dict[str, Any]] = []
    for span in sorted(spans, key=lambda span: (span["start"], -span["end"])):
        if not kept or span["start"] >= kept[-1]["end"]:
            kept.append(span)
    return kept


def part_name(column: str) -> str:
    """A canonical column as a person reads it."""
    return text.PARTS.get(column, column.replace("_", " ").capitalize())
