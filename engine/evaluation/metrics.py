"""Figures of a classification report, by scikit-learn, on label names. Called in workers only: importing it is slow."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

Labels = Sequence[Sequence[str]]  # one list of labels a row; exactly one label in each when single-label


def classification_figures(
    expected: Labels, predicted: Labels, classes: Sequence[str], multi_label: bool
) -> dict[str, Any]:
    """Metrics, per-label table and confusion of `predicted` against `expected`.

    accuracy is exact match of the label set. f1_macro averages the labels that occur in either list (as scikit-learn
    does by default). Returns {"metrics", "intervals", "per_label", "confusion" | "per_label_confusion"}.
    """
    from sklearn.metrics import precision_recall_fscore_support

    truth, guess = _indicator(expected, classes), _indicator(predicted, classes)
    precision, recall, f1, support = precision_recall_fscore_support(truth, guess, average=None, zero_division=0.0)
    per_label = [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "n": int(n)}
        for label, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
    ]
    figures = {"metrics": headline(truth, guess), "per_label": per_label}
    correct = int((truth == guess).all(axis=1).sum())
    figures["intervals"] = {"accuracy": wilson_interval(correct, len(truth))}
    return figures | (_per_label_confusion(truth, guess, classes) if multi_label else _confusion(truth, guess, classes))


def headline(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """accuracy, f1_macro and f1_micro of two 0/1 matrices (n_rows, n_classes)."""
    from sklearn.metrics import f1_score

    occurring = (truth.any(axis=0) | guess.any(axis=0)).nonzero()[0]
    if not len(occurring):  # nobody chose any label in any row: everything is right, and there is no F1
        return {"accuracy": 1.0, "f1_macro": 0.0, "f1_micro": 0.0}
    return {
        "accuracy": float((truth == guess).all(axis=1).mean()),
        "f1_macro": float(f1_score(truth, guess, labels=occurring, average="macro", zero_division=0.0)),
        "f1_micro": float(f1_score(truth, guess, labels=occurring, average="micro", zero_division=0.0)),
    }


def majority_baseline(trained_on: Labels, expected: Labels, classes: Sequence[str]) -> dict[str, Any]:
    """Always answering with the label set most frequent in training, scored on the same held-out rows."""
    answer, _ = Counter(tuple(sorted(labels)) for labels in trained_on).most_common(1)[0]
    guess = _indicator([answer] * len(expected), classes)
    return {"labels": list(answer), "metrics": headline(_indicator(expected, classes), guess)}


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> list[float]:
    """Wilson's interval for a share (Wilson 1927, by scipy): [low, high]."""
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    return [float(interval.low), float(interval.high)]


def _indicator(rows: Labels, classes: Sequence[str]) -> np.ndarray:
    position = {label: i for i, label in enumerate(classes)}
    matrix = np.zeros((len(rows), len(classes)), dtype=np.int8)
    for i, labels in enumerate(rows):
        for label in labels:
            matrix[i, position[label]] = 1
    return matrix


def _confusion(truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Rows: the right label; columns: the one given. A row for which no label was given stands in no column."""
    matrix = truth.T.astype(int) @ guess
    return {"confusion": {"labels": list(classes), "matrix": matrix.tolist()}}


def _per_label_confusion(truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    from sklearn.metrics import multilabel_confusion_matrix

    matrices = multilabel_confusion_matrix(truth, guess)
    rows = [
        {"label": label, "tp": int(m[1, 1]), "fp": int(m[0, 1]), "fn": int(m[1, 0]), "tn": int(m[0, 0])}
        for label, m in zip(classes, matrices, strict=True)
    ]
    return {"per_label_confusion": rows}
