"""Which figures of a run stand in which plot."""

from engine import Metric
from ui import curves

METRICS = {"f1": Metric("F1", "f1"), "perplexity": Metric("Perplexity", "perplexity", False, False)}
HISTORY = {
    "loss": [(1, 2.0), (2, 1.0)],
    "validation_loss": [(2, 1.5)],
    "validation_f1": [(1, 0.1), (2, 0.2)],
    "validation_perplexity": [(1, 9.0), (2, 8.0)],
    "reward": [(1, 0.1), (2, 0.3)],
    "rewards/margins": [(1, 0.1)],
}


def shown(history: dict) -> list[tuple[str, list[str]]]:
    plots = [plot for plot in curves.plots(history, METRICS) if plot.visible]
    return [(plot.title, [row[2] for row in plot.value["data"]]) for plot in plots]


def test_losses_stand_together_then_shares_then_each_other_figure() -> None:
    assert shown(HISTORY) == [
        ("Loss", ["training", "training", "validation"]),
        ("On validation rows", ["F1", "F1"]),
        ("Perplexity", ["validation", "validation"]),
        ("Mean reward", ["training", "training"]),
    ]


def test_there_are_always_as_many_plots() -> None:
    assert len(curves.plots(HISTORY, METRICS)) == len(curves.plots({}, METRICS)) == curves.SHOWN


def test_figure_that_nobody_knows_keeps_its_name() -> None:
    assert curves.metric_name("rewards/margins", METRICS) == "Rewards: margins"
