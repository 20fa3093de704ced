"""② Task: what to learn, from which columns; or a cell. Beside it, a preview."""

from typing import Any

import gradio as gr

from engine import TASKS, FeedbackDataset, keep_warm
from ui import choices, markup, preview_view, text
from ui.address import Address
from ui.people import Context
from ui.roles_form import RolesForm
from ui.shell import Asked, Shell, Tab, Updates, problem_box, unique


class TaskTab(Tab):
    """Tasks that fit the data stand first, the others folded with what they lack."""

    for_all = True

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.roles = RolesForm(context, shell, self._preview)
        with gr.Row(elem_classes="two-columns"):
            with gr.Column(scale=2, elem_classes="card side"):
                self.task = gr.Radio([], label=text.TASK, elem_classes="cards", elem_id="task")
                with gr.Accordion(text.OTHER_TASKS, open=False, elem_id="other-tasks") as self.others:
                    gr.HTML(markup.line(text.OTHER_TASKS_BELOW, subdued=True))
                    self.other = gr.Radio([], show_label=False, elem_classes="cards dim", elem_id="other-task")
                with gr.Column() as self.by_fields:
                    roles_here = gr.Column()
                self.use_code = gr.Checkbox(label=text.USE_CODE, info=text.USE_CODE_INFO, elem_id="use-code")
                with gr.Column(visible=False) as self.by_code:
                    self.code = gr.Code(
                        language="python", label=text.CODE, interactive=True, lines=12, max_lines=30, elem_id="code"
                    )
                    self.code_about = gr.HTML()
                    self.run_code = gr.Button(text.PREVIEW, elem_id="run-code")
                self.problem = problem_box("task-problem")
                self.forward = gr.Button(text.CONTINUE, variant="primary", size="lg", elem_id="task-continue")
                self.shell.for_owner += [self.use_code, self.by_code, self.forward]
            with gr.Column(scale=3, elem_classes="card"):
                self.counts = gr.HTML(elem_id="preview-counts")
                self.rows = gr.HTML(elem_id="preview-rows")
        self.outputs = [
            *(self.problem, self.task, self.others, self.other, self.by_fields, self.by_code, self.use_code),
            *(self.code, self.code_about, self.roles.key, self.counts, self.rows, self.forward, self.shell.drafts),
        ]
        with roles_here:
            self.roles.draw(lambda: self.outputs, self.problem)
        self._wire()

    @staticmethod
    def _cards(dataset: FeedbackDataset, chosen: str) -> tuple[gr.Radio, gr.Accordion, gr.Radio]:
        """The tasks that fit, and the others, each with a sentence."""
        fits = choices.fitting_tasks(dataset)
        others = [name for name in TASKS if name not in fits]
        first = [(f"{TASKS[name].label} — {TASKS[name].summary}", name) for name in fits]
        rest = [(f"{TASKS[name].label} — {choices.lacking(TASKS[name], dataset)}", name) for name in others]
        return (
            gr.Radio(choices=first, value=chosen if chosen in fits else None),
            gr.Accordion(text.OTHER_TASKS.format(n=len(rest)), open=chosen in others, visible=bool(rest)),
            gr.Radio(choices=rest, value=chosen if chosen in others else None),
        )

    # ---- wiring -----------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        def listen(trigger: Any, handler: Any, *inputs: Any, **options: Any) -> None:
            self.shell.listen(trigger, handler, inputs, self.outputs, self.problem, **options)

        for cards in (self.task, self.other):
            listen(cards.input, self.choose_task, cards, for_all=True, costs="preview")
        listen(self.use_code.input, self.choose_code, self.use_code, costs="preview")
        listen(self.run_code.click, self.preview_code, self.code, show_progress="minimal", costs="preview")

    def choose_task(self, asked: Asked, name: str) -> Updates:
        dataset = self.context.supervisor.dataset(asked.address.dataset)
        address = asked.address.having(task=name, roles=TASKS[name].suggest(dataset), strategy="", code=False)
        return {self.shell.address: address.query()} | self.show(address)

    def choose_code(self, asked: Asked, use: bool) -> Updates:
        """Open the cell with working code for these columns, or go back to the dropdowns."""
        address = asked.address.having(code=use, cell=asked.address.cell or self._starter(asked.address))
        return {self.shell.address: address.query(), **self._keep(address)} | self.show(address)

    def preview_code(self, asked: Asked, code: str) -> Updates:
        address = asked.address.having(cell=code)
        return self._keep(address) | self._preview(address)

    def _keep(self, address: Address) -> Updates:
        return {self.shell.drafts: {address.dataset: address.cell}}

    def _starter(self, address: Address) -> str:
        dataset = self.context.supervisor.dataset(address.dataset)
        return TASKS[address.task].starter_code(dataset, choices.training_task(address.having(code=False)))

    def continue_to(self, train: Any) -> None:
        """[Continue] opens the training, with the code as it stands."""

        def forward(asked: Asked, code: str) -> Updates:
            address = asked.address.having(step=3, run="", cell=code if asked.address.code else asked.address.cell)
            return self._keep(address) | self.shell.go(address) | train.show(address)

        outputs = unique([*self.outputs, *train.outputs])
        self.shell.listen(self.forward.click, forward, [self.code], outputs, self.problem)

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def show(self, address: Address) -> Updates:
        """The choices of the task and what they come to; nothing before the data is read."""
        if address.task not in TASKS or not choices.data_is_ready(self.context, address):
            return {self.problem: gr.HTML(visible=False)}
        if address.code:
            keep_warm()
        about = text.CODE_UNCONFINED if self.context.settings.unconfined_cells else text.CODE_BELOW
        cards = self._cards(self.context.supervisor.dataset(address.dataset), address.task)
        return {
            **dict(zip((self.task, self.others, self.other), cards, strict=True)),
            self.by_fields: gr.Column(visible=not address.code),
            self.by_code: gr.Column(visible=address.code),
            self.use_code: address.code,
            self.code: address.cell,
            self.code_about: markup.line(about.format(returns=TASKS[address.task].cell_returns), subdued=True),
            self.roles.key: f"{address.dataset}|{address.task}|{sorted(address.roles.items())}",
            **self._preview(address),
        }

    def _preview(self, address: Address) -> Updates:
        return preview_view.show(self.context, address, self.counts, self.rows)
