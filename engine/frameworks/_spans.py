"""Character spans ↔ tags of tokens, for the frameworks that train token classification. Knows none of them.

A span is {"start", "end", "label"} in characters, half open; offsets are the (start, end) of each token in the text,
(0, 0) for tokens that stand for no text, such as [CLS]. Spans of one text do not overlap (the task sees to that).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from engine.runs.events import Report
from engine.tasks.tag_schemes import Chunk, chunks_of, tag_names, tags_from

__all__ = ["Aligned", "Losses", "aligned", "note_losses", "span_rows", "spans_of", "tag_names", "tags_of", "tightened"]

Span = dict[str, Any]
Offsets = Sequence[tuple[int, int]]


@dataclass
class Aligned:
    """Spans as chunks of tokens, and what did not fit.

    `chunks`: (first token, one after the last, label) by position. `widened`: spans that begin or end inside a token;
    they are learned as the whole tokens. `lost`: spans that touch no token (text that was cut off), or only tokens that
    another span has already.
    """

    chunks: list[Chunk]
    widened: list[Span] = field(default_factory=list)
    lost: list[Span] = field(default_factory=list)


@dataclass
class Losses:
    """Over many texts: how many spans there were, how many were widened to whole tokens, how many were lost."""

    spans: int = 0
    widened: int = 0
    lost: int = 0

    def add(self, found: Aligned) -> None:
        self.spans += len(found.chunks) + len(found.lost)
        self.widened += len(found.widened)
        self.lost += len(found.lost)


def aligned(spans: Iterable[Span], offsets: Offsets) -> Aligned:
    """The chunk of tokens of each span: the tokens that it touches."""
    tokens = [(i, start, end) for i, (start, end) in enumerate(offsets) if end > start]
    result, taken = Aligned([]), set()
    for span in sorted(spans, key=lambda span: span["start"]):
        touched = [i for i, start, end in tokens if start < span["end"] and end > span["start"]]
        if not touched or not taken.isdisjoint(touched):
            result.lost.append(span)
            continue
        first, last = touched[0], touched[-1]
        if offsets[first][0] < span["start"] or offsets[last][1] > span["end"]:
            result.widened.append(span)
        taken.update(touched)
        result.chunks.append((first, last + 1, span["label"]))
    return result


def tags_of(spans: Iterable[Span], offsets: Offsets) -> tuple[list[str], Aligned]:
    """An IOB2 tag for each token, and the alignment with what did not fit. → names of tags: `tag_names(classes)`."""
    found = aligned(spans, offsets)
    return tags_from(found.chunks, len(offsets)), found


def spans_of(tags: Sequence[str], offsets: Offsets, scores: Sequence[float] | None, text: str) -> list[Span]:
    """One output of predict: {"start", "end", "label", "text", "score"} for each chunk of `tags`, by position.

    A span's score is the mean of its tokens' scores (the probability of each token's tag), None without scores.
    Tokens without text are passed over: they neither end a span nor belong to one.
    """
    kept = [i for i, (start, end) in enumerate(offsets) if end > start]
    spans = []
    for first, stop, label in chunks_of([tags[i] for i in kept]):
        inside = kept[first:stop]
        score = None if scores is None else float(sum(scores[i] for i in inside) / len(inside))
        spans.append(span_output(text, offsets[inside[0]][0], offsets[inside[-1]][1], label, score))
    return spans


def span_output(text: str, start: int, end: int, label: str, score: float | None) -> Span:
    """A predicted span in the shape of predict."""
    return {"start": start, "end": end, "label": label, "text": text[start:end], "score": score}


def tightened(offsets: Offsets, text: str) -> list[tuple[int, int]]:
    """Offsets without the spaces that some tokenizers count to a token (" Paris" of byte-level BPE)."""
    tight = []
    for start, end in offsets:
        piece = text[start:end]
        left = len(piece) - len(piece.lstrip())
        tight.append((start + left, start + left + len(piece.strip())))
    return tight


def span_rows(table: pa.Table) -> list[tuple[str, list[Span], list[tuple[int, int]] | None]]:
    """(text, spans, words) of canonical rows; words are None where the source has none."""
    texts, spans = table["text"].to_pylist(), table["spans"].to_pylist()
    words: list[Any] = table["tokens"].to_pylist() if "tokens" in table.column_names else [None] * len(texts)
    return [
        (text, found, None if given is None else [(word["start"], word["end"]) for word in given])
        for text, found, given in zip(texts, spans, words, strict=True)
    ]


def note_losses(report: Report, split: str, losses: Losses) -> None:
    """Tell how many spans the model can't learn as they were annotated."""
    if losses.widened:
        report.note(
            f"{losses.widened:,} of {losses.spans:,} {split} spans begin or end inside a token; they are learned as "
            "whole tokens."
        )
    if losses.lost:
        report.note(
            f"{losses.lost:,} of {losses.spans:,} {split} spans are not learned: their text was cut off, or another "
            "span has their tokens."
        )
