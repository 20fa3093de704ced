"""PPO of TRL 1.12 (its overlay): a reward model scores whole completions, a value model learns what to expect.

TRL's own loop takes a reward model that shares the policy's tokens. Here any scorer of texts stands in its place.
"""

import copy
import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine import trust
from engine.errors import UserError
from engine.frameworks import _hf, _online_rl, _rewards, _trl_common, overlays
from engine.frameworks._generation import Generator
from engine.frameworks._online_rl import BASE_MODELS, load, load_base, usage
from engine.frameworks._rewards import Scorer
from engine.frameworks._trl_ppo_config import PpoConfig as Config
from engine.runs.events import Report
from engine.tasks.task import TaskData

__all__ = ["BASE_MODELS", "Config", "load", "load_base", "train", "usage"]


class _Stopped(Exception):  # noqa: N818
    """The owner asked to stop: TRL's loop looks at no flag, so it is left."""


def train(config: Config, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # the overlay's version is pinned: nothing changes there
    from datasets import Dataset
    from transformers import DataCollatorWithPadding

    with overlays.importing("trl-ppo"):
        from trl.experimental.ppo import PPOConfig, PPOTrainer

    tokenizer, score = _online_rl.prepare(config, base, report)
    policy = _trl_common.load_causal_lm(base, config)
    room = _online_rl.room_for_prompts(tokenizer, policy.config, config, config.response_length)
    prompts = _online_rl.prompts(data.train, tokenizer, room, report, "training")
    _check_size(len(prompts), config)
    if data.validation is not None:
        report.note(f"PPO selects nothing: the {len(data.validation):,} validation prompts are not used.")
    ids = [tokenizer(prompt)["input_ids"] for prompt in prompts]
    padded = _with_padding(tokenizer, ids)
    generation = policy.generation_config
    policy.generation_config = _plain_generation(padded)
    reward = _reward_module(score, tokenizer)
    arguments = _trl_common.training_arguments(
        config, data, out_dir.parent / "checkpoints", PPOConfig, num_sample_generations=0
    )
    trainer = PPOTrainer(
        args=arguments,
        processing_class=padded,
        model=policy,
        ref_model=None,  # a copy, or with LoRA the model without its adapter
        reward_model=reward,
        value_model=_value_model(base, padded),
        train_dataset=Dataset.from_dict({"input_ids": ids}),
        data_collator=DataCollatorWithPadding(padded),
        peft_config=_trl_common.lora(config),
        callbacks=[_hf.progress_callback(report), _online_rl.rewards_callback(report), _loop_callback(report, reward)],
    )
    _fit(trainer, reward, config, data, report)
    report.stage("saving")
    policy.generation_config = generation
    _trl_common.save(trainer.policy_model, tokenizer, base, out_dir)


def _fit(trainer: Any, reward: Any, config: Config, data: TaskData, report: Report) -> None:
    """Run TRL's loop to its end, or until the owner stops it."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    if config.use_lora:
        trainable, total = trainer.policy_model.get_nb_trainable_parameters()
        report.note(f"Training {trainable:,} of {total:,} weights ({trainable / total:.1%}), and a whole value model.")
    report.stage("training")
    gc.freeze()  # TRL collects garbage twice a step: half a second each time, were all the libraries looked through
    with _hf.quiet(), _hf.memory_errors(config.per_device_train_batch_size), _scored_by(reward):
        try:
            trainer.train()
        except _Stopped:
            pass  # what was learned so far is kept, as note_end says
        finally:
            gc.unfreeze()
    _hf.note_end(report, trainer.state, trainer.args, data)
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)


def _check_size(prompts: int, config: Config) -> None:
    """Raise UserError when there are fewer prompts than a step asks: TRL would wait for more for ever."""
    if prompts < config.completions_a_step:
        raise UserError(
            f"A step asks {config.completions_a_step} prompts (batch size × gradient accumulation), and there are "
            f"{prompts}.",
            "Lower the batch size, or give more training prompts.",
        )


def _with_padding(tokenizer: Any, prompts: list[list[int]]) -> Any:
    """A tokenizer whose padding token is not its end-of-text token, padding at the left.

    TRL takes padding for no part of an answer, so with one token for both no answer would ever learn to end. Where
    the model has no other, a token that no prompt uses stands for padding while training; nothing of it is saved.
    """
    padded = copy.deepcopy(tokenizer)
    padded.padding_side = "left"
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        used = {tokenizer.eos_token_id}.union(*prompts)
        others = [*tokenizer.all_special_ids, *sorted(tokenizer.added_tokens_decoder)]
        free = [token for token in (*others, *reversed(range(tokenizer.vocab_size))) if token not in used]
        padded.pad_token = tokenizer.convert_ids_to_tokens(free[0])
    return padded


def _plain_generation(tokenizer: Any) -> Any:
    """No penalties and cuts of the base's own generation settings: PPO's ratios are those of plain probabilities."""
    from transformers import GenerationConfig

    ends = {name: getattr(tokenizer, name) for name in ("pad_token_id", "eos_token_id", "bos_token_id")}
    return GenerationConfig(**ends)


def _value_model(base: str, tokenizer: Any) -> Any:
    """The base model with one output a token, drawn at random. Raises UserError for an architecture without."""
    import torch
    from transformers import AutoModelForSequenceClassification

    hint = "Choose a model such as SmolLM2, Qwen or GPT-2, or use GRPO or RLOO, which need no value model."
    with _hf.quiet():
        try:
            model = AutoModelForSequenceClassification.from_pretrained(
                base,
                num_labels=1,
                use_safetensors=True,
                trust_remote_code=trust.may_run(base),
                dtype=torch.float32,
            )
        except ValueError as error:
            raise UserError("PPO's value model can't be made from this base model's architecture.", hint) from error
    if not hasattr(model, "score"):
        raise UserError("PPO's value model can't be made from this base model's architecture.", hint)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def _reward_module(score: Scorer, tokenizer: Any) -> Any:
    """What stands for TRL's reward model: it turns tokens back into texts and asks the scorer."""
    import torch

    class RewardOfTexts(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lengths: list[int] = []  # tokens of the completions scored in this step

        def scores(self, ids: Any, padding: int, context_length: int) -> Any:
            """(batch,) rewards of (batch, tokens) ids, whose first `context_length` are the prompt's."""
            self.lengths += (ids[:, context_length:] != padding).sum(1).tolist()
            asked, answers = zip(*(self._texts(row, padding, context_length) for row in ids.tolist()), strict=True)
            return torch.tensor(score(asked, answers), dtype=torch.float32, device=ids.device)

        @staticmethod
        def _texts(row: list[int], padding: int, context_length: int) -> tuple[str, str]:
            """(prompt, completion); the completion with the space before it, which alone it might not show."""
            parts = [
                [token for token in part if token != padding] for part in (row[:context_length], row[context_length:])
            ]
            prompt, completion, whole = (
                tokenizer.decode(tokens, skip_special_tokens=True) for tokens in (*parts, parts[0] + parts[1])
            )
            return prompt, whole[len(prompt) :] if whole.startswith(prompt) else completion

    return RewardOfTexts()


@contextmanager
def _scored_by(reward: Any) -> Iterator[None]:
    """TRL's loop asks `reward` for scores; of its value model it asks as ever."""
    from trl.experimental.ppo import ppo_trainer

    theirs = ppo_trainer.get_reward

    def get_reward(model: Any, ids: Any, padding: int, context_length: int) -> tuple[Any, Any, Any]:
        if model is reward:
            return None, reward.scores(ids, padding, context_length), None
        return theirs(model, ids, padding, context_length)

    ppo_trainer.get_reward = get_reward
    try:
        yield
    finally:
        ppo_trainer.get_reward = theirs


def _loop_callback(report: Report, reward: Any) -> Any:
    """Tells the completions' mean length, which TRL's loop does not, and leaves the loop when its owner stops it."""
    from transformers import TrainerCallback

    class Loop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            mean = sum(reward.lengths) / len(reward.lengths)
            report.metrics({"completion_length": mean}, step=state.global_step)
            reward.lengths.clear()
            if report.stop_requested:
                raise _Stopped

    return Loop()


def check_base(base: str) -> None:
    _trl_common.check_writer(base, "TRL")


def check_config(config: Config) -> None:
    """Raise UserError unless the reward model is here and says what to reward."""
    _rewards.check(config)


def other_models(config: Config) -> list[str]:
    return _rewards.to_fetch(config)


def held_out_scores(predictor: Generator, table: pa.Table, config: Config) -> dict[str, float]:
    length, temperature = config.response_length, config.temperature
    return _online_rl.held_out_scores(predictor, table, config, length=length, temperature=temperature)
