"""Text classification as every framework needs it: targets from canonical rows, scores on validation, ranked output.

Called by the frameworks; knows none of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import UserError
from engine.runs.events import Report


def texts(table: pa.Table) -> list[str]:
    """The texts of canonical rows, in order."""
    return table["text"].to_pylist()


def targets(table: pa.Table, info: dict[str, Any]) -> list[int] | list[list[int]]:
    """Class index a row; with several labels a row, a 0/1 vector as wide as the classes, in the classes' order."""
    position = {label: i for i, label in enumerate(info["classes"])}
    if not info["multi_label"]:
        return [position[label] for label in table["label"].to_pylist()]
    rows = []
    for labels in table["labels"].to_pylist():
        row = [0] * len(position)
        for label in labels:
            row[position[label]] = 1
        rows.append(row)
    return rows


def primary_metric(info: dict[str, Any]) -> str:
    """The figure that chooses the best checkpoint: plain accuracy says little when rows have several labels."""
    return "f1_macro" if info["multi_label"] else "accuracy"


def scores(expected: Sequence[Any], predicted: Sequence[Any], info: dict[str, Any]) -> dict[str, float]:
    """accuracy, f1_macro and f1_micro of two columns of targets, to compare models on the same rows.

    As in the report, but f1_macro averages the labels that the rows really have: averaging guessed ones too, as a
    report does, would give a model that never tries a rare label a smaller number of labels to be wrong on.
    """
    from sklearn.metrics import f1_score

    from engine.evaluation.metrics import headline

    truth, guess = _indicator(expected, info), _indicator(predicted, info)
    occurring = truth.any(axis=0).nonzero()[0]
    macro = f1_score(truth, guess, labels=occurring, average="macro", zero_division=0.0) if len(occurring) else 0.0
    return headline(truth, guess) | {"f1_macro": float(macro)}


def ranked(classes: Sequence[str], row: Sequence[float]) -> list[dict[str, Any]]:
    """One output of predict: every class with its score, best first; equal scores keep the classes' order."""
    order = sorted(range(len(classes)), key=lambda i: -row[i])
    return [{"label": classes[i], "score": float(row[i])} for i in order]


def checked_inputs(inputs: Sequence[Any]) -> list[str]:
    """Inputs of predict as a list of texts. Raises UserError that names the first one that is not a text."""
    for i, value in enumerate(inputs, start=1):
        if not isinstance(value, str):
            raise UserError(
                f"Input {i} is {value!r} ({type(value).__name__}), not a text.", "Give a list of texts, one an input."
            )
    return list(inputs)


def note_truncated(report: Report, split: str, truncated: int, rows: int, longest: int) -> None:
    """Tell how many texts were cut: the model never sees the rest of them."""
    if truncated:
        report.note(f"{truncated} of {rows} {split} texts are longer than {longest} tokens; the rest is not seen.")


def _indicator(column: Sequence[Any], info: dict[str, Any]) -> np.ndarray:
    if info["multi_label"]:
        return np.asarray(column, dtype=np.int8)
    return np.eye(len(info["classes"]), dtype=np.int8)[np.asarray(column, dtype=int)]
