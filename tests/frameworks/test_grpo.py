"""GRPO, really done on a tiny policy: a reward of known optimum is learned, kept, stopped, selected, published."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from engine import UserError
from engine.registry import FRAMEWORKS
from engine.tasks.task import TaskData
from tests.frameworks.capitals import run_lines
from tests.frameworks.rewarded import TASK, check_learned, learn, letter_reward, policy, prompt_data
from tests.frameworks.topics import Told
from tests.models import encoder, tiny_llm

pytestmark = pytest.mark.slow

GRPO = FRAMEWORKS["grpo"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_a_reward_of_known_optimum_is_learned(tmp_path: Path, seed: int) -> None:
    told, data = Told(), prompt_data()
    model_dir = learn("grpo", tmp_path, data, told, seed=seed)
    check_learned(told.values("reward"), told.values("kl"))
    assert told.stages == ["loading", "training", "saving"]
    assert told.steps[-1] == (32, 32)
    assert len(told.values("loss")) == len(told.values("completion_length")) == 32
    config = GRPO.configs[TASK](
        reward_model=str(tmp_path / "reward"), reward_text="completion", max_completion_length=12, seed=seed
    )
    after = GRPO.held_out_scores(GRPO.load(model_dir, TASK), data.test, config, TASK)
    before = GRPO.held_out_scores(GRPO.load_base(str(tmp_path / "base"), TASK), data.test, config, TASK)
    assert after["reward"] > before["reward"]
    assert not (tmp_path / "checkpoints").exists()


def test_an_adapter_is_published_and_loads_with_the_lines_of_its_card(tmp_path: Path) -> None:
    settings = {"use_lora": True, "max_steps": 3, "base": tiny_llm()}
    model_dir = learn("grpo", tmp_path, prompt_data(), **settings)
    assert not (model_dir / "model.safetensors").exists()
    adapter = json.loads((model_dir / "adapter_config.json").read_text())
    assert (adapter["task_type"], adapter["r"]) == ("CAUSAL_LM", 16)
    ours = GRPO.load(model_dir, TASK).predict(["ba be"], max_new_tokens=8)[0]
    usage = GRPO.usage(str(model_dir), TASK).replace("A prompt.", "ba be").replace("=64", "=8")
    assert run_lines(usage, tmp_path).splitlines()[-1] == ours.strip().splitlines()[-1]


def test_a_run_that_is_stopped_keeps_what_it_learned(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    model_dir = learn("grpo", tmp_path, prompt_data(), told)
    assert told.steps[-1] == (2, 32)
    assert "Stopped by its owner after step 2 of 32." in told.notes
    assert GRPO.load(model_dir, TASK).predict(["ba be"], max_new_tokens=4)


def test_the_checkpoint_with_the_best_validation_reward_is_kept(tmp_path: Path) -> None:
    told = Told()
    learn("grpo", tmp_path, prompt_data(validation=8), told, eval_strategy="steps", eval_steps=4, max_steps=12)
    rewards = told.values("validation_reward")
    assert len(rewards) == 3
    best = 4 * (rewards.index(max(rewards)) + 1)
    assert any(f"Kept the checkpoint of step {best}: validation reward" in note for note in told.notes)


def test_what_can_not_be_trained_is_said(tmp_path: Path) -> None:
    base, reward = policy(tmp_path / "base"), letter_reward(tmp_path / "reward")
    given = {"base": base, "reward_model": reward}
    with pytest.raises(UserError, match="No reward model is chosen."):
        GRPO.check_config(GRPO.configs[TASK](), TASK)
    with pytest.raises(UserError, match="A completion may have 64 tokens, which leaves no room for a prompt in the 64"):
        learn("grpo", tmp_path, prompt_data(), max_completion_length=64, **given)
    with pytest.raises(UserError, match="A step needs 64 prompts .*, and there are 32."):
        learn("grpo", tmp_path, prompt_data(), per_device_train_batch_size=256, **given)
    long = pa.table({"record_id": ["a", "b"], "query": ["ba " * 60, "be " * 53]})
    with pytest.raises(UserError, match="All 2 training prompts have more than 52 tokens"):
        learn("grpo", tmp_path, TaskData(long, None, None, {}), **given)
    with pytest.raises(UserError, match="The base model does not write text"):
        GRPO.check_base(encoder(), TASK)


def test_prompts_that_are_too_long_are_left_out_and_counted(tmp_path: Path) -> None:
    data, told = prompt_data(), Told()
    longer = pa.table({"record_id": ["long"], "query": ["ba " * 53]})
    data = TaskData(pa.concat_tables([data.train, longer]), None, None, {})
    learn("grpo", tmp_path, data, told, max_steps=1)
    assert any(note.startswith("1 of 33 training prompts have more than 52 tokens (up to 53)") for note in told.notes)
