"""Who asks: the app's context, and the visitor behind a request. Tokens pass through here and are kept nowhere."""

from dataclasses import dataclass, field

import gradio as gr

from engine import Access, Settings, Supervisor


@dataclass(frozen=True)
class Context:
    """What the page knows of the machine: one for the whole app. `sign_in`: an OAuth app is configured."""

    settings: Settings
    supervisor: Supervisor
    access: Access
    sign_in: bool


@dataclass(frozen=True)
class Visitor:
    """One person's request. `name`: their account, if signed in; `token`: what their actions use."""

    access: Access
    name: str
    token: str | None = field(repr=False)

    def require(self) -> None:
        """Raises UserError unless this person may import, train, stop, delete and run code here."""
        self.access.require_owner(self.name or None, self.token)

    @property
    def may_run_code(self) -> bool:
        return self.access.may_train(self.name or None, self.token)


def visitor(context: Context, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None) -> Visitor:
    """Who asks, from the signed session of their browser."""
    name = profile.username if profile else ""
    return Visitor(context.access, name, context.access.token_for(token.token if token else None))
