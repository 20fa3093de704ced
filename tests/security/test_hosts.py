"""What the page lets a person type never makes the server ask a private host: addresses, names, redirects, Hub ids."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine import UserError, validate_config
from engine.data.readers.hub import list_splits
from engine.frameworks import _rewards, base_models
from engine.frameworks._openai_client import in_words, open_client
from engine.frameworks.openai import OpenAI
from engine.public_hosts import is_private_name, is_public, pin, public_address
from tests.hub_server import HubServer

PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    *("2002:a9fe:a9fe::1", "255.255.255.255"),
]
NAMES = ["localhost", "LOCALHOST.", "app.localhost", "metadata.google.internal", "printer.local", "[::1]"]
PLACES = [
    "/etc",
    "~",
    "~root/x",
    ".",
    "..",
    "../../etc",
    "./model",
    "a/../../etc",
    "a/b/c",
    "C:\\x",
    "file:///etc",
    " /etc",
]
URLS = ["http://169.254.169.254/latest", "https://127.0.0.1:1/a", "//127.0.0.1/a", "ftp://10.0.0.1/x", "a@127.0.0.1/x"]


@pytest.fixture
def on_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPACE_ID", "alice/annotune")
    monkeypatch.setenv("ANNOTUNE_HOME", str(tmp_path / "data"))


@pytest.fixture
def trap() -> Iterator[Any]:
    """A server on loopback that nobody may ask; `trap.asked` tells who did. It redirects to itself."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
            self.end_headers()

        do_POST = do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Every name leads to the first of `answers`, the next time to the second, and so on to the last."""
    left = list(answers)

    def getaddrinfo(host: Any, port: Any, *_: Any, **__: Any) -> list[tuple]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_of_the_internet(address: str) -> None:
    assert not is_public(address)
    assert is_private_name(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_address_of_the_internet(address: str) -> None:
    assert is_public(address)
    assert not is_private_name(address)


@pytest.mark.parametrize("name", NAMES)
def test_name_that_is_private_by_itself(name: str) -> None:
    assert is_private_name(name)


@pytest.mark.parametrize("url", ["http://api.example.com/v1", "https://127.0.0.1/v1", "http://localhost:8000/v1"])
def test_provider_s_address_on_a_space_is_https_and_public(on_space: None, url: str) -> None:
    with pytest.raises(UserError, match="Address of the API"):
        validate_config("openai", "text2text", {"base_url": url})
    with pytest.raises(UserError, match="Address of the API"):
        OpenAI().remote_models({"OPENAI_API_KEY": "sk-x"}, {"base_url": url})


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_of_a_provider_on_a_space(on_space: None, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UserError):
        validate_config("openai", "text2text", {"base_url": f"https://{host}/v1"})


def test_server_on_one_s_own_machine_is_asked(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local OpenAI-style servers are a feature."""
    monkeypatch.delenv("OPENAI_BASE_URL")
    validate_config("openai", "text2text", {"base_url": provider.url})
    found = OpenAI().remote_models({"OPENAI_API_KEY": provider.key}, {"base_url": provider.url})
    assert "gpt-next" in [model.id for model in found]


def test_name_that_leads_to_a_private_address_is_refused(on_space: None, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "169.254.169.254")
    validate_config("openai", "text2text", {"base_url": "https://innocent.example/v1"})  # a form asks nobody
    with pytest.raises(UserError, match="innocent.example is not on the public internet"):
        OpenAI().remote_models({"OPENAI_API_KEY": "sk-x"}, {"base_url": "https://innocent.example/v1"})
    with pytest.raises(UserError, match="innocent.example is not on the public internet"):
        open_client("https://innocent.example/v1", "sk-x")


def test_one_private_address_among_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(UserError, match="is not on the public internet"):
        public_address("innocent.example")


def test_name_that_turns_private_after_the_look_is_refused(on_space: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is looked at, private when it is used."""
    resolving(monkeypatch, "1.1.1.1", "127.0.0.1")
    client = open_client("https://innocent.example/v1", "sk-x").with_options(max_retries=0)
    with pytest.raises(UserError, match="innocent.example is not on the public internet"), in_words(client, "list"):
        client.models.list()


def test_request_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2

    resolving(monkeypatch, "93.184.216.34", "127.0.0.1")
    request = httpx2.Request("GET", "https://innocent.example/v1/models")
    pin(request)
    assert request.url == "https://93.184.216.34/v1/models"
    assert (request.headers["Host"], request.extensions["sni_hostname"]) == ("innocent.example", "innocent.example")


def test_provider_s_redirect_is_not_followed(trap: Any) -> None:
    with (
        open_client(f"http://127.0.0.1:{trap.server_address[1]}/v1", "sk-x") as client,
        pytest.raises(UserError),
        in_words(client, "list its models"),
    ):
        client.with_options(max_retries=0).models.list()
    assert trap.asked == ["/v1/models"]


@pytest.mark.parametrize("name", [*PLACES, *URLS, "x" * 5000, "a\0b"])
def test_model_on_a_space_is_named_by_an_id(on_space: None, hub: HubServer, name: str) -> None:
    for ask in (base_models.locate, base_models.fetch, _rewards.locate):
        with pytest.raises(UserError, match="is none|not the name of a model"):
            ask(name)
    assert hub.requests == []


@pytest.mark.parametrize(
    "name", ["distilbert/distilroberta-base", "gpt2", "blank:en", "en_core_web_sm", "ft:gpt-4o:a::b"]
)
def test_id_of_a_model_passes(on_space: None, name: str) -> None:
    base_models.check_name(name)


def test_folder_is_a_base_model_on_one_s_own_machine(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert base_models.locate(str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("given", [*URLS, "../../etc/passwd", "a/b/c", "a\0b", "x" * 500, "alice/..", "-/-"])
def test_dataset_that_is_no_id_is_refused_and_only_the_hub_may_be_asked(hub: HubServer, trap: Any, given: str) -> None:
    given = given.replace("127.0.0.1:1", f"127.0.0.1:{trap.server_address[1]}")
    with pytest.raises(UserError):
        list_splits(given)
    assert trap.asked == []
    assert all(path.startswith("/api/datasets/") for _, path, *_ in hub.requests)


@pytest.mark.parametrize("revision", ["../../../x", "http://127.0.0.1/", "a\0b", "?x=1#y"])
def test_revision_leads_nowhere_else(hub: HubServer, revision: str) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": "text,label\nhello,a\n"})
    with pytest.raises(UserError):
        list_splits("alice/notes", revision=revision)
