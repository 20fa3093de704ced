"""The origin guard, around a real Gradio app: other sites' requests are refused, the page's own pass."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import gradio as gr
import pytest
from starlette.middleware import Middleware

from ui.guard import OriginGuard

COOKIE = {"Cookie": "session=abc"}


def app() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as demo:
        name = gr.Textbox()
        name.submit(lambda text: f"Hello {text}", name, name, api_name="greet", queue=False)
    return demo


def serve(demo: gr.Blocks, *middleware: Middleware) -> str:
    options = {"prevent_thread_lock": True, "quiet": True, "server_name": "127.0.0.1", "run_history": False}
    return demo.launch(**options, app_kwargs={"middleware": list(middleware)})[1].rstrip("/")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    demo = app()
    yield serve(demo, Middleware(OriginGuard, hosts=["annotune.example.org"]))
    demo.close()


def call(address: str, method: str = "POST", path: str = "/gradio_api/run/greet", **headers: str) -> int:
    """The status of a request with these headers; underscores stand for hyphens."""
    body = json.dumps({"data": ["Ada"]}).encode() if method == "POST" else None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address + path, body, {"Content-Type": "application/json"} | named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_same_origin_post_with_cookie_passes(address: str) -> None:
    assert call(address, Origin=address, **COOKIE) == 200


def test_post_of_another_site_with_cookie_is_refused(address: str) -> None:
    assert call(address, Origin="https://evil.example", **COOKIE) == 403


def test_gradio_alone_lets_another_site_act_with_the_visitor_s_cookie() -> None:
    """Why the guard is there. When this fails, Gradio has closed the hole."""
    demo = app()
    bare = serve(demo)
    assert call(bare, Origin="https://evil.example", Host="alice-annotune.hf.space", **COOKIE) == 200
    demo.close()


def test_post_of_another_site_without_cookie_is_refused_too(address: str) -> None:
    assert call(address, Origin="https://evil.example") == 403


@pytest.mark.parametrize(
    "origin",
    ["null", "http://127.0.0.1", "http://127.0.0.1:1", "https://evil.example:443", "http://127.0.0.1.evil.example", ""],
)
def test_lookalike_origin_is_refused(address: str, origin: str) -> None:
    assert call(address, Origin=origin, **COOKIE) == 403


def test_forwarded_host_cannot_be_used_to_pose_as_the_page(address: str) -> None:
    assert call(address, Origin="https://evil.example", X_Forwarded_Host="evil.example", **COOKIE) == 403


def test_origin_without_its_default_port_is_the_same_host(address: str) -> None:
    assert call(address, Origin="https://alice-annotune.hf.space", Host="alice-annotune.hf.space:443", **COOKIE) == 200


def test_custom_domain_named_at_start_passes(address: str) -> None:
    assert call(address, Origin="https://annotune.example.org", Host="alice-annotune.hf.space", **COOKIE) == 200


def test_other_site_cannot_read_with_the_visitor_s_cookie(address: str) -> None:
    assert call(address, "GET", "/config", Origin="https://evil.example", **COOKIE) == 403
    assert call(address, "GET", "/config", Origin=address, **COOKIE) == 200


def test_link_from_another_site_opens_the_page(address: str) -> None:
    assert call(address, "GET", "/", Sec_Fetch_Site="cross-site", **COOKIE) == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_form_of_another_site_that_hides_its_origin_is_refused(address: str, site: str) -> None:
    assert call(address, Sec_Fetch_Site=site, **COOKIE) == 403


def test_page_behind_a_proxy_that_rewrites_the_host_passes(address: str) -> None:
    assert call(address, Origin="https://me.notebooks.example", Sec_Fetch_Site="same-origin", **COOKIE) == 200


def test_script_of_another_site_cannot_read_either(address: str) -> None:
    assert call(address, "GET", "/config", Origin="https://evil.example", Sec_Fetch_Site="cross-site", **COOKIE) == 403


def test_client_without_cookie_and_client_without_origin_pass(address: str) -> None:
    assert call(address) == 200
    assert call(address, **COOKIE) == 200
