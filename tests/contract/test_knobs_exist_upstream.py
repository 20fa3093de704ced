"""Every hyperparameter is an upstream argument with upstream's default, or its difference is told.

What upstream has, and the reasons, stand in upstream/<framework>.py: OURS (hyperparameters that are no argument),
DIFFERENT (other defaults), upstream(task) → argument → default.
"""

import importlib
from types import ModuleType

import pytest

from engine.registry import FRAMEWORKS

pytestmark = pytest.mark.slow

CELLS = [(name, task) for name, framework in FRAMEWORKS.items() for task in framework.configs]


def facts(framework: str) -> ModuleType:
    return importlib.import_module(f"tests.contract.upstream.{framework.replace('-', '_')}")


@pytest.mark.parametrize("framework,task", CELLS)
def test_knobs_exist_upstream(framework: str, task: str) -> None:
    theirs = facts(framework).upstream(task)
    ours = set(FRAMEWORKS[framework].configs[task].model_fields)
    assert sorted(ours - theirs.keys() - facts(framework).OURS.keys()) == []


@pytest.mark.parametrize("framework,task", CELLS)
def test_defaults_are_upstreams_or_their_difference_is_told(framework: str, task: str) -> None:
    theirs, told = facts(framework).upstream(task), {**facts(framework).OURS, **facts(framework).DIFFERENT}
    changed = {}
    for name, field in FRAMEWORKS[framework].configs[task].model_fields.items():
        if name in theirs and name not in told:
            value = getattr(theirs[name], "value", theirs[name])
            if field.get_default(call_default_factory=True) != value:
                changed[name] = (field.default, value)
    assert changed == {}


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_told_differences_are_still_differences(framework: str) -> None:
    stale = set(facts(framework).DIFFERENT)
    for task, config in FRAMEWORKS[framework].configs.items():
        theirs = facts(framework).upstream(task)
        for name, field in config.model_fields.items():
            if name in theirs and field.default != getattr(theirs[name], "value", theirs[name]):
                stale.discard(name)
    assert stale == set()


def test_architecture_defaults_are_spacys() -> None:
    from spacy.pipeline.textcat import DEFAULT_SINGLE_TEXTCAT_MODEL
    from spacy.pipeline.textcat_multilabel import DEFAULT_MULTI_TEXTCAT_MODEL

    from engine.frameworks._spacy_config import SpacyConfig
    from engine.frameworks._spacy_pipeline import _model

    for multi_label, expected in ((False, DEFAULT_SINGLE_TEXTCAT_MODEL), (True, DEFAULT_MULTI_TEXTCAT_MODEL)):
        ours = _model(SpacyConfig(), {"multi_label": multi_label}, None)
        assert ours == expected
