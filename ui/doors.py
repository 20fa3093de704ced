"""The doors of the app: an ASGI middleware that leaves of Gradio's routes only those that the page uses.

Gradio 6.31 takes a file from anybody who can reach it, hands uploads and downloads to whoever knows their URL, and
fetches addresses for strangers (/file=http…). Put in by app.py, inside of the session that Gradio's sign-in keeps.
"""

import os
import time
from pathlib import Path

import anyio
import gradio as gr

from engine import REQUEST_BYTES, SPACE_UPLOAD_BYTES, Access, RateLimits, Settings, UserError
from ui import text
from ui.guard import ASGIApp, Message, Receive, Scope, Send, answer

API = "/gradio_api/"
ICONS = str(Path(gr.__file__).parent / "icons")
UPLOAD, FILE = API + "upload", API + "file="
PAGES = ("/", "/runs", "/run")
READ = {
    *PAGES,
    *("/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/pwa_icon"),
    *("/login/huggingface", "/login/callback", "/logout"),
    *(API + name for name in ("startup-events", "info", "app_id", "theme.css", "queue/data", "upload_progress")),
}
READ_BELOW = ("/static/", "/assets/", API + "heartbeat/", FILE + "/")
SENT = {UPLOAD, *(API + name for name in ("queue/join", "run/predict", "cancel", "reset"))}


class Doors:
    """404 for every other route; on a Space files come and go for those only who may work there. Bodies are limited."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self._on_space = app, settings.on_space
        self._access, self._limits = Access(settings), RateLimits(strict=settings.on_space)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        try:
            path = scope["path"]
            if not is_open(scope["method"], path):
                return await answer(send, 404, text.NO_SUCH_PLACE)
            if self._on_space and path.startswith((UPLOAD, FILE)) and not _is_icon(path):
                await anyio.to_thread.run_sync(self._let_in, scope)
        except UserError as refusal:
            return await answer(send, 403, str(refusal))
        if path != UPLOAD and _announced(scope) > REQUEST_BYTES:
            return await answer(send, 413, text.TOO_LARGE)
        await self.app(scope, receive if path == UPLOAD else _limited(receive), send)

    def _let_in(self, scope: Scope) -> None:
        """Raises UserError unless whoever asks may work here, and has not sent too many files."""
        name, token = signed_in(scope.get("session") or {})
        self._access.require_owner(name, self._access.token_for(token))
        if scope["path"] == UPLOAD:
            self._limits.spend("upload", name)


def largest_upload(settings: Settings) -> int:
    """Bytes of one file: a Space has a small disk that everybody's work is on."""
    return min(settings.max_upload_bytes, SPACE_UPLOAD_BYTES) if settings.on_space else settings.max_upload_bytes


def is_open(method: str, path: str) -> bool:
    """Whether the page uses this route."""
    if method in ("GET", "HEAD"):
        return path in READ or path.rstrip("/") in PAGES or path.startswith(READ_BELOW)
    return method == "POST" and path in SENT


def signed_in(session: dict) -> tuple[str, str]:
    """Name and token of the account in a signed session that has not expired; twice "" for none."""
    found = session.get("oauth_info") or {}
    if found.get("expires_at", 0) < time.time():
        return "", ""
    return found["userinfo"]["preferred_username"], found["access_token"]


def _is_icon(path: str) -> bool:
    """Whether it is one of Gradio's own pictures, which stand on everybody's page."""
    return os.path.normpath(path.removeprefix(FILE)).startswith(ICONS + os.sep)


def _announced(scope: Scope) -> int:
    """Bytes of the body, as the request says; 0 where it does not."""
    said = dict(scope["headers"]).get(b"content-length", b"")
    return int(said) if said.isdigit() else 0


def _limited(receive: Receive) -> Receive:
    """The body, cut off where it grows beyond what any page sends without having said so."""
    left = REQUEST_BYTES

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            return {"type": "http.disconnect"}
        return message

    return counted
