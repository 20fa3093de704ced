"""What somebody is told who opens another's Space: what is open to them, and the way to a Space of their own."""

import gradio as gr

from ui import markup, text
from ui.address import Address
from ui.people import Context
from ui.shell import Shell, Tab, Updates


class Welcome(Tab):
    """Stands above everything for a visitor, and takes what is the owner's from the page. Others never see it."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.shell = shell
        self.outputs = []
        if context.settings.on_space:
            owner = context.settings.space_author or text.ITS_OWNER
            with gr.Row(visible=False, elem_classes="card next-step", elem_id="welcome") as self.group:
                gr.HTML(markup.heading(text.VISITING.format(owner=owner), text.VISITING_BELOW))
                gr.DuplicateButton(text.DUPLICATE, scale=0, min_width=220, variant="primary")
            self.outputs = [self.group]

    def show_to_visitor(self, _address: Address) -> Updates:
        return {self.group: gr.Row(visible=True)} | {part: gr.update(visible=False) for part in self.shell.for_owner}
