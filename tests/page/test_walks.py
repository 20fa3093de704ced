"""The main job in the browser, from data to a model on the Hub: the bundled example, and a file of one's own."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.page import steps
from tests.page.conftest import App


def test_example_becomes_a_published_setfit_model(page: Page, app: App) -> None:
    steps.load_example(page)
    expect(page.locator("#data-overview")).to_contain_text("400")
    expect(page.locator("#data-verdict")).to_contain_text("It looks like text classification of “topic”.")
    steps.to_train(page)
    expect(page.locator("#train-plan")).to_contain_text("learning text → topic.")
    steps.fill(page, "max_pairs", "320")  # for a quick test; a person just presses Start, the third click
    steps.start(page)
    steps.wait_for_result(page)
    expect(page.locator("#result-sentence")).to_contain_text("unseen texts")
    expect(page.locator("#confusion")).to_contain_text("billing")
    page.click("#predict-go")
    expect(page.locator("#predict-label")).to_contain_text("%")
    page.click("#result-continue")
    expect(page.locator("#card-text")).to_contain_text("How good it is")
    page.click("#make-zip")
    expect(page.locator("#zip-file")).to_contain_text("MB")
    repo_id = page.locator("#repo-id input, #repo-id textarea").first
    expect(repo_id).to_have_value("alice/support-messages-topic-setfit")
    repo_id.fill("bob/not-mine")
    page.click("#push")
    expect(page.locator("#publish-problem")).to_contain_text("You are signed in as alice")
    repo_id.fill("alice/from-the-page")
    page.click("#push")
    expect(page.locator("#publish-link")).to_contain_text(f"{app.hub.url}/alice/from-the-page", timeout=120_000)
    expect(page.locator("#usage")).to_contain_text("SetFitModel.from_pretrained")
    repo = app.hub.store.repos["model", "alice/from-the-page"]
    assert repo.private
    assert "model.safetensors" in repo.commits[-1].tree
    assert page.title() == "✓ Annotune"


def test_csv_with_joined_labels_becomes_a_transformers_model(page: Page, tmp_path: Path) -> None:
    file = steps.write_multi_label_csv(tmp_path / "messages.csv")
    page.set_input_files("#data-file input[type=file]", file)
    expect(page.locator("#file-detected")).to_contain_text("2 columns · 160 rows")
    page.click("#load-file")
    expect(page.locator("#data-verdict")).to_contain_text("“tags”")
    expect(page.locator("#data-about")).to_contain_text("any labels of 3: angry, billing, delivery")
    steps.to_task(page)
    expect(page.locator("#preview-counts")).to_contain_text("160 rows from 160 records")
    steps.to_train(page)
    page.get_by_label("Transformers", exact=False).check()
    expect(page.locator("[id='knob-num_train_epochs']")).to_be_visible()
    steps.fill(page, "num_train_epochs", "2")
    steps.fill(page, "learning_rate", "0.0005")
    expect(page.locator("#train-plan")).to_contain_text("Transformers")
    steps.start(page)
    steps.wait_for_result(page)
    expect(page.locator("#result-sentence")).to_contain_text("All labels right on")
    expect(page.locator("#confusion")).to_contain_text("False alarm")
    page.locator("#predict-text textarea").fill("what a scandal and parcel is late")
    page.click("#predict-go")
    expect(page.locator("#predict-said")).to_contain_text("From 0.50 on: ")
    page.get_by_text("Predict a whole file").click()
    page.set_input_files("#predict-file input[type=file]", file)
    page.locator("#predict-column-text input, #predict-column-text textarea").first.fill("message")
    page.click("#predict-file-go")
    expect(page.locator("#predict-file-bar")).to_contain_text("Done: 160 rows.")
    expect(page.locator("#predict-made")).to_contain_text("messages-predictions")
