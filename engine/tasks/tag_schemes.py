"""Tags of words (IOB1, IOB2, BIOES, BILOU, or plain labels) ↔ chunks of words. Knows no text and no framework."""

import re
from collections.abc import Sequence

OUTSIDE = "O"
PREFIXED = re.compile(r"([BIESLUM])[-_](.+)", re.DOTALL)
BEGINS, ENDS = "BSU", "ELSU"
NOTHING = ("", OUTSIDE, "_", "-")  # how sources write a word outside of every chunk

Chunk = tuple[int, int, str]  # first word, one after the last word, label


def chunks_of(tags: Sequence[str]) -> list[Chunk]:
    """The chunks that `tags` mark, read as conlleval does: any of the schemes, and a chunk that begins with I- is one.

    Plain labels ("PER") are read as I-PER: neighbours with one label are one chunk.
    """
    chunks: list[Chunk] = []
    before, label_before = OUTSIDE, ""
    for i, tag in enumerate(tags):
        prefix, label = split_tag(tag)
        if prefix != OUTSIDE:
            if prefix in BEGINS or before == OUTSIDE or before in ENDS or label != label_before:
                chunks.append((i, i + 1, label))
            else:
                chunks[-1] = (chunks[-1][0], i + 1, label)
        before, label_before = prefix, label
    return chunks


def split_tag(tag: str) -> tuple[str, str]:
    """(prefix, label) of a tag: "B-PER" → ("B", "PER"), "PER" → ("I", "PER"), "O" → ("O", "")."""
    if tag in NOTHING:
        return OUTSIDE, ""
    match = PREFIXED.fullmatch(tag)
    return (match[1], match[2]) if match else ("I", tag)


def tags_from(chunks: Sequence[Chunk], n: int) -> list[str]:
    """IOB2 tags of `n` words; the chunks must not overlap."""
    tags = [OUTSIDE] * n
    for first, stop, label in chunks:
        tags[first] = f"B-{label}"
        tags[first + 1 : stop] = [f"I-{label}"] * (stop - first - 1)
    return tags


def tag_names(classes: Sequence[str]) -> list[str]:
    """Every IOB2 tag of these labels, in their order: O, B-first, I-first, B-second, …"""
    return [OUTSIDE, *(f"{prefix}-{label}" for label in classes for prefix in "BI")]
