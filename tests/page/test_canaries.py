"""Canaries: a different secret is planted wherever one can enter, a person works through the whole page, and then every
file, log, answer, page, and every worker's environment and arguments are searched for each of them.
"""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Error, Page, Request, expect

from tests.openai_server import OpenAIServer
from tests.page import steps
from tests.page.conftest import App, open_page, running_app
from tests.page.test_space import SPACE, visit

pytestmark = pytest.mark.slow

CANARIES = {
    "HF_TOKEN": "hf_canaryOfTheSpacesOwnSecret0123456789",
    "OPENAI_API_KEY": "sk-canary-of-the-environment-0123456789",
    "sign-in": "hf_alice:openid",  # how the test Hub's OAuth tokens begin
    "address": "canary-in-an-address",
    "netrc": "canary-in-netrc",
    "token file": "hf_canaryOfTheTokenFileInHome0123456789",
    "OAUTH_CLIENT_SECRET": "canary-of-the-sign-in",
}
PUBLISHED = "alice/notes-label-spacy"  # as the page suggests
ROWS = "".join(f"invoice number {i} was charged twice,billing\nparcel {i} is late again,delivery\n" for i in range(40))


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """The folder of the app, with a home that holds secrets."""
    folder = tmp_path / "app"
    home = folder / "home"
    (home / ".cache" / "huggingface").mkdir(parents=True)
    (folder / "hf_home").mkdir()
    (home / ".netrc").write_text(f"machine 127.0.0.1 login ann password {CANARIES['netrc']}\n")
    for place in (home / ".cache" / "huggingface" / "token", folder / "hf_home" / "token"):
        place.write_text(CANARIES["token file"])
    return folder


def found_in(content: bytes) -> list[str]:
    """Whose canary is in there, in the plain or as base64."""
    forms = {name: (value.encode(), base64.b64encode(value.encode())[:-4]) for name, value in CANARIES.items()}
    return [name for name, spelt in forms.items() if any(form in content for form in spelt)]


@contextmanager
def watched_workers() -> Iterator[list[tuple[str, list[str]]]]:
    """Looks at every worker while it runs: its arguments, and what of its environment and arguments is a secret."""
    seen: dict[int, tuple[str, list[str]]] = {}
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            for process in psutil.Process().children(recursive=True):
                try:
                    command = " ".join(process.cmdline())
                    shown = b"".join(
                        Path(f"/proc/{process.pid}/{file}").read_bytes() for file in ("environ", "cmdline")
                    )
                except (psutil.Error, OSError):
                    continue
                if " -m engine " in command:
                    seen[process.pid] = command, found_in(shown)

    watcher = threading.Thread(target=look)
    watcher.start()
    found: list[tuple[str, list[str]]] = []
    try:
        yield found
    finally:
        done.set()
        watcher.join()
        found += seen.values()


def work_through(page: Page, app: App, pages: list[str]) -> None:
    """Import, a finished run, predictions, a refused push and one that lands, and a run that the provider refuses."""
    box = page.locator("#hub-id input, #hub-id textarea").first
    box.fill(f"https://ann:{CANARIES['address']}@huggingface.co/datasets/alice/notes")
    page.click("#hub-load")
    expect(page.locator("#data-problem")).to_be_visible()
    box.fill("alice/notes")
    page.click("#hub-load")
    expect(page.locator("#data-continue")).to_be_visible()
    steps.to_train(page)
    page.locator("#framework input[value='spacy']").check()
    expect(page.locator("#ready-line")).to_contain_text("Ready")
    expect(page.locator("[id='knob-max_epochs'] input").first).to_be_visible()  # the form of the choice before is gone
    steps.fill(page, "max_epochs", "3")
    pages.append(page.content())
    steps.start(page)
    steps.wait_for_result(page)
    finished = page.url
    page.click("#predict-go")
    expect(page.locator("#predict-label")).to_contain_text("%", timeout=steps.TRAINED)
    page.click("#result-continue")
    expect(page.locator("#repo-id input, #repo-id textarea").first).to_have_value(PUBLISHED)
    app.hub.fail_next("commit", status=403)
    page.click("#push")
    expect(page.locator("#publish")).to_contain_text("does not let you write", timeout=120_000)
    pages.append(page.content())
    page.click("#push")
    expect(page.locator("#publish-link")).to_contain_text(PUBLISHED, timeout=120_000)
    pages.append(page.content())
    again = finished.replace("framework=spacy", "framework=openai").partition("&run=")[0].replace("step=4", "step=3")
    open_page(page, again.replace("base=blank%3Aen", "base=gpt-4.1-mini-2025-04-14").partition("&config=")[0])
    expect(page.locator("#framework-notice")).to_contain_text("fine-tuning")
    expect(page.locator("#ready-line")).to_contain_text("Ready")
    steps.start(page)
    expect(page.locator("body")).to_contain_text("The run failed.", timeout=steps.TRAINED)
    expect(page.locator("body")).to_contain_text("does not accept the key")
    pages.append(page.content())
    open_page(page, app.url + "/runs")
    pages.append(page.content())


def test_no_secret_is_left_anywhere(browser: Browser, planted: Path) -> None:
    requests: list[Request] = []
    with OpenAIServer() as provider, watched_workers() as workers:
        names = {name: CANARIES[name] for name in ("HF_TOKEN", "OPENAI_API_KEY", "OAUTH_CLIENT_SECRET")}
        names |= {"HOME": str(planted / "home"), "OPENAI_BASE_URL": provider.url}
        with running_app(planted, **(SPACE | names)) as app:
            app.hub.add_repo("dataset", "alice/notes", {"train.csv": "text,label\n" + ROWS}, private=True)
            page = visit(app, browser, "alice")
            page.on("requestfinished", lambda request: requests.append(request))
            pages: list[str] = []
            work_through(page, app, pages)
            answers = list(bodies(requests, app))
            published = list(app.hub.files("model", PUBLISHED).values())
            page.context.close()
    verbs = {command.split(" -m engine ")[1].split()[0] for command, _ in workers}
    assert {"import", "train", "publish", "predict"} <= verbs, verbs
    assert [worker for worker in workers if worker[1]] == []
    assert len(answers) > 30 and len(pages) == 5 and len(published) > 5
    assert [found for found in map(found_in, answers) if found] == []
    assert [found for found in (found_in(text.encode()) for text in pages) if found] == []
    assert [found for found in map(found_in, published) if found] == []
    files = [path for path in planted.rglob("*") if path.is_file() and path.name not in (".netrc", "token")]
    kinds = {path.name for path in files}
    assert {"run.json", "events.jsonl", "log.txt", "report.json", "request.json", "README.md", "app.log"} <= kinds
    assert {str(path): found for path in files if (found := found_in(path.read_bytes()))} == {}


def bodies(requests: list[Request], app: App) -> Iterator[bytes]:
    """What the app answered, headers and body. A cookie is the person's own, and stays in the browser."""
    for request in requests:
        if not request.url.startswith(app.url):
            continue
        try:
            answer = request.response()
            headers = {name: value for name, value in answer.all_headers().items() if name != "set-cookie"}
            yield repr(headers).encode() + answer.body()
        except (Error, AttributeError):  # a stream or a redirect, which the browser has not kept
            continue
