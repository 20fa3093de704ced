"""④ Try it: the view that the task asks for, unseen examples, and a file in → the same file with predictions out."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from engine import TASKS, UserError, approve_model, unapproved
from ui import markup, sentences, text
from ui.address import Address
from ui.arrivals import held, take
from ui.people import Context
from ui.predict_views import VIEWS, Trial
from ui.shell import Asked, Shell, Tab, Updates, downloadable, problem_box


class PredictTab(Tab):
    """Asks the warm predict process; the page itself loads no model. Drawn anew for each finished run."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.key = shell.predict_key  # the run that it is drawn for
        self.problem = problem_box("predict-problem")
        self.arrived = held(context.uploads)
        with gr.Column(visible=False, elem_classes="card", elem_id="predict") as self.group:
            gr.HTML(markup.heading(text.TRY_IT, text.TRY_IT_BELOW))
            with gr.Column(visible=False, elem_id="not-made-here") as self.foreign:
                self.runs_code = gr.HTML()
                approve = gr.Button(text.APPROVE_MODEL, size="sm", elem_id="approve-model")
            shell.drawn_for(self.key, self._draw)
        self.outputs = [self.group, self.problem, self.key, self.foreign, self.runs_code]
        shell.listen(approve.click, self.approve, [], self.outputs, self.problem)

    def _draw(self, _address: Address, run_id: str) -> None:
        if run_id:
            trial = Trial(self.context, self.shell, self.problem, run_id)
            VIEWS[trial.task.view](trial).draw()
            self._draw_file(trial.task.inputs)

    def _draw_file(self, inputs: dict[str, str]) -> None:
        """A whole file: a box for the column of each part of an input."""
        with gr.Accordion(text.WHOLE_FILE, open=False):
            gr.HTML(markup.line(text.WHOLE_FILE_BELOW, subdued=True))
            with gr.Row(elem_classes="two-columns"):
                file = gr.File(label=text.FILE_IN, height=120, interactive=True, elem_id="predict-file")
                made = gr.File(label=text.FILE_OUT, height=120, interactive=False, elem_id="predict-made")
            with gr.Row(elem_classes="form-grid"):
                columns = [
                    gr.Textbox(
                        label=text.COLUMN_OF.format(part=label),
                        info=text.COLUMN_OF_INFO,
                        interactive=True,
                        elem_id=f"predict-column-{part}",
                    )
                    for part, label in inputs.items()
                ]
            go = gr.Button(text.PREDICT_FILE, elem_id="predict-file-go")
            bar = gr.HTML(elem_id="predict-file-bar")
            problem = problem_box("predict-file-problem")

        def arrive(_asked: Asked, path: str | None, before: str) -> Updates:
            return {self.arrived: take(self.context.uploads, path, before)}

        def predict(asked: Asked, arrived: str, *names: str) -> Iterator[Updates]:
            chosen = {part: name.strip() for part, name in zip(inputs, names, strict=True) if (name or "").strip()}
            for html, done in self._predictions(asked, arrived, chosen):
                yield {bar: html, made: downloadable(made, done) if done else None}

        self.shell.listen(file.change, arrive, [file, self.arrived], [self.arrived], problem)
        self.shell.listen(go.click, predict, [self.arrived, *columns], [bar, made], problem, costs="predict-file")

    def _predictions(self, asked: Asked, arrived: str, columns: dict[str, str]) -> Iterator[tuple[str, Path | None]]:
        """Progress as HTML while every row of a file is predicted, and at last the file."""
        if not arrived:
            raise UserError(text.NO_FILE, text.NO_FILE_HINT)
        yield markup.working(text.PREDICTING, text.LOADING_MODEL, None), None
        path = self.context.uploads.path(arrived)
        for step in self.context.supervisor.predict_file(asked.address.run, path, columns):
            if "path" in step:
                yield markup.ready(sentences.rows_predicted(step.get("rows"))), Path(step["path"])
            else:
                detail = sentences.steps(step["step"], step["total"], text.ROWS)
                share = step["step"] / step["total"] if step["total"] else None
                yield markup.working(text.PREDICTING, detail, share), None

    def show(self, address: Address) -> Updates:
        """The view, already filled with an unseen record, once a run is finished."""
        finished = bool(address.run) and self.context.supervisor.status(address.run).state == "finished"
        known = finished and self.context.supervisor.run(address.run).spec.task["task"] in TASKS
        names = self._unapproved(address.run) if known else []
        words = text.NOT_MADE_HERE.format(names=", ".join(names))
        return {
            self.group: gr.Column(visible=known),
            self.foreign: gr.Column(visible=bool(names)),
            self.runs_code: markup.problem(words, text.NOT_MADE_HERE_HINT) if names else "",
            self.key: address.run if known and not names else "",
        }

    def _unapproved(self, run_id: str) -> list[str]:
        run = self.context.supervisor.run(run_id)
        return unapproved(run.model_dir, run.spec.remote_code)

    def approve(self, asked: Asked) -> Updates:
        """The owner trusts whoever made the model of this run."""
        run = self.context.supervisor.run(asked.address.run)
        approve_model(run.model_dir, run.spec.remote_code)
        return self.show(asked.address)
