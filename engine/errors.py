"""The one exception made for people. Everything else that is raised is a bug and keeps its traceback."""

from engine.redaction import redacted


class UserError(ValueError):
    """Something the user can put right: what was expected and found (`message`), and what to do next (`hint`).

    Neither ever holds a secret: both are shown, logged and kept.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = redacted(message), redacted(hint)
        super().__init__(f"{self.message} {self.hint}".strip())

    def __reduce__(self) -> tuple:
        return type(self), (self.message, self.hint)
