"""What each column of the data is for, as guessed and as corrected: one dropdown a column. Part of the data tab."""

from typing import Any

import gradio as gr

from engine import ROLES, ColumnRole, change_role, column_roles
from ui import markup, sentences, text
from ui.address import Address
from ui.people import Context
from ui.shell import Asked, Shell, Updates, problem_box

SHOWN_COLUMNS = 40


class Columns:
    """Drawn anew for each dataset; a change is stored with the dataset and the summary follows."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        self.key = shell.columns_key
        self.outputs = [self.key]

    def draw(self, summary: Any, outputs: list[Any]) -> gr.Column:
        """Draw into the open block. `summary(address)` gives the updates of the whole summary after a change."""
        with gr.Column(elem_classes="card") as card, gr.Accordion(text.ROLES_HEADING, open=False, elem_id="roles"):
            gr.HTML(markup.line(text.ROLES_BELOW, subdued=True))
            problem = problem_box("roles-problem")

            def columns(address: Address, _key: str) -> None:
                if not address.dataset:
                    return
                roles = column_roles(self.context.supervisor.dataset(address.dataset))
                with gr.Row(elem_classes="form-grid"):
                    for role in roles[:SHOWN_COLUMNS]:
                        self._dropdown(role, summary, outputs, problem)
                if len(roles) > SHOWN_COLUMNS:
                    gr.HTML(markup.line(text.MORE_COLUMNS.format(n=len(roles) - SHOWN_COLUMNS), subdued=True))

            self.shell.drawn_for(self.key, columns)
        return card

    def _dropdown(self, column: ColumnRole, summary: Any, outputs: list[Any], problem: gr.HTML) -> None:
        chosen = gr.Dropdown(
            [(text.ROLE_NAMES.get(role, role), role) for role in ROLES],
            **{"value": column.role, "label": column.name, "info": sentences.role_info(column.reason, column.examples)},
            interactive=True,
        )

        def change(asked: Asked, role: str) -> Updates:
            change_role(self.context.supervisor.dataset_folder(asked.address.dataset), column.name, role)
            return summary(asked.address.having(roles={}, task="", run=""))

        self.shell.listen(chosen.input, change, [chosen], outputs, problem)

    def show(self, address: Address) -> Updates:
        return {self.key: address.dataset}
