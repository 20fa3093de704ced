"""Direct preference optimisation with TRL's DPOTrainer: better answers become likelier than worse ones."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from engine.frameworks import _trl_sft
from engine.frameworks._trl_preference import PreferenceConfig, Setup, Tuned, Untuned, run
from engine.frameworks.framework import Predictor, knob
from engine.runs.events import Report
from engine.tasks.direct_preference_optimization import BASE_FIGURES
from engine.tasks.task import TaskData

ANSWERS, TOKENS = ("chosen", "rejected"), ("chosen_ids", "rejected_ids")
FIGURES = {"reward_accuracy": "eval_rewards/accuracies", "loss": "eval_loss", "reward_margin": "eval_rewards/margins"}


class Config(PreferenceConfig):
    """Hyperparameters of DPOTrainer."""

    usual_learning_rate: ClassVar[float] = 1e-6

    loss_type: Literal[
        "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
        "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
    ] = knob("sigmoid", "Loss", "sigmoid: the paper's (Rafailov 2023); robust: for wrong pairs.")  # fmt: skip
    label_smoothing: float = knob(
        0.0, "Label smoothing", "Share of pairs taken to be the wrong way round. For robust and exo_pair.", ge=0, lt=0.5
    )


BASE_MODELS = _trl_sft.BASE_MODELS
check_base = _trl_sft.check_base
usage = _trl_sft.usage


def train(config: Config, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
    """Train from the base model at `base`; leave in `out_dir` the model or its adapter, and the tokenizer."""
    run(config, data, base, out_dir, report, _trainer, TOKENS)


def _trainer(setup: Setup, **own: Any) -> Any:
    from trl import DPOConfig, DPOTrainer

    own = {"loss_type": [setup.config.loss_type]} | own
    return DPOTrainer(
        model=setup.model,
        ref_model=setup.reference,
        args=setup.arguments(DPOConfig, **own),
        train_dataset=setup.rows(setup.data.train, ANSWERS),
        eval_dataset=setup.rows(setup.data.validation, ANSWERS),
        processing_class=setup.tokenizer,
        peft_config=setup.adapter,
    )


def _judge(setup: Setup) -> Any:
    """A trainer to evaluate with. The loss is the paper's whatever was trained with, so that runs can be compared."""
    trainer = _trainer(setup, loss_type=["sigmoid"], label_smoothing=0.0, precompute_ref_log_probs=False)
    # TRL averages the batches' accuracies: batches of one size make that the rows' own.
    n, limit = len(trainer.eval_dataset), setup.config.per_device_eval_batch_size
    trainer.args.per_device_eval_batch_size = max((size for size in range(1, limit + 1) if n % size == 0), default=1)
    return trainer


def load(model_dir: Path) -> Predictor:
    return Tuned(model_dir, Config, _judge, FIGURES)


def load_base(base: str) -> Predictor:
    return Untuned(base, BASE_FIGURES)
