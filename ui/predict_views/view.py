"""What every view of a prediction shares: the run to be tried, its unseen examples, options, and the way to ask."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gradio as gr

from engine import FRAMEWORKS, TASKS, Framework, RunSpec, Task, UserError
from ui import drawn, forms, markup, text, values
from ui.people import Context
from ui.shell import Asked, Shell, Updates

Input = Any  # one input of predict, in the shape of the task


@dataclass(frozen=True)
class Trial:
    """A finished run that is being tried. `problem`: where errors are shown."""

    context: Context
    shell: Shell
    problem: gr.HTML
    run_id: str

    @cached_property
    def spec(self) -> RunSpec:
        return self.context.supervisor.run(self.run_id).spec

    @cached_property
    def report(self) -> dict[str, Any]:
        return self.context.supervisor.run(self.run_id).report or {}

    @property
    def task(self) -> Task:
        return TASKS[self.spec.task["task"]]

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Unseen records: {"input", "expected", "record_id"}."""
        return self.report.get("examples") or []

    @property
    def compares(self) -> bool:
        """Whether the base model may be asked too: its framework loads one."""
        return type(FRAMEWORKS[self.spec.framework]).load_base is not Framework.load_base

    def predict(self, inputs: Sequence[Input], options: dict[str, Any] | None = None) -> list[Any]:
        return self.context.supervisor.predict(self.run_id, list(inputs), options)

    def before(self, inputs: Sequence[Input], options: dict[str, Any] | None = None) -> list[Any]:
        """What the base model gave before training."""
        return self.context.supervisor.predict(self.run_id, list(inputs), options, before=True)

    def listen(
        self, trigger: Callable[..., Any], handler: Callable[..., Any], inputs: list[Any], outputs: list[Any]
    ) -> None:
        self.shell.listen(trigger, handler, inputs, outputs, self.problem, show_progress="minimal", costs="predict")


class View(ABC):
    """Inputs on the left, the prediction on the right; filled with the first unseen example.

    Drawn anew for each run, in the open block. A view says what its inputs are, how they are read and how an output
    is shown.
    """

    side_by_side = True  # or the prediction below the inputs
    action = text.PREDICT

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.inputs: list[Any] = []
        self.shown: list[Any] = []
        self.fields: list[forms.FormField] = []
        self.options: list[Any] = []

    @abstractmethod
    def draw_inputs(self, first: Input | None) -> list[Any]:
        """The components that a person types into, holding the first example."""

    @abstractmethod
    def draw_outputs(self) -> list[Any]:
        """The components that show the prediction."""

    @abstractmethod
    def enter(self, given: Input) -> list[Any]:
        """An example's input as the values of the input components."""

    @abstractmethod
    def read(self, *entered: Any) -> Input:
        """The values of the input components as one input. Raises UserError when there is nothing to predict."""

    @abstractmethod
    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        """Ask the model and show what it gives; what takes long shows a part first."""

    def show_expected(self, example: dict[str, Any]) -> str:
        """What annotators said of an example, as HTML."""
        return drawn.parts([(text.EXPECTED, values.answer(example["expected"], example["input"], limit=600))])

    # ---- the same for all -------------------------------------------------------------------------------------------

    def draw(self) -> None:
        examples = self.trial.examples
        with gr.Row(elem_classes="two-columns" if self.side_by_side else "one-below"):
            with gr.Column():
                self.inputs = self.draw_inputs(examples[0]["input"] if examples else None)
                choices = [(named(example["input"]), i) for i, example in enumerate(examples)]
                self.example = gr.Dropdown(
                    choices,
                    value=0 if choices else None,
                    visible=bool(choices),
                    label=text.UNSEEN,
                    interactive=True,
                    elem_id="predict-example",
                )
                self._draw_options()
                self.go = gr.Button(self.action, variant="primary", elem_id="predict-go")
            with gr.Column():
                self.shown = self.draw_outputs()
                self.said = gr.HTML(elem_id="predict-said")
                self.expected = gr.HTML(elem_id="predict-expected")
        self.wire()

    def _draw_options(self) -> None:
        """What a person may set for a prediction, folded; nothing for most tasks."""
        if self.trial.task.predict_options is None:
            return
        self.fields = forms.fields_of(self.trial.task.predict_options.model_json_schema())
        with gr.Accordion(text.PREDICT_OPTIONS, open=False, elem_id="predict-options"):
            with gr.Row(equal_height=True, elem_classes="form-grid tight"):
                self.options = list(forms.draw_all(self.fields, {}, prefix="option-").values())

    def wire(self) -> None:
        outputs = [*self.shown, self.said, self.expected]
        entered = [*self.inputs, *self.options]
        for trigger in [self.go.click, *(box.submit for box in self.inputs if hasattr(box, "submit"))]:
            self.trial.listen(trigger, self.predict, entered, outputs)
        taken = [self.example, *self.options]
        self.trial.listen(self.example.input, self.take_example, taken, [*outputs, *self.inputs])

    def predict(self, _asked: Asked, *entered: Any) -> Iterator[Updates]:
        given, options = self.read(*entered[: len(self.inputs)]), self.chosen_options(entered[len(self.inputs) :])
        yield {self.expected: ""}
        yield from self._asking(given, options)

    def take_example(self, _asked: Asked, index: int | None, *options: Any) -> Iterator[Updates]:
        if index is None or not 0 <= index < len(self.trial.examples):
            return
        example = self.trial.examples[index]
        filled = dict(zip(self.inputs, self.enter(example["input"]), strict=True))
        yield filled | {self.expected: self.show_expected(example)}
        yield from self._asking(self.read(*filled.values()), self.chosen_options(options))

    def _asking(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        """What `show` gives; before it, that the model is being asked: the first time it has to be loaded."""
        yield {self.said: markup.line(text.ASKING, subdued=True)}
        for updates in self.show(given, options):
            yield {self.said: ""} | updates

    def chosen_options(self, entered: Sequence[Any]) -> dict[str, Any]:
        """What differs from the defaults of the task's options. Raises UserError for a value out of bounds."""
        named = dict(zip((field.name for field in self.fields), entered, strict=True))
        changed = forms.changed_values(self.fields, named)
        about = self.trial.task.predict_options
        if about is not None:
            try:
                about(**changed)
            except ValueError as error:
                raise UserError(text.OPTIONS_WRONG, text.OPTIONS_WRONG_HINT) from error
        return changed


def named(given: Input) -> str:
    """An example in the list of examples: the first of its parts, of a conversation the last turn."""
    if isinstance(given, dict):
        given = next(iter(given.values()))
    elif values.is_messages(given):
        given = given[-1]["content"]
    return values.shorten(given, 90)


def text_box(label: str, value: str, elem_id: str, lines: int = 4) -> gr.Textbox:
    return gr.Textbox(value, label=label, lines=lines, max_lines=16, interactive=True, elem_id=elem_id)


def typed(value: str | None) -> str:
    """What was typed. Raises UserError when it is nothing."""
    if not (value or "").strip():
        raise UserError(text.NO_TEXT, text.NO_TEXT_HINT)
    return value


def waiting() -> str:
    return markup.line(text.WAITING, subdued=True)
