"""What a person does on the page, step by step, for the tests."""

import csv
from pathlib import Path

from playwright.sync_api import Page, expect

TRAINED = 240_000  # ms


def load_example(page: Page) -> None:
    page.click("#try-example")
    expect(page.locator("#data-continue")).to_be_visible()


def to_task(page: Page) -> None:
    page.click("#choose-task")
    expect(page.locator("#preview-rows table")).to_be_visible()


def to_train(page: Page) -> None:
    """Straight from the data, or on from the task."""
    page.click("#data-continue" if page.locator("#data-continue").is_visible() else "#task-continue")
    expect(page.locator("#ready-line")).to_contain_text("Ready")
    expect(page.locator("#all-settings")).to_be_visible()


def fill(page: Page, knob: str, value: str) -> None:
    """Type into a setting, opening the folded ones first if it is among them."""
    field = page.locator(f"[id='knob-{knob}'] input, [id='knob-{knob}'] textarea").first
    if not field.is_visible():
        page.locator("#all-settings button").first.click()
    field.fill(value)
    field.blur()


def type_code(page: Page, code: str) -> None:
    """Put a formatting function in place of what stands in the cell; the editor indents what follows the first line."""
    page.locator("#code .cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.type(code)


def start(page: Page) -> None:
    page.click("#start")
    expect(page.locator("#run-heading")).to_be_visible()


def wait_for_result(page: Page) -> None:
    expect(page.locator("#result-sentence")).to_be_visible(timeout=TRAINED)


def write_multi_label_csv(path: Path) -> Path:
    """160 messages whose labels stand joined by commas; words give them away."""
    words = {"billing": "invoice charged twice", "delivery": "parcel is late", "angry": "what a scandal"}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["message", "tags"])
        for i in range(160):
            labels = [label for bit, label in enumerate(words) if (i + 1) & (1 << bit)] or ["billing"]
            writer.writerow([" and ".join(words[label] for label in labels) + f", case {i}", ",".join(labels)])
    return path


def type_base(page: Page, base: str) -> None:
    """Name a base model that is not among the suggestions, and wait until the page has taken it."""
    box = page.locator("#base-model input")
    box.fill(base)
    box.press("Enter")
    expect(page.locator("#train-plan")).to_contain_text(base)
