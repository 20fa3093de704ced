"""Who asks: the app's context, and the visitor behind a request. Tokens pass through here and are kept nowhere."""

from dataclasses import dataclass, field

import gradio as gr

from engine import Access, RateLimits, Settings, Supervisor, Uploads


@dataclass(frozen=True)
class Context:
    """What the page knows of the machine: one for the whole app. `sign_in`: an OAuth app is configured."""

    settings: Settings
    supervisor: Supervisor
    access: Access
    uploads: Uploads
    limits: RateLimits
    sign_in: bool

    @classmethod
    def of(cls, settings: Settings, *, sign_in: bool) -> "Context":
        """The context of a page with these settings."""
        uploads, limits = Uploads(settings.data_root / "uploads"), RateLimits(strict=settings.on_space)
        supervisor = Supervisor(settings)
        supervisor.queue.keep_going()
        return cls(settings, supervisor, Access(settings), uploads, limits, sign_in)


@dataclass(frozen=True)
class Visitor:
    """One person's request. `name`: their account, if signed in; `token`: what their actions use; `host`: whence."""

    access: Access
    name: str
    token: str | None = field(repr=False)
    host: str = ""

    @property
    def person(self) -> str:
        """Whom limits count: an account, or everybody who is not signed in at one address."""
        return self.name or f"a visitor from {self.host}"

    def require(self) -> None:
        """Raises UserError unless this person may import, train, stop, delete and run code here."""
        self.access.require_owner(self.name or None, self.token)

    @property
    def may_act(self) -> bool:
        """Whether this person works here; others look at what is open to all."""
        return self.access.may_train(self.name or None, self.token)


def visitor(context: Context, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None, host: str = "") -> Visitor:
    """Who asks, from the signed session of their browser. A token without a profile came from elsewhere: nobody's."""
    if profile is None:
        return Visitor(context.access, "", context.access.token_for(None), host)
    return Visitor(context.access, profile.username, context.access.token_for(token.token if token else None), host)
