"""Hyperparameters of PPO, GRPO and RLOO: which reward models will do, what the guide's arguments become."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import UserError, validate_config
from engine.frameworks import _rewards
from engine.frameworks._rewards import RewardConfig, chosen_label
from engine.publishing.provenance import public_config
from engine.registry import FRAMEWORKS
from engine.runs.run_directory import RunDirectory, RunSpec

TASK = "proximal-policy-optimization"


def model_folder(folder: Path, **config: Any) -> str:
    """A folder that looks like a model's, for checks that read configs only."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder)


def refusal(**settings: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        _rewards.check(RewardConfig(**settings))
    return caught.value


def test_a_reward_model_with_several_labels_is_rewarded_for_positive_or_the_one_named(tmp_path: Path) -> None:
    labels = {"0": "NEGATIVE", "1": "Positive", "2": "other"}
    folder = model_folder(tmp_path / "m", architectures=["BertForSequenceClassification"], id2label=labels)
    _rewards.check(RewardConfig(reward_model=folder))
    _rewards.check(RewardConfig(reward_model=folder, reward_label="Other"))
    assert chosen_label(list(labels.values()), RewardConfig(reward_label="")) == 1
    assert chosen_label(list(labels.values()), RewardConfig(reward_label="other")) == 2
    assert refusal(reward_model=folder, reward_label="good").message == (
        f"The reward model {folder} has no label 'good'."
    )
    plain = model_folder(tmp_path / "plain", architectures=["BertForSequenceClassification"])
    found = refusal(reward_model=plain)
    assert found.message == f"The reward model {plain} has several labels, none “positive”."
    assert found.hint == "Set “Rewarded label” (reward_label) to one of: LABEL_0, LABEL_1."


def test_what_can_not_score_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert refusal().message == "No reward model is chosen."
    assert refusal(reward_model="ann/none").message == "The reward model ann/none is not on this machine."
    writer = model_folder(tmp_path / "writer", architectures=["LlamaForCausalLM"])
    assert refusal(reward_model=writer).message == (
        f"{writer} can't score texts: it is no sequence classifier and no run of Annotune."
    )


def test_finished_runs_are_known_by_their_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTUNE_HOME", str(tmp_path))

    def run(task: str, framework: str) -> str:
        spec = RunSpec(dataset={}, task={"task": task}, framework=framework, base_model="x")
        made = RunDirectory.create(tmp_path / "runs", spec)
        made.model_dir.mkdir()
        return made.id

    scoring = run("text-classification", "spacy")
    assert _rewards.locate(scoring) == tmp_path / "runs" / scoring / "model"
    _rewards.check(RewardConfig(reward_model=scoring))
    other = run("question-answering", "transformers")
    assert refusal(reward_model=other).message == f"The run {other} is of question-answering, which gives no scores."
    remote = run("text-classification", "openai")
    assert "can't score texts inside another training" in refusal(reward_model=remote).message


@dataclass
class PPOConfig:
    """As TRL 0.7 had it, cut short."""

    batch_size: int = 256
    mini_batch_size: int = 1
    ppo_epochs: int = 4
    init_kl_coef: float = 0.2
    learning_rate: float = 1e-5
    steps: int = 20000


def test_the_guides_arguments_are_mapped_for_ppo() -> None:
    given = {
        "length_sampler_kwargs": {"min_value": 32, "max_value": 256},
        "generation_kwargs": {"min_length": -1, "top_k": 0.0, "top_p": 1.0, "do_sample": True, "temperature": 1.0},
        "config": PPOConfig(batch_size=16, mini_batch_size=4, init_kl_coef=0.1, steps=5),
    }
    config = validate_config("trl", TASK, given)
    assert (config.response_length, config.temperature, config.per_device_train_batch_size) == (256, 1.0, 16)
    assert (config.num_mini_batches, config.kl_coef, config.learning_rate) == (4, 0.1, None)
    assert "length_sampler_kwargs: max_value is response_length = 256." in config.guide_notes
    assert "config: batch_size is per_device_train_batch_size = 16." in config.guide_notes
    assert "config: steps has no place in TRL 1.12 and is left out." in config.guide_notes
    assert validate_config("trl", TASK, config.model_dump(mode="json")) == config
    later = validate_config("trl", TASK, config.model_dump() | {"response_length": 20})
    assert (later.response_length, later.guide_notes) == (20, config.guide_notes)


@pytest.mark.parametrize("framework", ["grpo", "rloo"])
def test_the_guides_arguments_are_mapped_for_grpo_and_rloo(framework: str) -> None:
    given = {
        "length_sampler_kwargs": {"min_value": 4, "max_value": 32},
        "generation_kwargs": {"min_length": -1, "top_k": 0.0, "top_p": 0.9, "do_sample": True, "num_beams": 1},
    }
    config = validate_config(framework, TASK, given)
    assert (config.max_completion_length, config.top_k, config.top_p) == (32, 0, 0.9)
    assert config.generation_kwargs == {"num_beams": 1, "min_new_tokens": 4}
    assert "generation_kwargs: top_p = 0.9." in config.guide_notes
    assert validate_config(framework, TASK, config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    "framework,values,sentence",
    [
        ("trl", {"generation_kwargs": {"top_k": 5}}, "In generation_kwargs, top_k = 5 has no place in TRL 1.12"),
        ("trl", {"length_sampler_kwargs": {"most": 5}}, "length_sampler_kwargs has 'most'; its keys are min_value"),
        ("trl", {"num_mini_batches": 3}, "A step draws 8 completions (batch size × gradient accumulation)"),
        ("trl", {"whiten_rewards": True, "num_mini_batches": 2}, "Whitening needs mini-batches of 8 completions"),
        ("trl", {"extra_arguments": {"max_steps": 5}}, "'max_steps' can't be set: it follows from the other settings"),
        ("trl", {"max_grad_norm": 1.0}, "There is no hyperparameter 'max_grad_norm' here."),
        ("grpo", {"num_generations": 3}, "which is no multiple of the 3 completions a prompt"),
        ("rloo", {"generation_kwargs": {"do_sample": False}}, "do_sample must be True"),
        (
            "grpo",
            {"eval_strategy": "epoch", "per_device_eval_batch_size": 4},
            "The batch size when validating, 4, is no multiple of the 8 completions a prompt",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_words(framework: str, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        validate_config(framework, TASK, values)
    assert sentence in caught.value.message


@pytest.mark.parametrize("framework", ["trl", "grpo", "rloo"])
def test_the_form_asks_for_a_run_as_reward_model(framework: str) -> None:
    knob = FRAMEWORKS[framework].configs[TASK].model_json_schema()["properties"]["reward_model"]
    assert (knob["widget"], knob["level"]) == ("run", "basic")
    assert knob["tasks"] == ["reward-modeling", "text-classification"]


def test_a_reward_models_folder_is_not_published() -> None:
    spec = RunSpec(dataset={}, task={"task": TASK}, framework="grpo", base_model="x")
    local, hub = "/home/ann/reward", "ann/reward"
    told = {name: public_config(spec.model_copy(update={"config": {"reward_model": name}})) for name in (local, hub)}
    assert told == {local: {"reward_model": "a local folder"}, hub: {"reward_model": hub}}
