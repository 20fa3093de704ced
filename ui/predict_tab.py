"""④ Try it: live text → label bars, unseen examples, and a file in → the same file with predictions out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from engine import TASKS, UserError
from ui import data_view, markup, sentences, text
from ui.address import Address
from ui.people import Context
from ui.shell import Asked, Shell, Tab, Updates, downloadable, problem_box

SHOWN_LABELS = 8


class PredictTab(Tab):
    """Asks the warm predict process; the page itself loads no model."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.problem = problem_box("predict-problem")
        with gr.Column(visible=False, elem_classes="card", elem_id="predict") as self.group:
            gr.HTML(markup.heading(text.TRY_IT, text.TRY_IT_BELOW))
            with gr.Row(elem_classes="two-columns"):
                with gr.Column():
                    self.text = gr.Textbox(label=text.TEXT, lines=4, max_lines=12, elem_id="predict-text")
                    self.example = gr.Dropdown([], label=text.UNSEEN, interactive=True, elem_id="predict-example")
                    self.go = gr.Button(text.PREDICT, variant="primary", elem_id="predict-go")
                with gr.Column():
                    self.label = gr.Label(label=text.PREDICTION, num_top_classes=SHOWN_LABELS, elem_id="predict-label")
                    self.threshold = gr.Slider(
                        0.05, 0.95, 0.5, step=0.05, label=text.THRESHOLD, info=text.THRESHOLD_INFO, visible=False
                    )
                    self.said = gr.HTML(elem_id="predict-said")
            with gr.Accordion(text.WHOLE_FILE, open=False):
                gr.HTML(markup.line(text.WHOLE_FILE_BELOW, subdued=True))
                with gr.Row(elem_classes="two-columns"):
                    self.file = gr.File(label=text.FILE_IN, height=120, elem_id="predict-file")
                    self.made = gr.File(label=text.FILE_OUT, height=120, interactive=False, elem_id="predict-made")
                self.column = gr.Textbox(label=text.TEXT_COLUMN, info=text.TEXT_COLUMN_INFO, elem_id="predict-column")
                self.file_go = gr.Button(text.PREDICT_FILE, elem_id="predict-file-go")
                self.file_bar = gr.HTML(elem_id="predict-file-bar")
                self.file_problem = problem_box("predict-file-problem")
        self.outputs = [
            *(self.group, self.problem, self.text, self.example, self.label, self.threshold, self.said),
            *(self.made, self.file_bar, self.file_problem),
        ]
        self._wire()

    def _wire(self) -> None:
        inputs = [self.text, self.threshold]
        for trigger in (self.go.click, self.text.submit):
            self.shell.listen(trigger, self.predict, inputs, self.outputs, self.problem, show_progress="minimal")
        self.shell.listen(self.threshold.release, self.predict, inputs, self.outputs, self.problem)
        chosen = [self.example, self.threshold]
        self.shell.listen(self.example.input, self.take_example, chosen, self.outputs, self.problem)
        given = [self.file, self.column]
        self.shell.listen(self.file_go.click, self.predict_file, given, self.outputs, self.file_problem)

    def predict(self, asked: Asked, entered: str, threshold: float) -> Updates:
        if not (entered or "").strip():
            raise UserError(text.NO_TEXT, text.NO_TEXT_HINT)
        (found,) = self.context.supervisor.predict(asked.address.run, [entered])
        scores = {entry["label"]: entry["score"] for entry in found}
        return {self.label: gr.Label(scores, show_heading=not self._multi(asked.address))} | self._said(
            asked.address, scores, threshold
        )

    def take_example(self, asked: Asked, index: int | None, threshold: float) -> Updates:
        examples = self._examples(asked.address)
        if index is None or not 0 <= index < len(examples):
            return {}
        entered = examples[index]["input"]
        answered = markup.line(sentences.annotators_said(examples[index]["expected"]), subdued=True)
        updates = self.predict(asked, entered, threshold)
        return updates | {self.text: entered, self.said: (updates.get(self.said) or "") + answered}

    def _said(self, address: Address, scores: dict[str, float], threshold: float) -> Updates:
        """For several labels a text: which of them reach the threshold."""
        if not self._multi(address):
            return {self.said: ""}
        chosen = [label for label, score in scores.items() if score >= threshold]
        return {self.said: markup.line(sentences.labels_chosen(chosen, threshold))}

    def predict_file(self, asked: Asked, path: str | None, column: str) -> Iterator[Updates]:
        """Predict every row of a file, with progress; ends with the file to download."""
        if not path:
            raise UserError(text.NO_FILE, text.NO_FILE_HINT)
        yield {self.file_bar: markup.working(text.PREDICTING, text.LOADING_MODEL, None), self.made: None}
        columns = self._columns(asked.address, column)
        for step in self.context.supervisor.predict_file(asked.address.run, Path(path), columns):
            if "path" in step:
                done = markup.ready(sentences.rows_predicted(step.get("rows")))
                yield {self.made: downloadable(self.made, Path(step["path"])), self.file_bar: done}
            else:
                detail = sentences.steps(step["step"], step["total"], text.ROWS)
                share = step["step"] / step["total"] if step["total"] else None
                yield {self.file_bar: markup.working(text.PREDICTING, detail, share)}

    def _columns(self, address: Address, column: str) -> dict[str, str]:
        """The column named for the first part of an input."""
        task = self.context.supervisor.run(address.run).spec.task["task"]
        return {next(iter(TASKS[task].inputs)): column.strip()} if column.strip() else {}

    def show(self, address: Address) -> Updates:
        """The box, already filled with an unseen record, once a run is finished."""
        if not address.run or self.context.supervisor.status(address.run).state != "finished":
            return {self.group: gr.Column(visible=False)}
        examples = self._examples(address)
        shown = [(data_view.shorten(example["input"], 90), i) for i, example in enumerate(examples)]
        return {
            self.group: gr.Column(visible=True),
            self.text: examples[0]["input"] if examples else "",
            self.example: gr.Dropdown(choices=shown, value=0 if shown else None, visible=bool(shown)),
            self.label: None,
            self.said: "",
            self.threshold: gr.Slider(visible=self._multi(address)),
        }

    def _examples(self, address: Address) -> list[dict[str, Any]]:
        return (self.context.supervisor.run(address.run).report or {}).get("examples", [])

    def _multi(self, address: Address) -> bool:
        return "per_label_confusion" in (self.context.supervisor.run(address.run).report or {})
