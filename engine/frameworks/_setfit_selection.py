"""SetFit's choice of the best encoder on the validation rows, and the head it is judged with. Worker only."""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError
from engine.frameworks import _classification as classification
from engine.frameworks import _hf
from engine.frameworks._setfit_config import SetFitConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

PROBE_ROWS = 2000  # training rows on which the head is fitted to judge an encoder while training


class Selection:
    """Judges the encoder on the validation rows while it is trained, keeps the best, and stops when it stands still.

    SetFit itself can only watch the loss of validation pairs; what is wanted is the classifier's own figure, so a
    logistic regression is fitted to the encoder of the moment and scored.
    """

    def __init__(self, model: Any, config: SetFitConfig, data: TaskData, checkpoints: Path, report: Report) -> None:
        self.model, self.config, self.data, self.report = model, config, data, report
        self.metric = classification.primary_metric(data.info)
        self.best_file = checkpoints / "best-encoder.safetensors"
        self.best: tuple[float, int] | None = None  # figure, step
        self.last_step, self.without_gain = -1, 0
        # One pass has a single end: there is nothing to choose from.
        by_epoch = config.eval_strategy == "epoch" and (config.num_epochs > 1 or config.max_steps > 0)
        self.active = data.validation is not None and (by_epoch or config.eval_strategy == "steps")

    def callback(self) -> Any:
        from transformers import TrainerCallback

        selection = self

        class Steps(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
                return selection.after_step(state, control)

            def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
                if selection.active and selection.config.eval_strategy == "epoch":
                    selection.judge(state, control)
                return control

            def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
                _hf.report_loss(selection.report, state, logs.get("embedding_loss"))

        return Steps()

    def after_step(self, state: Any, control: Any) -> Any:
        step, total = state.global_step, state.max_steps
        self.report.progress(step, total, epoch=round(state.epoch or 0.0, 2))
        every = self.config.eval_steps or max(1, total // 10)
        due = self.config.eval_strategy == "steps" and (step % every == 0 or step == total)
        stopped = self.report.stop_requested and not control.should_training_stop
        if self.active and (due or stopped):
            self.judge(state, control)
        if stopped:
            control.should_training_stop = True
        return control

    def judge(self, state: Any, control: Any) -> None:
        """Score the encoder of this step; keep it if it is the best so far."""
        from safetensors.torch import save_model

        if self.last_step == state.global_step:
            return
        self.last_step = state.global_step
        figures = self._probe()
        self.report.metrics({f"validation_{name}": value for name, value in figures.items()}, step=state.global_step)
        print(f"step {state.global_step}/{state.max_steps}  validation {figures}", flush=True)
        if self.best is None or figures[self.metric] > self.best[0]:
            self.best, self.without_gain = (figures[self.metric], state.global_step), 0
            if self.config.load_best_model_at_end:
                self.best_file.parent.mkdir(parents=True, exist_ok=True)
                save_model(self.model.model_body, str(self.best_file))
            return
        self.without_gain += 1
        patience = self.config.early_stopping_patience
        if patience and self.without_gain >= patience:
            control.should_training_stop = True

    def end(self, state: Any) -> None:
        """After the encoder's training: go back to the best one, and say what happened."""
        from safetensors.torch import load_model

        if self.report.stop_requested:
            self.report.note(f"Stopped by its owner after step {state.global_step} of {state.max_steps}.")
        elif state.global_step < state.max_steps:
            self.report.note(
                f"Stopped early after step {state.global_step} of {state.max_steps}: no gain on validation rows."
            )
        if self.best is None or not self.config.load_best_model_at_end:
            return
        figure, step = self.best
        if step != state.global_step:
            load_model(self.model.model_body, str(self.best_file))
        self.report.note(
            f"Kept the encoder of step {step}: validation {self.metric} {figure:.3f} "
            f"on {len(self.data.validation)} rows."
        )

    def report_final(self, model: Any, step: int) -> None:
        """The finished model's figures on the validation rows."""
        table = self.data.validation
        if table is None or self.config.eval_strategy == "no":
            return
        scores = probabilities(model, classification.texts(table))
        predicted = (scores >= 0.5).astype(int) if self.data.info["multi_label"] else scores.argmax(axis=1)
        figures = classification.scores(classification.targets(table, self.data.info), predicted, self.data.info)
        self.report.metrics({f"validation_{name}": value for name, value in figures.items()}, step=step)

    def _probe(self) -> dict[str, float]:
        from sklearn.multiclass import OneVsRestClassifier

        info, train, validation = self.data.info, self.data.train, self.data.validation
        if len(train) > PROBE_ROWS:
            chosen = np.random.default_rng(self.config.seed).choice(len(train), PROBE_ROWS, replace=False)
            train = train.take(np.sort(chosen))
        head = copy.deepcopy(logistic_regression(self.config))
        head = OneVsRestClassifier(head) if info["multi_label"] else head
        head.fit(self.model.encode(classification.texts(train)), np.asarray(classification.targets(train, info)))
        predicted = head.predict(self.model.encode(classification.texts(validation)))
        return classification.scores(classification.targets(validation, info), predicted, info)


def probabilities(model: Any, texts: list[str]) -> np.ndarray:
    """(n_texts, n_classes) in the order of `model.labels`; a class the head never saw has probability 0.

    The columns of predict_proba follow the head's classes_, which lacks classes without training rows (setfit #587).
    """
    scores = np.asarray(model.predict_proba(texts, as_numpy=True))
    if scores.ndim == 3:  # multi-output: (n_texts, n_classes, 2)
        return scores[:, :, 1]
    if scores.shape[1] == len(model.labels):
        return scores
    full = np.zeros((len(texts), len(model.labels)))
    full[:, np.asarray(model.model_head.classes_, dtype=int)] = scores
    return full


def logistic_regression(config: SetFitConfig) -> Any:
    from sklearn.linear_model import LogisticRegression

    given = dict(config.head_params)
    if config.class_weights == "balanced":
        given.setdefault("class_weight", "balanced")
    unknown = given.keys() - LogisticRegression().get_params().keys()
    if unknown:
        raise UserError(
            f"scikit-learn's LogisticRegression has no argument named {sorted(unknown)[0]!r}.",
            f"It has: {', '.join(sorted(LogisticRegression().get_params()))}.",
        )
    return LogisticRegression(**given)
