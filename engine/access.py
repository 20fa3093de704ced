"""Who may do what here, and with whose token. Asked by the page before each action; decides nothing about the Hub.

On a Space everyone acts with their own sign-in and only its owner trains; on a personal machine its owner does both.
The owner's token in a Space's environment is never given to anyone.
"""

import hashlib
import time

from huggingface_hub import get_token

from engine.errors import UserError
from engine.publishing.hub import check_token
from engine.redaction import remember
from engine.settings import Settings

MOCK = "mock-"  # Gradio's stand-in for a token outside a Space
OWNER_ROLES = ("admin", "write")
REMEMBERED = 300.0  # seconds that an organisation's answer holds: the Hub limits how often it may be asked


class Access:
    """The rules for this place. One instance for the page; it keeps organisation roles for a few minutes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._roles: dict[str, tuple[float, dict[str, str]]] = {}  # sha256 of a token → (when asked, org → role)

    def token_for(self, oauth_token: str | None) -> str | None:
        """The token that this person's actions use; None: they have to sign in.

        On a Space only the signed-in person's own. On a personal machine also HF_TOKEN or the one stored by
        `hf auth login`.
        """
        remember(oauth_token)
        real = oauth_token if oauth_token and not oauth_token.startswith(MOCK) else None
        if self._settings.on_space or real:
            return real
        own = self._settings.hf_token or get_token()
        remember(own)
        return own

    def may_train(self, username: str | None, token: str | None) -> bool:
        """Whether this person may start, stop and delete runs, and run code, here. `token`: from `token_for`."""
        try:
            self.require_owner(username, token)
        except UserError:
            return False
        return True

    def require_owner(self, username: str | None, token: str | None) -> None:
        """Raises UserError unless this is a personal machine, or a Space of this person or their organisation."""
        if not self._settings.on_space:
            return
        author, space = self._settings.space_author, self._settings.space_id
        if not username or not token or token.startswith(MOCK):
            raise UserError("Sign in to work here.", "Use “Sign in with Hugging Face” at the top of the page.")
        if not author:
            raise UserError(
                "This Space does not say who owns it, so nobody may train here.", "Restart it, or duplicate it."
            )
        if username.casefold() == author.casefold() or self._role_in(author, token) in OWNER_ROLES:
            return
        raise UserError(
            f"This Space belongs to {author}, and you are signed in as {username}: its data, runs and models are not"
            " open to you.",
            f"Duplicate the Space to train in your own account: https://huggingface.co/spaces/{space}?duplicate=true",
        )

    def _role_in(self, organisation: str, token: str) -> str | None:
        key, now = hashlib.sha256(token.encode()).hexdigest(), time.monotonic()
        asked, roles = self._roles.get(key, (0.0, {}))
        if key not in self._roles or now - asked > REMEMBERED:
            roles = {org["name"].casefold(): org["role"] for org in check_token(token)["orgs"]}
            self._roles = {k: v for k, v in self._roles.items() if now - v[0] <= REMEMBERED} | {key: (now, roles)}
        return roles.get(organisation.casefold())
