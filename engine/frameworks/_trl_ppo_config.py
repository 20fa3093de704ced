"""Hyperparameters of PPO in TRL 1.12, and what the guide's arguments, written for TRL 0.7, become. Light."""

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from engine.frameworks._online_rl import OnlineConfig, as_mapping, taken_lengths
from engine.frameworks.framework import knob

# PPOConfig of TRL 0.7 → today's name.
FORMER = {
    "batch_size": "per_device_train_batch_size",
    "ppo_epochs": "num_ppo_epochs",
    "init_kl_coef": "kl_coef",
    "forward_batch_size": "local_rollout_forward_batch_size",
}
# What TRL 0.7 had and 1.12 has no more, or what says nothing about the training here.
GONE = {
    "steps", "target", "horizon", "adap_kl_ctrl", "kl_penalty", "early_stopping", "target_kl", "compare_steps",
    "ratio_threshold", "use_score_scaling", "use_score_norm", "score_clip", "optimize_cuda_cache",
    "optimize_device_cache", "log_with", "tracker_project_name", "tracker_kwargs", "accelerator_kwargs",
    "project_kwargs", "push_to_hub_if_best_kwargs", "model_name", "query_dataset", "reward_model", "exp_name",
    "task_name", "backward_batch_size", "is_encoder_decoder", "is_peft_model", "global_batch_size",
    "global_backward_batch_size", "remove_unused_columns", "max_grad_norm", "world_size",
}  # fmt: skip
# TRL 1.12 works these out itself, or would load them by name.
WORKED_OUT = {
    "world_size", "num_total_batches", "micro_batch_size", "local_batch_size", "local_mini_batch_size",
    "mini_batch_size", "num_sample_generations", "sft_model_path", "reward_model_path", "model_adapter_name",
    "ref_adapter_name", "max_steps",
}  # fmt: skip
TAKEN_AS_GIVEN = {"top_k": (0, None), "top_p": (1, None), "do_sample": (True,), "min_length": (-1, 0, None)}
ENDS = {"pad_token_id", "eos_token_id", "bos_token_id"}


class PpoConfig(OnlineConfig):
    """Proximal policy optimisation (Schulman 2017; Ziegler 2019 for language)."""

    usual_learning_rate: ClassVar[float] = 3e-6

    # Its loop, written before transformers had these, looks at none of them: no form offers what does nothing.
    eval_strategy: ClassVar[str] = "no"
    eval_steps: ClassVar[None] = None
    per_device_eval_batch_size: ClassVar[int] = 8
    load_best_model_at_end: ClassVar[bool] = False
    early_stopping_patience: ClassVar[None] = None
    early_stopping_threshold: ClassVar[float] = 0.0
    max_steps: ClassVar[int] = -1
    max_grad_norm: ClassVar[float] = 1.0
    neftune_noise_alpha: ClassVar[None] = None
    train_sampling_strategy: ClassVar[str] = "random"
    logging_steps: ClassVar[int] = 1
    dataloader_num_workers: ClassVar[int] = 0
    activation_checkpointing: ClassVar[bool] = False
    precision: ClassVar[str] = "fp32"

    response_length: int = knob(53, "Longest completion", "In tokens; every answer is drawn up to it.", ge=2, le=131072)
    temperature: float = knob(0.7, "Temperature", "Of drawing completions: higher is more varied.", gt=0, le=5)
    stop_token: Literal["eos"] | None = knob(
        "eos", "Stop at", "eos: what follows the end-of-text token is no part of the answer. Empty: nothing ends it."
    )
    missing_eos_penalty: float | None = knob(
        None, "Penalty for no end", "Taken off the reward of an answer that does not end by itself. Empty: none.", gt=0
    )
    num_ppo_epochs: int = knob(4, "PPO epochs", "Passes over each batch of completions.", ge=1, le=64)
    num_mini_batches: int = knob(1, "Mini-batches", "Parts that a batch of completions is split into.", ge=1, le=1024)
    total_episodes: int | None = knob(
        None, "Episodes", "Completions drawn in the whole run; overrides the epochs. Empty: by epochs.", ge=1
    )
    local_rollout_forward_batch_size: int = knob(
        64, "Completions drawn at once", "Lower it when memory runs out while drawing.", ge=1, le=4096
    )
    kl_coef: float = knob(0.05, "KL coefficient", "Pulls the model back to its base: larger, less drift.", ge=0, le=10)
    kl_estimator: Literal["k1", "k3"] = knob("k1", "KL estimator", "k1 is plain, k3 varies less (Schulman 2020).")
    cliprange: float = knob(0.2, "Clipping", "How far one update may move a token's probability (ε).", gt=0, le=10)
    cliprange_value: float = knob(0.2, "Clipping of values", "How far one update may move a value.", gt=0, le=10)
    vf_coef: float = knob(0.1, "Weight of the value loss", "Beside the policy's.", ge=0, le=10)
    gamma: float = knob(1.0, "Discount (γ)", "Of later rewards.", gt=0, le=1)
    lam: float = knob(0.95, "GAE λ", "Bias against variance of advantages (Schulman 2015).", ge=0, le=1)
    whiten_rewards: bool = knob(False, "Whiten rewards", "To deviation 1 in a batch of 8 or more.")

    @property
    def completions_a_step(self) -> int:
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    @classmethod
    def _take_guide(cls, values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        least, notes = taken_lengths(values, "response_length")
        if least is not None:
            notes.append(
                f"length_sampler_kwargs: min_value {least} has no place in TRL 1.12, which lets an answer end any time."
            )
        notes += _take_generation(values)
        if "config" in values:
            notes += cls._take_config("config", as_mapping("config", values.pop("config")), values)
        former = {**(values.get("extra_arguments") or {})}
        if former.keys() & (FORMER.keys() | {"mini_batch_size"}):
            values["extra_arguments"] = {}
            notes += cls._take_config("config", former, values)
        return values, notes

    @classmethod
    def _take_config(cls, name: str, given: dict[str, Any], values: dict[str, Any]) -> list[str]:
        """Put the settings of a PPOConfig into `values`, under today's names; → sentences."""
        notes = []
        mini = given.pop("mini_batch_size", None)
        if mini and given.get("batch_size"):
            given["num_mini_batches"] = max(1, int(given["batch_size"]) // int(mini))
        for key, value in given.items():
            today = FORMER.get(key, key)
            if today in cls.model_fields:
                values[today] = value
                notes.append(f"{name}: {key} is {today} = {value}." if key != today else f"{name}: {key} = {value}.")
            elif key in GONE:
                notes.append(f"{name}: {key} has no place in TRL 1.12 and is left out.")
            else:  # TRL itself says whether it knows it
                values["extra_arguments"] = {**(values.get("extra_arguments") or {}), key: value}
        return notes

    @model_validator(mode="after")
    def _sizes_fit(self) -> "PpoConfig":
        step = self.completions_a_step
        if step % self.num_mini_batches:
            raise ValueError(
                f"A step draws {step} completions (batch size × gradient accumulation), which can't be split into "
                f"{self.num_mini_batches} mini-batches: change one of them"
            )
        if self.whiten_rewards and step // self.num_mini_batches < 8:
            raise ValueError(
                f"Whitening needs mini-batches of 8 completions or more; these have {step // self.num_mini_batches}"
            )
        for key in self.extra_arguments:
            if key in WORKED_OUT:
                raise ValueError(f"{key!r} can't be set: it follows from the other settings")
        return self


def _take_generation(values: dict[str, Any]) -> list[str]:
    """Take `generation_kwargs` out of `values`; what TRL 1.12 can't do is refused. → sentences."""
    given = values.pop("generation_kwargs", None) or {}
    notes = []
    for key, value in given.items():
        if key in ("temperature", "max_new_tokens"):
            today = "response_length" if key == "max_new_tokens" else key
            values[today] = value
            notes.append(f"generation_kwargs: {key} is {today} = {value}.")
        elif key in ENDS:
            notes.append(f"generation_kwargs: {key} is the tokenizer's.")
        elif key in TAKEN_AS_GIVEN and value in TAKEN_AS_GIVEN[key]:
            notes.append(f"generation_kwargs: {key} = {value} is what TRL 1.12 does.")
        else:
            raise ValueError(
                f"In generation_kwargs, {key} = {value!r} has no place in TRL 1.12, whose PPO draws from all tokens by "
                "their probabilities alone; leave it out, or use GRPO or RLOO, which can"
            )
    return notes
