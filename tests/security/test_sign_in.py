"""Sign-in with Gradio's real OAuth flow against the test Hub: who a handler sees, and with which token."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub_server import HubServer

# What app.py does, in small: the page's own rules on the person that Gradio hands to a handler.
APP = """
import os
import gradio as gr
from engine.access import Access
from engine.settings import Settings

access = Access(Settings.from_env(dict(os.environ)))

def who(profile: gr.OAuthProfile | None, token: gr.OAuthToken | None) -> dict:
    name = profile.username if profile else None
    own = access.token_for(token.token if token else None)
    return {"name": name, "token": own, "may_train": access.may_train(name, own)}

with gr.Blocks(analytics_enabled=False) as demo:
    gr.LoginButton()
    shown = gr.JSON()
    gr.Button().click(who, None, shown, api_name="who", queue=False)
url = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", run_history=False)[1]
print("READY", url, flush=True)
demo.block_thread()
"""


class Browser:
    """As much of a browser as sign-in needs: it keeps cookies and follows redirects itself (the cookie is Secure)."""

    def __init__(self, page: str) -> None:
        self.page, self.cookies = page.rstrip("/"), {}

    def _send(self, request: urllib.request.Request) -> Any:
        request.add_header("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            answer = opener.open(request, timeout=30)
        except urllib.error.HTTPError as redirect_or_refusal:
            answer = redirect_or_refusal
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = re.match(r"([^=]+)=([^;]*)", cookie).groups()
            self.cookies[name] = value
        return answer

    def sign_in(self, name: str) -> None:
        self.cookies["login_as"] = name
        address = f"{self.page}/login/huggingface"
        for _ in range(6):
            answer = self._send(urllib.request.Request(address))
            if answer.status not in (301, 302, 303, 307):
                return
            target = answer.headers["Location"]
            address = self.page + target if target.startswith("/") else target
        raise AssertionError(f"too many redirects, the last one to {address}")

    def who(self) -> dict[str, Any]:
        body = json.dumps({"data": []}).encode()
        address, kind = f"{self.page}/gradio_api/run/who", {"Content-Type": "application/json"}
        return json.load(self._send(urllib.request.Request(address, body, kind)))["data"][0]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def started(environment: dict[str, str]) -> Iterator[str]:
    """The address of the app above, in a process of its own: Gradio reads OAUTH_* when it is imported."""
    root = str(Path(__file__).parents[2])
    inherited = {
        name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
    }
    env = inherited | {"PYTHONPATH": root, "GRADIO_ANALYTICS_ENABLED": "False"} | environment
    process = subprocess.Popen([sys.executable, "-c", APP], env=env, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.startswith("READY"):
                yield line.split()[1]
                return
        raise AssertionError("the app did not start")
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def provider() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add_org("acme", carol="admin")
        yield server


@pytest.fixture(scope="module")
def space(provider: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Docker Space of alice whose secrets hold her token."""
    environment = provider.env(tmp_path_factory.mktemp("hf")) | provider.space_env() | {"HF_TOKEN": "hf_alice"}
    yield from started(environment)


def test_visitor_who_is_not_signed_in_has_no_token_and_may_not_train(space: str) -> None:
    assert Browser(space).who() == {"name": None, "token": None, "may_train": False}


def test_owner_signs_in_and_may_train_with_the_token_of_the_sign_in(space: str) -> None:
    browser = Browser(space)
    browser.sign_in("alice")
    seen = browser.who()
    assert (seen["name"], seen["may_train"]) == ("alice", True)
    assert seen["token"].startswith("hf_alice:openid,profile,contribute-repos")


def test_stranger_signs_in_as_themselves_and_not_as_the_owner(space: str) -> None:
    browser = Browser(space)
    browser.sign_in("bob")
    seen = browser.who()
    assert (seen["name"], seen["may_train"]) == ("bob", False)
    assert seen["token"].startswith("hf_bob:")


def test_two_visitors_do_not_see_each_other(space: str) -> None:
    alice, bob = Browser(space), Browser(space)
    alice.sign_in("alice")
    bob.sign_in("bob")
    assert (alice.who()["name"], bob.who()["name"]) == ("alice", "bob")


def test_forged_session_cookie_is_nobody(space: str) -> None:
    browser = Browser(space)
    browser.sign_in("alice")
    payload, rest = browser.cookies["session"].split(".", 1)
    browser.cookies["session"] = payload[:-2] + "AA." + rest
    assert browser.who() == {"name": None, "token": None, "may_train": False}


def test_space_that_lacks_system_fakes_the_sign_in_and_lends_nothing(provider: HubServer, tmp_path: Path) -> None:
    """A Docker Space does not set SYSTEM; Gradio then signs every visitor in as the owner of HF_TOKEN."""
    environment = provider.env(tmp_path) | provider.space_env() | {"HF_TOKEN": "hf_alice"}
    del environment["SYSTEM"]
    app = started(environment)
    browser = Browser(next(app))
    browser.sign_in("bob")
    assert browser.who() == {"name": "alice", "token": None, "may_train": False}
    app.close()
