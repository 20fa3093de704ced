"""The README's tables: the cells of the registry, and the hyperparameters of the page's own config schemas."""

from pathlib import Path
from typing import Any

from engine.registry import FRAMEWORKS, TASKS, frameworks_for

PARTS = ("cells", "parameters")  # each between <!-- name:begin --> and <!-- name:end -->


def cell_table() -> str:
    """Which framework can train which task."""
    lines = ["| task | frameworks |", "|---|---|"]
    for name, task in TASKS.items():
        labels = ", ".join(FRAMEWORKS[framework].label for framework in frameworks_for(name))
        lines.append(f"| **{task.label}** (`{name}`): {task.summary} | {labels} |")
    return "\n".join(lines)


def parameter_tables() -> str:
    """One Markdown table for each framework: name, default, bounds and what it does, and for which of its tasks."""
    parts = []
    for framework in FRAMEWORKS.values():
        rows: dict[str, list[str]] = {}  # a parameter that differs between tasks stands once for each way it is
        for task, config in framework.configs.items():
            for name, knob in config.model_json_schema()["properties"].items():
                rows.setdefault(_row(name, knob), []).append(task)
        several = len(framework.configs) > 1
        tasks = ", ".join(TASKS[task].label.lower() for task in framework.configs)
        parts.append(f"**{framework.label}**: {tasks}\n")
        parts.append("| parameter | default | | what it does |\n|---|---|---|---|")
        for row, found in rows.items():
            only = "" if not several or len(found) == len(framework.configs) else f" *({', '.join(found)})*"
            parts.append(f"{row}{only} |")
        parts.append("")
    return "\n".join(parts)


def _row(name: str, knob: dict[str, Any]) -> str:
    basic = "basic" if knob.get("level") == "basic" else ""
    text = f"{knob.get('title', name)}. {knob.get('description', '')}".replace("|", "\\|")
    return f"| `{name}` | {_default(knob)} | {_bounds(knob) or basic} | {text}"


def update_readme(readme: Path, *, check: bool) -> int:
    """Put the tables between their markers; with `check` only say whether they are current (exit code 1: stale)."""
    text = fresh = readme.read_text(encoding="utf-8")
    for name, table in zip(PARTS, (cell_table(), parameter_tables()), strict=True):
        head, begin, rest = fresh.partition(f"<!-- {name}:begin -->")
        _, end, tail = rest.partition(f"<!-- {name}:end -->")
        fresh = f"{head}{begin}\n{table}\n{end}{tail}"
    if check:
        print("README's tables are " + ("current." if fresh == text else "stale: run `make docs`."))
        return int(fresh != text)
    readme.write_text(fresh, encoding="utf-8")
    return 0


def _default(knob: dict[str, Any]) -> str:
    value = knob.get("default")
    return "none" if value is None else f"`{value}`"


def _bounds(knob: dict[str, Any]) -> str:
    """The allowed range or values of a property, in signs: "≥ 1, ≤ 10"."""
    options = knob.get("anyOf", [knob])
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {option[key]:g}" for option in options for key, sign in signs.items() if key in option]
    choices = [value for option in options for value in option.get("enum", [])]
    return ", ".join(found + [f"`{value}`" for value in choices])
