"""What PPO, GRPO and RLOO share: hyperparameters, prompts, the curve of rewards, figures on held-out prompts, loading.

The model answers prompts while it trains, and a reward model (engine/frameworks/_rewards.py) scores the answers.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import model_validator

from engine.errors import UserError
from engine.frameworks import _hf, _rewards, _trl_common
from engine.frameworks._generation import Generator
from engine.frameworks._rewards import RewardConfig
from engine.frameworks._trl_common import TrlConfig
from engine.frameworks.framework import Predictor, SuggestedModel, knob
from engine.runs.events import Report

QUERY = "query"
VALIDATION = "validation_"
SCORED_PROMPTS = 100  # of the held-out ones
BASE_MODELS = (
    SuggestedModel("HuggingFaceTB/SmolLM2-135M-Instruct", 269, "Small: for a first try, on a CPU too. English."),
    SuggestedModel("Qwen/Qwen3-0.6B-Base", 1192, "Small and recent, over 100 languages."),
    SuggestedModel("HuggingFaceTB/SmolLM2-360M-Instruct", 724, "English, a little stronger."),
    SuggestedModel("Qwen/Qwen2.5-1.5B-Instruct", 3087, "Stronger; wants a GPU, or LoRA on a small one."),
    SuggestedModel("openai-community/gpt2", 548, "The model of the guide's example. English."),
)


class OnlineConfig(RewardConfig, TrlConfig):
    """Hyperparameters of the methods in which the model writes while it trains.

    A subclass says which of its hyperparameters the guide's names mean (`_take_guide`).
    """

    per_device_train_batch_size: int = knob(
        8, "Batch size", "Completions a step. Lower it when memory runs out.", ge=1, le=1024
    )
    max_length: int | None = knob(
        None,
        "Longest prompt and completion",
        "In tokens, together; longer prompts are left out. Empty: what the model can read, at most 2,048.",
        ge=4,
        le=1048576,
    )
    eval_strategy: Literal["epoch", "steps", "no"] = knob(
        "no", "Validate", "When to answer the validation prompts, to keep the checkpoint with the best reward."
    )
    guide_notes: list[str] = knob(
        [],
        "Arguments of the guide",
        "What became of length_sampler_kwargs, generation_kwargs and config that a script gave. No effect.",
    )

    @model_validator(mode="before")
    @classmethod
    def _map_guide(cls, values: Any) -> Any:
        """The guide's arguments, under today's names; each mapping is kept as a sentence in `guide_notes`."""
        if not isinstance(values, dict):
            return values
        mapped, notes = cls._take_guide(dict(values))
        if notes:
            mapped["guide_notes"] = list(dict.fromkeys([*values.get("guide_notes", ()), *notes]))
        return mapped

    @classmethod
    def _take_guide(cls, values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """(`values` without the guide's arguments, sentences on what they became). Raises ValueError for what has no
        place.
        """
        return values, []


def taken_lengths(values: dict[str, Any], most: str) -> tuple[int | None, list[str]]:
    """Take `length_sampler_kwargs` out of `values`; `most` gets its largest length. → (smallest length, sentences)."""
    given = values.pop("length_sampler_kwargs", None)
    if given is None:
        return None, []
    unknown = sorted(set(given) - {"min_value", "max_value"})
    if unknown:
        raise ValueError(f"The argument length_sampler_kwargs has {unknown[0]!r}; its keys are min_value and max_value")
    notes = []
    if "max_value" in given:
        values[most] = int(given["max_value"])
        notes.append(f"length_sampler_kwargs: max_value is {most} = {values[most]}.")
    return given.get("min_value"), notes


def as_mapping(name: str, given: Any) -> dict[str, Any]:
    """A dict, or what was chosen in a config object, as a dict."""
    if isinstance(given, Mapping):
        return dict(given)
    if dataclasses.is_dataclass(given):
        defaults = {field.name: field.default for field in dataclasses.fields(given)}
        return {key: getattr(given, key) for key, default in defaults.items() if getattr(given, key) != default}
    if hasattr(given, "__dict__"):
        return {key: value for key, value in vars(given).items() if not key.startswith("_")}
    raise ValueError(f"{name} must be a config object or a dict; {type(given).__name__} was given")


def prepare(config: OnlineConfig, base: str, report: Report) -> tuple[Any, Any]:
    """Say what the guide's arguments became, and where training runs; → the base model's tokenizer, and the scorer."""
    for note in config.guide_notes:
        report.note(note)
    report.stage("loading")
    device = _hf.note_device(report, config.use_cpu)
    _hf.set_seed(config)
    score = _rewards.load(config, device)
    report.note(f"Rewarded by {config.reward_model}.")
    return _trl_common.load_writer_tokenizer(base), score


def prompts(table: pa.Table, tokenizer: Any, room: int, report: Report, what: str) -> list[str]:
    """The prompts that have at most `room` tokens. Raises UserError when none is left; the others are told."""
    given = table[QUERY].to_pylist()
    lengths = [len(ids) for ids in tokenizer(given)["input_ids"]]
    kept = [prompt for prompt, length in zip(given, lengths, strict=True) if length <= room]
    longer = len(given) - len(kept)
    if not kept:
        raise UserError(
            f"All {len(given):,} {what} prompts have more than {room:,} tokens, and the base model could not read "
            "them beside its answer.",
            "Let completions be shorter, or choose a base model for longer texts.",
        )
    if longer:
        report.note(
            f"{longer:,} of {len(given):,} {what} prompts have more than {room:,} tokens (up to {max(lengths):,}); "
            "they are left out, as the model could not read them whole."
        )
    return kept


def room_for_prompts(tokenizer: Any, model_config: Any, config: OnlineConfig, completion: int) -> int:
    """Tokens that a prompt may have. Raises UserError when completions fill the window."""
    window = _trl_common.window(tokenizer, model_config, config.max_length, most=2048)
    if completion >= window:
        raise UserError(
            f"A completion may have {completion:,} tokens, which leaves no room for a prompt in the {window:,} that "
            "the model reads.",
            f"Let completions have {window // 2:,} tokens or fewer.",
        )
    return window - completion


def rewards_callback(report: Report) -> Any:
    """A TrainerCallback that passes on what a log line says of the training: see `_figures`."""
    from transformers import TrainerCallback

    class Rewards(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
            _hf.report_loss(report, state, logs.get("loss/policy_avg"))  # PPO's
            found = _figures(logs)
            if found:
                report.metrics(found, step=state.global_step)
                shown = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
                print(f"step {state.global_step}/{state.max_steps}  {shown}", flush=True)

    return Rewards()


class Curves(Report):
    """Passes everything on; of TRL's many validation figures only those that the training's curves have too."""

    def __init__(self, report: Report) -> None:
        self.stage, self.progress, self.note = report.stage, report.progress, report.note
        self._report = report

    @property
    def stop_requested(self) -> bool:
        return self._report.stop_requested

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        judged = {name.removeprefix(VALIDATION): value for name, value in values.items() if name.startswith(VALIDATION)}
        if judged:
            kept = _figures(judged) | {name: judged[name] for name in ("loss",) if name in judged}
            values = {VALIDATION + name: value for name, value in kept.items()}
        self._report.metrics(values, step=step)


def _figures(logs: dict[str, Any]) -> dict[str, float]:
    """reward, kl (nats a completion) and completion_length of a log line of PPO, or of GRPO and RLOO, whose KL is a
    token's mean.
    """
    named = {
        "reward": logs.get("rewards/reward/mean", logs.get("objective/scores")),
        "completion_length": logs.get("completions/mean_length"),
        "kl": logs.get("objective/kl"),
    }
    if "kl" in logs and named["completion_length"] is not None:
        named["kl"] = logs["kl"] * named["completion_length"]
    return {name: value for name, value in named.items() if value is not None}


def held_out_scores(
    predictor: Predictor, table: pa.Table, config: OnlineConfig, *, length: int, temperature: float
) -> dict[str, float]:
    """{"reward"}: mean over answers to the first held-out prompts, drawn as in training, with the run's seed."""
    asked = table[QUERY].slice(0, SCORED_PROMPTS).to_pylist()
    answers = predictor.predict(asked, max_new_tokens=length, temperature=temperature, seed=config.seed)
    scores = _rewards.load(config, "cpu" if config.use_cpu else _hf.best_device())(asked, answers)
    return {"reward": sum(scores) / len(scores)}


def load(model_dir: Path) -> Generator:
    return Generator(*_trl_common.load_trained(model_dir))


def load_base(base: str) -> Generator:
    model = _trl_common.load_causal_lm(base).to(_hf.best_device())
    return Generator(model, _trl_common.load_writer_tokenizer(base))


def usage(repo_id: str) -> str:
    return (
        "from transformers import pipeline  # an adapter needs the package peft too\n"
        "\n"
        f'write = pipeline("text-generation", "{repo_id}")\n'
        'answer = write("A prompt.", max_new_tokens=64, do_sample=False, return_full_text=False)\n'
        'print(answer[0]["generated_text"])\n'
    )
