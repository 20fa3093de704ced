"""PPO, really done in a child process with TRL 1.12's overlay: known optimum, stop, adapter, the guide's script."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine import ArgillaTrainer, FeedbackDataset, TrainingTask, UserError
from engine.frameworks import overlays
from engine.frameworks.overlays import python_path
from engine.registry import FRAMEWORKS
from engine.runs import job
from engine.runs.events import read_events
from engine.runs.run_directory import RunDirectory, RunSpec
from tests.frameworks.capitals import run_lines
from tests.frameworks.rewarded import PROMPTS, TASK, check_learned, letter_reward, policy, prompt_data
from tests.models import tiny_llm

pytestmark = pytest.mark.slow

QUICK = {
    "reward_text": "completion",
    "learning_rate": 2e-3,
    "response_length": 12,
    "per_device_train_batch_size": 16,
    "total_episodes": 512,
    "use_cpu": True,
}


@pytest.fixture(scope="module", autouse=True)
def overlay() -> None:
    overlays.install("trl-ppo")


def run_of(folder: Path, base: str, **settings: Any) -> RunDirectory:
    """A run directory with rows, ready for a worker."""
    reward = letter_reward(folder / "reward")
    run_dir = RunDirectory(folder / "run")
    run_dir.path.mkdir()
    prompt_data().save(run_dir.data_dir)
    spec = RunSpec(
        dataset={"name": "words", "source": {}},
        task={"task": TASK, "fields": {"prompt": "{text}"}},
        framework="trl",
        base_model=base,
        config=QUICK | {"reward_model": reward} | settings,
    )
    run_dir.write_spec(spec)
    return run_dir


def curve(run_dir: RunDirectory, name: str) -> list[float]:
    events = [event for event in read_events(run_dir.events_file) if event["kind"] == "metrics"]
    return [event["values"][name] for event in events if name in event["values"]]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_a_reward_of_known_optimum_is_learned(tmp_path: Path, seed: int) -> None:
    run_dir = run_of(tmp_path, policy(tmp_path / "base"), seed=seed)
    status = job.run_in_child("train-prepared", run_dir.path, "trl-ppo")
    assert (status.state, status.message) == ("finished", "")
    assert (
        len(curve(run_dir, "reward")) == len(curve(run_dir, "completion_length")) == len(curve(run_dir, "loss")) == 32
    )
    check_learned(curve(run_dir, "reward"), curve(run_dir, "kl"))
    figures = status.result["figures"]
    assert figures["metrics"]["reward"] > figures["baseline"]["metrics"]["reward"]
    assert len(figures["samples"]) == 8
    assert figures["samples"][0].keys() >= {"input", "predicted", "base"}
    predict = FRAMEWORKS["trl"].load(run_dir.model_dir, TASK).predict
    usage = FRAMEWORKS["trl"].usage(str(run_dir.model_dir), TASK).replace("A prompt.", PROMPTS[0]).replace("=64", "=8")
    assert run_lines(usage, tmp_path).splitlines()[-1] == predict([PROMPTS[0]], max_new_tokens=8)[0].strip()


def test_an_adapter_of_a_model_whose_padding_is_its_end_and_a_stop(tmp_path: Path) -> None:
    run_dir = run_of(tmp_path, tiny_llm(), use_lora=True, per_device_train_batch_size=8)
    command = [sys.executable, "-m", "engine", "train-prepared", str(run_dir.path)]
    env = job.worker_environment(HF_HUB_OFFLINE="1", PYTHONPATH=python_path("trl-ppo"))
    with subprocess.Popen(command, env=env, cwd=run_dir.path, stdin=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 200
        while not curve(run_dir, "reward") and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(200) == 0
    notes = " ".join(job.status(run_dir.path).notes)
    assert "Stopped by its owner after step" in notes
    assert "and a whole value model." in notes
    assert 0 < len(curve(run_dir, "reward")) < 64
    adapter = json.loads((run_dir.model_dir / "adapter_config.json").read_text())
    assert adapter["task_type"] == "CAUSAL_LM"
    assert not (run_dir.model_dir / "model.safetensors").exists()
    assert json.loads((run_dir.model_dir / "tokenizer_config.json").read_text())["pad_token"] == "<|im_end|>"
    assert FRAMEWORKS["trl"].load(run_dir.model_dir, TASK).predict(["ba be"], max_new_tokens=4)


class PPOConfig:
    """Stands for TRL 0.7's, which today's TRL has no more."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__ |= settings


def test_the_guides_script(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from transformers import pipeline

    dataset = FeedbackDataset.from_dataset(pa.table({"prompt": PROMPTS[:40]}))
    task = TrainingTask.for_proximal_policy_optimization(formatting_func=lambda sample: sample["prompt"])
    trainer = ArgillaTrainer(
        dataset=dataset, task=task, framework="trl", model=policy(tmp_path / "base"), train_size=0.8
    )
    letter_reward(tmp_path / "sentiment", labels=("NEGATIVE", "POSITIVE"))
    reward_model = pipeline("text-classification", model=str(tmp_path / "sentiment"))
    trainer.update_config(
        reward_model=reward_model,
        length_sampler_kwargs={"min_value": 4, "max_value": 8},
        generation_kwargs={"min_length": -1, "top_k": 0.0, "top_p": 1.0, "do_sample": True},
        config=PPOConfig(batch_size=16, ppo_epochs=2, target_kl=0.1),
    )
    assert (trainer.config.response_length, trainer.config.per_device_train_batch_size) == (8, 16)
    trainer.update_config(num_train_epochs=1, learning_rate=1e-4)
    trainer.train(output_dir=tmp_path / "ppo_model")
    assert trainer.report["metrics"].keys() == trainer.report["baseline"]["metrics"].keys() == {"reward"}
    assert trainer.config.guide_notes == [
        "length_sampler_kwargs: max_value is response_length = 8.",
        "length_sampler_kwargs: min_value 4 has no place in TRL 1.12, which lets an answer end any time.",
        "generation_kwargs: min_length = -1 is what TRL 1.12 does.",
        "generation_kwargs: top_k = 0.0 is what TRL 1.12 does.",
        "generation_kwargs: top_p = 1.0 is what TRL 1.12 does.",
        "generation_kwargs: do_sample = True is what TRL 1.12 does.",
        "config: batch_size is per_device_train_batch_size = 16.",
        "config: ppo_epochs is num_ppo_epochs = 2.",
        "config: target_kl has no place in TRL 1.12 and is left out.",
    ]
    assert isinstance(trainer.predict("ba be", max_new_tokens=4), str)
    assert len(trainer.predict(["ba be", "da de"], max_new_tokens=4)) == 2

    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "ppo_model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "ppo_model")
    made = model.generate(**tokenizer(["ba be"], return_tensors="pt"), max_new_tokens=4, do_sample=False)
    assert trainer.predict("ba be", max_new_tokens=4) == tokenizer.decode(made[0][2:], skip_special_tokens=True)


def test_without_a_reward_model_nothing_starts(tmp_path: Path) -> None:
    dataset = FeedbackDataset.from_dataset(pa.table({"prompt": PROMPTS[:40]}))
    task = TrainingTask.for_proximal_policy_optimization(prompt="{prompt}")
    trainer = ArgillaTrainer(dataset=dataset, task=task, framework="trl", model=policy(tmp_path / "base"))
    with pytest.raises(UserError, match="No reward model is chosen."):
        trainer.train(output_dir=tmp_path / "model")
