"""Every task on the page: its example is opened with one click, trained for a moment, and its prediction is shown."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect

from tests import models
from tests.page import steps
from tests.page.conftest import App, open_page


@dataclass(frozen=True)
class Walk:
    """How a task's example is trained in a moment, and what its prediction must show then."""

    shown: str  # selector of what `predict` fills
    says: str  # in it
    base: Callable[[], str] | None = None  # None: the default one, which needs no download
    settings: dict[str, str] = field(default_factory=lambda: {"max_steps": "2"})
    samples: str = ""  # among what the result shows of the texts that it wrote


QUICK = {
    "token-classification": Walk("#predict-spans", "", settings={"max_steps": "20"}),
    "sentence-similarity": Walk("#predict-heat table", "row compared with column"),
}
SLOW = {
    "question-answering": Walk("#predict-in-context", " "),
    "text2text": Walk("#predict-after .said, #predict-after .quiet", "", models.tiny_seq2seq),
    "supervised-fine-tuning": Walk(
        "#predict-before .said, #predict-before .quiet", "", models.tiny_llm, samples="Before training"
    ),
    "direct-preference-optimization": Walk("#predict-before .said, #predict-before .quiet", "", models.tiny_llm),
    "kto": Walk("#predict-after .said, #predict-after .quiet", "", models.tiny_llm),
    "chat-completion": Walk("#predict-chat .bot", "", models.tiny_llm),
}


def train(page: Page, app: App, task: str, base: str | None, settings: dict[str, str]) -> None:
    """From the first page to the result of a short training of the task's own example."""
    open_page(page, app.url)
    page.click(f"#example-{task}")
    expect(page.locator("#data-continue")).to_be_enabled()
    page.click("#data-continue")
    expect(page.locator("#all-settings")).to_be_visible()
    if base:
        steps.type_base(page, base)
    for name, value in settings.items():
        steps.fill(page, name, value)
    expect(page.locator("#start")).to_be_enabled()
    steps.start(page)
    steps.wait_for_result(page)
    expect(page.locator("#result-sentence")).to_contain_text("unseen rows")


def predict(page: Page, walk: Walk) -> None:
    page.click("#predict-go")
    shown = page.locator(walk.shown).first
    expect(shown).to_be_visible(timeout=steps.TRAINED)
    expect(shown).to_contain_text(walk.says)
    expect(page.locator("#predict-problem")).to_be_hidden()


@pytest.mark.parametrize("task", [*QUICK, *(pytest.param(task, marks=pytest.mark.slow) for task in SLOW)])
def test_example_of_a_task_is_trained_and_tried(page: Page, app: App, task: str) -> None:
    walk = (QUICK | SLOW)[task]
    train(page, app, task, walk.base and walk.base(), walk.settings)
    if walk.samples:
        expect(page.locator("#samples")).to_contain_text(walk.samples)
    predict(page, walk)


@pytest.mark.slow
def test_reward_model_of_one_run_rewards_the_next(page: Page, app: App) -> None:
    train(page, app, "reward-modeling", None, {"max_steps": "2"})
    page.click("#predict-go")
    expect(page.locator("#predict-score")).to_contain_text("A", timeout=steps.TRAINED)
    expect(page.locator("#predict-table .sides > div")).to_have_count(2)

    open_page(page, app.url)
    page.click("#example-proximal-policy-optimization")
    page.click("#data-continue")
    page.locator("#framework input[value='grpo']").check()
    expect(page.locator("[id='knob-reward_model']")).to_be_visible()
    page.locator("[id='knob-reward_model'] input").click()
    page.get_by_role("option", name="Reward modelling").first.click()
    steps.type_base(page, models.tiny_llm())
    for name, value in {"max_steps": "1", "max_completion_length": "8", "num_generations": "2"}.items():
        steps.fill(page, name, value)
    expect(page.locator("#start")).to_be_enabled()
    steps.start(page)
    steps.wait_for_result(page)
    predict(page, Walk("#predict-after .said, #predict-after .quiet", ""))
