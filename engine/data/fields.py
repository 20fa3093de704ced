"""Fields: the inputs of a record. A field's values keep the type the source gave them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Field(BaseModel):
    """One input of a record. `type` is Argilla's: text, chat, image or custom."""

    model_config = ConfigDict(extra="forbid")

    name: str
    title: str | None = None
    required: bool = True
    type: Literal["text", "chat", "image", "custom"] = "text"
    use_markdown: bool = False

    def model_post_init(self, _context: object) -> None:
        self.title = self.title or self.name


class TextField(Field):
    """A field that holds text (or a plain value such as a number, which is read as its text)."""

    type: Literal["text"] = "text"
