"""② Task: what to learn, from which field and question, by which strategy; or a cell. Beside it, a preview."""

from typing import Any

import gradio as gr

from engine import TASKS, FeedbackDataset
from ui import choices, markup, preview_view, text
from ui.address import Address
from ui.people import Context
from ui.shell import Asked, Shell, Updates, problem_box, unique


class TaskTab:
    """Dropdowns come from the task's roles, so that a new task needs nothing here."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.roles_key = shell.roles_key
        with gr.Row(elem_classes="two-columns"):
            with gr.Column(scale=2, elem_classes="card side"):
                self.task = gr.Radio(self._cards(), label=text.TASK, elem_classes="cards", elem_id="task")
                with gr.Column() as self.by_fields:
                    self._draw_roles_here()
                self.use_code = gr.Checkbox(label=text.USE_CODE, info=text.USE_CODE_INFO, elem_id="use-code")
                with gr.Column(visible=False) as self.by_code:
                    self.code = gr.Code(
                        language="python", label=text.CODE, interactive=True, lines=12, max_lines=30, elem_id="code"
                    )
                    self.code_about = gr.HTML()
                    self.run_code = gr.Button(text.PREVIEW, elem_id="run-code")
                self.problem = problem_box("task-problem")
                self.forward = gr.Button(text.CONTINUE, variant="primary", size="lg", elem_id="task-continue")
            with gr.Column(scale=3, elem_classes="card"):
                self.counts = gr.HTML(elem_id="preview-counts")
                self.rows = gr.HTML(elem_id="preview-rows")
        self.outputs = [
            *(self.problem, self.task, self.by_fields, self.by_code, self.use_code, self.code, self.code_about),
            *(self.roles_key, self.counts, self.rows, self.forward, self.shell.drafts),
        ]
        self._wire()

    @staticmethod
    def _cards() -> list[tuple[str, str]]:
        return [(f"{task.label} — {task.summary}", name) for name, task in TASKS.items()]

    # ---- dropdowns of the task's roles ------------------------------------------------------------------------------

    def _draw_roles_here(self) -> None:
        @gr.render(
            inputs=[self.shell.address, self.roles_key], triggers=[self.roles_key.change], show_progress="hidden"
        )
        def roles(query: str, _key: str) -> None:
            address = Address.parse(query)
            if address.task not in TASKS or not choices.data_is_ready(self.context, address):
                return
            dataset = self.context.supervisor.dataset(address.dataset)
            found = TASKS[address.task].candidates(dataset)
            drawn = {role: self._dropdown(role, names, address.roles.get(role)) for role, names in found.items()}
            strategy = gr.Dropdown(**self._strategies(dataset, address), elem_id="strategy", interactive=True)
            self._wire_roles(drawn, strategy)

    @staticmethod
    def _dropdown(role: str, names: list[str], chosen: str | None) -> gr.Dropdown:
        value = chosen if chosen in names else (names[0] if names else None)
        label = text.ROLE_LABELS.get(role, role)
        return gr.Dropdown(names, value=value, label=label, interactive=True, elem_id=f"role-{role}")

    def _strategies(self, dataset: FeedbackDataset, address: Address) -> dict[str, Any]:
        """How several answers become one: choices of the chosen question, in plain words."""
        names = choices.chosen_questions(address)
        found = [question for question in dataset.questions if question.name in names]
        strategies = found[0].strategies if found else ()
        chosen = address.strategy if address.strategy in strategies else (strategies[0] if strategies else None)
        return {
            "choices": [(text.STRATEGIES.get(name, name), name) for name in strategies],
            "value": chosen,
            "label": text.STRATEGY,
            "info": text.STRATEGY_INFO,
            "visible": len(strategies) > 1,
        }

    def _wire_roles(self, drawn: dict[str, gr.Dropdown], strategy: gr.Dropdown) -> None:
        def choose(asked: Asked, how: str | None, *names: str) -> Updates:
            roles = dict(zip(drawn, names, strict=True))
            address = asked.address.having(roles=roles, strategy=how or "")
            dataset = self.context.supervisor.dataset(address.dataset)
            offered = self._strategies(dataset, address)
            address = address.having(strategy=offered["value"] or "")
            changed = {strategy: gr.Dropdown(**offered), self.shell.address: address.query()}
            return changed | self._preview(address)

        parts = [strategy, *drawn.values()]
        outputs = [*self.outputs, strategy]
        for part in parts:
            self.shell.listen(part.input, choose, parts, outputs, self.problem)

    # ---- wiring -----------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        def listen(trigger: Any, handler: Any, *inputs: Any, **options: Any) -> None:
            self.shell.listen(trigger, handler, inputs, self.outputs, self.problem, **options)

        listen(self.task.input, self.choose_task, self.task)
        listen(self.use_code.input, self.choose_code, self.use_code)
        listen(self.run_code.click, self.preview_code, self.code, show_progress="minimal")

    def choose_task(self, asked: Asked, name: str) -> Updates:
        dataset = self.context.supervisor.dataset(asked.address.dataset)
        address = asked.address.having(task=name, roles=TASKS[name].suggest(dataset), strategy="", code=False)
        return {self.shell.address: address.query()} | self.show(address)

    def choose_code(self, asked: Asked, use: bool) -> Updates:
        """Open the cell with working code for these columns, or go back to the dropdowns."""
        if use:
            asked.visitor.require()
        address = asked.address.having(code=use, cell=asked.address.cell or self._starter(asked.address))
        return {self.shell.address: address.query(), **self._keep(address)} | self.show(address)

    def preview_code(self, asked: Asked, code: str) -> Updates:
        asked.visitor.require()
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
            if address.code:
                asked.visitor.require()
            return self._keep(address) | self.shell.go(address) | train.show(address)

        outputs = unique([*self.outputs, *train.outputs])
        self.shell.listen(self.forward.click, forward, [self.code], outputs, self.problem)

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def show(self, address: Address) -> Updates:
        """The choices of the task and what they come to; nothing before the data is read."""
        if address.task not in TASKS or not choices.data_is_ready(self.context, address):
            return {self.problem: gr.HTML(visible=False)}
        return {
            self.task: address.task,
            self.by_fields: gr.Column(visible=not address.code),
            self.by_code: gr.Column(visible=address.code),
            self.use_code: address.code,
            self.code: address.cell,
            self.code_about: markup.line(
                text.CODE_BELOW.format(returns=TASKS[address.task].cell_returns), subdued=True
            ),
            self.roles_key: f"{address.dataset}|{address.task}|{sorted(address.roles.items())}",
            **self._preview(address),
        }

    def _preview(self, address: Address) -> Updates:
        return preview_view.show(self.context, address, self.counts, self.rows)

    def poll(self, _address: Address, _seen: dict[str, Any]) -> tuple[Updates, bool]:
        return {}, False
