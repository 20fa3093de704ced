"""JSON schema of a config → components → its values, for the engine to validate. Knows no framework by name."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import text

SLIDER_SPAN = 100  # a bounded whole number with at most this many steps is a slider


@dataclass(frozen=True)
class FormField:
    """One hyperparameter of a schema: where it sits (`path`, for nested configs), what it is, and how it is drawn."""

    path: tuple[str, ...]
    label: str
    info: str
    kind: str  # "bool" | "int" | "float" | "choice" | "text" | "code" | "list" | "json" | "run"
    default: Any
    nullable: bool
    level: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    depends_on: tuple[tuple[str, Any], ...] = ()
    tasks: tuple[str, ...] = ()  # of a "run": whose finished runs can be chosen

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def shown_when(self, values: dict[str, Any]) -> bool:
        """True when every field it depends on has the value asked for. `values`: name → value."""
        return all(values.get(name) == wanted for name, wanted in self.depends_on)


def fields_of(schema: dict[str, Any]) -> list[FormField]:
    """The fields of a config's JSON schema, nested ones too. Raises TypeError that names a field no form can draw."""
    return list(_walk(schema, schema.get("$defs", {}), ()))


def _walk(schema: dict[str, Any], defs: dict[str, Any], path: tuple[str, ...]) -> Iterator[FormField]:
    for name, prop in schema.get("properties", {}).items():
        spec, nullable = _resolve(prop, defs)
        if "properties" in spec:
            yield from _walk(spec, defs, (*path, name))
        else:
            yield _field((*path, name), prop | spec, nullable)


def _resolve(prop: dict[str, Any], defs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema behind a reference or an optional, and whether None is allowed."""
    options = prop.get("anyOf", [prop])
    given = [option for option in options if option.get("type") != "null"]
    spec = given[0] if len(given) == 1 else {}
    if "$ref" in spec:
        spec = defs[spec["$ref"].rsplit("/", 1)[-1]]
    return spec, len(given) < len(options)


def _field(path: tuple[str, ...], spec: dict[str, Any], nullable: bool) -> FormField:
    return FormField(
        path=path,
        label=spec.get("title", path[-1]),
        info=spec.get("description", ""),
        kind=_kind(path, spec),
        default=spec.get("default"),
        nullable=nullable,
        level=spec.get("level", "advanced"),
        low=spec.get("minimum", spec.get("exclusiveMinimum")),
        high=spec.get("maximum", spec.get("exclusiveMaximum")),
        choices=tuple(spec.get("enum", ())),
        depends_on=tuple((".".join((*path[:-1], k)), v) for k, v in spec.get("depends_on", {}).items()),
        tasks=tuple(spec.get("tasks", ())),
    )


def _kind(path: tuple[str, ...], spec: dict[str, Any]) -> str:
    if "enum" in spec:
        return "choice"
    kinds = {
        "boolean": "bool",
        "integer": "int",
        "number": "float",
        "string": spec.get("widget", "text"),
        "object": "json",
    }
    if spec.get("type") in kinds:
        return kinds[spec["type"]]
    if spec.get("type") == "array":  # of anything but texts: typed as JSON
        return "list" if spec.get("items", {}).get("type") == "string" else "json"
    raise TypeError(f"The form can't draw the setting {'.'.join(path)!r}: {spec.get('type', 'a union of types')}.")


def component(
    field: FormField, value: Any, runs: Sequence[tuple[str, str]] = (), prefix: str = "knob-"
) -> gr.components.Component:
    """The component for a field, editable also inside gr.render, holding `value`. `runs`: choices of a "run".

    `prefix`: of its elem_id.
    """
    typed = field.kind in ("int", "float", "text") and field.nullable
    info = field.info + (text.FORM_EMPTY if typed and "Empty" not in field.info else "")
    common: dict[str, Any] = {"label": field.label, "interactive": True, "elem_id": prefix + field.name}
    if field.kind == "code":
        return gr.Code(value=value, language="python", **common)
    if field.kind == "json" and not isinstance(value, str):
        value = json.dumps(value) if value else ""
    common |= {"info": info or None, "value": value}
    if field.kind == "choice" or (field.kind == "bool" and field.nullable):
        given = field.choices or (True, False)
        empty = [(text.FORM_NONE, "")] if field.nullable else []  # a dropdown sends nothing chosen as ""
        common["value"] = "" if value is None else value
        return gr.Dropdown(choices=[*empty, *((text.FORM_WORDS.get(c, str(c)), c) for c in given)], **common)
    if field.kind == "bool":
        return gr.Checkbox(**common)
    if field.kind == "list":
        return gr.Dropdown(choices=list(value or []), multiselect=True, allow_custom_value=True, **common)
    if field.kind == "run":
        common["value"] = value or ""
        return gr.Dropdown(choices=[(text.FORM_NONE, ""), *runs], allow_custom_value=True, **common)
    if field.kind in ("text", "json") or typed:  # gr.Number shows a missing value as 0
        common["value"] = "" if value is None else str(value)
        return gr.Textbox(placeholder=text.FORM_NONE if field.nullable else None, max_lines=4, **common)
    if field.kind == "int" and _span(field) <= SLIDER_SPAN:
        return gr.Slider(minimum=field.low, maximum=field.high, step=1, **common)
    return gr.Number(precision=0 if field.kind == "int" else None, **common)


def _span(field: FormField) -> float:
    return float("inf") if field.low is None or field.high is None else field.high - field.low


def draw(
    fields: list[FormField], values: dict[str, Any], runs: dict[str, list[tuple[str, str]]] | None = None
) -> dict[str, gr.components.Component]:
    """Draw a form into the open block: basic fields first, the rest folded. `values`: name → value to start with.

    `runs`: name → the runs that a field of kind "run" offers.
    """
    basic = [field for field in fields if field.level == "basic"]
    advanced = [field for field in fields if field.level != "basic"]
    drawn = {}
    with gr.Row(equal_height=True, elem_classes="form-grid"):
        drawn |= draw_all(basic, values, runs)
    if advanced:
        with (
            gr.Accordion(text.ALL_SETTINGS.format(n=len(advanced)), open=False, elem_id="all-settings"),
            gr.Row(equal_height=True, elem_classes="form-grid"),
        ):
            drawn |= draw_all(advanced, values, runs)
    _wire_visibility(fields, drawn)
    return drawn


def draw_all(
    fields: list[FormField],
    values: dict[str, Any],
    runs: dict[str, list[tuple[str, str]]] | None = None,
    prefix: str = "knob-",
) -> dict[str, gr.components.Component]:
    """Draw these fields and nothing around them."""
    shown = {field.name: values.get(field.name, field.default) for field in fields}
    drawn = {}
    for field in fields:
        drawn[field.name] = component(field, shown[field.name], (runs or {}).get(field.name, ()), prefix)
        drawn[field.name].visible = field.shown_when({**shown, **values})
    return drawn


def edited(part: gr.components.Component) -> Any:
    """The event of a person's own change; a dropdown tells of a value typed into it as a change only."""
    return part.change if isinstance(part, gr.Dropdown) else part.input


def _wire_visibility(fields: list[FormField], drawn: dict[str, gr.components.Component]) -> None:
    """Fields that depend on others appear and go with their values. Those that depend on the same have one listener."""
    groups: dict[tuple[str, ...], list[FormField]] = {}
    for field in fields:
        if field.depends_on:
            groups.setdefault(tuple(name for name, _ in field.depends_on), []).append(field)
    for names, group in groups.items():

        def shown(*values: Any, names: tuple[str, ...] = names, group: list[FormField] = group) -> Any:
            known = dict(zip(names, values, strict=True))
            updates = [gr.update(visible=field.shown_when(known)) for field in group]
            return updates if len(updates) > 1 else updates[0]

        gr.on(
            [edited(drawn[name]) for name in names],
            shown,
            [drawn[name] for name in names],
            [drawn[field.name] for field in group],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )


def changed_values(fields: list[FormField], values: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults, nested as the config wants it. `values`: name → what its component holds."""
    config: dict[str, Any] = {}
    for field in fields:
        value = _clean(field, values.get(field.name, field.default))
        if value != field.default:
            inner = config
            for key in field.path[:-1]:
                inner = inner.setdefault(key, {})
            inner[field.path[-1]] = value
    return config


def flat_values(fields: list[FormField], config: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `changed_values`: name → value, for the fields that `config` sets."""
    flat = {}
    for field in fields:
        inner: Any = config
        for key in field.path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if inner is not None:
            flat[field.name] = inner
    return flat


def _clean(field: FormField, value: Any) -> Any:
    if field.kind == "json":
        return _parsed(value) if value not in ("", None) else (field.default if field.nullable else {})
    if field.kind in ("int", "float"):
        value = _number(value)
    if value in ("", None):
        return None if field.nullable else value
    if field.kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _number(value: Any) -> Any:
    """A number as typed; anything else is handed on, so that the config's own check refuses it by its label."""
    try:
        return float(value) if isinstance(value, str) and value.strip() else value
    except ValueError:
        return value


def _parsed(value: Any) -> Any:
    """JSON as typed. Text that is none is handed on, so that the config's own check refuses it by its label."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "{}")
    except ValueError:
        return value
