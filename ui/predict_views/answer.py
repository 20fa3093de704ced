"""An answer marked in the context that it was found in."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ui import drawn, markup, sentences, text
from ui.predict_views.view import Input, View, text_box, typed
from ui.shell import Updates


class Answer(View):
    """{"question", "context"} → {"answer", "start", "end", "score"}."""

    def draw_inputs(self, first: Input | None) -> list[Any]:
        lines = {part: 2 if i == 0 else 8 for i, part in enumerate(self.trial.task.inputs)}
        return [
            text_box(label, (first or {}).get(part, ""), f"predict-{part}", lines[part])
            for part, label in self.trial.task.inputs.items()
        ]

    def draw_outputs(self) -> list[Any]:
        self.answer = gr.HTML(elem_id="predict-answer")
        self.context = gr.HTML(elem_id="predict-in-context")
        return [self.answer, self.context]

    def enter(self, given: Input) -> list[Any]:
        return [given[part] for part in self.trial.task.inputs]

    def read(self, *entered: str) -> Input:
        return self.trial.task.as_input(dict(zip(self.trial.task.inputs, map(typed, entered), strict=True)))

    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        (found,) = self.trial.predict([given], options)
        span = {"start": found["start"], "end": found["end"]}
        yield {
            self.answer: markup.headline(found["answer"] or text.NO_ANSWER)
            + markup.line(sentences.sure(found.get("score")), subdued=True),
            self.context: drawn.marked(given["context"], [span] if found["answer"] else []),
        }
