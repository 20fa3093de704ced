"""A provider's model, tuned from the page: the key, its own list of models, the job, a conversation; and an overlay
that is not here yet, downloaded from the page.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.openai_server import KEY, OpenAIServer
from tests.page import steps
from tests.page.conftest import open_page, running_app

pytestmark = pytest.mark.slow


def test_chat_model_of_a_provider_is_tuned_and_answers(browser: Browser, tmp_path: Path) -> None:
    with OpenAIServer() as server, running_app(tmp_path, OPENAI_BASE_URL=server.url) as app:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        open_page(page, app.url)
        page.click("#example-chat-completion")
        expect(page.locator("#data-continue")).to_be_enabled()
        page.click("#data-continue")
        page.locator("#framework input[value='openai']").check()
        expect(page.locator("#framework-notice")).to_contain_text("fine-tuning")
        expect(page.locator("#ready-line")).to_contain_text("needs a key: OPENAI_API_KEY")
        page.locator("[id='key-OPENAI_API_KEY'] input").fill(KEY)
        page.click("#use-key")
        expect(page.locator("#keys")).to_be_hidden()
        page.click("#ask-provider")
        expect(page.locator("#provider-models")).to_contain_text("gpt-4.1-mini-2025-04-14")
        expect(page.locator("#provider-models")).to_contain_text("Ends on 14 January 2027")
        expect(page.locator("#start")).to_be_enabled()
        steps.start(page)
        steps.wait_for_result(page)
        expect(page.locator("#result-sentence")).to_contain_text("no figure that sums up the unseen rows")
        expect(page.locator("#samples")).to_contain_text("The model")
        page.click("#predict-go")
        expect(page.locator("#predict-chat .bot").first).to_be_visible(timeout=steps.TRAINED)
        assert KEY not in page.content()
        page.close()
    written = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert written == []


def test_overlay_that_is_not_here_is_downloaded_from_the_page(browser: Browser, tmp_path: Path) -> None:
    with running_app(tmp_path, ANNOTUNE_OVERLAYS=str(tmp_path / "overlays")) as app:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        open_page(page, app.url)
        page.click("#example-token-classification")
        expect(page.locator("#data-continue")).to_be_enabled()
        page.click("#data-continue")
        page.locator("#framework input[value='span_marker']").check()
        expect(page.locator("#ready-line")).to_contain_text("Not ready")
        page.click("#fetch-base")
        expect(page.locator("#start")).to_be_enabled(timeout=steps.TRAINED)
        assert [path.name for path in (tmp_path / "overlays").iterdir() if path.name.startswith("span_marker")]
        page.close()
