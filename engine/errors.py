"""The one exception made for people. Everything else that is raised is a bug and keeps its traceback."""


class UserError(ValueError):
    """Something the user can put right: what was expected and found (`message`), and what to do next (`hint`)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple:
        return type(self), (self.message, self.hint)
