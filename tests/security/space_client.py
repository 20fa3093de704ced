"""A visitor of a Space without a browser: signs in for real, and calls any endpoint of the app with any values."""

import json
import secrets
import urllib.error
import urllib.request
from typing import Any

from tests.security.test_sign_in import Browser

Call = tuple[int, list[Any]]  # the endpoint's number, and a value for each of its inputs


class SpaceClient(Browser):
    """Keeps its cookies, and one session as a page in a browser has it."""

    def __init__(self, page: str) -> None:
        super().__init__(page)
        self.session = secrets.token_hex(6)
        self._config: dict[str, Any] = {}

    def ask(self, path: str, body: bytes | dict | None = None, method: str | None = None, **headers: str) -> Any:
        """The answer to a request; `.status` and `.read()`. Underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body, named = json.dumps(body).encode(), {"Content-Type": "application/json"} | named
        return self._send(urllib.request.Request(self.page + path, body, named, method=method))

    def config(self) -> dict[str, Any]:
        self._config = self._config or json.load(self.ask("/config"))
        return self._config

    def call(self, calls: list[Call], *, query: str = "", session: str = "", **more: Any) -> list[str]:
        """All that comes back for each call, as text, through the queue as the page sends them.

        `query`: of the page's address; `session`: somebody else's; `more`: further parts of the request.
        """
        session = session or self.session
        waiting = [self._join(number, values, query, session, more) for number, values in calls]
        said, left = dict.fromkeys(waiting, ""), set(waiting)
        with self.ask(f"/gradio_api/queue/data?session_hash={session}") as stream:
            while left:
                line = stream.readline().decode()
                assert line, f"the queue ended before {len(left)} of {len(waiting)} answers came"
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                event = message.get("event_id")
                if event in said:
                    said[event] += line
                    left -= {event} if message["msg"] == "process_completed" else set()
        return [said[event] for event in waiting]

    def _join(self, number: int, values: list[Any], query: str, session: str, more: dict[str, Any]) -> str:
        body = {"fn_index": number, "data": values, "session_hash": session, "event_data": None, "trigger_id": None}
        answer = self.ask(f"/gradio_api/queue/join?{query}", body | more)
        assert answer.status == 200, answer.read()
        return json.load(answer)["event_id"]

    def upload(self, name: str, content: bytes) -> Any:
        """Send a file as the page does."""
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--x--\r\n"
        return self.ask("/gradio_api/upload", body, Content_Type="multipart/form-data; boundary=x")


def values_of(config: dict[str, Any], endpoint: dict[str, Any], given: dict[int, Any]) -> list[Any]:
    """What the page would send: each input's value as it is drawn, or what is `given` for a component's id."""
    by_id = {component["id"]: component for component in config["components"]}
    return [
        given[number] if number in given else by_id.get(number, {}).get("props", {}).get("value")
        for number in endpoint["inputs"]
    ]
