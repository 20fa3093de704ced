"""What a run reports while it learns, as plots: whatever its figures are called. No wiring."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import pandas as pd

from engine import Metric
from ui import text

SHOWN = 6  # plots; what a run reports beyond them stands in its log
VALIDATION = "validation_"
COLOURS = ("#0d9488", "#ea580c", "#7c3aed", "#2563eb", "#be185d", "#65a30d", "#b45309", "#475569")

History = Mapping[str, list[tuple[int, float]]]  # name → (step, value), …


def empty_plots() -> list[gr.LinePlot]:
    """As many plots as there may be, drawn into the open block, hidden."""
    return [
        gr.LinePlot(
            x="step",
            y="value",
            color="of",
            color_title=" ",
            x_title=text.STEP,
            y_title=" ",
            height=240,
            show_label=False,
            visible=False,
            elem_id=f"run-plot-{i}",
        )
        for i in range(SHOWN)
    ]


def plots(history: History, metrics: Mapping[str, Metric]) -> list[gr.LinePlot]:
    """The plots as they are now: the loss first, then shares together, then every other figure by itself."""
    found = [plot for plot in (_plot(title, names, history) for title, names in _groups(history, metrics)) if plot]
    return found[:SHOWN] + [gr.LinePlot(visible=False)] * (SHOWN - len(found))


def _groups(history: History, metrics: Mapping[str, Metric]) -> list[tuple[str, dict[str, str]]]:
    """(title, {name: what its line is called}) for each plot."""
    loss: dict[str, str] = {}
    shares: dict[str, str] = {}
    others: dict[str, dict[str, str]] = {}
    for name, points in history.items():
        base, by = name.removeprefix(VALIDATION), text.CURVES[name.startswith(VALIDATION)]
        if base == "loss":
            loss[name] = by
        elif name != base and _is_share(base, points, metrics):
            shares[name] = metric_name(base, metrics)
        else:
            others.setdefault(base, {})[name] = by
    groups = [(text.LOSS, loss), (text.VALIDATION, shares)]
    return groups + [(metric_name(base, metrics), names) for base, names in others.items()]


def _is_share(name: str, points: list[tuple[int, float]], metrics: Mapping[str, Metric]) -> bool:
    if name in metrics:
        return metrics[name].is_share
    return all(0 <= value <= 1 for _, value in points)


def metric_name(name: str, metrics: Mapping[str, Metric]) -> str:
    """What a figure is called for people; one that nobody knows by its own name."""
    if name in metrics:
        return metrics[name].label
    known = text.METRICS.get(name) or name.replace("_", " ").replace("/", ": ")
    return known[:1].upper() + known[1:]


def _plot(title: str, names: dict[str, str], history: History) -> Any:
    points = [(step, value, line) for name, line in names.items() for step, value in history[name]]
    if len({step for step, _, _ in points}) < 2:
        return None  # one point is no curve
    frame = pd.DataFrame(points, columns=["step", "value", "of"])
    return gr.LinePlot(frame, title=title, visible=True, color_map=dict(zip(names.values(), COLOURS, strict=False)))
