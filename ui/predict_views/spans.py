"""Spans marked in their text, beside what annotators marked."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ui import markup, sentences, text
from ui.predict_views.view import Input, View, text_box, typed
from ui.shell import Updates

COLOURS = ("#0d9488", "#ea580c", "#7c3aed", "#2563eb", "#be185d", "#65a30d", "#b45309", "#475569")


class Spans(View):
    """text → [{"start", "end", "label", "text", "score"}, …]."""

    def draw_inputs(self, first: Input | None) -> list[Any]:
        (label,) = self.trial.task.inputs.values()
        return [text_box(label, first or "", "predict-text", lines=6)]

    def draw_outputs(self) -> list[Any]:
        classes = (self.trial.report.get("info") or {}).get("classes") or []
        colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(classes)}
        self.text = gr.HighlightedText(
            label=text.PREDICTION, color_map=colours, show_legend=False, combine_adjacent=False, elem_id="predict-spans"
        )
        self.table = gr.HTML(elem_id="predict-table")
        return [self.text, self.table]

    def enter(self, given: Input) -> list[Any]:
        return [given]

    def read(self, entered: str) -> Input:
        return typed(entered)

    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        (found,) = self.trial.predict([given], options)
        rows = [(span["text"], span["label"], sentences.score(span.get("score"))) for span in found]
        entities = [{"entity": span["label"], "start": span["start"], "end": span["end"]} for span in found]
        yield {
            self.text: {"text": given, "entities": entities},
            self.table: markup.table(text.SPAN_HEADERS, rows, numbers=(2,)) if rows else markup.line(text.NO_SPANS),
        }
