"""Text that a model writes, beside what its base model writes to the same prompt with the same seed."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from engine import UserError
from ui import drawn, markup, text, values
from ui.predict_views.view import Input, View, text_box, typed, waiting
from ui.shell import Updates


class Text(View):
    """A prompt, or messages that end with the user's, → text."""

    side_by_side = False

    def draw_inputs(self, first: Input | None) -> list[Any]:
        (label,) = self.trial.task.inputs.values()
        before, last = _parted(first)
        shown = gr.HTML(drawn.turns(before or []), visible=bool(before), elem_id="predict-earlier")
        earlier = gr.State(before)  # the messages before the one that is typed; None where rows are plain text
        return [text_box(label, last, "predict-text", lines=5), earlier, shown]

    def draw_outputs(self) -> list[Any]:
        with gr.Row(elem_classes="two-columns"):
            with gr.Column():
                gr.HTML(markup.heading(text.AFTER_TRAINING))
                self.after = gr.HTML(elem_id="predict-after")
            with gr.Column(visible=self.trial.compares):
                gr.HTML(markup.heading(text.BEFORE_TRAINING))
                self.base = gr.HTML(elem_id="predict-before")
        return [self.after, self.base]

    def enter(self, given: Input) -> list[Any]:
        before, last = _parted(given)
        return [last, before, gr.HTML(drawn.turns(before or []), visible=bool(before))]

    def read(self, entered: str, earlier: list[dict[str, str]] | None, _shown: Any) -> Input:
        words = typed(entered)
        return words if earlier is None else [*earlier, {"role": "user", "content": words}]

    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        yield {self.after: waiting(), self.base: waiting()}
        (after,) = self.trial.predict([given], options)
        yield {self.after: _written(after)}
        if not self.trial.compares:
            return
        try:
            (base,) = self.trial.before([given], options)
            yield {self.base: _written(base)}
        except UserError as error:  # the base model can't do this, or is gone: the trained model's text stands
            yield {self.base: markup.line(str(error), subdued=True)}

    def show_expected(self, example: dict[str, Any]) -> str:
        if example["expected"] in (None, ""):
            return ""
        return markup.heading(text.EXPECTED) + drawn.said(values.plain(example["expected"]))


def _written(words: str) -> str:
    return drawn.said(words) if words.strip() else markup.line(text.WROTE_NOTHING, subdued=True)


def _parted(given: Input | None) -> tuple[list[dict[str, str]] | None, str]:
    """Messages before the last one (None for a plain prompt), and what the last one or the prompt says."""
    if not isinstance(given, list):
        return None, given or ""
    return given[:-1], given[-1]["content"] if given else ""
