"""The model card (README.md) of a run: what it does, how good it is on unseen rows, what it was made from, its limits.

Made by the train worker and again when a model is published under a name. Every sentence follows from run.json and
report.json; what they do not say is said to be unknown.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from pydantic import ValidationError

from engine.publishing.provenance import (
    BaseModel,
    base_model_of,
    hub_dataset,
    public_config,
    source_name,
    suggested_name,
)
from engine.registry import FRAMEWORKS, TASKS
from engine.runs.run_directory import RunDirectory, RunSpec
from engine.tasks.task import Metric

ADAPTER = "adapter_config.json"
PICKLES = (".pkl", ".pickle", ".joblib")
FEW_TEST_ROWS = 100
FEW_OF_A_LABEL = 10
LONGEST_CELL = 200


def build_card(run_dir: RunDirectory, repo_id: str | None = None) -> str:
    """The card of a finished run, YAML on top. `repo_id`: where it will lie; without it a name is suggested."""
    files = [path.name for path in run_dir.model_dir.rglob("*") if path.is_file()] if run_dir.model_dir.is_dir() else []
    repo_id = repo_id or f"your-name/{suggested_name(run_dir.spec)}"
    return card_text(run_dir.spec, run_dir.report or {}, repo_id, sorted(files))


def card_text(spec: RunSpec, report: dict[str, Any], repo_id: str, files: list[str]) -> str:
    """The card for `spec` and `report`; `files`: names in the model's folder."""
    task, framework, base = TASKS[spec.task["task"]], FRAMEWORKS[spec.framework], base_model_of(spec)
    sections = [
        _what(spec, report, base),
        _results(spec, report),
        f"## How to use it\n\n```python\n{framework.usage_of(repo_id, task.name, spec.config).strip()}\n```",
        _data(spec, report),
        _hyperparameters(spec),
        _limits(spec, report, base, files),
        _versions(spec),
        f"Made with Annotune. The figures are in `report.json`, the recipe is in `run.json` ({task.label}).",
    ]
    body = "\n\n".join(section for section in sections if section)
    return str(ModelCard(f"---\n{metadata(spec, report, repo_id, base, files).to_yaml()}\n---\n\n{body}\n"))


def metadata(
    spec: RunSpec, report: dict[str, Any], repo_id: str, base: BaseModel, files: Sequence[str]
) -> ModelCardData:
    """The YAML block: what the Hub filters and shows. An adapter is loaded with PEFT, whatever trained it."""
    task, figures, dataset = spec.task["task"], report.get("metrics") or {}, hub_dataset(spec)
    results = [
        EvalResult(
            task_type=TASKS[task].pipeline_tag,
            task_name=TASKS[task].label,
            dataset_type=dataset or "unknown",
            dataset_name=f"{source_name(spec)} (rows held out from training)",
            dataset_revision=_revision(spec),
            metric_type=_metric(task, key).hub,
            metric_name=_metric(task, key).label,
            metric_value=round(float(value), 4),
        )
        for key, value in figures.items()
    ]
    tags = list(dict.fromkeys(["annotune", spec.framework, task, *spec.card.tags]))
    return ModelCardData(
        base_model=base.hub_id,
        datasets=[dataset] if dataset else None,
        language=spec.card.language or base.language,
        license=spec.card.license,
        library_name="peft" if ADAPTER in files else FRAMEWORKS[spec.framework].library_name,
        pipeline_tag=TASKS[task].pipeline_tag,
        tags=tags,
        metrics=sorted({_metric(task, key).hub for key in figures}) or None,
        model_name=repo_id.split("/")[-1] if results else None,
        eval_results=results or None,
    )


def _metric(task: str, key: str) -> Metric:
    """What a figure is; one of an older version keeps its key as its name."""
    return TASKS[task].metrics.get(key) or Metric(key, key)


def _what(spec: RunSpec, report: dict[str, Any], base: BaseModel) -> str:
    task, framework = TASKS[spec.task["task"]], FRAMEWORKS[spec.framework]
    title = spec.card.model_name or spec.title or f"{task.label}: {source_name(spec)}"
    origin = _text(base.public_name)
    if base.hub_id:
        origin = f"[{base.hub_id}](https://huggingface.co/{base.hub_id})"
    elif base.language:
        origin = f"a blank `{base.language}` pipeline"
    lines = [
        f"# {_text(title)}",
        "",
        f"A model for {task.label[:1].lower() + task.label[1:]}, trained with {framework.label} from {origin}"
        f" on {_text(source_name(spec))}.",
    ]
    if framework.published_note:
        lines += ["", framework.published_note]
    if spec.card.model_description:
        lines += ["", _text(spec.card.model_description)]
    if spec.card.developers:
        lines += ["", f"Developed by {_text(spec.card.developers)}."]
    about = task.about_model(report["info"]) if report.get("info") else ""
    if about:
        lines += ["", _text(about, longest=2000)]
    return "\n".join(lines)


def _results(spec: RunSpec, report: dict[str, Any]) -> str:
    figures, n = report.get("metrics"), report.get("n") or {}
    if not figures and n.get("test"):
        return (
            f"## How good it is\n\n{_count(n['test'], 'row')} were held out from training, but no figure was computed."
        )
    if not figures:
        return (
            "## How good it is\n\nNo rows were held out from training, so nothing here says how good it is"
            " on texts that it has not seen."
        )
    baseline = report.get("baseline") or {}
    simple, intervals = baseline.get("metrics") or {}, report.get("intervals") or {}
    rows = []
    for key, value in figures.items():
        low_high = intervals.get(key)
        interval = f"{low_high[0]:.3f} to {low_high[1]:.3f}" if low_high else "–"
        label = _metric(spec.task["task"], key).label
        rows.append([label, _number(value), interval, _number(simple.get(key))])
    name = baseline.get("name") or "Majority class"
    lines = [
        "## How good it is",
        "",
        f"On {_count(n.get('test'), 'row')} held out from training, on which nothing was selected:",
        "",
        _table(["Figure", "This model", "95 % interval", name], rows),
    ]
    if report.get("per_label"):
        per_label = [
            [row["label"], *(_number(row.get(key)) for key in ("precision", "recall", "f1")), row.get("n")]
            for row in report["per_label"]
        ]
        lines += ["", _table(["Label", "Precision", "Recall", "F1", "Test rows"], per_label)]
    return "\n".join(lines)


def _data(spec: RunSpec, report: dict[str, Any]) -> str:
    source, n, task = spec.dataset.get("source") or {}, report.get("n") or {}, spec.task
    rows: list[list[Any]] = [["Source", source_name(spec)]]
    rows += [[name.capitalize(), source[name]] for name in ("subset", "split") if source.get(name)]
    rows += [["Revision", _revision(spec)]] if _revision(spec) else []
    rows += [[role.capitalize(), f"“{column}”"] for role, column in (task.get("fields") or {}).items()]
    if task.get("strategy"):
        rows.append(["Several answers to one record", f"unified by “{task['strategy']}”"])
    if task.get("code") or task.get("function"):
        rows.append(["Rows", "made by a Python function" + (", kept in run.json" if task.get("code") else "")])
    rows += [[f"Rows for {name}", n[part]] for part, name in _PARTS if n.get(part) is not None]
    rows.append(["Split", f"by record, equal texts kept together, seed {spec.split.seed}"])
    rows += [[f"Left out: {reason}", _size(records)] for reason, records in (report.get("left_out") or {}).items()]
    rows += [[name.capitalize(), value] for name, value in (report.get("counts") or {}).items()]
    for name in ("filter_by", "sort_by", "max_records"):
        value = getattr(spec, name)
        rows += [[name.replace("_", " ").capitalize(), value]] if value is not None else []
    return "## What it was trained on\n\n" + _table(["", ""], rows)


_PARTS = (("train", "training"), ("validation", "validation"), ("test", "the test"))


def _hyperparameters(spec: RunSpec) -> str:
    model = FRAMEWORKS[spec.framework].configs.get(spec.task["task"])
    values, titles = public_config(spec), {}
    if model is not None:
        titles = {name: field.title for name, field in model.model_fields.items()}
        try:
            values = model(**values).model_dump(mode="json")
        except ValidationError:  # a run of an older version: what was asked for then is still the truth
            pass
    rows = [
        [titles.get(name) or name, f"`{name}`", value] for name, value in values.items() if value not in (None, {}, [])
    ]
    if not rows:
        return ""
    return "## Hyperparameters\n\n" + _table(["", "Name", "Value"], rows, plain=1)


def _limits(spec: RunSpec, report: dict[str, Any], base: BaseModel, files: list[str]) -> str:
    n, limits = report.get("n") or {}, []
    if n.get("train") is not None:
        limits.append(f"It has learned from {_count(n['train'], 'row')}; texts of another kind may surprise it.")
    limits += _limits_of_the_figures(spec.task["task"], report, n.get("test"))
    if not (spec.card.language or base.language):
        limits.append("The language of the training texts was not declared; try it on your own before you trust it.")
    truncated = report.get("truncated")
    if isinstance(truncated, int) and truncated:
        limits.append(f"{_count(truncated, 'text')} were longer than the model reads; the rest of each was cut off.")
    limits.append("A score is not a calibrated probability, and the annotators' errors are learned with their answers.")
    pickles = [name for name in files if name.lower().endswith(PICKLES)]
    if pickles:
        limits.append(
            f"`{pickles[0]}` is a Python pickle: loading it runs code, so load it only if you trust its source."
        )
    if not spec.card.license:
        limits.append("No licence is stated: those of the data and of the base model decide what may be done with it.")
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _limits_of_the_figures(task: str, report: dict[str, Any], n_test: int | None) -> list[str]:
    figures = report.get("metrics")
    if not figures and n_test:
        return ["Nothing was measured on the rows held out from training; read its answers before you trust it."]
    if not figures:
        return ["It was not tested: no rows were kept out of training, so nothing says how good it is."]
    limits = []
    if n_test is not None and n_test < FEW_TEST_ROWS:
        limits.append(f"{_count(n_test, 'test row')} are few: the true figures may differ by several points.")
    limits += _no_better(task, figures, report.get("baseline") or {})
    few = [row for row in report.get("per_label") or [] if (row.get("n") or 0) < FEW_OF_A_LABEL]
    if few:
        named = ", ".join(f"“{_text(row['label'])}” ({row.get('n') or 0})" for row in few)
        limits.append(f"Labels with fewer than {FEW_OF_A_LABEL} test rows, whose figures say little: {named}.")
    return limits


def _no_better(task: str, figures: dict[str, float], baseline: dict[str, Any]) -> list[str]:
    """A sentence for each figure that the baseline reaches as well."""
    simple, sentences = baseline.get("metrics") or {}, []
    for key in figures.keys() & simple.keys():
        metric = _metric(task, key)
        gain = figures[key] - simple[key] if metric.higher_is_better else simple[key] - figures[key]
        if gain <= 0:
            sentences.append(f"{metric.label} is no better than that of the baseline ({_text(baseline['name'])}).")
    return sorted(sentences)


def _versions(spec: RunSpec) -> str:
    if not spec.versions:
        return ""
    return "## Versions\n\n" + ", ".join(f"{_text(name)} {_text(value)}" for name, value in spec.versions.items())


def _revision(spec: RunSpec) -> str | None:
    revision = (spec.dataset.get("source") or {}).get("revision")
    return str(revision) if revision else None


def _table(head: list[Any], rows: list[list[Any]], plain: int | None = None) -> str:
    """A Markdown table; `plain`: the column whose cells are Markdown already."""
    lines = [[_text(cell) for cell in head], ["---"] * len(head)]
    for row in rows:
        lines.append([cell if i == plain else _text(cell) for i, cell in enumerate(row)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text(value: Any, longest: int = LONGEST_CELL) -> str:
    """A person's text as plain words on one line: it can form no table cell, link, heading, HTML or code."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)


def _number(value: Any) -> str:
    return "–" if value is None else f"{float(value):.3f}"


def _count(n: int | None, noun: str) -> str:
    return f"an unknown number of {noun}s" if n is None else f"{n:,} {noun}" + ("" if n == 1 else "s")


def _size(records: Any) -> int:
    return len(records) if isinstance(records, list) else int(records)
