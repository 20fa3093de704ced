"""Forms: schema → fields → components → values, for every kind of setting."""

from typing import Any, Literal

import gradio as gr
import pytest
from pydantic import BaseModel, Field

from engine import FRAMEWORKS, TASKS
from ui import forms


def knob(default: Any, title: str, level: str = "advanced", **rest: Any) -> Any:
    extra = {"level": level} | rest.pop("extra", {})
    return Field(default, title=title, description="What it does.", json_schema_extra=extra, **rest)


class Adapter(BaseModel):
    rank: int = knob(8, "Rank", ge=1, le=64)


class Config(BaseModel):
    epochs: int = knob(1, "Epochs", "basic", ge=1, le=10)
    steps: int = knob(-1, "Steps", ge=-1)
    rate: float = knob(2e-5, "Learning rate", "basic", gt=0, lt=1)
    pairs: int | None = knob(None, "Pairs", ge=1)
    half: bool = knob(False, "Half precision")
    resume: bool | None = knob(None, "Resume")
    schedule: Literal["linear", "cosine"] = knob("linear", "Schedule")
    metric: Literal["f1", "loss"] | None = knob(None, "Best by")
    layers: list[str] | None = knob(None, "Layers")
    note: str = knob("", "Note")
    code: str = knob("", "Code", extra={"widget": "code"})
    more: dict[str, Any] = knob({}, "More arguments", extra={"widget": "json"})
    use_adapter: bool = knob(False, "Use an adapter")
    adapter_rank: int = knob(8, "Adapter rank", ge=1, le=64, extra={"depends_on": {"use_adapter": True}})
    adapter: Adapter = Adapter()


FIELDS = forms.fields_of(Config.model_json_schema())
BY_NAME = {field.name: field for field in FIELDS}


def drawn(name: str, value: Any = None) -> gr.components.Component:
    field = BY_NAME[name]
    return forms.component(field, field.default if value is None else value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("epochs", gr.Slider),
        ("steps", gr.Number),
        ("rate", gr.Number),
        ("pairs", gr.Textbox),
        ("half", gr.Checkbox),
        ("resume", gr.Dropdown),
        ("schedule", gr.Dropdown),
        ("metric", gr.Dropdown),
        ("layers", gr.Dropdown),
        ("note", gr.Textbox),
        ("code", gr.Code),
        ("more", gr.Textbox),
        ("adapter.rank", gr.Slider),
    ],
)
def test_component_of_every_kind_of_setting(name: str, kind: type) -> None:
    component = drawn(name)
    assert type(component) is kind
    assert component.interactive is True


def test_label_help_and_bounds_come_from_the_schema() -> None:
    slider = drawn("epochs")
    assert (slider.label, slider.info, slider.minimum, slider.maximum) == ("Epochs", "What it does.", 1, 10)
    assert drawn("pairs").info == "What it does. Empty: not set."


def test_basic_fields_are_those_of_level_basic() -> None:
    assert [field.name for field in FIELDS if field.level == "basic"] == ["epochs", "rate"]


def test_setting_that_no_form_can_draw_is_named() -> None:
    class Odd(BaseModel):
        either: int | str = 1

    with pytest.raises(TypeError, match="The form can't draw the setting 'either': a union of types."):
        forms.fields_of(Odd.model_json_schema())


def test_defaults_make_an_empty_config() -> None:
    shown = {field.name: drawn(field.name).value for field in FIELDS}
    assert forms.changed_values(FIELDS, shown) == {}


def test_changed_values_are_typed_and_nested() -> None:
    shown = {"epochs": 3.0, "pairs": " 20 ", "resume": False, "metric": "loss", "more": '{"C": 2}', "adapter.rank": 16}
    config = forms.changed_values(FIELDS, shown)
    assert config == {
        **{"epochs": 3, "pairs": 20, "resume": False, "metric": "loss"},
        **{"more": {"C": 2}, "adapter": {"rank": 16}},
    }
    assert type(config["epochs"]) is int
    assert Config.model_validate(config).adapter.rank == 16


def test_what_is_no_number_or_json_is_left_to_the_config() -> None:
    assert forms.changed_values(FIELDS, {"pairs": "many", "more": "{C: 2"}) == {"pairs": "many", "more": "{C: 2"}


def test_flat_values_are_the_inverse_of_changed_values() -> None:
    flat = {"epochs": 3, "pairs": 20, "adapter.rank": 16}
    assert forms.flat_values(FIELDS, forms.changed_values(FIELDS, flat)) == flat


def test_dependent_field_shows_only_with_the_value_it_depends_on() -> None:
    field = BY_NAME["adapter_rank"]
    assert not field.shown_when({"use_adapter": False})
    assert field.shown_when({"use_adapter": True})


def test_form_draws_every_field_once() -> None:
    with gr.Blocks():
        assert list(forms.draw(FIELDS, {})) == [
            *("epochs", "rate", "steps", "pairs", "half", "resume", "schedule", "metric", "layers", "note", "code"),
            *("more", "use_adapter", "adapter_rank", "adapter.rank"),
        ]


@pytest.mark.parametrize("name,task", [(name, task) for name in FRAMEWORKS for task in FRAMEWORKS[name].configs])
def test_every_config_can_be_drawn_and_its_defaults_change_nothing(name: str, task: str) -> None:
    fields = forms.fields_of(FRAMEWORKS[name].configs[task].model_json_schema())
    shown = {field.name: forms.component(field, field.default).value for field in fields}
    assert forms.changed_values(fields, shown) == {}


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.predict_options])
def test_options_of_a_prediction_can_be_drawn(task: str) -> None:
    fields = forms.fields_of(TASKS[task].predict_options.model_json_schema())
    shown = {field.name: forms.component(field, field.default).value for field in fields}
    assert forms.changed_values(fields, shown) == {}
