"""③ A run at work: stage, bar, time left, plots, log; stop and keep the best, or cancel. And how it ended, if badly."""

import time
from typing import Any

import gradio as gr

from engine import TASKS, JobStatus, RunSpec, public_spec, python_source
from ui import curves, markup, sentences, text
from ui.address import Address
from ui.people import Context
from ui.shell import Asked, Shell, Tab, Updates, problem_box

LOG_LINES = 200


class RunTab(Tab):
    """The live view; on the page of a single run it also says when and by whom a run was started."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.ended = problem_box("run-problem")  # how the run ended; beside it what went wrong with a click
        self.problem = problem_box("stop-problem")
        with gr.Column(visible=False, elem_classes="card", elem_id="run-live") as self.group:
            with gr.Row(elem_classes="title-row"):
                self.heading = gr.HTML(elem_id="run-heading")
                self.keep = gr.Button(text.STOP_KEEP, size="sm", scale=0, min_width=190, elem_id="stop-keep")
                self.cancel = gr.Button(text.CANCEL, variant="stop", size="sm", scale=0, min_width=96, elem_id="cancel")
            self.bar = gr.HTML(elem_id="run-bar")
            with gr.Accordion(text.DETAILS, open=True) as self.details:
                with gr.Row(elem_classes="plots", visible=False) as self.row:
                    self.plots = curves.empty_plots()
                self.notes = gr.HTML(elem_id="run-notes")
                with gr.Accordion(text.LOG, open=False):
                    self.log = gr.HTML(elem_id="run-log", autoscroll=True, max_height=320)
                with gr.Accordion(text.AS_PYTHON, open=False):
                    self.python = gr.Code(language="python", interactive=False, show_label=False, elem_id="run-python")
                with gr.Accordion(text.AS_RUN_FILE, open=False):
                    gr.HTML(markup.line(text.AS_RUN_FILE_BELOW, subdued=True))
                    self.file = gr.Code(language="json", interactive=False, show_label=False, elem_id="run-file")
        self.outputs = [
            *(self.group, self.problem, self.ended, self.heading, self.keep, self.cancel, self.bar, self.details),
            *(self.row, *self.plots, self.notes, self.log, self.python, self.file),
        ]
        self.shell.listen(self.keep.click, self.stop_and_keep, [], self.outputs, self.problem)
        self.shell.listen(self.cancel.click, self.cancel_run, [], self.outputs, self.problem)
        self.after: list[Any] = []  # the tabs that show a finished run

    def followed_by(self, tabs: list[Any]) -> None:
        """The tabs that show what a run left, once it has ended."""
        self.after = tabs

    def stop_and_keep(self, asked: Asked) -> Updates:
        self.context.supervisor.stop(asked.address.run, keep_best=True)
        return {self.keep: gr.Button(text.STOPPING, interactive=False)} | self.shell.watch()

    def cancel_run(self, asked: Asked) -> Updates:
        self.context.supervisor.stop(asked.address.run)
        return {self.cancel: gr.Button(text.CANCELLING, interactive=False)} | self.shell.watch()

    def show(self, address: Address) -> Updates:
        """The run of the address, or nothing while there is none."""
        if not address.run:
            return {self.group: gr.Column(visible=False), self.ended: gr.HTML(visible=False)}
        status = self.context.supervisor.status(address.run)
        return self._header(address) | self._moment(address, status)

    def show_to_visitor(self, address: Address) -> Updates:
        """What a published run was, and where its model is."""
        if not address.run:
            return {}
        published = self.context.supervisor.publish_status(address.run).result
        spec = public_spec(self.context.supervisor.run(address.run).spec)
        hidden = {part: gr.update(visible=False) for part in (self.keep, self.cancel, self.details)}
        return hidden | {
            self.group: gr.Column(visible=True),
            self.heading: self._heading(spec),
            self.bar: markup.published(text.PUBLISHED, published["url"]),
        }

    @staticmethod
    def _heading(spec: RunSpec) -> str:
        when = sentences.started(spec.created, time.time(), spec.created_by)
        return markup.heading(spec.title, f"{spec.dataset.get('name', '')} · {spec.base_model} · {when}")

    def _header(self, address: Address) -> Updates:
        spec = self.context.supervisor.run(address.run).spec
        return {
            self.heading: self._heading(spec),
            self.python: python_source(spec),
            self.file: public_spec(spec).model_dump_json(indent=1),
        }

    def _moment(self, address: Address, status: JobStatus) -> Updates:
        """What changes while it runs."""
        spec, history = self.context.supervisor.run(address.run).spec, self.context.supervisor.history(address.run)
        plots = curves.plots(history, TASKS[spec.task["task"]].metrics)
        ended_badly = not status.live and status.state != "finished"
        error = markup.problem(text.ENDED.get(status.state, "") + " " + status.message, status.hint)
        return {
            self.ended: gr.HTML(error if ended_badly else "", visible=ended_badly),
            self.group: gr.Column(visible=True),
            self.bar: progress(status),
            self.keep: gr.Button(text.STOP_KEEP, visible=status.live, interactive=status.stage == "training"),
            self.cancel: gr.Button(
                text.CANCEL, visible=status.live, interactive=status.state == "running" or bool(status.ahead)
            ),
            self.row: gr.Row(visible=bool(history)),
            **dict(zip(self.plots, plots, strict=True)),
            self.details: gr.Accordion(open=status.state != "finished"),
            self.notes: markup.notes(status.notes),
            self.log: markup.log(self.context.supervisor.log_tail(address.run, LOG_LINES).splitlines()),
            self.shell.title: sentences.tab_title(status),
        }

    def poll(self, address: Address, seen: dict[str, Any]) -> tuple[Updates, bool]:
        """The live run; once it ends, the result."""
        if not address.run or seen.get("run") == address.run:
            return {}, False
        status = self.context.supervisor.status(address.run)
        updates = self._moment(address, status)
        if status.live:
            return updates, True
        seen["run"] = address.run
        return updates | self._ended(address, status), False

    def _ended(self, address: Address, status: JobStatus) -> Updates:
        if status.state == "finished" and address.step == 3:
            address = address.having(step=4)
        updates = self.shell.go(address)
        for tab in self.after:
            updates |= tab.show(address)
        return updates


def progress(status: JobStatus) -> str:
    """Stage, bar and what is left, in one line."""
    if status.state == "finished":
        return markup.line(sentences.took(status.elapsed))
    if not status.live:
        return ""
    return markup.working(sentences.stage(status), sentences.running(status), status.fraction) + markup.line(
        text.CLOSE_THIS_TAB, subdued=True
    )
