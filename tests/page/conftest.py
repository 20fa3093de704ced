"""The real app in a process of its own, a loopback Hub that it takes for the real one, and Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from engine.runs import job
from tests.hub_server import HubServer

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
START_SECONDS = 90
# Gradio 6.31: a plot that is hidden while its size observer still has a call pending. Nothing is lost by it.
HARMLESS = "Cannot read properties of null (reading 'offsetWidth')"

expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.page)


@dataclass
class App:
    """The running app: where it answers, where it keeps its data, and the Hub it knows."""

    url: str
    home: Path
    hub: HubServer


@contextmanager
def running_app(folder: Path, **extra: str) -> Iterator[App]:
    """The real app with a Hub of its own. `extra`: environment on top; "HUB" in a value is the Hub's address."""
    port = _free_port()
    (folder / "tmp").mkdir()  # Gradio serves files of the temporary folder, so the data must lie outside of it
    with HubServer() as hub, (folder / "app.log").open("wb") as log:
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        env |= hub.env(folder / "hf_home") | {"ANNOTUNE_HOME": str(folder / "data"), "TMPDIR": str(folder / "tmp")}
        env |= {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1", "CI": "1"}
        env |= {name: value.replace("HUB", hub.url) for name, value in extra.items()}
        command = [sys.executable, str(ROOT / "app.py")]
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(url, process, folder / "app.log")
            yield App(url, folder / "data", hub)
        finally:
            process.terminate()
            process.wait(timeout=30)
            for run in (folder / "data" / "runs").glob("*"):  # a run outlives its page, but not these tests
                job.stop(run, grace=5)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A personal machine with alice's token."""
    with running_app(tmp_path_factory.mktemp("app"), HF_TOKEN="hf_alice") as app:
        yield app


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_answers(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"The app did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("No Chromium here: the browser tests need it (make test installs it where it may).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(app: App, browser: Browser) -> Iterator[Page]:
    """The first page of the app. Fails the test on an error of the page's scripts and on a call to another machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)) if HARMLESS not in str(error) else None)
    page.on("request", lambda call: wrong.append(call.url) if _is_elsewhere(call.url) else None)
    open_page(page, app.url)
    yield page
    context.close()
    assert wrong == []


def _is_elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def open_page(page: Page, url: str) -> None:
    """Go to an address of the app and wait until it is alive: the first answer to its load event has come."""
    page.goto(url, wait_until="domcontentloaded")
    expect(page.locator("#header, .brand").first).to_be_visible()
    page.wait_for_timeout(1500)  # listeners are bound a moment after the first drawing
