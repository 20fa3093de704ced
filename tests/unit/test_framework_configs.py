"""Configs of the four frameworks and the light functions beside them: names, bounds, former names, limits."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from engine import FRAMEWORKS, UserError, validate_config
from engine.frameworks import _classification as classification
from engine.frameworks import _hf, _spacy_pipeline
from engine.frameworks._hf_arguments import RESERVED, total_steps, validated_arguments
from engine.frameworks._setfit_config import SetFitConfig
from engine.frameworks._setfit_pairs import _some_rows, pair_limit
from engine.frameworks._spacy_training import LossMeter
from engine.runs.events import Report

TASK = "text-classification"
# What the ancestor's guide passes to update_config, and where it ends up.
GUIDE = [
    ("setfit", {"num_iterations": 1}, {"num_iterations": 1}),
    ("setfit", {"learning_rate": 1e-4}, {"body_learning_rate": 1e-4}),
    (
        "setfit",
        {"num_epochs": (2, 8), "batch_size": [32, 4]},
        {"num_epochs": 2, "head_num_epochs": 8, "batch_size": 32},
    ),
    ("setfit", {"seed": 7, "use_amp": True, "warmup_proportion": 0.2, "margin": 0.5}, {"margin": 0.5}),
    ("transformers", {"num_train_epochs": 1, "adam_beta2": 0.9, "max_steps": 0}, {"adam_beta2": 0.9}),
    (
        "transformers",
        {"warmup_ratio": 0.1, "evaluation_strategy": "steps"},
        {"warmup_steps": 0.1, "eval_strategy": "steps"},
    ),
    ("peft", {"r": 4, "lora_alpha": 8, "target_modules": "query"}, {"r": 4, "target_modules": ["query"]}),
    ("peft", {"target_modules": ["query", "value"], "bias": "all"}, {"target_modules": ["query", "value"]}),
    ("spacy", {"dropout": 0.2, "patience": 10, "max_steps": 50, "eval_frequency": 5}, {"patience": 10}),
    ("spacy", {"optimize": "accuracy"}, {"architecture": "ensemble"}),
]


@pytest.mark.parametrize("framework,given,expected", GUIDE)
def test_names_of_the_guide_are_taken(framework: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    config = validate_config(framework, TASK, given)
    assert {name: getattr(config, name) for name in expected} == expected


@pytest.mark.parametrize(
    "framework,given,sentence",
    [
        ("setfit", {"body_learning_rate": -1}, "Learning rate: should be greater than 0; you entered -1."),
        ("transformers", {"num_train_epochs": 0}, "Epochs: should be greater than 0; you entered 0."),
        ("peft", {"r": 0}, "Rank: should be greater than or equal to 1; you entered 0."),
        ("spacy", {"batch_start": 500, "batch_stop": 100}, "Largest batch size (100) is below the first one (500)."),
        ("spacy", {"max_epochs": 0, "max_steps": 0}, "Epochs and steps are both 0: training would never end."),
    ],
)
def test_value_out_of_bounds_is_a_sentence_by_its_label(framework: str, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        validate_config(framework, TASK, given)
    assert caught.value.message == sentence


@pytest.mark.parametrize("framework", ["setfit", "transformers", "peft"])
@pytest.mark.parametrize("name", ["hub_token", "push_to_hub", "report_to", "output_dir"])
def test_more_arguments_never_hold_a_token_or_a_place_to_write(framework: str, name: str) -> None:
    with pytest.raises(UserError) as caught:
        validate_config(framework, TASK, {"extra_arguments": {name: "hf_secret"}})
    assert caught.value.message == (
        f"'{name}' can't stand in “More arguments”: Annotune decides where a run writes and whom it tells."
    )
    assert "hf_secret" not in str(caught.value)


def test_basic_level_shows_four_hyperparameters_at_most() -> None:
    for config in (config for framework in FRAMEWORKS.values() for config in framework.configs.values()):
        knobs = config.model_json_schema()["properties"].values()
        assert 1 <= sum(knob["level"] == "basic" for knob in knobs) <= 4


@dataclass
class Upstream:
    """Stands for a library's arguments class."""

    group_size: int = 1
    output_dir: str = ""


@pytest.mark.parametrize(
    "given,sentence",
    [
        (
            {"group_sise": 2},
            "Upstream has no argument named 'group_sise'. Did you mean 'group_size'? "
            "Correct the name, or take it out of “More arguments”.",
        ),
        (
            {"seed": 2},
            "'seed' stands among the settings already. Set it there and take it out of “More arguments”.",
        ),
        (
            {"output_dir": "/tmp"},
            "'output_dir' can't be set: Annotune decides where a run writes and whom it tells. "
            "Take it out of “More arguments”.",
        ),
        (
            {"hub_token": "secret-value"},
            "'hub_token' can't be set: Annotune decides where a run writes and whom it tells. "
            "Take it out of “More arguments”.",
        ),
    ],
)
def test_more_arguments_are_checked_against_upstream(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        validated_arguments(given, Upstream, {"seed"}, RESERVED)
    assert str(caught.value) == sentence
    assert validated_arguments({"group_size": 3}, Upstream, {"seed"}, RESERVED) == {"group_size": 3}


@pytest.mark.parametrize(
    "config,rows,upstream,limit",
    [
        ({}, 80, -1, 2000),
        ({"num_iterations": 1}, 80, -1, 160),
        ({"num_iterations": 20}, 80, -1, 2000),
        ({"max_pairs": None}, 80, -1, None),
        ({"max_pairs": None, "num_iterations": 20}, 80, -1, 3200),
        ({}, 80, 48, 48),
    ],
)
def test_pairs_are_limited_by_hand_by_cap_and_by_steps(
    config: dict[str, Any], rows: int, upstream: int, limit: int | None
) -> None:
    assert pair_limit(SetFitConfig(**config), rows, upstream) == limit


def test_rows_for_pairs_keep_every_label() -> None:
    labels = [0] * 4000 + [1] * 3 + [2]
    texts, chosen = _some_rows([str(i) for i in range(len(labels))], labels, seed=1)
    assert len(texts) == len(chosen) == 2000
    assert set(chosen) == {0, 1, 2}
    assert [labels[int(text)] for text in texts] == chosen
    several = [[1, 0]] * 2500 + [[0, 1]]
    assert [0, 1] in _some_rows(list(map(str, range(2501))), several, seed=1)[1]


def test_total_steps_follow_epochs_batches_and_accumulation() -> None:
    config = validate_config(
        "transformers",
        TASK,
        {"num_train_epochs": 2, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2},
    )
    assert total_steps(config, 33) == 6
    assert total_steps(validate_config("transformers", TASK, {"max_steps": 5}), 33) == 5


def test_longest_text_stays_within_the_base_model() -> None:
    tokenizer = SimpleNamespace(model_max_length=int(1e30))
    roberta = SimpleNamespace(max_position_embeddings=514, model_type="roberta")
    modern = SimpleNamespace(max_position_embeddings=8192, model_type="modernbert")
    assert _hf.longest(tokenizer, roberta, None) == 512
    assert _hf.longest(tokenizer, modern, None) == 512
    assert _hf.longest(tokenizer, modern, 4096) == 4096
    with pytest.raises(UserError) as caught:
        _hf.longest(tokenizer, roberta, 600)
    assert str(caught.value) == (
        "Longest text: 600 tokens is more than the 512 that this base model can read. "
        "Enter 512 or less, or choose a base model for long texts."
    )


def test_targets_follow_the_classes_order() -> None:
    single = pa.table({"text": ["a", "b"], "label": ["late", "new"]})
    assert classification.targets(single, {"classes": ["new", "late"], "multi_label": False}) == [1, 0]
    several = pa.table({"text": ["a", "b"], "labels": [["late", "new"], []]})
    info = {"classes": ["new", "old", "late"], "multi_label": True}
    assert classification.targets(several, info) == [[1, 0, 1], [0, 0, 0]]
    assert classification.primary_metric(info) == "f1_macro"


def test_validation_figures_average_the_labels_that_occur() -> None:
    info = {"classes": ["a", "b", "c"], "multi_label": True}
    expected = [[1, 0, 0], [0, 1, 0]]
    shy = classification.scores(expected, [[1, 0, 0], [0, 0, 0]], info)
    bold = classification.scores(expected, [[1, 0, 0], [0, 0, 1]], info)
    assert shy["f1_macro"] == bold["f1_macro"] == 0.5
    assert (shy["accuracy"], bold["f1_micro"]) == (0.5, 0.5)
    single = {"classes": ["a", "b", "c"], "multi_label": False}
    assert classification.scores([0, 1, 1], [0, 1, 0], single)["accuracy"] == pytest.approx(2 / 3)


def test_ranked_gives_every_class_best_first_and_ties_in_order() -> None:
    assert classification.ranked(["a", "b", "c"], [0.2, 0.6, 0.2]) == [
        {"label": "b", "score": 0.6},
        {"label": "a", "score": 0.2},
        {"label": "c", "score": 0.2},
    ]


def test_input_that_is_no_text_is_named() -> None:
    with pytest.raises(UserError) as caught:
        classification.checked_inputs(["fine", None])
    assert str(caught.value) == "Input 2 is None (NoneType), not a text. Give a list of texts, one an input."


def test_loss_that_is_no_number_ends_training() -> None:
    state = SimpleNamespace(global_step=12, max_steps=40)
    with pytest.raises(UserError) as caught:
        _hf.report_loss(Report(), state, float("nan"))
    assert str(caught.value) == (
        "Training came apart: the loss at step 12 is nan. Lower the learning rate, and try again."
    )


def test_loss_meter_turns_a_restarting_sum_into_means() -> None:
    points: list[tuple[int, float]] = []
    report = Report()
    report.metrics = lambda values, *, step: points.append((step, values["loss"]))
    meter = LossMeter(report, "textcat", every=2)
    for step, total, restarts in [(0, 4.0, True), (1, 2.0, False), (2, 3.0, False), (3, 4.0, True)]:
        meter.add(step, total, restarts=restarts)
    assert points == [(1, 3.0), (3, 1.0)]


def test_dotted_settings_of_spacy_are_found_or_refused() -> None:
    block = {"optimizer": {"beta1": 0.9}, "dropout": 0.1}
    changed = _spacy_pipeline._override(block, {"training.optimizer.beta1": 0.5, "components.x": 1}, "training.")
    assert changed == {"optimizer": {"beta1": 0.5}, "dropout": 0.1}
    with pytest.raises(UserError) as caught:
        _spacy_pipeline._override(block, {"training.optimiser.beta1": 0.5}, "training.")
    assert str(caught.value) == (
        "The spaCy config has no setting named 'training.optimiser.beta1'. Did you mean 'training.optimizer.beta1'? "
        "Correct it, or take it out of “More arguments”."
    )
