"""⑤ Publish: repo name, private or not, the card as it will be read, push with progress, link; or a .zip."""

from typing import Any

import gradio as gr

from engine import FRAMEWORKS, UserError, check_token, suggested_name
from ui import markup, sentences, text
from ui.address import Address
from ui.people import Context, Visitor
from ui.shell import Asked, Shell, Tab, Updates, downloadable, problem_box


class PublishTab(Tab):
    """Hands the visitor's own token to the publish worker, for this push only."""

    def __init__(self, context: Context, shell: Shell) -> None:
        self.context, self.shell = context, shell
        with gr.Row(visible=False, elem_classes="two-columns", elem_id="publish") as self.group:
            with gr.Column(elem_classes="card"):
                self.below = gr.HTML()
                self.who = gr.HTML(elem_id="publish-who")
                self.repo = gr.Textbox(label=text.REPO, info=text.REPO_INFO, max_lines=1, elem_id="repo-id")
                self.private = gr.Checkbox(True, label=text.PRIVATE, info=text.PRIVATE_INFO, elem_id="private")
                self.problem = problem_box("publish-problem")
                self.push = gr.Button(text.PUSH, variant="primary", size="lg", elem_id="push")
                self.bar = gr.HTML(elem_id="publish-bar")
                self.link = gr.HTML(elem_id="publish-link")
                self.usage = gr.Code(
                    language="python", label=text.USAGE, interactive=False, visible=False, elem_id="usage"
                )
                gr.HTML(markup.heading(text.ZIP_HEADING, text.ZIP_BELOW))
                self.make_zip = gr.Button(text.ZIP, elem_id="make-zip")
                self.zip = gr.File(label=text.ZIP_FILE, interactive=False, visible=False, elem_id="zip-file")
                self.zip_problem = problem_box("zip-problem")
            with gr.Column(elem_classes="card"):
                gr.HTML(markup.heading(text.CARD, text.CARD_BELOW))
                self.card = gr.Markdown(sanitize_html=True, max_height=560, elem_id="card-text")
        self.nothing = gr.HTML(markup.line(text.NO_RESULT_YET, subdued=True), visible=False)
        self.outputs = [
            *(self.group, self.nothing, self.problem, self.who, self.repo, self.push, self.bar, self.link, self.usage),
            *(self.zip, self.zip_problem, self.card, self.below),
        ]
        given = [self.repo, self.private]
        for trigger in (self.push.click, self.repo.submit):
            self.shell.listen(trigger, self.publish, given, self.outputs, self.problem)
        self.shell.listen(
            self.make_zip.click, self.zip_model, [], self.outputs, self.zip_problem, show_progress="minimal"
        )

    def open_with(self, button: gr.Button) -> None:
        """[Publish] below the result opens this step."""

        def forward(asked: Asked) -> Updates:
            address = asked.address.having(step=5)
            return self.shell.go(address) | self.show(address)

        opened = self.shell.listen(button.click, forward, [], self.outputs, self.problem)
        self.shell.listen(opened.then, self.greet, [], self.outputs, self.problem)

    def publish(self, asked: Asked, repo_id: str, private: bool) -> Updates:
        if not asked.visitor.token:
            raise UserError(text.NO_ACCOUNT, sentences.no_account_hint(self.context.sign_in))
        name = repo_id.strip()
        self.context.supervisor.publish(asked.address.run, name, private=private, token=asked.visitor.token)
        return self._status(asked.address) | self.shell.watch()

    def zip_model(self, asked: Asked) -> Updates:
        path = self.context.supervisor.zip_model(asked.address.run)
        return {self.zip: gr.File(downloadable(self.zip, path), visible=True)}

    def show(self, address: Address) -> Updates:
        """The form for a finished run; what has become of an earlier push."""
        finished = bool(address.run) and self.context.supervisor.status(address.run).state == "finished"
        if not finished:
            return {self.group: gr.Row(visible=False), self.nothing: gr.HTML(visible=True)}
        run_dir = self.context.supervisor.run(address.run)
        return {
            self.group: gr.Row(visible=True),
            self.nothing: gr.HTML(visible=False),
            self.below: markup.heading(
                text.PUBLISH, FRAMEWORKS[run_dir.spec.framework].published_note or text.PUBLISH_BELOW
            ),
            self.card: without_metadata(run_dir.card_file.read_text(encoding="utf-8")),
            **self._status(address),
        }

    def greet(self, asked: Asked) -> Updates:
        """Whose account it goes to, and a name for the repository. May ask the Hub, so it runs beside the rest."""
        if not asked.address.run:
            return {}
        name, told = self._account(asked.visitor)
        spec = self.context.supervisor.run(asked.address.run).spec
        return {
            self.who: markup.line(told, subdued=True),
            self.push: gr.Button(interactive=bool(asked.visitor.token)),
            self.repo: sentences.repo_id(name, suggested_name(spec)),
        }

    def _account(self, visitor: Visitor) -> tuple[str, str]:
        """The account's name as far as it is known, and a sentence about it."""
        name = visitor.name
        if visitor.token and not name:
            try:
                name = check_token(visitor.token)["name"]
            except UserError as error:  # the Hub is away or refuses the token: said here, and again on a push
                return "", str(error)
        return name, sentences.publishes_as(name, self.context.sign_in)

    def _status(self, address: Address) -> Updates:
        """How the push goes: nothing yet, its progress, the link, or why it failed."""
        if not self.context.supervisor.run(address.run).publish_dir.is_dir():
            return {
                self.bar: "",
                self.link: "",
                self.usage: gr.Code(visible=False),
                self.problem: gr.HTML(visible=False),
            }
        status = self.context.supervisor.publish_status(address.run)
        if status.live:
            return {self.bar: markup.working(text.PUSHING, sentences.running(status), status.fraction), self.link: ""}
        if status.state != "finished":
            failed = markup.problem(status.message or text.ENDED.get(status.state, ""), status.hint)
            again = {self.push: gr.Button(text.PUSH_AGAIN), self.usage: gr.Code(visible=False)}
            return again | {self.bar: "", self.problem: gr.HTML(failed, visible=True)}
        spec = self.context.supervisor.run(address.run).spec
        usage = FRAMEWORKS[spec.framework].usage_of(status.result["repo_id"], spec.task["task"], spec.config)
        return {
            self.bar: "",
            self.push: gr.Button(text.PUSH_UPDATE),
            self.link: markup.published(text.PUBLISHED, status.result["url"]),
            self.usage: gr.Code(usage, visible=True),
        }

    def poll(self, address: Address, seen: dict[str, Any]) -> tuple[Updates, bool]:
        """The push, while it goes on."""
        if not address.run or not self.context.supervisor.run(address.run).publish_dir.is_dir():
            return {}, False
        status = self.context.supervisor.publish_status(address.run)
        if not status.live and seen.get("published") == status.ended:
            return {}, False
        seen["published"] = None if status.live else status.ended
        return self._status(address), status.live


def without_metadata(card: str) -> str:
    """A model card without its YAML head, which is for the Hub and not for readers."""
    if card.startswith("---"):
        return card.split("\n---", 1)[-1].split("\n", 1)[-1]
    return card
