"""A run's report in words: how good the model is, beside what it is compared with. Draws on ui/sentences.py."""

from collections.abc import Mapping
from typing import Any

from engine import Metric
from ui import text
from ui.sentences import duration, percent, plural, size


def verdict(report: dict[str, Any], metrics: Mapping[str, Metric]) -> str:
    """Right on 68 of 78 unseen texts (87 %, 95 % interval 78–93 %). Always “billing” would be right on 33 %.

    Or, where nothing is simply right: Perplexity 12.3 on 40 unseen rows; lower is better. The base model before
    training: 31.2. `metrics`: those of the task, the one that matters most first.
    """
    if not report["n"]["test"]:
        return "There were no test rows, so nothing is known about unseen texts."
    return _right_of(report) if "accuracy" in report.get("intervals", {}) else _main_figure(report, metrics)


def _right_of(report: dict[str, Any]) -> str:
    n, accuracy = report["n"]["test"], report["metrics"]["accuracy"]
    low, high = report["intervals"]["accuracy"]
    what = "All labels right" if report.get("per_label_confusion") else "Right"
    of = "texts" if report.get("per_label") else "rows"
    sentence = f"{what} on {round(accuracy * n):,} of {n:,} unseen {of} ({percent(accuracy)}, 95 % interval "
    sentence += f"{low * 100:.0f}–{high * 100:.0f} %)."
    baseline = report.get("baseline") or {}
    if "accuracy" in baseline.get("metrics", {}):
        sentence += f" {baseline['name']} would be right on {percent(baseline['metrics']['accuracy'])}."
    return sentence


def _main_figure(report: dict[str, Any], metrics: Mapping[str, Metric]) -> str:
    found = report.get("metrics") or {}
    name = next((name for name in metrics if found.get(name) is not None), None)
    if name is None:
        return "There is no figure that sums up the unseen rows; read what the model wrote for them."
    metric, value = metrics[name], found[name]
    sentence = f"{metric.label} {metric_value(value, metric)} on {plural(report['n']['test'], 'unseen row')}"
    if name in report.get("intervals", {}):
        low, high = (metric_value(end, metric) for end in report["intervals"][name])
        sentence += f" (95 % interval {low}–{high})"
    sentence += "." if metric.higher_is_better else "; lower is better."
    baseline = report.get("baseline") or {}
    before = baseline.get("metrics", {}).get(name)
    if before is None:
        return sentence
    better = value > before if metric.higher_is_better else value < before
    return f"{sentence} {baseline['name']}: {metric_value(before, metric)}." + ("" if better else f" {text.NO_BETTER}")


def metric_value(value: float, metric: Metric | None) -> str:
    """A share with two digits, any other number with three."""
    if metric is None or metric.is_share:
        return share(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figures(report: dict[str, Any], metrics: Mapping[str, Metric]) -> list[tuple[str, str]]:
    """The figures beside the sentence, each with what it is."""
    found = report.get("metrics") or {}
    shown = [
        (metric_value(found[key], metric), f"{metric.label}, n = {report['n']['test']:,}")
        for key, metric in metrics.items()
        if found.get(key) is not None
    ]
    if report.get("ms_per_row"):
        shown.append((f"{report['ms_per_row']:,.0f} ms", "per text"))
    if report.get("model_bytes"):
        shown.append((size(report["model_bytes"]), "on disk"))
    if report.get("seconds", {}).get("train"):
        shown.append((duration(report["seconds"]["train"]), "training"))
    return shown


def share(value: float) -> str:
    return f"{value:.2f}"


def account(report: dict[str, Any]) -> list[str]:
    """Which rows stand behind the figures."""
    n = report["n"]
    lines = [f"{n['train']:,} training, {n['validation']:,} validation and {n['test']:,} test rows."]
    lines += [f"{plural(count, 'record')} left out: {reason}." for reason, count in report.get("left_out", {}).items()]
    if report.get("counts", {}).get("ties"):
        lines.append(f"{plural(report['counts']['ties'], 'tie')} between answers drawn by lot.")
    if report.get("stopped_early"):
        lines.append("Training was stopped by hand; this is the best model until then.")
    return lines


def main_metric(found: dict[str, float] | None, metrics: Mapping[str, Metric], n: int | None) -> str:
    """0.86 Macro F1, n = 78: the figure that runs are compared by."""
    name, metric = next(iter(metrics.items()))
    if not found or found.get(name) is None:
        return ""
    return f"{metric_value(found[name], metric)} {metric.label}, n = {n or 0:,}"
