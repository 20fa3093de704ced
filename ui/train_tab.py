"""③ Train: framework, base model, the generated form, the split, a Ready line that is always true, and Start."""

import time
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from engine import FRAMEWORKS, TASKS, UserError, approve_code, frameworks_for
from ui import choices, forms, markup, sentences, text
from ui.address import Address
from ui.people import Context
from ui.provider import Provider
from ui.shell import Asked, Shell, Tab, Updates, problem_box, unique


class TrainTab(Tab):
    """Choices on the left, what they come to on the right."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.form_key = shell.form_key
        with gr.Row(elem_classes="two-columns", elem_id="train-form") as self.group:
            with gr.Column(scale=3, elem_classes="card"):
                self.framework = gr.Radio([], label=text.FRAMEWORK, elem_classes="cards", elem_id="framework")
                self.absent = gr.HTML(visible=False)
                self.provider = Provider(context, shell)
                self.base = gr.Dropdown(
                    [], label=text.BASE_MODEL, info=text.BASE_MODEL_INFO, allow_custom_value=True, elem_id="base-model"
                )
                self.base_note = gr.HTML(elem_id="base-note")
                self._draw_form_here()
            with gr.Column(scale=2, elem_classes="card side"):
                self.plan = gr.HTML(elem_id="train-plan")
                self.split_bar = gr.HTML(elem_id="split-bar")
                with gr.Accordion(text.SPLIT_SETTINGS, open=False):
                    with gr.Row(elem_classes="form-grid tight"):
                        self.train = gr.Number(
                            70, label=text.SPLIT_TRAIN, minimum=1, maximum=100, elem_id="split-train"
                        )
                        self.validation = gr.Number(
                            10, label=text.SPLIT_VALIDATION, minimum=0, maximum=99, elem_id="split-validation"
                        )
                        self.test = gr.Number(20, label=text.SPLIT_TEST, interactive=False, elem_id="split-test")
                        self.seed = gr.Number(42, label=text.SEED, precision=0, minimum=0, elem_id="seed")
                    gr.HTML(markup.line(text.SPLIT_BELOW, subdued=True))
                self.ready = gr.HTML(elem_id="ready-line")
                self.problem = problem_box("train-problem")
                self.fetch = gr.Button(text.FETCH, visible=False, elem_id="fetch-base")
                self.code = gr.State("")  # "owner/name@commit" as it is shown: another can't be approved by this button
                with gr.Column(visible=False, elem_id="approval") as self.approval:
                    self.code_named = gr.HTML()
                    self.approve = gr.Button(text.APPROVE_CODE, size="sm", elem_id="approve-code")
                self.start = gr.Button(text.START, variant="primary", size="lg", elem_id="start")
        self.split_inputs = [self.train, self.validation, self.seed]
        self.outputs = [
            *(self.group, self.problem, self.framework, self.absent, self.base, self.base_note, self.form_key),
            *(self.plan, self.split_bar, self.ready, self.start, self.fetch, self.test, *self.split_inputs),
            *(self.code, self.approval, self.code_named, *self.provider.outputs),
        ]
        self.provider.wire(self.base, self._readiness, self.outputs)
        self._wire()

    # ---- the generated form -----------------------------------------------------------------------------------------

    def _draw_form_here(self) -> None:
        def form(address: Address, _key: str) -> None:
            if address.framework not in FRAMEWORKS or not address.task:
                return
            fields = forms.fields_of(choices.config_class(address).model_json_schema())
            runs = {field.name: self._runs(field.tasks) for field in fields if field.kind == "run"}
            drawn = forms.draw(fields, forms.flat_values(fields, address.config), runs)
            self._wire_form(fields, drawn)

        self.shell.drawn_for(self.form_key, form)

    def _runs(self, tasks: tuple[str, ...]) -> list[tuple[str, str]]:
        """Finished runs of these tasks, for a setting that names one by its id."""
        supervisor = self.context.supervisor
        found = [run for run in supervisor.runs() if run.state == "finished" and run.task in tasks]
        return [(sentences.run_choice(run, TASKS[run.task].label, time.time()), run.id) for run in found]

    def _wire_form(self, fields: list[forms.FormField], drawn: dict[str, Any]) -> None:
        """Listeners that read the form: they live as long as this drawing of it."""
        parts = list(drawn.values())  # in the order in which they are drawn, which is not that of the fields

        def chosen(address: Address, entered: tuple[Any, ...]) -> Address:
            named = dict(zip(drawn, entered, strict=True))
            return address.having(config=forms.changed_values(fields, named))

        def typed(asked: Asked, *entered: Any) -> Updates:
            address = chosen(asked.address, entered)
            if address == asked.address:  # only drawn: an answer now could undo what is clicked meanwhile
                return {}
            return {self.shell.address: address.query()} | self._readiness(address)

        def start(asked: Asked, *entered: Any) -> Updates:
            return self._start(chosen(asked.address, entered), asked)

        # One listener for all: a listener each would send the whole form once for every setting that is drawn.
        changed = partial(gr.on, [forms.edited(part) for part in parts])
        self.shell.listen(changed, typed, parts, self.outputs, self.problem, trigger_mode="always_last")
        self.shell.listen(self.start.click, start, parts, self.outputs, self.problem)

    # ---- wiring -----------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        def listen(trigger: Any, handler: Any, *inputs: Any) -> None:
            self.shell.listen(trigger, handler, inputs, self.outputs, self.problem, trigger_mode="always_last")

        listen(self.framework.input, self.choose_framework, self.framework)
        listen(self.base.change, self.choose_base, self.base)
        listen(self.fetch.click, self.fetch_base)
        listen(self.approve.click, self.approve_code, self.code)
        for part in self.split_inputs:
            listen(part.change, self.choose_split, *self.split_inputs)

    def choose_framework(self, asked: Asked, name: str) -> Updates:
        base = FRAMEWORKS[name].base_models[asked.address.task][0].id
        return self._draw(asked.address.having(framework=name, base=base, config={}))

    def choose_base(self, asked: Asked, base: str | None) -> Updates:
        address = asked.address.having(base=(base or "").strip())
        if address == asked.address or not address.framework:
            return {}
        if choices.must_be_fetched(address):  # it is downloaded as soon as it is chosen
            return self._fetch(replace(asked, address=address), {})
        return {self.shell.address: address.query()} | self._readiness(address)

    def fetch_base(self, asked: Asked) -> Updates:
        """Begin to download what is missing, the models that the settings name too; or try again."""
        return self._fetch(asked, asked.address.config)

    def approve_code(self, asked: Asked, shown: str) -> Updates:
        """Let the base model's own code run here, at the commit that was shown; it is downloaded if it is missing."""
        line = choices.ready_line(self.context, asked.address)
        if line.code is not None and str(line.code) == shown:
            approve_code(line.code)
            if choices.ready_line(self.context, asked.address).fetchable:
                return self.fetch_base(asked)
        return self._readiness(asked.address)

    def _fetch(self, asked: Asked, config: dict[str, Any]) -> Updates:
        wanted = asked.address.framework, asked.address.task, asked.address.base
        self.context.supervisor.fetch(*wanted, token=asked.visitor.token, config=config)
        changed: Updates = {self.shell.address: asked.address.query()}
        return changed | self.shell.watch() | self._readiness(asked.address)

    def choose_split(self, asked: Asked, train: float, validation: float, seed: float) -> Updates:
        address = asked.address.having(split=choices.split_values(train, validation, seed))
        if address == asked.address or not address.framework:
            return {}
        rest = round(100 - (train or 0) - (validation or 0), 4)
        return {self.shell.address: address.query(), self.test: rest} | self._readiness(address)

    def _start(self, address: Address, asked: Asked) -> Updates:
        line = choices.ready_line(self.context, address)
        if not line.ready:
            raise UserError(line.sentence, text.NOT_READY_HINT)
        run_id = self.context.supervisor.start(choices.run_spec(self.context, address, asked.visitor.name))
        address = address.having(run=run_id, step=3)
        return self.show(address) | self.shell.go(address) | self.shell.watch() | self.run.show(address)

    def continue_to(self, run: Any) -> None:
        """After Start the screen is the run."""
        self.run = run
        self.outputs = unique([*self.outputs, *run.outputs])

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def show(self, address: Address) -> Updates:
        """The form, unless a run is at work on this screen."""
        running = bool(address.run) and self.context.supervisor.status(address.run).live
        updates: Updates = {self.group: gr.Row(visible=not running), self.problem: gr.HTML(visible=False)}
        if running or not address.task or not choices.data_is_ready(self.context, address):
            return updates
        return updates | self._draw(choices.with_defaults(address))

    def _draw(self, address: Address) -> Updates:
        """Everything that the choice of framework decides."""
        framework = FRAMEWORKS[address.framework]
        models = framework.base_models[address.task]
        split = choices.split_spec(address)
        absent = self._absent(address.task)
        return {
            self.shell.address: address.query(),
            self.framework: gr.Radio(choices=self._frameworks(address.task), value=address.framework),
            self.absent: gr.HTML(markup.notes(absent), visible=bool(absent)),
            self.base: gr.Dropdown(choices=choices.base_choices(framework, models), value=address.base),
            self.form_key: f"{address.task}|{address.framework}|{address.dataset}",
            self.train: round(split.train * 100, 4),
            self.validation: round(split.validation * 100, 4),
            self.test: round(split.test * 100, 4),
            self.seed: split.seed,
            **self.provider.show(address),
            **self._readiness(address),
        }

    @staticmethod
    def _frameworks(task: str) -> list[tuple[str, str]]:
        names = [name for name in frameworks_for(task) if not FRAMEWORKS[name].missing()]
        return [(f"{FRAMEWORKS[name].label} — {FRAMEWORKS[name].summary}", name) for name in names]

    @staticmethod
    def _absent(task: str) -> list[str]:
        found = {name: FRAMEWORKS[name].missing() for name in frameworks_for(task)}
        return [
            sentences.not_installed(FRAMEWORKS[name].label, packages) for name, packages in found.items() if packages
        ]

    def _readiness(self, address: Address) -> Updates:
        line = choices.ready_line(self.context, address)
        return {
            self.ready: markup.ready(line.sentence) if line.ready else markup.problem(line.sentence),
            self.start: gr.Button(interactive=line.ready),
            self.fetch: gr.Button(choices.fetch_label(address), visible=line.fetchable),
            self.plan: markup.heading(text.PLAN, self._plan(address)),
            self.split_bar: markup.split_bar(line.sizes, text.SPLIT_PARTS) if line.sizes else "",
            self.base_note: choices.base_note(address),
            self.code: str(line.code or ""),
            self.approval: gr.Column(visible=line.code is not None),
            self.code_named: markup.notice(text.CODE_AT.format(**line.code.model_dump())) if line.code else "",
        }

    @staticmethod
    def _plan(address: Address) -> str:
        roles = {} if address.code else address.roles
        named = [sentences.column(roles[role]) for role in TASKS[address.task].roles if roles.get(role)]
        return sentences.plan(FRAMEWORKS[address.framework].label, address.base, named)

    def poll(self, address: Address, seen: dict[str, Any]) -> tuple[Updates, bool]:
        """The download of a base model, while it goes on."""
        status = choices.fetch_status(self.context, address) if address.step == 3 and address.framework else None
        mark = f"{address.base}|{status.ended}" if status else ""
        if status is None or (not status.live and seen.get("base") == mark):
            return {}, False
        seen["base"] = mark
        return self._readiness(address), status.live
