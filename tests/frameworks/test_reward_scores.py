"""Reward models of every kind, really asked: classifiers, their logits and probabilities, long texts, finished runs."""

from pathlib import Path

import pytest

from engine import ArgillaTrainer, FeedbackDataset, TrainingTask, UserError
from engine.frameworks import _rewards
from engine.frameworks._rewards import RewardConfig
from tests.frameworks.rewarded import letter_reward

pytestmark = pytest.mark.slow


def rewards(prompts: list[str], completions: list[str], **settings: str) -> list[float]:
    return _rewards.load(RewardConfig(**settings), "cpu")(prompts, completions)


def test_a_classifiers_logit_or_probability_by_prompt_and_completion_or_completion_alone(tmp_path: Path) -> None:
    folder = letter_reward(tmp_path / "m", labels=("NEGATIVE", "POSITIVE"))
    alone = rewards(["ee ", "a "], ["eee", "aaa"], reward_model=folder, reward_text="completion")
    # Byte tokenizers end a text with a token of their own: 3 of 4 are the letter; 2 s / √(1 + s²).
    assert alone == pytest.approx([1.2, 0.0])
    whole = rewards(["aaaa", "eeee"], ["eee", "aaa"], reward_model=folder)
    assert whole == pytest.approx([2 * (3 / 8) / (1 + (3 / 8) ** 2) ** 0.5, 2 * 0.5 / 1.25**0.5])
    share = rewards([""], ["eee"], reward_model=folder, reward_output="probability")
    assert share == pytest.approx([1 / (1 + 2.718281828**-1.2)])
    assert rewards(["e"], [""], reward_model=folder, reward_text="completion") == [0.0]


def test_the_end_of_a_text_that_is_too_long_is_what_counts(tmp_path: Path) -> None:
    folder = letter_reward(tmp_path / "m")
    long, short = rewards(["a" * 500, ""], ["e" * 255, "e" * 255], reward_model=folder)
    assert long == pytest.approx(short)


def test_a_finished_run_of_another_library_rewards_with_its_probability(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNOTUNE_HOME", str(tmp_path))
    dataset = FeedbackDataset.example()
    task = TrainingTask.for_text_classification(text="text", label="topic")
    trainer = ArgillaTrainer(dataset=dataset, task=task, framework="spacy", train_size=0.9)
    trainer.update_config(max_epochs=2)
    trainer.train(output_dir=tmp_path / "sorter")
    text = "Where is my parcel?"
    expected = {row["label"]: row["score"] for row in trainer.predict(text)}
    found = rewards(["Where is "], ["my parcel?"], reward_model=str(tmp_path / "sorter"), reward_label="delivery")
    assert found == pytest.approx([expected["delivery"]], abs=1e-4)
    with pytest.raises(UserError, match="has several labels, none “positive”"):
        rewards(["a"], ["b"], reward_model=str(tmp_path / "sorter"))
