"""Who may do what on a Space: every endpoint of the real app, asked directly by everybody who may come along.

The table below is the rule. An endpoint that is not in it fails a test: decide first who may use it.
"""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from engine import RunSpec, Settings
from engine.data.readers import import_source
from engine.runs import job
from engine.runs.events import EventWriter
from engine.runs.run_directory import RunDirectory
from tests.page.conftest import App, running_app
from tests.page.test_space import SPACE
from tests.security.space_client import Call, SpaceClient, values_of

# What the page's own endpoints answer: their names come from the functions behind them.
FOR_ALL = {
    *("_follow_load", "_follow_tick", "_follow_go_on", "_follow_rest", "_pressed"),
    *("DataTab_import_example", "DataTab__importing_import_other_example", "DataTab_choose_again"),
    *("DataTab_plot_labels", "DataTab_plot_lengths", "DataTab_continue_to_choose", "TaskTab_choose_task"),
}
FOR_OWNER = {
    *("DataTab_import_hub", "DataTab_inspect", "DataTab_forget_file", "DataTab_import_file"),
    *("DataTab_continue_to_forward", "TaskTab_choose_code", "TaskTab_preview_code", "TaskTab_continue_to_forward"),
    *("Provider_wire_use", "Provider_wire_ask", "Provider_wire_export", "TrainTab_choose_framework"),
    *("TrainTab_choose_base", "TrainTab_fetch_base", "TrainTab_choose_split", "RunTab_stop_and_keep"),
    *("RunTab_cancel_run", "RunsTab_ask", "RunsTab_delete_run", "RunsTab_keep_run", "PublishTab_publish"),
    *("PublishTab_zip_model", "PublishTab_open_with_forward", "PublishTab_greet", "TrainTab_approve_code"),
    "PredictTab_approve",
}
# Drawn when they are needed; their listeners are endpoints too.
DRAWINGS = {"apply"}
DRAWN_FOR_ALL = {"RolesForm__wire_choose", "shown"}  # "shown": which settings depend on which; it reads nothing
DRAWN_FOR_OWNER = {
    *("Columns__dropdown_change", "TrainTab__wire_form_typed", "TrainTab__wire_form_start"),
    *("View_predict", "View_take_example", "PredictTab__draw_file_arrive", "PredictTab__draw_file_predict"),
}
GRADIO_S_OWN = {"_check_login_status"}
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

REFUSALS = ("Sign in to work here.", "its data, runs and models are not open to you")
CANARY = "canary-7f3a91"  # stands in everything that is nobody's but the owner's
DATASET, RUN, HIDDEN_RUN, PUBLIC_RUN = (f"20260101-00000{n}-abcdef" for n in range(4))
EXAMPLE = "dataset=example-support_messages&task=text-classification"
PRIVATE = [
    f"dataset={DATASET}",
    f"run={RUN}",
    f"id={HIDDEN_RUN}",
    f"{EXAMPLE}&run={RUN}",
    f"dataset={DATASET}&run={PUBLIC_RUN}",
    f"dataset={DATASET}&step=3&task=text-classification&framework=setfit&code=1",
    f"run=no-such-run-{CANARY[:3]}",
]
VISITORS = ["nobody", "forged", "bob", "erin", "alice_elsewhere"]
OWNERS = ["alice", "carol", "dave"]
PATIENCE = 60.0  # seconds


def asked_by_all(*queries: str) -> list[Any]:
    """Who asks what: bob everything; the others the first, which takes its time."""
    others = [pytest.param(name, queries[0], marks=pytest.mark.slow) for name in VISITORS if name != "bob"]
    return [*(("bob", query) for query in queries), *others]


def plant(home: Path) -> None:
    """Data and runs of the owner: two that are theirs alone, one that they published for all."""
    rows = home.parent / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"{CANARY} {i},{'ab'[i % 2]}\n" for i in range(40)))
    dataset = home / "datasets" / DATASET
    import_source({"kind": "file", "path": str(rows)}, dataset)
    EventWriter(dataset / "events.jsonl").write("finished", result={})
    for run_id, published in ((RUN, None), (HIDDEN_RUN, {"private": True}), (PUBLIC_RUN, {"private": False})):
        run_dir = RunDirectory(home / "runs" / run_id)
        (run_dir.model_dir).mkdir(parents=True)
        (run_dir.model_dir / "model.safetensors").write_bytes(CANARY.encode())
        run_dir.write_spec(spec(run_id))
        run_dir.write_report(report())
        run_dir.card_file.write_text("---\n---\nThe card" + CANARY * (published != {"private": False}))
        run_dir.log_file.write_text(CANARY)
        EventWriter(run_dir.events_file).write("finished", result={})
        if published:
            run_dir.publish_dir.mkdir()
            about = {"url": "https://huggingface.co/alice/topics", "repo_id": "alice/topics"}
            EventWriter(run_dir.publish_dir / "events.jsonl").write("finished", result=about | published)


def spec(run_id: str) -> RunSpec:
    mine = run_id != PUBLIC_RUN
    return RunSpec(
        title="Topics for all" if not mine else f"Run {CANARY}",
        dataset={"id": DATASET, "name": "rows", "source": {"kind": "file", "name": "rows.csv", "path": CANARY}},
        task={"task": "text-classification", "fields": {"text": "text", "label": "label"}},
        framework="setfit",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        created_by="alice",
    )


def report() -> dict[str, Any]:
    example = {"input": CANARY, "text": CANARY, "expected": "a", "predicted": "b", "score": 0.9, "record_id": "1"}
    return {
        "task": "text-classification",
        "n": {"train": 30, "validation": 2, "test": 8},
        "metrics": {"accuracy": 0.75, "f1_macro": 0.7},
        "intervals": {"accuracy": [0.4, 0.9]},
        "mistakes": [example],
        "samples": [example],
        "examples": [example],
        "info": {"classes": ["a", "b"]},
    }


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, App]]:
    """The Space of a person, and that of an organisation; both hold a secret token of alice."""
    of_acme = SPACE | {"SPACE_ID": "acme/annotune", "SPACE_AUTHOR_NAME": "acme"}
    with (
        running_app(tmp_path_factory.mktemp("alice"), **SPACE) as mine,
        running_app(tmp_path_factory.mktemp("acme"), **of_acme) as ours,
    ):
        ours.hub.add_org("acme", carol="admin", dave="write", erin="read")
        for app in (mine, ours):
            plant(app.home)
        yield {"alice": mine, "acme": ours}


@pytest.fixture(scope="module")
def come(spaces: dict[str, App]) -> Callable[[str], SpaceClient]:
    """A visitor by name. Members of acme, and alice who is none, come to the Space of acme, others to that of alice."""
    known: dict[str, SpaceClient] = {}

    def visitor(name: str) -> SpaceClient:
        if name not in known:
            app = spaces["acme" if name in ("carol", "dave", "erin", "alice_elsewhere") else "alice"]
            known[name] = SpaceClient(app.url)
            if name != "nobody":
                known[name].sign_in("alice" if name == "forged" else name.partition("_")[0])
            if name == "forged":
                payload, rest = known[name].cookies["session"].split(".", 1)
                known[name].cookies["session"] = payload[:-2] + "AA." + rest
        return known[name]

    return visitor


@pytest.fixture(scope="module")
def example(spaces: dict[str, App], come: Callable[[str], SpaceClient]) -> str:
    """The address of the example that everybody may look at, read on both Spaces."""
    for name, app in (("nobody", spaces["alice"]), ("erin", spaces["acme"])):
        client = come(name)
        client.call([call_of(client, "DataTab_import_example", "")])
        deadline = time.monotonic() + PATIENCE
        while job.status(app.home / "datasets" / "example-support_messages").state != "finished":
            assert time.monotonic() < deadline
            time.sleep(0.1)
    return EXAMPLE


def endpoints(client: SpaceClient, names: set[str]) -> list[dict[str, Any]]:
    return [d for d in client.config()["dependencies"] if d["backend_fn"] and name_of(d) in names]


def name_of(endpoint: dict[str, Any]) -> str:
    return re.sub(r"_\d+$", "", endpoint["api_name"])


def calls_of(client: SpaceClient, names: set[str], query: str) -> list[Call]:
    """A call of each endpoint with the page's own values, but for the address and every text that could name a run."""
    config = client.config()
    texts = {c["id"] for c in config["components"] if c["type"] == "textbox"}
    found = []
    for endpoint in endpoints(client, names):
        given: dict[int, Any] = {
            number: RUN for number in endpoint["inputs"] if number in texts and PRIVATE[0] in query
        }
        given |= {number: query for number in endpoint["inputs"][:1]}
        found.append((endpoint["id"], values_of(config, endpoint, given)))
    return found


def call_of(client: SpaceClient, name: str, query: str) -> Call:
    return calls_of(client, {name}, query)[0]


def refused(answer: str) -> bool:
    return any(words in answer for words in REFUSALS)


def kept(app: App) -> set[str]:
    """Everything in the data folder but what is made for all: the examples."""
    found = {str(path.relative_to(app.home)) for path in app.home.rglob("*")}
    return {path for path in found if not path.startswith("datasets/example-") and not path.startswith("runs.db-")}


def test_every_endpoint_is_in_the_table(come: Callable[[str], SpaceClient]) -> None:
    found = {name_of(d) for d in come("nobody").config()["dependencies"] if d["backend_fn"]}
    assert found == FOR_ALL | FOR_OWNER | DRAWINGS | GRADIO_S_OWN
    named = json.load(come("nobody").ask("/gradio_api/info"))["named_endpoints"]
    assert {re.sub(r"_\d+$", "", name.strip("/")) for name in named} == GRADIO_S_OWN


@pytest.mark.parametrize(("name", "query"), asked_by_all(*PRIVATE, EXAMPLE, ""))
def test_visitor_is_refused_what_is_the_owner_s(
    spaces: dict[str, App], come: Callable[[str], SpaceClient], example: str, name: str, query: str
) -> None:
    client = come(name)
    before = [kept(app) for app in spaces.values()]
    for answer in client.call(calls_of(client, FOR_OWNER, query), query=query):
        assert refused(answer), answer[:600]
        assert CANARY not in answer
    assert [kept(app) for app in spaces.values()] == before


@pytest.mark.parametrize(("name", "query"), asked_by_all(*PRIVATE))
def test_visitor_is_refused_what_is_not_public(
    come: Callable[[str], SpaceClient], example: str, name: str, query: str
) -> None:
    client = come(name)
    for answer in client.call(calls_of(client, FOR_ALL - {"_pressed"}, query), query=query):
        assert refused(answer), answer[:600]
    for answer in client.call(calls_of(client, FOR_ALL | DRAWINGS | GRADIO_S_OWN, query), query=query):
        assert CANARY not in answer and "setfit" not in answer


@pytest.mark.parametrize(
    ("name", "query"), asked_by_all(EXAMPLE, f"id={PUBLIC_RUN}", f"{EXAMPLE}&run={PUBLIC_RUN}", "")
)
def test_visitor_sees_what_is_public(come: Callable[[str], SpaceClient], example: str, name: str, query: str) -> None:
    client = come(name)
    for answer in client.call(
        calls_of(client, FOR_ALL - {"DataTab__importing_import_other_example"}, query), query=query
    ):
        assert not refused(answer), answer[:600]
        assert CANARY not in answer


@pytest.mark.parametrize("name", VISITORS)
def test_visitor_reads_the_example_and_published_results(
    come: Callable[[str], SpaceClient], example: str, name: str
) -> None:
    client = come(name)
    loads = calls_of(client, {"_follow_load"}, EXAMPLE)
    line, runs, run = (
        client.call([load], query=EXAMPLE if i == 0 else f"id={PUBLIC_RUN}")[0] for i, load in enumerate(loads)
    )
    assert "You are looking around" in json.dumps(client.config())
    assert "Something went wrong" not in line + runs + run
    assert "Support messages" in line and "Topics for all" in runs
    assert "Right on 6 of 8 unseen" in run and "huggingface.co/alice/topics" in run
    assert "Use these settings again" not in runs and "data-value" not in runs


@pytest.mark.parametrize("name", VISITORS)
def test_nothing_of_the_owner_s_is_drawn_for_a_visitor(
    come: Callable[[str], SpaceClient], example: str, name: str
) -> None:
    """The keys that a drawing follows are hidden values of the page: anybody can send any."""
    client = come(name)
    client.call([call_of(client, "_follow_load", EXAMPLE)], query=EXAMPLE)
    for query, key in ((EXAMPLE, RUN), (PRIVATE[0], DATASET), ("", RUN), (f"id={PUBLIC_RUN}", RUN), (EXAMPLE, "x")):
        config = client.config()
        calls = [(d["id"], [query, key, True]) for d in endpoints(client, DRAWINGS)]
        drawn = {name for answer in client.call(calls, query=query) for name in listeners_of(answer)}
        assert drawn <= {"RolesForm__wire_choose"}, config["title"]


def drawing_of(answer: str) -> dict[str, Any]:
    """What a drawing made: its components and endpoints."""
    messages = [json.loads(line[5:]) for line in answer.splitlines() if line]
    return (messages[-1].get("output") or {}).get("render_config") or {}


def listeners_of(answer: str) -> dict[str, dict[str, Any]]:
    """The endpoints that a drawing made: name → endpoint."""
    made = drawing_of(answer).get("dependencies", ())
    return {name_of(d): d for d in made if d["backend_fn"] and d["rendered_in"] is not None}


@pytest.mark.parametrize("name", ["nobody", "forged", "bob"])
def test_listeners_of_a_drawn_form_refuse_visitors_in_the_owner_s_own_session(
    come: Callable[[str], SpaceClient], example: str, name: str
) -> None:
    owner, visitor = come("alice"), come(name)
    query = f"dataset={DATASET}&step=3&task=text-classification&run={RUN}"
    owner.call([call_of(owner, "_follow_load", query)], query=query)
    drawn: dict[str, dict[str, Any]] = {}
    parts: dict[int, Any] = {}
    for endpoint in endpoints(owner, DRAWINGS):
        key = f"text-classification|setfit|{DATASET}"
        for value in (key, RUN):
            answer = owner.call([(endpoint["id"], [f"{query}&framework=setfit", value, None])])[0]
            drawn |= listeners_of(answer)
            parts |= {part["id"]: part["props"].get("value") for part in drawing_of(answer).get("components", ())}
    assert drawn.keys() == DRAWN_FOR_ALL - {"shown"} | DRAWN_FOR_OWNER
    for endpoint in drawn.values():
        values = [query, *(parts.get(number) for number in endpoint["inputs"][1:])]
        (answer,) = visitor.call([(endpoint["id"], values)], session=owner.session)
        assert refused(answer) and CANARY not in answer, (endpoint["api_name"], answer[:600])


@pytest.mark.parametrize("name", OWNERS)
def test_owner_and_writing_members_of_an_organisation_are_never_refused(
    come: Callable[[str], SpaceClient], name: str
) -> None:
    client = come(name)
    others = {"DataTab_import_example", "DataTab__importing_import_other_example"}  # each starts a process
    for answer in client.call(calls_of(client, (FOR_ALL | FOR_OWNER) - others, "")):
        assert not refused(answer), answer[:600]
    seen = client.call([call_of(client, "_follow_load", PRIVATE[0])], query=PRIVATE[0])[0]
    assert CANARY in seen


@pytest.mark.parametrize("token", ["hf_alice", "mock-oauth-token-for-local-dev", "hf_alice:openid,profile"])
def test_token_in_the_request_s_body_makes_nobody_an_owner(
    spaces: dict[str, App], come: Callable[[str], SpaceClient], token: str
) -> None:
    client = come("nobody")
    for answer in client.call(calls_of(client, FOR_OWNER, PRIVATE[0]), query=PRIVATE[0], oauth_token=token):
        assert refused(answer)


def test_token_of_the_space_serves_no_visitor(spaces: dict[str, App], come: Callable[[str], SpaceClient]) -> None:
    """Both Spaces have alice's as a secret; only she may use one of hers, and she gets it by signing in."""
    for app in spaces.values():
        app.hub.requests.clear()
    for name in ("nobody", "erin"):
        client = come(name)
        client.call(calls_of(client, FOR_OWNER | FOR_ALL, PRIVATE[0]), query=PRIVATE[0])
    assert {user for app in spaces.values() for _, _, user in app.hub.requests} <= {"", "bob", "erin"}


def test_direct_calls_past_the_queue_are_no_way_in(come: Callable[[str], SpaceClient]) -> None:
    client = come("bob")
    config = client.config()
    queued = {d["id"] for d in config["dependencies"] if d["queue"]}
    for number, values in calls_of(client, FOR_OWNER | FOR_ALL - {"_pressed"}, PRIVATE[0]):
        body = {"fn_index": number, "data": values, "session_hash": client.session}
        answer = client.ask("/gradio_api/run/predict", body)
        text = answer.read().decode()
        assert answer.status == 404 if number in queued else refused(text), (number, text[:300])


# ---- Gradio's own routes --------------------------------------------------------------------------------------------


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
