"""Secrets blotted out of everything that is written: logs, events, messages. Standard library only.

A process remembers the secrets that it is given; what looks like a token or a password in an address is blotted out
unasked. Names of variables stay, values go.
"""

import re
import sys
from typing import Any
from urllib.parse import quote

BLOT = "•••"
SHORTEST = 6  # characters: a shorter secret would blot out words
# Tokens of the Hub, keys of OpenAI-style providers, and what stands before the @ of an address.
LOOKS_SECRET = re.compile(
    r"\bhf_oauth_[\w.-]{20,}|\bhf_[A-Za-z0-9]{20,}|\bsk-[\w-]{20,}|(?<=://)[^/\s@\"'\\<>]+(?=@)", re.ASCII
)

_known: set[str] = set()


def remember(*secrets: str | None) -> None:
    """Blot out these values from now on, in this process."""
    for secret in secrets:
        if secret and len(secret) >= SHORTEST:
            _known.update((secret, quote(secret, safe="")))


def redacted(text: str) -> str:
    """`text` without what is, or looks like, a secret."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, BLOT)
    return LOOKS_SECRET.sub(BLOT, text)


def holds_secret(text: str) -> bool:
    return redacted(text) != text


def install() -> None:
    """From now on this process's own output goes through `redacted`. To be called before anything holds a stream."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Redacted):
            setattr(sys, name, Redacted(stream))


class Redacted:
    """A text stream that writes no secret; everything else of it is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
