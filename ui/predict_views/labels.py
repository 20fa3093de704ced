"""Labels as bars; for several labels a text, a threshold."""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from ui import markup, sentences, text
from ui.predict_views.view import Input, View, text_box, typed
from ui.shell import Updates

SHOWN_LABELS = 8


class Labels(View):
    """text → [{"label", "score"}, …], best first."""

    def draw_inputs(self, first: Input | None) -> list[Any]:
        (label,) = self.trial.task.inputs.values()
        return [text_box(label, first or "", "predict-text")]

    def draw_outputs(self) -> list[Any]:
        self.multi = "per_label_confusion" in self.trial.report
        self.label = gr.Label(label=text.PREDICTION, num_top_classes=SHOWN_LABELS, elem_id="predict-label")
        threshold = {"label": text.THRESHOLD, "info": text.THRESHOLD_INFO, "visible": self.multi, "interactive": True}
        self.threshold = gr.Slider(0.05, 0.95, 0.5, step=0.05, **threshold)
        self.options = [self.threshold]
        return [self.label]

    def wire(self) -> None:
        super().wire()
        outputs = [*self.shown, self.said, self.expected]
        self.trial.listen(self.threshold.release, self.predict, [*self.inputs, *self.options], outputs)

    def enter(self, given: Input) -> list[Any]:
        return [given]

    def read(self, entered: str) -> Input:
        return typed(entered)

    def chosen_options(self, entered: Sequence[Any]) -> dict[str, Any]:
        return {"threshold": entered[0]}

    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        (found,) = self.trial.predict([given])
        scores = {entry["label"]: entry["score"] for entry in found}
        updates: Updates = {self.label: gr.Label(scores, show_heading=not self.multi), self.said: ""}
        if self.multi:
            chosen = [label for label, score in scores.items() if score >= options["threshold"]]
            updates[self.said] = markup.line(sentences.labels_chosen(chosen, options["threshold"]))
        yield updates

    def show_expected(self, example: dict[str, Any]) -> str:
        return markup.line(sentences.annotators_said(example["expected"]), subdued=True)
