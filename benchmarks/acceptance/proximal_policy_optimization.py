"""PPO, GRPO and RLOO beside bare TRL: a policy over the words of self_instruct's instructions learns which words pay.

The reward's optimum is known (every word with the liked letter: 1.41), policy and reward model are a few thousand
weights. The figure is the mean reward of greedy answers to held-out prompts.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.acceptance.measured import Measured
from engine import ArgillaTrainer, FeedbackDataset, TrainingTask
from engine.frameworks import overlays
from tests.frameworks.rewarded import policy, word_reward

Row = dict[str, Any]
NEW_TOKENS, LONGEST_PROMPT = 12, 40
SETTINGS: Row = {"learning_rate": 3e-3, "per_device_train_batch_size": 16, "use_cpu": True, "seed": 42}
GROUPS: Row = {"num_train_epochs": 1, "num_generations": 4, "max_completion_length": NEW_TOKENS, "beta": 0.04}
PPO: Row = {"total_episodes": 640, "response_length": NEW_TOKENS, "temperature": 1.0, "kl_coef": 0.05}
OWN: dict[str, Row] = {"grpo": GROUPS, "rloo": GROUPS, "trl": PPO}

# What TRL's documentation writes; {…} are a model's folders, rows and settings.
BARE_GROUPS = """
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import {name}Config, {name}Trainer
arguments = {name}Config(
    output_dir=out, report_to="none", save_strategy="no", bf16=False, activation_checkpointing=False, **settings
)
trainer = {name}Trainer(
    model=base,
    reward_funcs=AutoModelForSequenceClassification.from_pretrained(reward),
    reward_processing_classes=AutoTokenizer.from_pretrained(reward),
    args=arguments,
    train_dataset=Dataset.from_dict(dict(prompt=prompts)),
)
trainer.train()
trainer.save_model(out)
"""
BARE_PPO = """
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, set_seed
from trl.experimental.ppo import PPOConfig, PPOTrainer
set_seed(settings["seed"])
tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
trainer = PPOTrainer(
    args=PPOConfig(
        output_dir=out, report_to="none", save_strategy="no", bf16=False, num_sample_generations=0, stop_token="eos",
        **settings,
    ),
    processing_class=tokenizer,
    model=AutoModelForCausalLM.from_pretrained(base),
    ref_model=None,
    reward_model=AutoModelForSequenceClassification.from_pretrained(reward, num_labels=1),
    value_model=AutoModelForSequenceClassification.from_pretrained(base, num_labels=1),
    train_dataset=Dataset.from_dict(dict(input_ids=tokenizer(prompts)["input_ids"])),
)
trainer.train()
trainer.save_model(out)
"""
BARE = {"grpo": BARE_GROUPS.format(name="GRPO"), "rloo": BARE_GROUPS.format(name="RLOO"), "trl": BARE_PPO}


def instructions(data: Path) -> tuple[list[str], list[str]]:
    """(prompts, their words): self_instruct's shorter instructions, without signs, which decoding would draw to the
    words before them, and a reward model of other words would then read as one.
    """
    lines = (data / "self_instruct" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    found = [re.findall(r"\w+", json.loads(line)["instruction"]) for line in lines]
    short = [words for words in found if 0 < len(words) <= LONGEST_PROMPT]
    return list(dict.fromkeys(map(" ".join, short))), sorted({word for words in short for word in words})


def bare(framework: str, base: str, reward: str, prompts: list[str], folder: Path) -> None:
    """Train with TRL itself, in a process of its own, and leave the model in `folder`."""
    given = {"base": base, "reward": reward, "prompts": prompts, "out": str(folder)}
    given |= {"settings": SETTINGS | OWN[framework]}
    code = "import json, sys\nglobals().update(json.loads(sys.stdin.read()))\n" + BARE[framework]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    if framework == "trl":
        env["PYTHONPATH"] = str(overlays.folder("trl-ppo"))
    subprocess.run([sys.executable, "-c", code], env=env, input=json.dumps(given), text=True, check=True)


def greedy_reward(model_dir: str, reward: str, prompts: list[str]) -> float:
    """Mean reward of greedy answers, prompt and answer read together."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(reward)
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    judge = AutoModelForSequenceClassification.from_pretrained(reward)
    total = 0.0
    with torch.inference_mode():
        for prompt in prompts:
            ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
            written = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0
            )
            text = prompt + " " + tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)
            total += judge(**tokenizer(text, return_tensors="pt")).logits.item()
    return total / len(prompts)


def measure(framework: str, data: Path) -> Measured:
    """Ours and bare TRL, on the same prompts with the same seed."""
    prompts, words = instructions(data)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        base = policy(folder / "base", words, ends=False)
        reward = word_reward(folder / "reward", base)
        trainer = ArgillaTrainer(
            dataset=FeedbackDataset.from_dataset(pa.table({"prompt": prompts})),
            task=TrainingTask.for_proximal_policy_optimization(prompt="prompt"),
            framework=framework,
            model=base,
            train_size=0.8,
        )
        trainer.update_config(reward_model=reward, **SETTINGS, **OWN[framework])
        parts = trainer._prepared.data
        started = time.monotonic()
        trainer.train(folder / "ours")
        ours_took = time.monotonic() - started
        started = time.monotonic()
        bare(framework, base, reward, parts.train["query"].to_pylist(), folder / "bare")
        bare_took = time.monotonic() - started
        held_out = parts.test["query"].to_pylist()
        figures = {name: greedy_reward(str(folder / name), reward, held_out) for name in ("base", "ours", "bare")}
    return Measured(
        cell=f"{framework}:self_instruct-prompts",
        rows=f"{len(parts.train)}/{len(parts.test)}",
        figure="reward, greedy",
        ours=figures["ours"],
        bare=figures["bare"],
        seconds=(ours_took, bare_took),
        learned=figures["bare"] > figures["base"] + 0.05,
    )


CELLS: dict[str, Callable[[Path], Measured]] = {
    "trl:self_instruct-prompts": partial(measure, "trl"),
    "grpo:self_instruct-prompts": partial(measure, "grpo"),
    "rloo:self_instruct-prompts": partial(measure, "rloo"),
}
