"""On a Space: whoever is not its owner sees the examples and no data of others, and is told what to do."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page import steps
from tests.page.conftest import App, open_page, running_app

SPACE = {
    "SPACE_ID": "alice/annotune",
    "SPACE_AUTHOR_NAME": "alice",
    "SPACE_REPO_NAME": "annotune",
    "OAUTH_CLIENT_ID": "test-client",
    "OAUTH_CLIENT_SECRET": "test-secret",
    "OAUTH_SCOPES": "openid profile contribute-repos read-repos gated-repos read-memberships",
    "OPENID_PROVIDER_URL": "HUB",
    "HF_TOKEN": "hf_alice",  # a secret of the Space: it must serve nobody
}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("space"), **SPACE) as app:
        yield app


def visit(space: App, browser: Browser, name: str | None) -> Page:
    """The Space's page as this person sees it; None: signed out."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    if name:
        context.add_cookies([{"name": "login_as", "value": name, "url": space.url}])
    open_page(page, space.url)
    if name:
        page.get_by_text("Sign in with Hugging Face").click()
        expect(page.get_by_text(f"Sign out ({name})")).to_be_visible()
        page.wait_for_timeout(1500)
    return page


@pytest.mark.parametrize("name", [None, "bob"])
def test_visitor_looks_at_an_example_and_is_led_to_a_space_of_their_own(
    space: App, browser: Browser, name: str | None
) -> None:
    page = visit(space, browser, name)
    expect(page.locator("#welcome")).to_contain_text("You are looking around in the Space of alice.")
    expect(page.locator("#welcome").get_by_text("Duplicate this Space")).to_be_visible()
    expect(page.locator("#data-file")).not_to_be_visible()
    page.click("#try-example")
    expect(page.locator("#data-overview")).to_contain_text("Support messages")
    expect(page.locator("#data-continue")).not_to_be_visible()
    page.click("#choose-task")
    expect(page.locator("#preview-rows table")).to_be_visible()
    expect(page.locator("#role-text")).to_be_visible()
    expect(page.locator("#use-code")).not_to_be_visible()
    expect(page.locator("#task-continue")).not_to_be_visible()
    page.context.close()


def test_visitor_sees_that_nothing_is_published_yet(space: App, browser: Browser) -> None:
    page = visit(space, browser, "bob")
    page.goto(space.url + "/runs", wait_until="domcontentloaded")
    expect(page.locator("#runs-table")).to_contain_text("No model has been published from here yet.")
    page.context.close()


@pytest.mark.parametrize("place", ["/run?id=20260101-000000-abcdef", "/?dataset=20260101-000000-abcdef"])
def test_stranger_sees_no_data_and_no_runs(space: App, browser: Browser, place: str) -> None:
    page = visit(space, browser, "bob")
    page.goto(space.url + place, wait_until="domcontentloaded")
    expect(page.locator("#page-problem")).to_contain_text("its data, runs and models are not open to you")
    expect(page.locator("#runs-table table")).to_have_count(0)
    page.context.close()


def test_owner_signs_in_and_loads_data(space: App, browser: Browser) -> None:
    page = visit(space, browser, "alice")
    expect(page.locator("#welcome")).not_to_be_visible()
    steps.load_example(page)
    steps.to_task(page)
    page.locator("#use-code input").check()
    expect(page.locator("#code .cm-content")).to_contain_text("def formatting_func(sample):")
    page.context.close()
