"""Figures of sentence similarity on held-out rows, by scipy and scikit-learn. Called in workers only.

A model is given as `score`: pairs of sentences → (n_pairs,) similarities, the higher the more alike.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.tasks import sentence_similarity_rows as rows
from engine.tasks.sentence_similarity_rows import CLASSES, LABEL, LABELLED_PAIRS, PAIRS, SENTENCE

Pair = tuple[str, str]
Triplet = tuple[int, str, str, str]  # row, sentence, one that is like it, one that is not
Score = Callable[[list[Pair]], np.ndarray]
MAX_QUERIES, MAX_CANDIDATES = 100, 50  # a cross-encoder reads every candidate of every query
FAR = 0.25  # a pair that stands a quarter of all places from where its label puts it is a mistake


def figures(table: pa.Table, score: Score, threshold: float | None = None) -> dict[str, float]:
    """The figures that fit the format of `table`, the one to compare models by first; {} where none is defined.

    Pairs with two whole-number labels: average precision of the higher one, and the accuracy of calling a pair alike
    from `threshold` on. Other labels: Spearman's and Pearson's correlation. Pairs alone: for up to 100 first
    sentences, whether their own second sentence ranks first among up to 50 of the held-out ones (recall@1), and the
    mean of 1 / rank (MRR); equal scores count against the model. Triplets, and sentences with a class as triplets:
    the share whose like sentence scores higher than the unlike one.
    """
    kind = rows.format_of(table)
    if kind == PAIRS:
        return retrieval(pairs_of(table), score)
    if kind != LABELLED_PAIRS:
        triplets = triplets_of(table)
        scores = score([pair for _, *sentences in triplets for pair in _two_pairs(sentences)])
        return {"triplet_accuracy": float((scores[0::2] > scores[1::2]).mean())} if triplets else {}
    labels = table[LABEL].to_numpy()
    if len(np.unique(labels)) < 2:
        return {}
    if is_binary(table):
        return _binary(labels == labels.max(), score(pairs_of(table)), threshold)
    return _graded(labels, score(pairs_of(table)))


def pairs_of(table: pa.Table) -> list[Pair]:
    """First and second sentence of each row."""
    return list(zip(table[rows.FIRST].to_pylist(), table[rows.SECOND].to_pylist(), strict=True))


def is_binary(table: pa.Table) -> bool:
    """Whether the labels are whole numbers, and not more than two different ones."""
    return pa.types.is_integer(table[LABEL].type) and pc.count_distinct(table[LABEL]).as_py() <= 2


def _graded(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Correlations; a model that says the same of every pair has none, which is 0."""
    from scipy.stats import pearsonr, spearmanr

    if np.ptp(scores) == 0:
        return {"spearman": 0.0, "pearson": 0.0}
    return {
        "spearman": float(spearmanr(labels, scores).statistic),
        "pearson": float(pearsonr(labels, scores).statistic),
    }


def _binary(alike: np.ndarray, scores: np.ndarray, threshold: float | None) -> dict[str, float]:
    from sklearn.metrics import average_precision_score

    found = {"average_precision": float(average_precision_score(alike, scores))}
    if threshold is not None:
        found["accuracy"] = float(((scores >= threshold) == alike).mean())
    return found


def best_threshold(alike: np.ndarray, scores: np.ndarray) -> float:
    """The score from which on a pair is best called alike: most right answers, half-way between two scores."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order].astype(float), np.concatenate([[0], np.cumsum(alike[order])])
    called = np.arange(len(scores) + 1)
    right = hits + (len(scores) - alike.sum()) - (called - hits)
    edges = np.concatenate([[sorted_scores[0] + 1e-6], sorted_scores, [sorted_scores[-1] - 1e-6]])
    between = np.concatenate([[True], sorted_scores[:-1] != sorted_scores[1:], [True]])
    best = int(np.argmax(np.where(between, right, -1)))
    return float((edges[best] + edges[best + 1]) / 2) if best else float(edges[0])


def retrieval(pairs: list[Pair], score: Score) -> dict[str, float]:
    """mrr and recall_at_1 of finding each pair's second sentence among the others' (see `figures`)."""
    right = {}
    for first, second in pairs:
        right.setdefault(first, set()).add(second)
    queries = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), MAX_QUERIES)).astype(int)).tolist()
    asked: list[Pair] = []
    ends = []
    for query in queries:
        first, second = pairs[query]
        others = (pairs[(query + step) % len(pairs)][1] for step in range(1, len(pairs)))
        wrong = list(dict.fromkeys(other for other in others if other not in right[first]))[: MAX_CANDIDATES - 1]
        if wrong:
            asked += [(first, second), *((first, other) for other in wrong)]
            ends.append(len(asked))
    if not ends:
        return {}
    ranks = [float((part[1:] >= part[0]).sum()) + 1 for part in np.split(score(asked), ends[:-1])]
    reciprocal = 1 / np.array(ranks)
    return {"mrr": float(reciprocal.mean()), "recall_at_1": float((reciprocal == 1).mean())}


def triplets_of(table: pa.Table) -> list[Triplet]:
    """The triplets of a table: its own, or for each sentence with a class the next of its class and the next of
    another (in a circle); a sentence whose class has no other one gives none.
    """
    if rows.format_of(table) != CLASSES:
        return list(zip(range(len(table)), *rows.texts(table), strict=True))
    sentences, classes = table[SENTENCE].to_pylist(), table[LABEL].to_pylist()
    after = _next_of_another_class(classes)
    of_class: dict[int, list[int]] = {}
    for row, kind in enumerate(classes):
        of_class.setdefault(kind, []).append(row)
    found = []
    for row, sentence in enumerate(sentences):
        members = of_class[classes[row]]
        start = bisect_right(members, row)
        others = (sentences[members[(start + step) % len(members)]] for step in range(len(members)))
        like = next((other for other in others if other != sentence), None)
        if like is not None and after[row] is not None and sentences[after[row]] != sentence:
            found.append((row, sentence, like, sentences[after[row]]))
    return found


def _next_of_another_class(classes: Sequence[int]) -> list[int | None]:
    """For each row the next one, in a circle, of another class."""
    n = len(classes)
    after: list[int | None] = [None] * n
    for row in range(2 * n - 2, -1, -1):
        here, there = row % n, (row + 1) % n
        after[here] = there if classes[there] != classes[here] else after[there]
    return after


def _two_pairs(sentences: Sequence[str]) -> list[Pair]:
    sentence, like, unlike = sentences
    return [(sentence, like), (sentence, unlike)]


def examples_of(table: pa.Table) -> list[tuple[int, Pair, Any]]:
    """(row, pair, what is expected of it: its label, "alike" or "not alike"), one a row, two for a triplet."""
    if rows.format_of(table) in (PAIRS, LABELLED_PAIRS):
        labels = table[LABEL].to_pylist() if LABEL in table.column_names else ["alike"] * len(table)
        return list(zip(range(len(table)), pairs_of(table), labels, strict=True))
    expected = ("alike", "not alike")
    return [
        (row, pair, what)
        for row, *sentences in triplets_of(table)
        for pair, what in zip(_two_pairs(sentences), expected, strict=True)
    ]


def mistakes_of(table: pa.Table, predictions: Sequence[float]) -> list[dict[str, Any]]:
    """The held-out rows that the model got most wrong, the worst first: {"row", "text", "expected", "predicted",
    "wrong_by"}. `predictions`: similarities of `examples_of(table)`.

    Labelled pairs that stand far from the place among all pairs that their label gives them; triplets whose unlike
    sentence scores at least as high. Pairs without a label have none.
    """
    kind, examples, scores = rows.format_of(table), examples_of(table), np.asarray(predictions, float)
    if kind == PAIRS or not examples:
        return []
    found = _misplaced(table, scores) if kind == LABELLED_PAIRS else _reversed(scores)
    scale = _scale(table) if kind == LABELLED_PAIRS else ""
    shown = []
    for place, wrong_by in sorted(found, key=lambda one: -one[1]):
        row, pair, expected = examples[place]
        if kind == LABELLED_PAIRS:
            what, guess = [f"{expected:g}{scale}"], [f"{scores[place]:.2f}"]
        else:
            what = [f"above {scores[place + 1]:.2f}, of “{examples[place + 1][1][1]}”"]
            guess = [f"{scores[place]:.2f}"]
        shown.append(
            {"row": row, "text": " ↔ ".join(pair), "expected": what, "predicted": guess, "wrong_by": float(wrong_by)}
        )
    return shown


def _scale(table: pa.Table) -> str:
    """What labels that are no similarities (0 to 1) run from and to: a 3 beside a 0.42 would say nothing."""
    labels = table[LABEL].to_numpy()
    low, high = labels.min(), labels.max()
    return "" if low >= 0 and high <= 1 else f" ({low:g} to {high:g})"


def _misplaced(table: pa.Table, scores: np.ndarray) -> list[tuple[int, float]]:
    from scipy.stats import rankdata

    apart = np.abs(rankdata(table[LABEL].to_numpy()) - rankdata(scores)) / len(scores)
    return [(int(place), apart[place]) for place in np.flatnonzero(apart > FAR)]


def _reversed(scores: np.ndarray) -> list[tuple[int, float]]:
    gap = scores[1::2] - scores[0::2]
    return [(2 * int(place), gap[place]) for place in np.flatnonzero(gap >= 0)]
