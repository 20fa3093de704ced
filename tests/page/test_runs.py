"""Runs outlive tabs: a reload and a second tab find the live one, and every end is told as what it was."""

import os
import signal

from playwright.sync_api import Browser, Page, expect

from tests.page import steps
from tests.page.conftest import App, open_page


def begin(page: Page) -> str:
    """Start a training that takes long enough to look at; returns the run's id."""
    steps.load_example(page)
    steps.to_train(page)
    steps.fill(page, "max_pairs", "100000")
    steps.start(page)
    page.wait_for_url("**run=*")
    return page.url.split("run=")[1].split("&")[0]


def test_reload_and_second_tab_find_the_live_run_and_cancel_is_told(page: Page, app: App, browser: Browser) -> None:
    begin(page)
    expect(page.locator("#run-bar")).to_contain_text("Training", timeout=120_000)
    page.reload(wait_until="domcontentloaded")
    expect(page.locator("#run-bar")).to_contain_text("Training")
    second = browser.new_context().new_page()
    open_page(second, page.url)
    expect(second.locator("#run-heading")).to_contain_text("SetFit · topic")
    second.click("#cancel")
    for tab in (page, second):
        expect(tab.locator("#run-problem")).to_contain_text("The run was cancelled.")
        expect(tab.locator("#start")).to_be_visible()
    second.context.close()


def test_killed_worker_is_told_as_interrupted_and_can_be_deleted(page: Page, app: App) -> None:
    run_id = begin(page)
    expect(page.locator("#run-bar")).to_contain_text("Training", timeout=120_000)
    os.kill(int((app.home / "runs" / run_id / "lock").read_text()), signal.SIGKILL)
    expect(page.locator("#run-problem")).to_contain_text("The run was interrupted.")
    open_page(page, app.url + "/runs")
    row = page.locator("#runs-table tr", has=page.locator(f"[data-value='{run_id}']"))
    expect(row).to_contain_text("interrupted")
    row.get_by_text("Delete").click()
    expect(page.locator("#confirm-delete")).to_contain_text("This cannot be undone.")
    page.click("#delete-yes")
    expect(row).to_have_count(0)
    assert not (app.home / "runs" / run_id).exists()


def test_stop_and_keep_the_best_ends_in_a_result(page: Page, app: App) -> None:
    run_id = begin(page)
    expect(page.locator("#stop-keep")).to_be_enabled(timeout=120_000)
    page.click("#stop-keep")
    steps.wait_for_result(page)
    expect(page.locator("#result-account")).to_contain_text("Training was stopped by hand")
    open_page(page, f"{app.url}/run?id={run_id}")
    expect(page.locator("#run-heading")).to_contain_text("SetFit · topic")
    expect(page.locator("#result-sentence")).to_contain_text("unseen texts")


def test_settings_of_a_run_are_used_again(page: Page, app: App) -> None:
    run_id = begin(page)
    page.click("#cancel")
    expect(page.locator("#run-problem")).to_contain_text("The run was cancelled.")
    open_page(page, app.url + "/runs")
    page.locator("#runs-table tr", has=page.locator(f"[data-value='{run_id}']")).get_by_text(
        "Use settings again"
    ).click()
    expect(page.locator("#ready-line")).to_contain_text("Ready")
    page.locator("#all-settings button").first.click()
    expect(page.locator("[id='knob-max_pairs'] input, [id='knob-max_pairs'] textarea").first).to_have_value("100000")


def test_runs_wait_for_each_other_change_places_and_are_taken_out(page: Page, app: App, browser: Browser) -> None:
    first = begin(page)
    ids = []
    for _ in range(2):
        open_page(page, app.url)
        ids.append(begin(page))
        expect(page.locator("#run-bar")).to_contain_text(f"Waiting until {len(ids)} run")
    runs = browser.new_context(viewport={"width": 390, "height": 800}).new_page()
    open_page(runs, app.url + "/runs")
    rows = [runs.locator("#runs-table tr", has=runs.locator(f"[data-value='out {run_id}']")) for run_id in ids]
    expect(rows[1]).to_contain_text("waiting, 2 runs before it")
    rows[1].get_by_text("Move up").click()
    expect(rows[1]).to_contain_text("waiting, 1 run before it")
    expect(rows[0]).to_contain_text("waiting, 2 runs before it")
    rows[0].get_by_text("Take out").click()
    expect(rows[0]).to_have_count(0)
    open_page(page, f"{app.url}/run?id={first}")
    page.click("#cancel")
    expect(page.locator("#run-problem")).to_contain_text("The run was cancelled.")
    open_page(page, f"{app.url}/run?id={ids[1]}")  # its turn has come
    expect(page.locator("#run-bar")).to_contain_text("Training", timeout=120_000)
    page.click("#cancel")
    expect(page.locator("#run-problem")).to_contain_text("The run was cancelled.")
    runs.context.close()
