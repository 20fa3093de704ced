"""Nothing but a table scrolls sideways, on a wide screen or a phone, light or dark."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page import steps
from tests.page.conftest import App, open_page


def sideways(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_step_scrolls_sideways(app: App, browser: Browser, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    open_page(page, app.url)
    found = {"first": sideways(page)}
    steps.load_example(page)
    expect(page.locator("#data-records table")).to_be_visible()
    found["data"] = sideways(page)
    steps.to_task(page)
    found["task"] = sideways(page)
    steps.to_train(page)
    page.locator("#all-settings button").first.click()
    found["train"] = sideways(page)
    open_page(page, app.url + "/runs")
    found["runs"] = sideways(page)
    context.close()
    assert {name: pixels for name, pixels in found.items() if pixels > 0} == {}
