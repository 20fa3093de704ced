"""Rewards of two texts side by side, and which of them is preferred."""

import math
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ui import drawn, markup, sentences
from ui.predict_views.view import Input, View, text_box, typed
from ui.shell import Updates


class Score(View):
    """text → a number; two texts are compared."""

    side_by_side = False

    def draw_inputs(self, first: Input | None) -> list[Any]:
        (label,) = self.trial.task.inputs.values()
        one, other = self._texts(first)
        with gr.Row(elem_classes="two-columns"):
            boxes = [
                text_box(f"{label} A", one, "predict-text", lines=6),
                text_box(f"{label} B", other, "predict-other", lines=6),
            ]
        return boxes

    def draw_outputs(self) -> list[Any]:
        self.verdict = gr.HTML(elem_id="predict-score")
        self.table = gr.HTML(elem_id="predict-table")
        return [self.verdict, self.table]

    def enter(self, given: Input) -> list[Any]:
        return list(self._texts(given))

    def _texts(self, given: Input | None) -> tuple[str, str]:
        """An example's text, and beside it the other text of the same record, or the next example's."""
        examples = self.trial.examples
        at = next((i for i, example in enumerate(examples) if example["input"] == given), None)
        if at is None:
            return given or "", ""
        others = [*examples[at + 1 :], *examples[:at]]
        same = [other for other in others if other.get("record_id") == examples[at].get("record_id")]
        return given, next((other["input"] for other in same + others), "")

    def read(self, one: str, other: str) -> Input:
        return [words for words in (typed(one), other) if (words or "").strip()]

    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        scores = self.trial.predict(given, options)
        named = [(name, drawn.figure(sentences.score(score))) for name, score in zip("AB", scores, strict=False)]
        verdict = ""
        if len(scores) == 2:
            share = 1 / (1 + math.exp(-max(-700.0, min(700.0, scores[0] - scores[1]))))  # Bradley and Terry
            verdict = markup.headline(sentences.preferred(share))
        yield {self.verdict: verdict, self.table: drawn.sides(named)}

    def show_expected(self, example: dict[str, Any]) -> str:
        if example.get("expected") is None:
            return ""
        return super().show_expected(example)
