"""The OpenAI SDK's client as we use it, and its errors in words that hold no key. Called by the openai framework."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.errors import UserError
from engine.public_hosts import pin, public_address
from engine.settings import Settings

if TYPE_CHECKING:
    import openai

KEY = "OPENAI_API_KEY"
ADDRESS = "OPENAI_BASE_URL"
OPENAI = "https://api.openai.com/v1"
TIMEOUT, CONNECT = 120.0, 10.0  # seconds for one answer, and until there is a connection
RETRIES = 4  # of one request, by the SDK, which waits as long as the provider asks (retry-after)
LONGEST_WORDS = 300
CLOSED = (
    "OpenAI lets no new organisation fine-tune since May 2026, and nobody from January 2027. The rows are kept as "
    "JSONL: use them at another provider with the same API (“Address of the API”), or train a model of your own."
)


def address(base_url: str | None = None) -> str:
    """Where requests go: the address given, or OPENAI_BASE_URL, or OpenAI."""
    return base_url or os.environ.get(ADDRESS) or OPENAI


def host(base_url: str | None = None) -> str:
    """The provider's name for sentences."""
    return urlsplit(address(base_url)).netloc.rpartition("@")[2] or "the provider"


def open_client(base_url: str | None = None, key: str | None = None) -> "openai.OpenAI":
    """A client for `address(base_url)`; `key` None: the environment's. Raises UserError when there is none.

    Redirects are not followed, so that neither key nor rows go anywhere but to that address. On a Space an address
    that was typed must be of the public internet; what its owner set as OPENAI_BASE_URL may be any.
    """
    import openai

    key = (key if key is not None else os.environ.get(KEY, "")).strip()
    if not key:
        raise UserError(f"Fine-tuning at {host(base_url)} needs a key, and there is none.", f"Enter it, or set {KEY}.")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(f"The key {KEY} holds a character that no key has.", "Copy it again, without line breaks.")
    timeout = openai.Timeout(TIMEOUT, connect=CONNECT)
    hooks = {}
    if base_url and Settings.from_env().on_space:
        public_address(urlsplit(base_url).hostname or "")
        hooks = {"request": [pin]}
    http = openai.DefaultHttpxClient(follow_redirects=False, timeout=timeout, event_hooks=hooks)
    return openai.OpenAI(
        api_key=key, base_url=address(base_url), max_retries=RETRIES, timeout=timeout, http_client=http
    )


@contextmanager
def in_words(client: "openai.OpenAI", doing: str, model: str = "") -> Iterator[None]:
    """Turn what the SDK raises into UserError: who, what it says, what to do. `doing`: "start the job"."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise _answered(client, error, doing, model) from None
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        cause = type(error.__cause__ or error).__name__
        raise UserError(
            f"{_name(client)} can't be reached to {doing}: {cause}.", "Check the network and the address of the API."
        ) from None
    except openai.APIError as error:
        raise UserError(
            f"{_name(client)} gave an answer that makes no sense here, asked to {doing}.{_said(client, error)}",
            "Check that the address is that of an OpenAI-style API.",
        ) from None


def passes(error: Exception) -> bool:
    """Whether an error may be gone at the next try."""
    import openai

    passing = openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError
    return isinstance(error, passing) and getattr(error, "code", None) != "insufficient_quota"


def _answered(client: "openai.OpenAI", error: "openai.APIStatusError", doing: str, model: str) -> UserError:
    status, who, said = error.status_code, _name(client), _said(client, error)
    if status == 401:
        return UserError(f"{who} does not accept the key {KEY}.", "Check that it is whole, not revoked, and of there.")
    if status == 403:
        return UserError(f"{who} does not let this account {doing}.{said}", CLOSED)
    if status == 404:
        what = f"does not know the model {model!r} (asked to {doing})" if model else f"can't {doing}: nothing is there"
        return UserError(f"{who} {what}.{said}", "Check the model's name and the address of the API.")
    if status == 429:
        if error.code == "insufficient_quota":
            return UserError(f"The account's credit at {who} is used up.{said}", "Add credit there, then start again.")
        return UserError(f"{who} is asked too often (429), also after waiting.{said}", "Try again in a few minutes.")
    if status >= 500:
        return UserError(f"{who} has a fault ({status}), also after {RETRIES} more tries.", "Try again later.")
    return UserError(f"{who} refuses to {doing} ({status}).{said}", "Change what it names, then start again.")


def _name(client: "openai.OpenAI") -> str:
    return host(str(client.base_url))


def _said(client: "openai.OpenAI", error: "openai.APIError") -> str:
    """The provider's own words, one line, without the key."""
    body = error.body if isinstance(error.body, dict) else {}
    return quoted(body.get("message") or "", client.api_key)


def quoted(words: object, key: str) -> str:
    """A sentence that quotes `words`, with the key blotted out; nothing for no words."""
    text = " ".join(str(words).replace(key, "•••").split())
    text = text if len(text) <= LONGEST_WORDS else text[:LONGEST_WORDS] + "…"
    return f" It says: {text.rstrip('.')}." if text else ""
