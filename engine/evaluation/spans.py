"""Figures of found spans by seqeval, computed here: a span counts when its start, end and label are all right.

seqeval compares tags, so each text is cut at every boundary that either side has: spans are exact on those pieces,
whatever words the framework saw. Called in workers only.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from engine.tasks.tag_schemes import OUTSIDE, chunks_of, tags_from

WORD = re.compile(r"\w+|[^\w\s]")

Span = dict[str, Any]
Spans = Sequence[Sequence[Span]]  # the spans of each text


def span_figures(expected: Spans, predicted: Spans, classes: Sequence[str]) -> dict[str, Any]:
    """{"metrics": {f1, precision, recall (micro), f1_macro}, "per_label": [{label, precision, recall, f1, n}]}.

    f1_macro averages the labels that occur on either side. Of predicted spans that overlap the later one is wrong.
    """
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    labels = list(dict.fromkeys([*classes, *(span["label"] for row in (*expected, *predicted) for span in row)]))
    code = {label: str(i) for i, label in enumerate(labels)}  # seqeval strips hyphens off names
    truth, guess = zip(*_tagged(expected, predicted, code), strict=True) if expected else ((), ())
    about = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    present = sorted({label for row in (*truth, *guess) for _, _, label in chunks_of(row)})
    if not present:
        nothing = dict.fromkeys(("f1", "precision", "recall", "f1_macro"), 0.0)
        return {"metrics": nothing, "per_label": [_row(label, 0, 0, 0, 0) for label in classes]}
    each = precision_recall_fscore_support(truth, guess, average=None, **about)
    rows = {labels[int(key)]: _row(labels[int(key)], *row) for key, *row in zip(present, *each, strict=True)}
    precision, recall, f1, _ = precision_recall_fscore_support(truth, guess, average="micro", **about)
    macro = sum(row["f1"] for row in rows.values()) / len(rows)
    return {
        "metrics": {"f1": float(f1), "precision": float(precision), "recall": float(recall), "f1_macro": macro},
        "per_label": [rows.get(label) or _row(label, 0, 0, 0, 0) for label in labels],
    }


def lookup_baseline(texts: Sequence[str], spans: Spans, unseen: Sequence[str]) -> list[list[Span]]:
    """Spans in `unseen` texts by a lookup: each word has the label it most often has in `texts`, or none.

    Neighbouring words of one label are one span. What a model finds beyond this it has learned from the context.
    """
    votes: defaultdict[str, Counter] = defaultdict(Counter)
    for text, found in zip(texts, spans, strict=True):
        for word in WORD.finditer(text):
            covering = (s["label"] for s in found if s["start"] <= word.start() and word.end() <= s["end"])
            votes[word.group()][next(covering, OUTSIDE)] += 1
    usual = {word: counts.most_common(1)[0][0] for word, counts in votes.items()}
    return [_looked_up(text, usual) for text in unseen]


def _looked_up(text: str, usual: dict[str, str]) -> list[Span]:
    words = list(WORD.finditer(text))
    chunks = chunks_of([_tag_of(usual.get(word.group(), OUTSIDE)) for word in words])
    return [
        {"start": words[first].start(), "end": words[stop - 1].end(), "label": label, "score": None}
        for first, stop, label in chunks
    ]


def _tag_of(label: str) -> str:
    """The tag of a word inside a span, whatever the label looks like."""
    return label if label == OUTSIDE else f"I-{label}"


def _tagged(expected: Spans, predicted: Spans, code: dict[str, str]) -> Iterator[tuple[list[str], list[str]]]:
    """Tags of both sides for each text; a span that overlaps one before it stands on a line of its own, as wrong."""
    for right, found in zip(expected, predicted, strict=True):
        kept: list[Span] = []
        for span in sorted(found, key=lambda span: (span["start"], span["end"])):
            if kept and span["start"] < kept[-1]["end"]:
                yield [OUTSIDE], [f"B-{code[span['label']]}"]
            else:
                kept.append(span)
        cuts = sorted({place for span in (*right, *kept) for place in (span["start"], span["end"])})
        yield _tags(right, cuts, code), _tags(kept, cuts, code)


def _tags(spans: Sequence[Span], cuts: list[int], code: dict[str, str]) -> list[str]:
    """Tags of the pieces between `cuts`; a text without any cut is one piece."""
    chunks = [(bisect_left(cuts, span["start"]), bisect_left(cuts, span["end"]), code[span["label"]]) for span in spans]
    return tags_from(chunks, max(1, len(cuts) - 1))


def _row(label: str, precision: float, recall: float, f1: float, n: int) -> dict[str, Any]:
    return {"label": label, "precision": float(precision), "recall": float(recall), "f1": float(f1), "n": int(n)}
