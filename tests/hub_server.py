"""A Hugging Face Hub on the loopback, for tests: repositories over the LFS path, tokens, faults, and sign-in.

Speaks the endpoints that the unmodified huggingface_hub client uses when HF_HUB_DISABLE_XET=1. In a test:
`with HubServer() as hub: hub.add_repo("dataset", "alice/notes", {"a.csv": b"..."})`. As a process, for browser tests:
`python tests/hub_server.py --port 8765 --repo dataset:alice/notes:FOLDER`. Tokens are `hf_<user>` (everything),
`hf_<user>:read`, or `hf_<user>:<OAuth scopes>`. It must not know the product.
"""

import argparse
import base64
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

if not __package__:  # started as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.hub_routes import ROUTES, Answer
from tests.hub_sign_in import SignIn
from tests.hub_store import KINDS, Account, HubError, Repo, Store

CHUNK = 1024 * 1024


class _Dropped(Exception):
    """The injected fault: the connection is cut in the middle of a request."""


class HubServer:
    """The server. `url` is its endpoint once started; `requests` lists (method, path, user name or "") it answered."""

    def __init__(self, port: int = 0, orgs: dict[str, dict[str, str]] | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hub-"))
        self.store = Store(self._folder)
        self.store.orgs.update(orgs or {})
        self.requests: list[tuple[str, str, str]] = []
        self._faults: list[dict[str, Any]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"hub": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.sign_in = SignIn(self.url)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> "HubServer":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "HubServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # what a test puts in, and looks at

    def add_org(self, name: str, **roles: str) -> None:
        """An organisation and its members: add_org("acme", alice="admin", bob="read")."""
        for user, role in roles.items():
            self.store.orgs.setdefault(user, {})[name] = role

    def add_repo(
        self,
        kind: str,
        repo_id: str,
        files: dict[str, bytes | str] | None = None,
        *,
        private: bool = False,
        gated: bool = False,
        granted: tuple[str, ...] = (),
    ) -> Repo:
        """A "model", "dataset" or "space" with one commit of `files`. `granted`: users let through the gate."""
        repo = self.store.create(kind, repo_id, repo_id.split("/")[0], private=private, gated=gated, by_app=False)
        repo.granted.update(granted)
        if files:
            self.add_files(kind, repo_id, files)
        return repo

    def add_files(self, kind: str, repo_id: str, files: dict[str, bytes | str], title: str = "Add files") -> str:
        """One more commit; gives its id."""
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        blobs = {}
        for path, content in contents.items():
            blob = self.store.regular_blob(content)
            is_lfs = len(content) > 10 * 1024**2 or path.endswith((".parquet", ".safetensors", ".bin"))
            blobs[path] = self.store.lfs_blob(blob.sha256) if is_lfs else blob
        repo = self.store.repos[kind, repo_id]
        return self.store.commit(repo, "main", blobs, [], title, repo.owner).oid

    def repo(self, kind: str, repo_id: str) -> Repo:
        return self.store.repos[kind, repo_id]

    def files(self, kind: str, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """Every file of a repository at a revision."""
        tree = self.repo(kind, repo_id).commit_at(revision).tree
        return {path: self.store.read(blob) for path, blob in tree.items()}

    def fail_next(self, what: str, *, status: int = 503, drop: bool = False, times: int = 1) -> None:
        """Make the next requests fail: `what` is a route's name ("commit", "upload", "create", "resolve", …).

        `drop`: cut the connection instead of answering; an upload is cut after its first chunk.
        """
        self._faults.append({"what": what, "status": status, "drop": drop, "left": times})

    def env(self, home: Path) -> dict[str, str]:
        """Environment for a process that should take this server for the Hub; `home` keeps its cache apart."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def space_env(self, space_id: str = "alice/annotune") -> dict[str, str]:
        """What a Docker Space with sign-in sets, but for SPACE_HOST, which would force redirects to https."""
        author, _, name = space_id.partition("/")
        return {
            "SPACE_ID": space_id,
            "SPACE_AUTHOR_NAME": author,
            "SPACE_REPO_NAME": name,
            "SYSTEM": "spaces",
            "OAUTH_CLIENT_ID": "test-client",
            "OAUTH_CLIENT_SECRET": "test-secret",
            "OAUTH_SCOPES": "openid profile contribute-repos read-repos gated-repos read-memberships",
            "OPENID_PROVIDER_URL": self.url,
        }

    def take_fault(self, what: str) -> dict[str, Any] | None:
        with self.store.lock:
            for fault in self._faults:
                if fault["what"] == what and fault["left"] > 0:
                    fault["left"] -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: HubServer

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        """No access log: tests read HubServer.requests."""

    def _answer(self) -> None:
        self._body_left = True
        try:
            answer = self._route()
        except HubError as error:
            answer = Answer(error.status, {"error": error.message} | error.extra)
            answer.headers |= {"X-Error-Message": error.message}
            answer.headers |= {"X-Error-Code": error.code} if error.code else {}
        except _Dropped:
            self.close_connection = True
            self.connection.close()
            return
        for _ in self.body_chunks():  # an unread body would be taken for the next request
            pass
        self._send(answer)

    def _route(self) -> Answer:
        self.parts = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(self.parts.query).items()}
        method = "GET" if self.command == "HEAD" else self.command
        for name, verb, pattern, function in ROUTES:
            found = pattern.fullmatch(self.parts.path) if verb == method else None
            if found:
                self.account = None
                self.hub.requests.append((self.command, self.parts.path, ""))
                self._fail(name)
                if not name.startswith("sign-in"):
                    self._identify()
                return function(self, **{key: unquote(value or "") for key, value in found.groupdict().items()})
        raise HubError(404, f"No such endpoint: {self.command} {self.parts.path}")

    def _identify(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        self.account = self.hub.store.account(token)
        if self.account:
            self.hub.requests[-1] = (self.command, self.parts.path, self.account.name)

    def _fail(self, name: str) -> None:
        fault = self.hub.take_fault(name)
        if not fault:
            return
        if not fault["drop"]:
            raise HubError(fault["status"], "Injected fault: try again later")
        next(self.body_chunks(64 * 1024), None)
        raise _Dropped

    def body_chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """The request's body, once."""
        if not self._body_left:
            return
        self._body_left = False
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while length := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            chunk = self.rfile.read(min(size, left))
            if not chunk:
                raise _Dropped
            left -= len(chunk)
            yield chunk

    def body(self) -> bytes:
        return b"".join(self.body_chunks())

    def json(self) -> dict[str, Any]:
        """The body as a mapping, whether it came as JSON or as a form."""
        body = self.body()
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return {key: values if key == "paths" else values[-1] for key, values in parse_qs(body.decode()).items()}
        try:
            return json.loads(body or b"{}")
        except ValueError as error:
            raise HubError(400, "The body is not JSON") from error

    def basic_auth(self) -> tuple[str, str]:
        """User name and password of an Authorization: Basic header."""
        value = self.headers.get("Authorization", "").removeprefix("Basic ")
        name, _, password = base64.b64decode(value).decode().partition(":") if value else ("", "", "")
        return unquote(name), unquote(password)

    def find(self, kind: str, repo_id: str) -> Repo:
        """The repository named in the path; `kind` as in a path ("models", "datasets", "")."""
        return self.hub.store.find(singular(kind), repo_id, self.account)

    def require_account(self) -> Account:
        if self.account is None:
            raise HubError(401, "Invalid username or password.")
        return self.account

    def _send(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, Path | bytes) else json.dumps(answer.body).encode()
        total = body.stat().st_size if isinstance(body, Path) else len(body)
        start, end, status = self._range(total, answer.status)
        self.send_response(status)
        kind = "application/json" if isinstance(answer.body, dict | list) else "application/octet-stream"
        for name, value in ({"Content-Type": kind, "Accept-Ranges": "bytes"} | answer.headers).items():
            self.send_header(name, value)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{total}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(body, bytes):
            self.wfile.write(body[start:end])
            return
        with body.open("rb") as file:
            file.seek(start)
            left = end - start
            while left > 0:
                left -= self.wfile.write(file.read(min(CHUNK, left)))

    def _range(self, total: int, status: int) -> tuple[int, int, int]:
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if status != 200 or not found or found.group(0) == "bytes=-":
            return 0, total, status
        first, last = found.groups()
        if not first:
            return max(0, total - int(last)), total, 206
        return min(int(first), total), min(int(last) + 1, total) if last else total, 206


def singular(kind: str) -> str:
    """ "models" or "datasets/" → "model", "dataset"; "" → "model"."""
    return kind.strip("/").removesuffix("s") or KINDS[0]


def _seed(hub: HubServer, text: str) -> None:
    kind, repo_id, folder = text.split(":", 2)
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}
    hub.add_repo(kind, repo_id, files)


def main() -> None:
    """Serve until the process is ended; prints the endpoint on the first line."""
    parser = argparse.ArgumentParser(description="A Hugging Face Hub on the loopback, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--repo", action="append", default=[], help="KIND:ID:FOLDER, a public repository to begin with")
    arguments = parser.parse_args()
    with HubServer(arguments.port) as hub:
        for text in arguments.repo:
            _seed(hub, text)
        print(hub.url, flush=True)
        parent = os.getppid()
        while os.getppid() == parent:  # a test that dies leaves no server behind
            time.sleep(0.5)


if __name__ == "__main__":
    main()
