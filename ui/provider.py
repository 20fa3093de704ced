"""What a framework asks for besides its settings: a notice, keys, its provider's own models, the rows as files.

Part of the train tab. A key goes from its box to the supervisor's memory; it is in no address, state, file or log.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from engine import FRAMEWORKS, Framework, UserError
from ui import choices, markup, sentences, text
from ui.address import Address
from ui.people import Context
from ui.shell import Asked, Shell, Updates, downloadable, problem_box

KEYS_AT_MOST = max(len(framework.secrets) for framework in FRAMEWORKS.values())


class Provider:
    """Its parts are hidden for a framework that needs none of them."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.notice = gr.HTML(visible=False, elem_id="framework-notice")
        with gr.Column(visible=False, elem_id="keys") as self.group:
            self.boxes = [gr.Textbox(type="password", max_lines=1, visible=False) for _ in range(KEYS_AT_MOST)]
            self.use = gr.Button(text.USE_KEY, size="sm", elem_id="use-key")
        self.known = gr.HTML(visible=False)
        with gr.Row(visible=False) as self.buttons:
            self.ask = gr.Button(text.ASK_PROVIDER, size="sm", elem_id="ask-provider")
            self.export = gr.Button(text.EXPORT_ROWS, size="sm", elem_id="export-rows")
        self.models = gr.HTML(visible=False, elem_id="provider-models")
        self.file = gr.File(label=text.EXPORTED_ROWS, interactive=False, visible=False, elem_id="exported-rows")
        self.problem = problem_box("provider-problem")
        self.outputs = [self.notice, self.group, *self.boxes, self.known, self.buttons, self.ask, self.export]
        self.outputs += [self.models, self.file, self.problem]

    def wire(self, base: gr.Dropdown, readiness: Callable[[Address], Updates], outputs: list[Any]) -> None:
        """`readiness(address)` gives the updates of the Ready line, among `outputs`, once a key is known."""

        def use(asked: Asked, *values: str) -> Updates:
            for name, value in zip(self._missing(FRAMEWORKS[asked.address.framework]), values, strict=False):
                if (value or "").strip():
                    self.context.supervisor.keep_secret(name, value)
            return self.show(asked.address) | readiness(asked.address)

        def ask(asked: Asked) -> Updates:
            found = self.context.supervisor.remote_models(asked.address.framework, asked.address.config)
            if found is None:
                raise UserError(text.NO_MODEL_LIST, text.NO_MODEL_LIST_HINT)
            rows = [(model.id, model.note) for model in found]
            shown = gr.HTML(markup.table(text.MODEL_HEADERS, rows, stack=True), visible=True)
            return {base: gr.Dropdown(choices=[(model.id, model.id) for model in found]), self.models: shown}

        def export(asked: Asked) -> Updates:
            path = self.context.supervisor.export_rows(choices.run_spec(self.context, asked.address))
            return {self.file: gr.File(downloadable(self.file, path), visible=True)}

        for box in self.boxes:
            self.shell.listen(box.submit, use, self.boxes, outputs, self.problem)
        self.shell.listen(self.use.click, use, self.boxes, outputs, self.problem)
        self.shell.listen(self.ask.click, ask, [], [*outputs, base], self.problem, show_progress="minimal")
        self.shell.listen(self.export.click, export, [], outputs, self.problem, show_progress="minimal")

    def _missing(self, framework: Framework) -> list[str]:
        known = self.context.supervisor.secrets_of(framework)
        return [name for name in framework.secrets if name not in known]

    def show(self, address: Address) -> Updates:
        """What the framework of the address asks for."""
        framework = FRAMEWORKS[address.framework]
        missing = self._missing(framework)
        known = [name for name in framework.secrets if name not in missing]
        updates: Updates = {
            self.notice: gr.HTML(markup.notice(framework.notice), visible=bool(framework.notice)),
            self.group: gr.Column(visible=bool(missing)),
            self.known: gr.HTML(markup.line(sentences.keys_known(known), subdued=True), visible=bool(known)),
            self.buttons: gr.Row(visible=bool(framework.secrets) or framework.exports_rows),
            self.ask: gr.Button(visible=bool(framework.secrets)),
            self.export: gr.Button(visible=framework.exports_rows),
            self.models: gr.HTML(visible=False),
            self.file: gr.File(visible=False),
        }
        for i, box in enumerate(self.boxes):
            name = missing[i] if i < len(missing) else ""
            updates[box] = gr.Textbox("", label=name, info=text.KEY_INFO, visible=bool(name), elem_id=f"key-{name}")
        return updates
