"""Fixtures shared by every tier."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import HubServer
from tests.openai_server import KEY, OpenAIServer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A loopback Hub that this process and its children take for the real one, with a cache of its own."""
    from huggingface_hub import constants

    with HubServer() as server:
        home = tmp_path / "hf_home"
        for name, value in server.env(home).items():
            monkeypatch.setenv(name, value)
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        patches = {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
        }
        for name, value in patches.items():
            monkeypatch.setattr(constants, name, value)
        if "datasets" in sys.modules:  # it copied the endpoint when it was imported
            import datasets

            monkeypatch.setattr(datasets.config, "HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """An API on loopback that the SDK in this process takes for OpenAI's, with a key that it accepts."""
    with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
        monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.02)
        yield server


@pytest.fixture(autouse=True, scope="session")
def overlays_kept_between_runs() -> Iterator[None]:
    """Overlays are installed once for the suite, not once for each test's home; no test writes into a person's own."""
    patch = pytest.MonkeyPatch()
    home = tempfile.TemporaryDirectory(prefix="annotune-")
    patch.setenv("ANNOTUNE_HOME", home.name)
    patch.setenv("ANNOTUNE_OVERLAYS", str(Path(__file__).parents[1] / ".pytest_cache" / "overlays"))
    yield
    patch.undo()
    home.cleanup()
