"""Rows for SpanMarker: texts in windows of words that fit the model, spans as tags of words. Worker only.

The words are those that the model's tokenizer sees in a text, in training as in prediction, so that both are alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from engine.frameworks import _spans as spans
from engine.runs.events import Report


@dataclass(frozen=True)
class Window:
    """Part of a text that the model reads at once: its place in the text, and the offsets of its words in the text."""

    start: int
    end: int
    words: list[tuple[int, int]]


@dataclass
class Words:
    """Rows as SpanMarker takes them. `spans`: (first word, one after the last, label) a row, too long ones included."""

    tokens: list[list[str]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    spans: list[list[tuple[int, int, str]]] = field(default_factory=list)


def windows(text: str, tokenizer: Any, room: int) -> Iterator[Window]:
    """`text` in windows of at most `room` tokens, cut between words; none for a text without a word.

    A word with more tokens than there is room for stands alone and is cut by the model.
    """
    encoded = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)
    sizes: dict[int, int] = {}
    for word in encoded.word_ids():
        if word is not None:
            sizes[word] = sizes.get(word, 0) + 1
    offsets = spans.tightened([tuple(encoded.word_to_chars(word)) for word in sizes], text)
    part: list[tuple[int, int]] = []
    used = 0
    for offset, size in zip(offsets, sizes.values(), strict=True):
        if offset[0] == offset[1]:
            continue
        if part and used + size > room:
            yield Window(part[0][0], part[-1][1], part)
            part, used = [], 0
        part.append(offset)
        used += size
    if part:
        yield Window(part[0][0], part[-1][1], part)


def words_of(table: pa.Table, tokenizer: Any, room: int, longest: int, split: str, report: Report) -> Words:
    """The rows of a canonical table; what the model can't learn of them is told. `longest`: words a span may have."""
    result, losses, cut, long = Words(), spans.Losses(), 0, 0
    for text, found, _ in spans.span_rows(table):
        parts = list(windows(text, tokenizer, room))
        cut += len(parts) > 1
        fitted = spans.aligned(found, [word for part in parts for word in part.words])
        losses.add(fitted)
        long += sum(stop - first > longest for first, stop, _ in fitted.chunks)
        first_word = 0
        for part in parts:
            stop_word = first_word + len(part.words)
            inside = [
                (first - first_word, stop - first_word, label)
                for first, stop, label in fitted.chunks
                if first_word <= first and stop <= stop_word
            ]
            across = sum(first_word <= first < stop_word < stop for first, stop, _ in fitted.chunks)
            losses.lost += across
            result.tokens.append([text[start:end] for start, end in part.words])
            result.tags.append(spans.tags_from(inside, len(part.words)))
            result.spans.append(inside)
            first_word = stop_word
    spans.note_losses(report, split, losses)
    if cut:
        report.note(f"{cut:,} of {len(table):,} {split} texts are longer than {room} tokens; they are read in parts.")
    if long:
        report.note(
            f"{long:,} of {losses.spans:,} {split} spans have more than {longest} words, which this model never finds; "
            "raise “Longest span”."
        )
    return result
