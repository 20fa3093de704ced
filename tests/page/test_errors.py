"""One thing wrong on each step: the page says it where it happened, and nothing entered is lost."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.page import steps


def test_binary_file_is_refused_where_it_was_dropped(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "photo.csv"
    file.write_bytes(bytes(range(256)) * 40)
    page.set_input_files("#data-file input[type=file]", file)
    expect(page.locator("#data-problem")).to_contain_text("“photo.csv” is not a text file")
    expect(page.locator("#try-example")).to_be_visible()


def test_unknown_hub_dataset_is_said_and_the_id_kept(page: Page) -> None:
    box = page.locator("#hub-id input, #hub-id textarea").first
    box.fill("alice/no-such-data")
    page.click("#hub-load")
    expect(page.locator("#data-problem")).to_contain_text("alice/no-such-data")
    expect(box).to_have_value("alice/no-such-data")


def test_failing_cell_names_its_line_and_keeps_the_code(page: Page) -> None:
    steps.load_example(page)
    steps.to_task(page)
    page.locator("#use-code input").check()
    editor = page.locator("#code .cm-content")
    expect(editor).to_contain_text("def formatting_func(sample):")
    steps.type_code(page, "def formatting_func(sample):\nreturn sample['no such field'], 'x'")
    page.click("#run-code")
    expect(page.locator("#preview-counts")).to_contain_text("Line 2 of the cell")
    expect(editor).to_contain_text("no such field")


def test_what_a_cell_says_is_shown_as_text(page: Page) -> None:
    """Its messages, prints and rows are whatever the code wants them to be."""
    hostile = "<img src=x onerror=document.title=String(1)>"
    steps.load_example(page)
    steps.to_task(page)
    title = page.title()
    page.locator("#use-code input").check()
    steps.type_code(page, f"def formatting_func(sample):\nprint('{hostile}')\nreturn '{hostile}', 'x'")
    page.click("#run-code")
    expect(page.locator("#preview-rows")).to_contain_text(hostile)
    expect(page.locator("#preview-rows pre.log")).to_contain_text(hostile)
    failing = f"print('so far')\nraise type('{hostile}', (Exception,), {{}})('{hostile}')"
    steps.type_code(page, f"def formatting_func(sample):\n{failing}")
    page.click("#run-code")
    expect(page.locator("#preview-counts")).to_contain_text(hostile)
    expect(page.locator("#preview-rows")).to_contain_text("Record 1, on which it failed")
    expect(page.locator("#preview-rows")).to_contain_text("so far")
    steps.type_code(page, "def formatting_func(sample):\nopen('/etc/passwd')")
    page.click("#run-code")
    expect(page.locator("#preview-counts")).to_contain_text("not open files, the network or other programs")
    assert page.title() == title and page.locator("img[src=x]").count() == 0


def test_setting_out_of_bounds_is_not_ready_and_says_why(page: Page) -> None:
    steps.load_example(page)
    steps.to_train(page)
    steps.fill(page, "body_learning_rate", "-1")
    expect(page.locator("#ready-line")).to_contain_text("Not ready: ")
    expect(page.locator("#ready-line")).to_contain_text("should be greater than 0")
    expect(page.locator("#start")).to_be_disabled()
    steps.fill(page, "body_learning_rate", "0.00002")
    expect(page.locator("#start")).to_be_enabled()


def test_run_that_does_not_exist_is_said(page: Page) -> None:
    page.goto(page.url.split("?")[0] + "run?id=no-such-run", wait_until="domcontentloaded")
    expect(page.locator("#page-problem")).to_contain_text("There is nothing here called 'no-such-run'.")


def test_base_model_that_cannot_be_fetched_blocks_and_can_be_tried_again(page: Page) -> None:
    steps.load_example(page)
    steps.to_train(page)
    box = page.locator("#base-model input")
    box.fill("alice/no-such-model")
    box.press("Enter")
    expect(page.locator("#ready-line")).to_contain_text("There is no model alice/no-such-model on the Hub")
    expect(page.locator("#start")).to_be_disabled()
    page.click("#fetch-base")
    expect(page.locator("#ready-line")).to_contain_text("There is no model alice/no-such-model on the Hub")
    box.fill("sentence-transformers/all-MiniLM-L6-v2")
    box.press("Enter")
    expect(page.locator("#start")).to_be_enabled()
