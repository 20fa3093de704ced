"""GRPO and RLOO, which differ in a few hyperparameters: several completions a prompt, each compared with the others.

Called by grpo.py and rloo.py.
"""

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import model_validator

from engine.errors import UserError
from engine.frameworks import _hf, _online_rl, _rewards, _trl_common
from engine.frameworks._online_rl import OnlineConfig, as_mapping, taken_lengths
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData

TASK = "proximal-policy-optimization"
SETTINGS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")  # of generation_kwargs, which have a knob


class GroupConfig(OnlineConfig):
    """What GRPO and RLOO of TRL 1.16 both take."""

    num_generations: int = knob(8, "Completions a prompt", "That are compared with one another.", ge=2, le=256)
    num_generations_eval: int | None = knob(
        None, "Completions a prompt when validating", "Empty: as many as in training.", ge=1, le=256
    )
    max_completion_length: int = knob(
        256, "Longest completion", "In tokens; a longer answer is cut there.", ge=1, le=131072
    )
    temperature: float = knob(1.0, "Temperature", "Of drawing completions: higher is more varied.", gt=0, le=5)
    top_p: float = knob(1.0, "Top p", "Draw from the likeliest tokens that add up to this share.", gt=0, le=1)
    top_k: int = knob(0, "Top k", "Draw from so many likeliest tokens. 0: from all.", ge=0)
    min_p: float | None = knob(None, "Min p", "Leave out tokens below this share of the likeliest one's.", ge=0, le=1)
    repetition_penalty: float = knob(1.0, "Repetition penalty", "Above 1: repeating is less likely.", gt=0, le=10)
    generation_kwargs: dict[str, Any] = knob(
        {},
        "More on generation",
        "Any other argument of transformers.GenerationConfig, such as min_new_tokens, as JSON.",
        json_schema_extra={"widget": "json"},
    )
    num_iterations: int = knob(1, "Updates a batch", "Steps taken with the same completions.", ge=1, le=64)
    steps_per_generation: int | None = knob(
        None, "Steps a generation", "Steps over which one drawing is spread. Empty: gradient accumulation.", ge=1
    )
    epsilon: float = knob(0.2, "Clipping", "How far one step may move a token's probability (ε).", gt=0, le=10)
    epsilon_high: float | None = knob(
        None, "Upper clipping", "Upwards, where it differs (DAPO: 0.28). Empty: the same.", gt=0, le=10
    )
    mask_truncated_completions: bool = knob(
        False, "Leave out cut completions", "Completions that reached the longest length do not count."
    )
    sync_ref_model: bool = knob(
        False, "Move the reference", "The model that KL is measured from follows the trained one (TR-DPO)."
    )
    ref_model_mixup_alpha: float = knob(0.6, "Share of the trained model", "In a moved reference.", ge=0, le=1)
    ref_model_sync_steps: int = knob(512, "Steps between moves", "Of the reference.", ge=1)

    @property
    def completions_a_step(self) -> int:
        return self.per_device_train_batch_size * (self.steps_per_generation or self.gradient_accumulation_steps)

    @classmethod
    def _take_guide(cls, values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        least, notes = taken_lengths(values, "max_completion_length")
        generation = dict(values.get("generation_kwargs") or {})
        if least is not None:
            generation["min_new_tokens"] = int(least)
            notes.append(f"length_sampler_kwargs: min_value is generation_kwargs' min_new_tokens = {int(least)}.")
        notes += _take_generation(generation, values)
        if generation or "generation_kwargs" in values:
            values["generation_kwargs"] = generation
        if "config" in values:
            given = as_mapping("config", values.pop("config"))
            values |= given
            notes.append(f"config: {', '.join(given) or 'nothing'}, taken as they are.")
        return values, notes

    @model_validator(mode="after")
    def _whole_groups(self) -> "GroupConfig":
        if self.completions_a_step % self.num_generations:
            raise ValueError(
                f"A step draws {self.completions_a_step} completions (batch size × gradient accumulation), which is "
                f"no multiple of the {self.num_generations} completions a prompt: change one of them"
            )
        judged = self.num_generations_eval or self.num_generations
        if self.eval_strategy != "no" and self.per_device_eval_batch_size % judged:
            raise ValueError(
                f"The batch size when validating, {self.per_device_eval_batch_size}, is no multiple of the {judged} "
                "completions a prompt: change one of them"
            )
        return self


class GroupFramework(Framework):
    """All of GRPO and RLOO but their trainer and their config."""

    requires: ClassVar[tuple[str, ...]] = ("trl", "transformers", "torch", "accelerate", "datasets", "peft")
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {TASK: _online_rl.BASE_MODELS}
    config_objects: ClassVar[dict[str, str]] = {"peft_config": "lora_arguments", "args": "extra_arguments"}
    config_switches: ClassVar[dict[str, dict[str, bool]]] = {"peft_config": {"use_lora": True}}
    library_name: ClassVar[str] = "transformers"

    def load(self, model_dir: Path, task: str) -> Predictor:
        return _online_rl.load(model_dir)

    def load_base(self, base: str, task: str) -> Predictor | None:
        return _online_rl.load_base(base)

    def held_out_scores(self, predictor: Any, table: pa.Table, config: GroupConfig, task: str) -> dict[str, float]:
        length, temperature = config.max_completion_length, config.temperature
        return _online_rl.held_out_scores(predictor, table, config, length=length, temperature=temperature)

    def check_base(self, base: str, task: str) -> None:
        _trl_common.check_writer(base, self.label)

    def check_config(self, config: GroupConfig, task: str) -> None:
        _rewards.check(config)

    def other_models(self, config: GroupConfig, task: str) -> list[str]:
        return _rewards.to_fetch(config)

    def usage(self, repo_id: str, task: str) -> str:
        return _online_rl.usage(repo_id)


def _take_generation(generation: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Move what has a hyperparameter out of `generation` into `values`; → sentences."""
    notes = []
    if generation.pop("do_sample", True) is not True:
        raise ValueError("In generation_kwargs, do_sample must be True, as completions of a prompt have to differ")
    if (generation.get("min_length") or 0) <= 0 and "min_length" in generation:
        notes.append(f"generation_kwargs: min_length {generation.pop('min_length')} means no least length.")
    if "max_new_tokens" in generation:
        values["max_completion_length"] = int(generation.pop("max_new_tokens"))
        notes.append(f"generation_kwargs: max_new_tokens is max_completion_length = {values['max_completion_length']}.")
    for name in SETTINGS:
        if name in generation:
            given = generation.pop(name)
            values[name] = int(given or 0) if name == "top_k" else given
            notes.append(f"generation_kwargs: {name} = {values[name]}.")
    return notes


def train(
    trainer_class: type,
    config_class: type,
    config: GroupConfig,
    data: TaskData,
    base: str,
    out_dir: Path,
    report: Report,
) -> None:
    """Train with TRL's GRPOTrainer or RLOOTrainer and their config class; leave the model in `out_dir`."""
    from datasets import Dataset

    tokenizer, score = _online_rl.prepare(config, base, report)
    room = _online_rl.room_for_prompts(tokenizer, _hf.load_config(base), config, config.max_completion_length)
    parts = {"training": data.train, "validation": data.validation if config.eval_strategy != "no" else None}
    sets = {
        what: Dataset.from_dict({"prompt": _online_rl.prompts(table, tokenizer, room, report, what)})
        for what, table in parts.items()
        if isinstance(table, pa.Table)
    }
    _check_size(len(sets["training"]), config)
    arguments = _trl_common.training_arguments(
        config,
        data,
        out_dir.parent / "checkpoints",
        config_class,
        metric="reward",
        generation_kwargs=config.generation_kwargs or None,
    )
    trainer = trainer_class(
        model=_trl_common.load_causal_lm(base, config),
        reward_funcs=score,
        args=arguments,
        train_dataset=sets["training"],
        eval_dataset=sets.get("validation"),
        processing_class=tokenizer,
        peft_config=_trl_common.lora(config),
        callbacks=[_online_rl.rewards_callback(report)],
    )
    model = _trl_common.fit(trainer, config, data, _online_rl.Curves(report))
    report.stage("saving")
    _trl_common.save(model, tokenizer, base, out_dir)


def _check_size(prompts: int, config: GroupConfig) -> None:
    """Raise UserError when there are fewer prompts than one step asks: TRL would take no step at all."""
    asked = config.completions_a_step // config.num_generations
    if prompts < asked:
        raise UserError(
            f"A step needs {asked} prompts (batch size × gradient accumulation ÷ completions a prompt), and there are "
            f"{prompts}.",
            "Lower the batch size, or give more training prompts.",
        )
