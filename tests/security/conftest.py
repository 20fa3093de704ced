"""The Spaces of a person and of an organisation, and everybody who may come along."""

import time
from collections.abc import Callable, Iterator

import pytest

from engine.runs import job
from tests.page.conftest import App, running_app
from tests.page.test_space import SPACE
from tests.security.space_client import SpaceClient
from tests.security.spaces import EXAMPLE, PATIENCE, call_of, plant


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
