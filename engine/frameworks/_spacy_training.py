"""One training of a spaCy pipeline by spaCy's own loop: figures passed on, the best weights kept. Worker only."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import pyarrow as pa

from engine.frameworks._spacy_config import SpacyTrainingConfig
from engine.frameworks._spacy_pipeline import training_settings
from engine.runs.events import Report
from engine.tasks.task import TaskData


class Component(Protocol):
    """What one task knows of its component: how rows become annotated documents, and how good its output is.

    `name` in the pipeline; `labels` that it begins with (None: those in the rows); `metric`: which of `figures` chooses
    the best weights.
    """

    name: str
    labels: tuple[str, ...] | None
    metric: str

    def annotate(self, table: pa.Table, documents: list[Any], report: Report) -> None: ...

    def figures(self, table: pa.Table, documents: list[Any]) -> dict[str, float]: ...


class Training:
    """`kept`: the base pipeline's components that stay as they are. `run` leaves the best weights in the pipeline."""

    def __init__(
        self,
        nlp: Any,
        config: SpacyTrainingConfig,
        component: Component,
        data: TaskData,
        kept: list[str],
        report: Report,
    ) -> None:
        self.nlp, self.config, self.component, self.report = nlp, config, component, report
        self.name, self.metric = component.name, component.metric
        self.examples = self._examples(data.train)
        self.validation = data.validation
        self.settings = self._settings(kept)
        self.disabled = [pipe for pipe in kept if pipe not in self.settings["annotating_components"]]
        self.trained = [pipe for pipe in ("tok2vec", self.name) if pipe in nlp.pipe_names and pipe not in kept]
        self.best: tuple[float, int] | None = None  # validation figure, its step
        self.best_weights: dict[str, bytes] = {}

    def run(self) -> None:
        """Train until the epochs, the steps, patience or the owner end it."""
        from spacy.util import fix_random_seed

        with self.nlp.select_pipes(disable=self.disabled):
            self.nlp._link_components()  # as spaCy's init_nlp does: the component finds the tok2vec it listens to
            component = self.nlp.get_pipe(self.name)
            component.initialize(lambda: self.examples, nlp=self.nlp, labels=self.component.labels)
            fix_random_seed(self.config.seed)
            step = self._loop()
            self.report.progress(step + 1, step + 1)
            self._finish(step)

    def _loop(self) -> int:
        """spaCy's loop to its end, or to the owner's. → the last step."""
        step, losses = 0, LossMeter(self.report, self.name, self.config.logging_steps)
        total = self._steps(self.config.max_epochs)
        for _, info, is_best in self._updates():
            step = info["step"]
            self.report.progress(step + 1, max(total, step + 1), epoch=info["epoch"])
            losses.add(step, float(info["losses"].get(self.name, 0.0)), restarts=is_best is not None)
            if is_best is not None and self.validation is not None:
                self._report_figures(info["other_scores"], step)
                if is_best:
                    self._keep(info["score"], step)
            if self.report.stop_requested:
                self.report.note(f"Stopped by its owner after step {step}.")
                break
        return step

    def _updates(self) -> Iterator[tuple[Any, dict[str, Any], bool | None]]:
        from spacy.training.loop import create_train_batches, train_while_improving

        settings = self.settings
        return train_while_improving(
            self.nlp,
            settings["optimizer"],
            create_train_batches(self.nlp, lambda _: self.examples, settings["batcher"], settings["max_epochs"]),
            self._evaluate,
            dropout=settings["dropout"],
            accumulate_gradient=settings["accumulate_gradient"],
            patience=settings["patience"],
            max_steps=settings["max_steps"],
            eval_frequency=settings["eval_frequency"],
            exclude=settings["annotating_components"],  # frozen, yet read by the component
            annotating_components=settings["annotating_components"],
            before_update=settings["before_update"],
        )

    def _evaluate(self) -> tuple[float, dict[str, float]]:
        """The pipeline of the moment on the validation rows. → (figure watched, all figures)."""
        if self.validation is None:
            return 0.0, {}
        documents = list(self.nlp.pipe(self.validation["text"].to_pylist()))
        figures = self.component.figures(self.validation, documents)
        return figures[self.metric], figures

    def _report_figures(self, figures: dict[str, float], step: int) -> None:
        self.report.metrics({f"validation_{name}": value for name, value in figures.items()}, step=step)
        print(f"step {step}  validation {figures}", flush=True)

    def _averaged(self) -> AbstractContextManager:
        averages = self.settings["optimizer"].averages
        return self.nlp.use_params(averages) if averages else nullcontext()

    def _keep(self, figure: float, step: int) -> None:
        with self._averaged():
            self.best_weights = {name: self.nlp.get_pipe(name).model.to_bytes() for name in self.trained}
        self.best = (figure, step)

    def _finish(self, step: int) -> None:
        """Let the last weights compete, then put the best ones into the pipeline."""
        with self._averaged():
            figure, figures = self._evaluate()
        if self.best is None or figure > self.best[0]:
            self._keep(figure, step)
        for name, weights in self.best_weights.items():
            self.nlp.get_pipe(name).model.from_bytes(weights)
        if self.validation is not None:
            self._report_figures(figures, step)
            figure, best_step = self.best
            self.report.note(
                f"Kept the weights of step {best_step}: validation {self.metric} {figure:.3f} "
                f"on {len(self.validation)} rows."
            )

    def _settings(self, kept: list[str]) -> dict[str, Any]:
        frequency = self.config.eval_frequency or min(200, max(1, self._steps(epochs=1)))
        # Without validation rows every figure is the same, and patience would end the training for no reason.
        patience = self.config.patience if self.validation is not None else 0
        return training_settings(self.nlp, self.config, kept, frequency, patience)

    def _examples(self, table: pa.Table) -> list[Any]:
        """Rows as spaCy's Examples. A text without any token is left out, as spaCy's own corpus does."""
        from spacy.training import Example

        texts = table["text"].to_pylist()
        documents = [self.nlp.make_doc(text) for text in texts]
        self.component.annotate(table, documents, self.report)
        examples = [
            Example(self.nlp.make_doc(text), document)
            for text, document in zip(texts, documents, strict=True)
            if len(document)
        ]
        if len(examples) < len(texts):
            self.report.note(f"{len(texts) - len(examples)} training texts hold no word and were left out.")
        return examples

    def _steps(self, epochs: int) -> int:
        """About how many steps `epochs` passes take, with batches growing as configured; 0 epochs: the most allowed."""
        config, words = self.config, sum(len(example.reference) for example in self.examples)
        limit = config.max_steps or 1_000_000
        if epochs == 0:
            return limit
        left, size, steps = float(words * epochs), float(config.batch_start), 0
        while left > 0 and steps < limit:
            left -= size
            size = min(size * config.batch_compound, config.batch_stop)
            steps += 1
        return steps


class LossMeter:
    """Turns spaCy's running sum of losses, which starts anew at every validation, into a mean a step."""

    def __init__(self, report: Report, name: str, every: int) -> None:
        self.report, self.name, self.every = report, name, every
        self.before = self.gathered = 0.0
        self.steps = 0

    def add(self, step: int, total: float, *, restarts: bool) -> None:
        """`total`: spaCy's sum after this step; `restarts`: it begins at 0 again after it."""
        self.gathered += total - self.before
        self.before = 0.0 if restarts else total
        self.steps += 1
        if self.steps == self.every:
            self.report.metrics({"loss": self.gathered / self.steps}, step=step)
            self.gathered, self.steps = 0.0, 0
