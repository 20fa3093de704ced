"""① Data: choose a source, watch it being read, see what it holds, correct what a column is."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from engine import EXAMPLES, TASKS, Example, UserError, inspect_file
from ui import choices, data_view, markup, text
from ui.address import Address
from ui.arrivals import held, take
from ui.columns import Columns
from ui.people import Context
from ui.shell import Asked, Shell, Tab, Updates, problem_box

EXAMPLE = {"kind": "example"}  # without a name: the first


class DataTab(Tab):
    """Its parts: a chooser, the progress of reading, and the summary of what was read."""

    for_all = True

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        with gr.Column(visible=True, elem_id="data-chooser") as self.chooser:
            self._build_chooser()
        self.progress = gr.HTML(visible=False, elem_id="data-progress")
        self.columns = Columns(context, shell)
        with gr.Column(visible=False, elem_id="data-summary") as self.summary:
            self._build_summary()
        self.outputs = [
            *(
                self.chooser,
                self.progress,
                self.summary,
                self.problem,
                self.overview,
                self.verdict,
                self.forward,
                self.other_task,
                self.label_card,
                self.length_card,
            ),
            *(self.question, self.label_plot, self.field, self.length_plot, self.notes, self.records, self.about),
            *(self.detected, self.delimiter, self.header, self.detected_line, *self.columns.outputs),
        ]
        with self.summary:
            self.shell.for_owner.append(self.columns.draw(self.show, self.outputs))
        self._wire()

    def _build_chooser(self) -> None:
        with gr.Row(elem_classes="two-columns"):
            with gr.Column(elem_classes="card first-choice"):
                self.shell.for_owner.append(gr.HTML(markup.heading(text.EXAMPLE_HEADING, text.EXAMPLE_BELOW)))
                self.example_problem = problem_box("example-problem")
                self.example = gr.Button(text.EXAMPLE, variant="primary", size="lg", elem_id="try-example")
                self.shell.for_owner.append(gr.HTML(markup.notes(text.EXAMPLE_STEPS)))
                gr.HTML(markup.line(data_view.machine_line(), subdued=True))
                if self.context.settings.on_space:
                    self.shell.for_owner.append(gr.DuplicateButton(text.DUPLICATE, size="sm"))
            with gr.Column(elem_classes="card") as own:
                self.shell.for_owner.append(own)
                gr.HTML(markup.heading(text.OWN_DATA, text.OWN_DATA_BELOW))
                self.problem = problem_box("data-problem")
                self.file = gr.File(label=text.FILE, height=120, elem_id="data-file")
                self.arrived = held(self.context.uploads)
                self._build_detected()
                with gr.Row(elem_classes="input-and-button"):
                    self.hub_id = gr.Textbox(
                        label=text.HUB_ID, placeholder=text.HUB_ID_HINT, scale=4, elem_id="hub-id", max_lines=1
                    )
                    self.load = gr.Button(text.LOAD, scale=1, min_width=96, elem_id="hub-load")
                with gr.Accordion(text.HUB_MORE, open=False):
                    self.subset = gr.Textbox(label=text.SUBSET, info=text.SUBSET_INFO, elem_id="hub-subset")
                    self.split = gr.Textbox(label=text.SPLIT, info=text.SPLIT_INFO, elem_id="hub-split")
                    self.revision = gr.Textbox(label=text.REVISION, info=text.REVISION_INFO, elem_id="hub-revision")
        self.others = self._build_other_examples()

    @staticmethod
    def _build_other_examples() -> dict[str, gr.Button]:
        """A button for each further task that has an example: the task above, what the data is below."""
        examples = other_examples()
        with gr.Column(elem_classes="card", visible=bool(examples)):
            gr.HTML(markup.heading(text.OTHER_EXAMPLES, text.OTHER_EXAMPLES_BELOW))
            with gr.Row(elem_classes="examples"):
                return {
                    task: gr.Button(f"{TASKS[task].label}\n{example.about}", elem_id=f"example-{task}")
                    for task, example in examples.items()
                }

    def _build_detected(self) -> None:
        with gr.Column(visible=False, elem_id="file-detected") as self.detected:
            self.detected_line = gr.HTML()
            self.delimiter = gr.Dropdown(text.DELIMITERS, label=text.DELIMITER, interactive=True, elem_id="delimiter")
            self.header = gr.Checkbox(label=text.HEADER, interactive=True, elem_id="header")
            self.load_file = gr.Button(text.LOAD_FILE, variant="primary", elem_id="load-file")

    def _build_summary(self) -> None:
        with gr.Row(elem_classes="title-row"):
            self.overview = gr.HTML(elem_id="data-overview")
            self.other = gr.Button(text.OTHER_DATA, size="sm", scale=0, min_width=140, elem_id="other-data")
        with gr.Row(elem_classes="card next-step"):
            self.verdict = gr.HTML(elem_id="data-verdict")
            self.forward = gr.Button(text.CONTINUE, variant="primary", scale=0, min_width=180, elem_id="data-continue")
            self.shell.for_owner.append(self.forward)
            self.other_task = gr.Button(text.CHOOSE_TASK, scale=0, min_width=180, elem_id="choose-task")
        with gr.Row(elem_classes="two-columns"):
            with gr.Column(elem_classes="card") as self.label_card:
                self.question = gr.Dropdown([], label=text.COUNTS_OF, interactive=True, elem_id="count-question")
                self.label_plot = gr.BarPlot(**data_view.LABEL_PLOT, elem_id="label-plot")
            with gr.Column(elem_classes="card") as self.length_card:
                self.field = gr.Dropdown([], label=text.LENGTH_OF, interactive=True, elem_id="length-field")
                self.length_plot = gr.BarPlot(**data_view.LENGTH_PLOT, elem_id="length-plot")
        with gr.Column(elem_classes="card"):
            self.about = gr.HTML(elem_id="data-about")
            self.notes = gr.HTML(elem_id="data-notes")
        with gr.Column(elem_classes="card"):
            self.records = gr.HTML(elem_id="data-records")

    # ---- wiring ---------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        def listen(trigger: Any, handler: Any, *inputs: Any, **options: Any) -> None:
            self.shell.listen(trigger, handler, inputs, self.outputs, self.problem, **options)

        shown = {"for_all": True, "costs": "load"}
        self.shell.listen(self.example.click, self.import_example, [], self.outputs, self.example_problem, **shown)
        for task, button in self.others.items():
            listen(button.click, self._importing(task), **shown)
        for trigger in (self.load.click, self.hub_id.submit):
            listen(trigger, self.import_hub, self.hub_id, self.subset, self.split, self.revision, costs="load")
        taken = [*self.outputs, self.arrived]
        self.shell.listen(self.file.upload, self.inspect, [self.file, self.arrived], taken, self.problem, costs="load")
        self.shell.listen(self.file.clear, self.forget_file, [self.arrived], taken, self.problem)
        given = [self.arrived, self.delimiter, self.header]
        self.shell.listen(self.load_file.click, self.import_file, given, taken, self.problem, costs="load")
        listen(self.other.click, self.choose_again, for_all=True)
        listen(self.question.input, self.plot_labels, self.question, queue=False, for_all=True)
        listen(self.field.input, self.plot_lengths, self.field, queue=False, for_all=True)

    def _importing(self, task: str) -> Callable[[Asked], Updates]:
        def import_other_example(asked: Asked) -> Updates:
            return self._import(asked, EXAMPLE | {"name": other_examples()[task].name}, task)

        return import_other_example

    def import_example(self, asked: Asked) -> Updates:
        return self._import(asked, EXAMPLE)

    def import_hub(self, asked: Asked, hub_id: str, subset: str, split: str, revision: str) -> Updates:
        if not (hub_id or "").strip():
            raise UserError(text.HUB_EMPTY, text.HUB_EMPTY_HINT)
        source = {"kind": "hub", "id": hub_id, "subset": subset, "split": split, "revision": revision}
        return self._import(asked, {key: value.strip() for key, value in source.items() if value and value.strip()})

    def inspect(self, asked: Asked, path: str, before: str) -> Updates:
        """Look at a file that has arrived: a delimited one is confirmed first, any other is read at once."""
        arrived = take(self.context.uploads, path, before)
        try:
            found = inspect_file(self.context.uploads.path(arrived))
        except UserError:
            self.context.uploads.forget(arrived)
            raise
        if not found.get("delimiter"):
            return self._import_upload(asked, arrived, {})
        return {
            self.arrived: arrived,
            self.detected: gr.Column(visible=True),
            self.detected_line: data_view.detected(found),
            self.delimiter: found["delimiter"],
            self.header: bool(found.get("header")),
        }

    def forget_file(self, _asked: Asked, arrived: str) -> Updates:
        self.context.uploads.forget(arrived)
        return {self.detected: gr.Column(visible=False), self.arrived: ""}

    def import_file(self, asked: Asked, arrived: str, delimiter: str, header: bool) -> Updates:
        return self._import_upload(asked, arrived, {"delimiter": delimiter, "header": header})

    def _import_upload(self, asked: Asked, arrived: str, options: dict[str, Any]) -> Updates:
        path = self.context.uploads.path(arrived)
        source = {"kind": "file", "path": str(path), "name": path.name, "options": options}
        updates = self._import(asked, source)
        self.context.uploads.forget(arrived)
        return updates | {self.arrived: ""}

    def _import(self, asked: Asked, source: dict[str, Any], task: str = "") -> Updates:
        """Begin to read what a person chose; a visitor is shown the example that is kept for all."""
        supervisor = self.context.supervisor
        if asked.visitor.may_act:
            dataset = supervisor.import_dataset(source, token=asked.visitor.token)
        else:
            dataset = supervisor.shown_example(source.get("name"))
        address = Address(dataset=dataset, task=task)
        return self.show(address) | self.shell.go(address) | self.shell.watch()

    def choose_again(self, _asked: Asked) -> Updates:
        return self._parts(chooser=True) | self.shell.go(Address())

    def plot_labels(self, asked: Asked, question: str) -> Updates:
        profile = self.context.supervisor.profile(asked.address.dataset)
        return {self.label_plot: data_view.label_counts(profile, question)}

    def plot_lengths(self, asked: Asked, field: str) -> Updates:
        profile = self.context.supervisor.profile(asked.address.dataset)
        return {self.length_plot: data_view.lengths(profile, field)}

    def continue_to(self, task: Any, train: Any) -> None:
        """[Continue] takes the task that the data suggests and goes on to train it; the other button asks first."""

        def chosen(asked: Asked, step: int) -> Address:
            dataset = self.context.supervisor.dataset(asked.address.dataset)
            return choices.with_task(asked.address, dataset).having(step=step, run="")

        def forward(asked: Asked) -> Updates:
            address = chosen(asked, 3)
            return self.shell.go(address) | task.show(address) | train.show(address)

        def choose(asked: Asked) -> Updates:
            address = chosen(asked, 2)
            return self.shell.go(address) | task.show(address)

        outputs = [*task.outputs, *train.outputs]
        self.shell.listen(self.forward.click, forward, [], outputs, self.problem)
        self.shell.listen(self.other_task.click, choose, [], outputs, self.problem, for_all=True, costs="preview")

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def show(self, address: Address) -> Updates:
        """This tab for these choices: the chooser, the progress of reading, or the summary."""
        if not address.dataset:
            return self._parts(chooser=True)
        status = self.context.supervisor.dataset_status(address.dataset)
        if status.live:
            return self._parts() | {self.progress: gr.HTML(data_view.progress(status), visible=True)}
        if status.state != "finished":
            error = gr.HTML(markup.problem(status.message, status.hint), visible=True)
            return self._parts(chooser=True) | {self.problem: error}
        return self._parts(summary=True) | self._summary(address)

    def _parts(self, *, chooser: bool = False, summary: bool = False) -> Updates:
        return {
            self.chooser: gr.Column(visible=chooser),
            self.summary: gr.Column(visible=summary),
            self.progress: gr.HTML(visible=False),
            self.problem: gr.HTML(visible=False),
        }

    def _summary(self, address: Address) -> Updates:
        dataset = self.context.supervisor.dataset(address.dataset)
        profile = self.context.supervisor.profile(address.dataset)
        verdict, ready = data_view.verdict(dataset, address)
        return {
            self.overview: data_view.overview(dataset, profile),
            self.verdict: verdict,
            self.forward: gr.Button(interactive=ready),
            self.other_task: gr.Button(visible=ready),
            self.notes: markup.notes(dataset.schema.notes + data_view.findings(profile)),
            self.about: data_view.fields_and_questions(dataset, profile),
            self.records: data_view.first_records(dataset),
            **data_view.question_plot(profile, self.label_card, self.question, self.label_plot),
            **data_view.field_plot(profile, self.length_card, self.field, self.length_plot),
            **self.columns.show(address),
        }

    def poll(self, address: Address, seen: dict[str, Any]) -> tuple[Updates, bool]:
        """What changed since the last second, and whether reading goes on."""
        if not address.dataset or seen.get("dataset") == address.dataset:
            return {}, False
        live = self.context.supervisor.dataset_status(address.dataset).live
        if not live:
            seen["dataset"] = address.dataset
        return self.show(address), live


def other_examples() -> dict[str, Example]:
    """Task → its example, for the tasks that the first example is not for."""
    first, *others = EXAMPLES.values()
    found = {task: next((example for example in others if task in example.tasks), None) for task in TASKS}
    return {task: example for task, example in found.items() if example and task not in first.tasks}
