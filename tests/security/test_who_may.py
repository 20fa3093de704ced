"""Who may do what on a Space: every endpoint of the real app, asked directly by everybody who may come along.

The table below is the rule. An endpoint that is not in it fails a test: decide first who may use it.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.page.conftest import App
from tests.security.space_client import SpaceClient
from tests.security.spaces import (
    CANARY,
    DATASET,
    EXAMPLE,
    OWNERS,
    PRIVATE,
    PUBLIC_RUN,
    RUN,
    VISITORS,
    call_of,
    calls_of,
    endpoints,
    kept,
    name_of,
    refused,
)

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


def asked_by_all(*queries: str) -> list[Any]:
    """Who asks what: bob everything; the others the first, which takes its time."""
    others = [pytest.param(name, queries[0], marks=pytest.mark.slow) for name in VISITORS if name != "bob"]
    return [*(("bob", query) for query in queries), *others]


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
