"""What of Gradio's own routes is open on a Space, and to whom: files above all; and how people sign in."""

import http.client
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from engine import Settings
from tests.page.conftest import App
from tests.security.space_client import SpaceClient
from tests.security.spaces import CANARY, DATASET, EXAMPLE, RUN, call_of, refused

OPEN_ROUTES = {
    *("get /", "head /", "get /runs", "get /runs/", "get /run", "get /run/", "get /config"),
    *("get /static/x", "get /assets/x", "get /favicon.ico", "get /theme.css", "get /robots.txt", "get /pwa_icon"),
    *(
        "get /manifest.json",
        "get /logout",
        "get /gradio_api/app_id",
        "get /gradio_api/info",
        "get /gradio_api/theme.css",
    ),
    *(
        "get /gradio_api/file=/x",
        "head /gradio_api/file=/x",
        "get /gradio_api/heartbeat/x",
        "get /gradio_api/queue/data",
    ),
    *("get /gradio_api/upload_progress", "get /gradio_api/startup-events", "post /gradio_api/upload"),
    *(
        "post /gradio_api/queue/join",
        "post /gradio_api/run/predict",
        "post /gradio_api/cancel",
        "post /gradio_api/reset",
    ),
}


def test_routes_that_the_page_does_not_use_are_closed_to_everybody(
    come: Callable[[str], SpaceClient], tmp_path: Path
) -> None:
    from gradio.routes import App as GradioApp

    from ui.doors import is_open
    from ui.page import build

    paths = GradioApp.create_app(build(Settings(tmp_path / "data"), sign_in=False)).openapi()["paths"]
    assert len(paths) > 60
    routes = {(method, re.sub(r"\{[^}]+\}", "x", path)) for path, methods in paths.items() for method in methods}
    routes = {(method, path.replace("file=x", "file=/x").replace("/run/x", "/run/predict")) for method, path in routes}
    routes |= {("get", "/openapi.json"), ("get", "/docs"), ("get", "/gradio_api/file=http://127.0.0.1/x")}
    assert {f"{method} {path}" for method, path in routes if is_open(method.upper(), path)} == OPEN_ROUTES
    for method, path in sorted(routes):
        if f"{method} {path}" not in OPEN_ROUTES:
            for name in ("nobody", "alice"):
                answer = come(name).ask(path, b"{}" if method == "post" else None, method.upper())
                assert answer.status == 404 and answer.read() in (
                    b"",
                    b"There is nothing here. Open the page itself: /",
                )


def test_pages_open_for_everybody(come: Callable[[str], SpaceClient]) -> None:
    for name in ("nobody", "forged", "bob", "alice"):
        for path in ("/", "/runs", f"/run?id={RUN}", "/config", "/gradio_api/info", "/theme.css", "/favicon.ico"):
            answer = come(name).ask(path)
            assert answer.status == 200 and CANARY.encode() not in answer.read()


def test_only_who_may_act_sends_files_and_fetches_any(
    spaces: dict[str, App], come: Callable[[str], SpaceClient]
) -> None:
    (path,) = json.load(come("alice").upload("notes.csv", b"text,label\nhello,a\n"))
    assert come("alice").ask(f"/gradio_api/file={path}").read() == b"text,label\nhello,a\n"
    for name in ("nobody", "forged", "bob"):
        for answer in (come(name).upload("x.csv", b"x"), come(name).ask(f"/gradio_api/file={path}")):
            assert answer.status == 403 and refused(answer.read().decode())
    cached = {file.name for file in (spaces["alice"].home.parent / "tmp" / "gradio").rglob("*") if file.is_file()}
    assert cached == {"notes.csv"}


def test_upload_that_was_taken_in_is_served_to_nobody(
    spaces: dict[str, App], come: Callable[[str], SpaceClient]
) -> None:
    alice, home = come("alice"), spaces["alice"].home
    (path,) = json.load(alice.upload("arrived.csv", b"text;label\nhello;a\nbye;b\n"))
    number, values = call_of(alice, "DataTab_inspect", "")
    file = {"path": path, "orig_name": "arrived.csv", "meta": {"_type": "gradio.FileData"}}
    (answer,) = alice.call([(number, [*values[:2], file, None])])
    assert "hello" in answer  # it was looked at
    (taken,) = (home / "uploads").rglob("arrived.csv")
    second = SpaceClient(alice.page)
    second.cookies |= alice.cookies  # alice in another window: not even she
    for client in (alice, second, come("bob"), come("nobody"), come("forged")):
        for place in (path, str(taken), str(home / "runs.db"), str(home / "datasets" / DATASET / "records.arrow")):
            assert client.ask(f"/gradio_api/file={place}").status == 403
    number, _ = call_of(second, "DataTab_import_file", "")
    (answer,) = second.call([(number, ["", None, str(taken.parent.name), ",", True])])
    assert "The uploaded file is not here any more." in answer  # its id is known to the session that brought it
    (answer,) = alice.call([(number, ["", None, None, ";", True])])
    assert "not here any more" not in answer and not taken.exists()


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "../../../etc/passwd", "{home}/runs.db", "{home}/runs/{run}/report.json"]
)
@pytest.mark.parametrize("name", ["nobody", "bob", "alice"])
def test_no_path_of_the_machine_is_served(
    spaces: dict[str, App], come: Callable[[str], SpaceClient], name: str, place: str
) -> None:
    place = place.format(home=spaces["alice"].home, run=RUN)
    for path in (
        f"/gradio_api/file={place}",
        f"/gradio_api/file/{place}",
        f"/static/..%2f..{place}",
        f"/assets/..%2f{place}",
    ):
        answer = come(name).ask(path)
        assert answer.status in (403, 404) and CANARY.encode() not in answer.read()


def test_file_that_another_person_names_is_not_read(come: Callable[[str], SpaceClient]) -> None:
    """A file's path comes from the browser: only what lies in Gradio's own folder is taken."""
    alice = come("alice")
    number, values = call_of(alice, "DataTab_inspect", "")
    for path in ("/etc/passwd", "../../etc/passwd", "http://127.0.0.1/x", "/proc/self/environ"):
        file = {"path": path, "orig_name": "x.csv", "meta": {"_type": "gradio.FileData"}}
        (answer,) = alice.call([(number, [*values[:2], file, None])])
        assert '"success":false' in answer.replace(" ", "") or "not here any more" in answer
        assert "root:" not in answer and "OAUTH" not in answer


def test_calls_larger_than_any_page_s_are_refused(come: Callable[[str], SpaceClient]) -> None:
    connection = http.client.HTTPConnection(urlsplit(come("nobody").page).netloc, timeout=20)
    connection.putrequest("POST", "/gradio_api/queue/join")
    connection.putheader("Content-Length", str(9 * 1024**2))
    connection.endheaders()
    assert connection.getresponse().status == 413
    answer = come("nobody").ask("/gradio_api/queue/join", {"data": ["x" * 100]})
    assert answer.status != 413


def test_too_many_uploads_are_refused_in_words(come: Callable[[str], SpaceClient]) -> None:
    answers = [come("dave").upload("x.csv", b"x") for _ in range(31)]
    assert {answer.status for answer in answers[:30]} == {200}
    assert answers[30].status == 403 and b"That is more than 30 uploads in 60 minutes." in answers[30].read()


def test_too_many_previews_are_refused_in_words(come: Callable[[str], SpaceClient], example: str) -> None:
    client = come("erin")
    calls = [call_of(client, "DataTab_continue_to_choose", EXAMPLE)] * 62
    assert "That is more than 60 previews in 60 seconds." in "".join(client.call(calls))


# ---- sign-in --------------------------------------------------------------------------------------------------------


def test_cross_origin_post_with_a_cookie_is_refused(come: Callable[[str], SpaceClient]) -> None:
    alice = come("alice")
    number, values = call_of(alice, "RunsTab_delete_run", "")
    body = {"fn_index": number, "data": [*values[:2], RUN], "session_hash": alice.session}
    assert alice.ask("/gradio_api/queue/join", body, Origin="https://evil.example").status == 403
    assert alice.ask("/gradio_api/queue/join", body, Sec_Fetch_Site="cross-site").status == 403


def test_sign_in_that_this_browser_did_not_begin_signs_nobody_in(spaces: dict[str, App]) -> None:
    """OAuth's state: a link with somebody's code must not sign a visitor in."""
    victim = SpaceClient(spaces["alice"].url)
    answer = victim.ask("/login/callback?" + urlencode({"code": "stolen", "state": "forged"}))
    assert answer.status in (302, 307) and "/login/huggingface" in answer.headers["Location"]
    assert refused(victim.call([call_of(victim, "DataTab_import_hub", "")])[0])


def test_cookie_of_the_sign_in_is_kept_from_scripts_and_plain_http(spaces: dict[str, App]) -> None:
    client = SpaceClient(spaces["alice"].url)
    answer = client.ask("/login/huggingface")
    said = answer.headers["Set-Cookie"].lower()
    assert "httponly" in said and "secure" in said and "samesite=none" in said
