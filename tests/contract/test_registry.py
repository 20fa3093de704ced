"""The contract of every framework and task in the registry: whoever adds one is covered without a new test."""

import pytest

from engine import FRAMEWORKS, TASKS, UserError, frameworks_for, validate_config

CELLS = [(name, task) for name, framework in FRAMEWORKS.items() for task in framework.configs]
RENDERED = {"integer", "number", "string", "boolean", "array", "object"}


@pytest.mark.parametrize("name", list(FRAMEWORKS))
def test_framework_says_what_the_page_asks(name: str) -> None:
    framework = FRAMEWORKS[name]
    assert framework.name == name
    assert framework.label
    assert framework.summary.endswith(".")
    assert framework.requires
    assert framework.missing() == []
    assert framework.library_name


@pytest.mark.parametrize("name,task", CELLS)
def test_every_task_of_a_framework_exists_and_has_base_models(name: str, task: str) -> None:
    assert task in TASKS
    suggestions = FRAMEWORKS[name].base_models[task]
    assert suggestions
    for model in suggestions:  # what must be downloaded says how much
        assert model.note
        assert model.embedded or model.size_mb > 0 or FRAMEWORKS[name].needs_network


@pytest.mark.parametrize("name,task", CELLS)
def test_defaults_are_valid_and_round_trip(name: str, task: str) -> None:
    config = validate_config(name, task, {})
    assert validate_config(name, task, config.model_dump(mode="json")) == config


@pytest.mark.parametrize("name,task", CELLS)
def test_every_hyperparameter_has_label_help_level_and_a_component(name: str, task: str) -> None:
    properties = FRAMEWORKS[name].configs[task].model_json_schema()["properties"]
    for key, knob in properties.items():
        assert knob["title"], key
        assert knob["description"].endswith("."), key
        assert knob["level"] in ("basic", "advanced"), key
        types = {option.get("type") for option in knob.get("anyOf", [knob])} - {"null"}
        assert types <= RENDERED, key
    assert 1 <= sum(knob["level"] == "basic" for knob in properties.values()) <= 4


@pytest.mark.parametrize("name,task", CELLS)
def test_unknown_hyperparameter_is_refused(name: str, task: str) -> None:
    with pytest.raises(UserError, match="There is no hyperparameter 'learning_ratio' here."):
        validate_config(name, task, {"learning_ratio": 1})


@pytest.mark.parametrize("name,task", CELLS)
def test_usage_is_four_lines_that_compile_and_name_the_repo(name: str, task: str) -> None:
    usage = FRAMEWORKS[name].usage("ann/my-model", task)
    compile(usage, "usage", "exec")
    assert "ann/my-model" in usage
    assert len([line for line in usage.strip().splitlines() if line.strip()]) <= 8


@pytest.mark.parametrize("name", list(TASKS))
def test_task_says_what_the_page_asks(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    assert task.label
    assert task.summary
    assert task.columns["record_id"] if "record_id" in task.columns else task.columns
    assert all(role.label and role.kind in ("field", "question", "column", "template") for role in task.roles.values())
    assert task.metrics and all(metric.label and metric.hub for metric in task.metrics.values())
    assert task.view and task.inputs and task.cell_returns and task.pipeline_tag
    assert frameworks_for(name)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(UserError) as caught:
        FRAMEWORKS["setfitt"]
    assert str(caught.value) == (
        f"There is no framework named 'setfitt'. Did you mean 'setfit'? Choose one of: {', '.join(FRAMEWORKS)}."
    )
