"""A conversation with the trained model; its turns are kept by the browser."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ui import drawn, text
from ui.predict_views.view import Input, View, text_box, typed
from ui.shell import Asked, Updates

Messages = list[dict[str, Any]]


class Chat(View):
    """messages → the next message."""

    side_by_side = False
    action = text.SEND

    def draw_inputs(self, first: Input | None) -> list[Any]:
        system, turns, last = _parted(first or [])
        self.chat = gr.Chatbot(turns, label=text.CONVERSATION, height=360, elem_id="predict-chat", buttons=["copy"])
        self.words = text_box(text.YOUR_MESSAGE, last, "predict-text", lines=1)  # one line: Enter sends
        with gr.Accordion(text.SYSTEM, open=bool(system)):
            self.system = gr.Textbox(system, label=text.SYSTEM, show_label=False, lines=2, interactive=True)
        return [self.words, self.chat, self.system]

    def draw_outputs(self) -> list[Any]:
        return []

    def wire(self) -> None:
        self.shown = [*self.inputs]
        super().wire()
        self.trial.listen(self.clear.click, self.begin_again, [], [*self.inputs, self.said, self.expected])

    def _draw_options(self) -> None:
        super()._draw_options()
        self.clear = gr.Button(text.BEGIN_AGAIN, size="sm", elem_id="predict-clear")

    def begin_again(self, _asked: Asked) -> Updates:
        return {self.words: "", self.chat: [], self.expected: ""}

    def enter(self, given: Input) -> list[Any]:
        system, turns, last = _parted(given)
        return [last, turns, system]

    def read(self, words: str, history: Messages | None, system: str) -> Input:
        before = [{"role": "system", "content": system.strip()}] if (system or "").strip() else []
        turns = [{"role": turn["role"], "content": _words(turn["content"])} for turn in history or []]
        return [*before, *turns, {"role": "user", "content": typed(words)}]

    def show(self, given: Input, options: dict[str, Any]) -> Iterator[Updates]:
        turns = [message for message in given if message["role"] != "system"]
        yield {self.chat: [*turns, {"role": "assistant", "content": text.WAITING}], self.words: ""}
        try:
            (answer,) = self.trial.predict([given], options)
        except Exception:
            yield {self.chat: turns[:-1], self.words: turns[-1]["content"]}  # what was typed is not lost
            raise
        answer = {"role": answer["role"], "content": answer["content"] or text.WROTE_NOTHING}
        yield {self.chat: [*turns, answer]}

    def show_expected(self, example: dict[str, Any]) -> str:
        expected = example["expected"]
        return drawn.parts(
            [(text.EXPECTED, _words(expected.get("content") if isinstance(expected, dict) else expected))]
        )


def _parted(messages: Messages) -> tuple[str, Messages, str]:
    """The system's words, the turns before the last user's, and the last user's words."""
    system = " ".join(message["content"] for message in messages if message["role"] == "system")
    turns = [message for message in messages if message["role"] != "system"]
    last = next((i for i in range(len(turns) - 1, -1, -1) if turns[i]["role"] == "user"), None)
    return (system, turns, "") if last is None else (system, turns[:last], turns[last]["content"])


def _words(content: Any) -> str:
    """What a turn says; Gradio's chat hands it back as a text or as a list of parts."""
    if content == text.WROTE_NOTHING:
        return ""
    if isinstance(content, list):
        return "".join(_words(part) for part in content)
    return str(content.get("text", "")) if isinstance(content, dict) else str(content or "")
