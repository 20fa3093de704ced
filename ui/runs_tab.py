"""All runs: what each was, how it ended, and how good it is. Open one, use its settings again, delete it."""

import time
from collections.abc import Sequence
from typing import Any

import gradio as gr

from engine import FRAMEWORKS, TASKS, RunSpec, RunSummary
from ui import markup, sentences, text, verdicts
from ui.address import Address
from ui.people import Context
from ui.shell import Asked, Shell, Tab, Updates, problem_box

SHOWN_RUNS = 100
UP, OUT = "up", "out"  # what a button of a waiting run asks for


class RunsTab(Tab):
    """A table of links; deleting asks first, because a model cannot be brought back."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.heading = gr.HTML(markup.heading(text.RUNS_HEADING, text.RUNS_BELOW))
        self.problem = problem_box("runs-problem")
        with gr.Row(visible=False, elem_classes="card next-step", elem_id="confirm-delete") as self.confirm:
            self.question = gr.HTML()
            self.delete = gr.Button(text.DELETE_FOR_GOOD, variant="stop", scale=0, min_width=160, elem_id="delete-yes")
            self.keep = gr.Button(text.KEEP, scale=0, min_width=96, elem_id="delete-no")
        with gr.Column(elem_classes="card"):
            self.table = gr.HTML(js_on_load=markup.REPORT_CLICKS, elem_id="runs-table")
        self.outputs = [self.heading, self.problem, self.confirm, self.question, self.table]
        self.table.click(self._pressed, None, [self.chosen_input()], queue=False, api_visibility="private")
        asked = [*self.outputs, self.chosen]
        self.shell.listen(self.chosen.change, self.ask, [self.chosen], asked, self.problem)
        self.shell.listen(self.delete.click, self.delete_run, [self.chosen], [*self.outputs, self.chosen], self.problem)
        self.shell.listen(self.keep.click, self.keep_run, [], [*self.outputs, self.chosen], self.problem)

    def chosen_input(self) -> gr.Textbox:
        """The run whose deletion is asked for, while it is asked."""
        self.chosen = gr.Textbox("", visible="hidden", show_label=False, elem_id="chosen-run")
        return self.chosen

    @staticmethod
    def _pressed(event: gr.EventData) -> str:
        return str(event.value)

    def ask(self, asked: Asked, pressed: str) -> Updates:
        """What a button of the table asks for: a place in the queue at once, a deletion once more."""
        verb, _, run_id = pressed.rpartition(" ")
        if not run_id:
            return {self.confirm: gr.Row(visible=False)}
        if verb:
            supervisor = self.context.supervisor
            {UP: supervisor.queue.move_up, OUT: supervisor.stop}[verb](run_id)
            return {self.chosen: ""} | self.show(asked.address) | self.shell.watch()
        spec = self.context.supervisor.run(run_id).spec
        return {
            self.confirm: gr.Row(visible=True),
            self.question: markup.line(text.DELETE_ASK.format(title=spec.title)),
        }

    def delete_run(self, asked: Asked, run_id: str) -> Updates:
        self.context.supervisor.delete(run_id)
        return {self.confirm: gr.Row(visible=False), self.chosen: ""} | self.show(asked.address)

    def keep_run(self, _asked: Asked) -> Updates:
        return {self.confirm: gr.Row(visible=False), self.chosen: ""}

    def show(self, _address: Address) -> Updates:
        runs = self.context.supervisor.runs()
        if not runs:
            return {self.table: markup.empty(text.NO_RUNS, text.NO_RUNS_LINK, "./")}
        rows = [[*self._row(run), self._buttons(run)] for run in runs[:SHOWN_RUNS]]
        return {self.table: self._table(text.RUNS_HEADERS, rows, len(runs))}

    def show_to_visitor(self, _address: Address) -> Updates:
        """The published runs, to look at."""
        runs = [run for run in self.context.supervisor.runs() if self.context.supervisor.is_public(run.id)]
        rows = [self._row(run) for run in runs[:SHOWN_RUNS]]
        none = markup.empty(text.NO_RUNS_PUBLIC, text.NO_RUNS_PUBLIC_LINK, "./")
        return {
            self.heading: markup.heading(text.RUNS_HEADING, text.RUNS_PUBLIC_BELOW),
            self.table: self._table(text.RUNS_HEADERS[:-1], rows, len(runs)) if runs else none,
        }

    @staticmethod
    def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]], found: int) -> str:
        more = text.MORE_RUNS.format(n=found - SHOWN_RUNS) if found > SHOWN_RUNS else ""
        return markup.table(headers, rows, numbers=(5, 6), caption=more, stack=True)

    def _buttons(self, run: RunSummary) -> markup.Raw:
        ahead = self.context.supervisor.status(run.id).ahead if run.state == "waiting" else None
        if ahead:
            up = markup.button(text.MOVE_UP, f"{UP} {run.id}") if ahead > 1 else ""
            return markup.Raw(up + " " + markup.button(text.TAKE_OUT, f"{OUT} {run.id}"))
        again = again_query(self.context.supervisor.run(run.id).spec)
        return markup.Raw(markup.link(text.USE_AGAIN, f"./?{again}") + " " + markup.button(text.DELETE, run.id))

    def _row(self, run: RunSummary) -> list[Any]:
        state = text.STATES.get(run.state, run.state)
        if run.state in ("running", "waiting"):
            status = self.context.supervisor.status(run.id)
            state += f" {sentences.percent(status.fraction)}" if status.fraction is not None else ""
            state = text.IN_QUEUE.format(runs=sentences.plural(status.ahead, "run")) if status.ahead else state
        framework = FRAMEWORKS[run.framework].label if run.framework in FRAMEWORKS else run.framework
        return [
            markup.link(run.title or framework, f"run?id={run.id}"),
            framework,
            run.dataset,
            markup.state(state, run.state),
            sentences.ago(run.created, time.time()),
            verdicts.main_metric(run.metrics, TASKS[run.task].metrics, run.n_test) if run.task in TASKS else "",
            sentences.duration(run.seconds) if run.seconds else "",
        ]

    def poll(self, address: Address, seen: dict[str, Any]) -> tuple[Updates, bool]:
        """The table, while any run is live."""
        live = any(run.state in ("running", "waiting") for run in self.context.supervisor.runs())
        if not live and seen.get("runs") == "still":
            return {}, False
        seen["runs"] = "live" if live else "still"
        return self.show(address), live


def again_query(spec: RunSpec) -> str:
    """The address of the line with a run's own choices."""
    return Address(
        dataset=spec.dataset.get("id", ""),
        step=3,
        task=spec.task["task"],
        roles=spec.task.get("fields") or {},
        strategy=spec.task.get("strategy") or "",
        code="code" in spec.task,
        framework=spec.framework,
        base=spec.base_model,
        config=spec.config,
        split=spec.split.model_dump() if spec.split != type(spec.split)() else {},
    ).query()
