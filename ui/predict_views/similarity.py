"""One sentence against many as a table, and several against each other as a heat map."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from engine import UserError
from ui import drawn, markup, sentences, text, values
from ui.predict_views.view import Input, View, text_box, typed
from ui.shell import Updates

HEAT_AT_MOST = 8  # sentences in the heat map: each is compared with each


class Similarity(View):
    """[a, b] → a number. The others stand one a line."""

    def draw_inputs(self, first: Input | None) -> list[Any]:
        one, other = first or ("", "")
        return [
            text_box(text.ONE_SENTENCE, one, "predict-text", lines=2),
            text_box(text.OTHER_SENTENCES, "\n".join(self._others(one, other)), "predict-others", lines=5),
        ]

    def draw_outputs(self) -> list[Any]:
        self.table = gr.HTML(elem_id="predict-table")
        self.heat = gr.HTML(elem_id="predict-heat")
        return [self.table, self.heat]

    def enter(self, given: Input) -> list[Any]:
        one, other = given
        return [one, "\n".join(self._others(one, other))]

    def _others(self, one: str, other: str) -> list[str]:
        """The example's own other sentence, and some of other examples to compare with."""
        more = [example["input"][1] for example in self.trial.examples]
        return list(dict.fromkeys(s for s in [other, *more] if s and s != one))[:4]

    def read(self, one: str, others: str) -> Input:
        lines = [line.strip() for line in (others or "").splitlines() if line.strip()]
        if not lines:
            raise UserError(text.NO_OTHERS, text.NO_OTHERS_HINT)
        return [typed(one).strip(), *lines]

    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        one, *others = given
        scores = self.trial.predict([[one, other] for other in others], options)
        ranked = sorted(zip(others, scores, strict=True), key=lambda pair: -pair[1])
        rows = [(other, sentences.score(score)) for other, score in ranked]
        table = markup.heading(text.SIMILAR_TO) + markup.table(text.SIMILARITY_HEADERS, rows, numbers=(1,))
        yield {self.table: table, self.heat: ""}
        names = list(dict.fromkeys(given))
        if 2 < len(names) <= HEAT_AT_MOST:
            yield {self.heat: markup.heading(text.HEAT) + self._heat_map(names)}

    def _heat_map(self, names: list[str]) -> str:
        pairs = [(i, j) for i in range(len(names)) for j in range(len(names)) if i != j]
        scores = dict(zip(pairs, self.trial.predict([[names[i], names[j]] for i, j in pairs]), strict=True))
        matrix = [[scores.get((i, j)) for j in range(len(names))] for i in range(len(names))]
        return drawn.heat([values.shorten(name, 40) for name in names], matrix, text.HEAT_BELOW)

    def show_expected(self, example: dict[str, Any]) -> str:
        if example["expected"] is None:
            return ""
        return drawn.parts([(text.EXPECTED_PAIR, values.html(example["expected"]))])
