"""The README's tables of hyperparameters, generated from the same config schemas as the page's form."""

from pathlib import Path
from typing import Any

from engine.registry import FRAMEWORKS, TASKS

BEGIN, END = "<!-- parameters:begin -->", "<!-- parameters:end -->"


def parameter_tables() -> str:
    """One Markdown table for each framework and task: name, default, bounds and what it does."""
    parts = []
    for framework in FRAMEWORKS.values():
        for task, config in framework.configs.items():
            parts.append(f"**{framework.label}**, {TASKS[task].label.lower()}\n")
            parts.append("| parameter | default | | what it does |\n|---|---|---|---|")
            for name, knob in config.model_json_schema()["properties"].items():
                basic = "basic" if knob.get("level") == "basic" else ""
                text = f"{knob.get('title', name)}. {knob.get('description', '')}".replace("|", "\\|")
                parts.append(f"| `{name}` | {_default(knob)} | {_bounds(knob) or basic} | {text} |")
            parts.append("")
    return "\n".join(parts)


def update_readme(readme: Path, *, check: bool) -> int:
    """Put the tables between the markers; with `check` only say whether they are current (exit code 1: stale)."""
    text = readme.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    fresh = f"{head}{BEGIN}\n{parameter_tables()}\n{END}{tail}"
    if check:
        print("README's parameter tables are " + ("current." if fresh == text else "stale: run `make docs`."))
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
