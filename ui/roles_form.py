"""Which columns a task learns from: a dropdown or a template for each of its roles, and the strategy. In the task tab.

Drawn from `Task.roles` anew for each task, so that a new task needs nothing here.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from engine import TASKS, FeedbackDataset, Role
from ui import choices, drawn, text
from ui.address import Address
from ui.people import Context
from ui.shell import Asked, Shell, Updates

Show = Callable[[Address], Updates]


class RolesForm:
    """`key` says what it was drawn for; a change draws it anew, with the values of the address."""

    def __init__(self, context: Context, shell: Shell, show: Show) -> None:
        self.context, self.shell, self.show = context, shell, show
        self.key = shell.roles_key

    def draw(self, outputs: Callable[[], list[Any]], problem: gr.HTML) -> None:
        """Draw into the open block. `outputs()`: what `show` may change, asked when everything is built."""

        def roles(address: Address, _key: str) -> None:
            if address.task not in TASKS or not choices.data_is_ready(self.context, address):
                return
            dataset = self.context.supervisor.dataset(address.dataset)
            task = TASKS[address.task]
            parts = {
                role: self._part(role, task.roles[role], names, address.roles.get(role))
                for role, names in task.candidates(dataset).items()
            }
            strategy = gr.Dropdown(**self._strategies(dataset, address), elem_id="strategy", interactive=True)
            self._wire(parts, strategy, outputs(), problem)

        self.shell.drawn_for(self.key, roles, for_all=True)

    def _part(self, role: str, about: Role, names: list[str], chosen: str | None) -> gr.components.Component:
        common: dict[str, Any] = {"label": about.label, "info": about.help or None, "interactive": True}
        common["elem_id"] = f"role-{role}"
        if about.kind == "template":
            return self._template(names, chosen, common)
        empty = [(text.NOT_CHOSEN, "")] if about.optional or chosen not in names else []
        value = chosen if chosen in names else ""
        return gr.Dropdown([*empty, *((name, name) for name in names)], value=value, **common)

    @staticmethod
    def _template(names: list[str], chosen: str | None, common: dict[str, Any]) -> gr.Textbox:
        """Text with {column} in it; a click on a column puts it where the cursor is."""
        with gr.Column(elem_classes="template"):
            box = gr.Textbox(chosen or "", lines=2, max_lines=12, **common)
            gr.HTML(drawn.insertable(names, common["elem_id"]), js_on_load=drawn.INSERT)
        return box

    @staticmethod
    def _strategies(dataset: FeedbackDataset, address: Address) -> dict[str, Any]:
        """How several answers become one: choices of the chosen question, in plain words."""
        task = TASKS[address.task]
        asked = choices.chosen_questions(address, dataset) if choices.takes_strategy(task) else []
        strategies = next((q.strategies for q in asked if q.classifies), ())
        chosen = address.strategy if address.strategy in strategies else (strategies[0] if strategies else None)
        return {
            "choices": [(text.STRATEGIES.get(name, name), name) for name in strategies],
            "value": chosen,
            "label": text.STRATEGY,
            "info": text.STRATEGY_INFO,
            "visible": len(strategies) > 1,
        }

    def _wire(self, parts: dict[str, Any], strategy: gr.Dropdown, outputs: list[Any], problem: gr.HTML) -> None:
        def choose(asked: Asked, how: str | None, *names: str | None) -> Updates:
            roles = {role: name for role, name in zip(parts, names, strict=True) if name}
            address = asked.address.having(roles=roles, strategy=how or "")
            offered = self._strategies(self.context.supervisor.dataset(address.dataset), address)
            address = address.having(strategy=offered["value"] or "")
            changed = {strategy: gr.Dropdown(**offered), self.shell.address: address.query()}
            return changed | self.show(address)

        inputs = [strategy, *parts.values()]
        for part in inputs:
            shown = {"for_all": True, "costs": "preview", "trigger_mode": "always_last"}
            self.shell.listen(part.input, choose, inputs, [*outputs, strategy], problem, **shown)
