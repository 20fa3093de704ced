"""The origin guard: an ASGI middleware around Gradio, put in by app.py. Knows nothing of the page.

Gradio 6.31 answers any other site's requests as if they came from the page, and its sign-in cookie travels with them
(SameSite=None): a page elsewhere could train or read in a visitor's name. On a personal machine no cookie is needed to
act, so a missing one excuses nothing. May go when gradio-app/gradio#10276 is fixed.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

REFUSAL = "This request came from another site and was refused. Open the page itself and try again."


class OriginGuard:
    """Answers 403 when a page of another origin wants to act, or to read with a visitor's cookie. All else passes.

    `hosts`: further hosts under which this app is served (a Space's custom domains); the one asked for always counts.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = frozenset(_host(name) for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
            acts = scope.get("method") not in ("GET", "HEAD", "OPTIONS")  # a websocket has no method, and acts
            reads_as_visitor = b"cookie" in headers and b"origin" in headers  # a link or an image sends no origin
            if (acts or reads_as_visitor) and self._is_foreign(headers):
                await _refuse(scope, send)
                return
        await self.app(scope, receive, send)

    def _is_foreign(self, headers: dict[bytes, str]) -> bool:
        """Whether another site's page sent it. Programs send neither header, and carry nobody's cookie by accident."""
        site = headers.get(b"sec-fetch-site")
        if site is not None:  # the browser's own word; it holds behind a proxy that rewrites Host, where names differ
            return site not in ("same-origin", "none")
        origin = headers.get(b"origin")
        return origin is not None and _host(origin) not in {_host(headers.get(b"host", "")), *self.hosts} - {""}


def _host(value: str) -> str:
    """Host and port of an origin or a Host header, without a scheme's own port; "" for "null"."""
    parts = urlsplit(value if "//" in value else f"//{value}")
    host = parts.netloc.lower()
    if "//" not in value:
        return "" if host == "null" else host.removesuffix(":80").removesuffix(":443")
    return host.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await answer(send, 403, REFUSAL)


async def answer(send: Send, status: int, words: str) -> None:
    """Answer a request with a sentence."""
    body = words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
