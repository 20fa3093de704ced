"""Report figures, against numbers worked out by hand."""

import pytest

from engine.evaluation.metrics import classification_figures, majority_baseline, wilson_interval

CLASSES = ["a", "b", "c"]


def test_single_label_figures() -> None:
    expected = [["a"], ["a"], ["b"], ["b"], ["b"]]
    predicted = [["a"], ["b"], ["b"], ["b"], ["a"]]
    figures = classification_figures(expected, predicted, CLASSES, multi_label=False)
    assert figures["metrics"]["accuracy"] == pytest.approx(3 / 5)
    assert figures["metrics"]["f1_micro"] == pytest.approx(3 / 5)
    assert figures["metrics"]["f1_macro"] == pytest.approx((1 / 2 + 2 / 3) / 2)  # "c" occurs nowhere: not averaged
    assert figures["confusion"] == {"labels": CLASSES, "matrix": [[1, 1, 0], [1, 2, 0], [0, 0, 0]]}
    assert figures["per_label"][1] == {
        "label": "b",
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
        "n": 3,
    }
    assert figures["per_label"][2]["n"] == 0


def test_multi_label_accuracy_is_exact_match() -> None:
    expected = [["a", "b"], [], ["c"]]
    predicted = [["b", "a"], ["a"], ["c"]]
    figures = classification_figures(expected, predicted, CLASSES, multi_label=True)
    assert figures["metrics"]["accuracy"] == pytest.approx(2 / 3)
    assert figures["per_label_confusion"][0] == {"label": "a", "tp": 1, "fp": 1, "fn": 0, "tn": 1}
    assert "confusion" not in figures


def test_nobody_choosing_anything_is_right_and_has_no_f1() -> None:
    figures = classification_figures([[], []], [[], []], CLASSES, multi_label=True)
    assert figures["metrics"] == {"accuracy": 1.0, "f1_macro": 0.0, "f1_micro": 0.0}


def test_majority_baseline_is_learnt_on_training_rows_and_scored_on_test_rows() -> None:
    baseline = majority_baseline([["a"], ["a"], ["b"]], [["b"], ["b"], ["a"], ["b"]], CLASSES)
    assert baseline["labels"] == ["a"]
    assert baseline["metrics"]["accuracy"] == pytest.approx(1 / 4)


def test_wilson_interval_of_68_in_78() -> None:
    low, high = wilson_interval(68, 78)
    assert (round(low, 3), round(high, 3)) == (0.780, 0.929)
