"""KTO with TRL's KTOTrainer: good answers become likelier, bad ones less so, without pairs."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from engine.frameworks import _trl_sft
from engine.frameworks._trl_preference import PreferenceConfig, Setup, Tuned, Untuned, run
from engine.frameworks.framework import Predictor, knob
from engine.runs.events import Report
from engine.tasks.kto import BASE_FIGURES
from engine.tasks.task import TaskData

ANSWERS, TOKENS = ("completion",), ("completion_ids",)
FIGURES = {"loss": "eval_loss", "reward_margin": "eval_rewards/margins"}
RATIO = (1.0, 4 / 3)  # of desirable to undesirable weight × number (Ethayarajh 2024, equation 8)


class Config(PreferenceConfig):
    """Hyperparameters of KTOTrainer."""

    usual_learning_rate: ClassVar[float] = 1e-6

    per_device_train_batch_size: int = knob(
        8,
        "Batch size",
        "Rows a step, two or more: rows of a batch are compared. Lower it when memory runs out.",
        level="basic",
        ge=2,
        le=1024,
    )
    loss_type: Literal["kto", "apo_zero_unpaired"] = knob(
        "kto", "Loss", "apo_zero_unpaired: for good answers that are better than the model's own (D'Oosterlinck 2024)."
    )
    desirable_weight: float = knob(1.0, "Weight of good answers", "Raise it where good ones are few.", gt=0, le=1000)
    undesirable_weight: float = knob(1.0, "Weight of bad answers", "Raise it where bad ones are few.", gt=0, le=1000)
    train_sampling_strategy: Literal["sequential", "random", "group_by_length"] = knob(
        "sequential", "Order of rows", "Rows are shuffled once, by the seed; the loss kto needs one order to the end."
    )


BASE_MODELS = _trl_sft.BASE_MODELS
check_base = _trl_sft.check_base
usage = _trl_sft.usage


def train(config: Config, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
    """Train from the base model at `base`; leave in `out_dir` the model or its adapter, and the tokenizer."""
    note_balance(config, data, report)
    run(config, data, base, out_dir, report, _trainer, TOKENS)


def note_balance(config: Config, data: TaskData, report: Report) -> None:
    """Tell the numbers of good and bad rows, and which weight would even them out where they are far apart."""
    labels = data.train["label"].to_pylist()
    good, bad = sum(labels), len(labels) - sum(labels)
    sentence = f"{good:,} good and {bad:,} bad answers to learn from."
    ratio = config.desirable_weight * good / max(config.undesirable_weight * bad, 1e-9)
    if good and bad and not RATIO[0] * 0.99 <= ratio <= RATIO[1] * 1.01:
        name, weight = ("Weight of bad answers", good / bad) if good > bad else ("Weight of good answers", bad / good)
        sentence += f" To count alike, set “{name}” to {weight:.2g}."
    report.note(sentence)


def _trainer(setup: Setup, *, shuffle: bool = True, **own: Any) -> Any:
    from trl import KTOConfig, KTOTrainer

    train_set = setup.rows(setup.data.train, ANSWERS)
    return KTOTrainer(
        model=setup.model,
        ref_model=setup.reference,
        args=setup.arguments(KTOConfig, **own),
        # TRL takes rows in their order, which may be all good ones first.
        train_dataset=train_set.shuffle(seed=setup.config.seed) if shuffle else train_set,
        eval_dataset=setup.rows(setup.data.validation, ANSWERS),
        processing_class=setup.tokenizer,
        peft_config=setup.adapter,
    )


def _judge(setup: Setup) -> Any:
    """A trainer to evaluate with. The loss is the paper's whatever was trained with, so that runs can be compared."""
    weights = {"desirable_weight": 1.0, "undesirable_weight": 1.0}
    return _trainer(setup, shuffle=False, loss_type="kto", precompute_ref_log_probs=False, **weights)


def load(model_dir: Path) -> Predictor:
    return Tuned(model_dir, Config, _judge, FIGURES)


def load_base(base: str) -> Predictor:
    return Untuned(base, BASE_FIGURES)
