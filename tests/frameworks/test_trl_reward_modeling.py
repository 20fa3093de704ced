"""Reward models of TRL: on an encoder without an end-of-text token, on a language model, whole and as an adapter."""

from pathlib import Path

import pytest

from engine import UserError
from engine.evaluation.report import evaluate
from engine.registry import FRAMEWORKS
from engine.tasks.task import TaskData
from tests.frameworks.preferences import pair_data, printed_by_usage, train
from tests.frameworks.topics import Told
from tests.models import encoder, tiny_llm, tiny_seq2seq

pytestmark = pytest.mark.slow
TASK, TRL = "reward-modeling", FRAMEWORKS["trl"]
FAST = {"num_train_epochs": 2, "logging_steps": 1}
TEXT = "A text to score."


def score_of(model_dir: Path, text: str = TEXT) -> float:
    return TRL.load(model_dir, TASK).predict([text])[0]


def test_an_encoder_learns_and_loads_with_transformers_alone(tmp_path: Path) -> None:
    data = pair_data()
    model_dir, told = train(TASK, data, encoder(), tmp_path, learning_rate=3e-4, **FAST)
    assert told.stages == ["loading", "training", "saving"]
    assert told.values("loss")[-1] < told.values("loss")[0]
    assert told.values("validation_accuracy")[-1] > 0.9
    assert any(note.startswith("Kept the checkpoint of step") for note in told.notes)
    report = evaluate("trl", TASK, data, model_dir, Told(), encoder())
    assert report["metrics"]["accuracy"] > 0.9
    assert report["metrics"]["margin"] > 0
    assert not (tmp_path / "checkpoints").exists()
    assert float(printed_by_usage(TASK, model_dir)) == pytest.approx(score_of(model_dir), abs=1e-4)


def test_the_guides_get_score_gives_our_score(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    for base in (encoder(), tiny_llm()):
        folder = tmp_path / Path(base).name
        model_dir, _ = train(TASK, pair_data(validation=0), base, folder, max_steps=2)
        model = AutoModelForSequenceClassification.from_pretrained(model_dir).eval()
        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        inputs = tokenizer(TEXT, truncation=True, padding="max_length", max_length=512, return_tensors="pt")
        assert model(**inputs).logits[0, 0].item() == pytest.approx(score_of(model_dir), abs=1e-4)
    # A language model reads the end-of-text token behind every text, as TRL trains it.
    assert tokenizer(TEXT)["input_ids"][-1] == tokenizer.eos_token_id


def test_an_adapter_learns_and_its_own_lines_load_it(tmp_path: Path) -> None:
    model_dir, told = train(
        TASK, pair_data(), tiny_llm(), tmp_path, use_lora=True, learning_rate=1e-2, target_modules=["q_proj"], **FAST
    )
    assert any(note.startswith("Training ") and "weights (" in note for note in told.notes)
    assert (model_dir / "adapter_model.safetensors").stat().st_size < 1_000_000
    assert told.values("validation_accuracy")[-1] > 0.7
    assert float(printed_by_usage(TASK, model_dir)) == pytest.approx(score_of(model_dir), abs=1e-4)


def test_stopping_keeps_what_was_learned(tmp_path: Path) -> None:
    model_dir, told = train(TASK, pair_data(), tiny_llm(), tmp_path, Told(stop_after=2), num_train_epochs=9)
    assert "Stopped by its owner after step 2 of 36." in told.notes
    assert score_of(model_dir) == score_of(model_dir)


def test_long_texts_are_counted_and_prompts_that_fill_the_window_leave_nothing(tmp_path: Path) -> None:
    rows = pair_data(validation=0)
    _, told = train(TASK, rows, tiny_llm(), tmp_path, max_length=9, max_steps=1)
    assert any("training pairs have a text longer than 9 tokens; it is cut." in note for note in told.notes)
    with pytest.raises(UserError, match="There is nothing to learn in the 32 training pairs: within 4 tokens"):
        train(TASK, rows, tiny_llm(), tmp_path, max_length=4, max_steps=1)


def test_margins_are_used_or_left_out(tmp_path: Path) -> None:
    from engine.frameworks import _trl_reward

    tokenizer = _trl_reward.load_tokenizer(encoder())
    data = TaskData(pair_data().train.slice(0, 2), None, None, {})
    for use, columns in ((True, ["chosen_ids", "rejected_ids", "margin"]), (False, ["chosen_ids", "rejected_ids"])):
        made, _ = _trl_reward.datasets(_trl_reward.Config(use_margin=use), data, tokenizer, Told())
        assert made.column_names == columns


def test_a_sequence_to_sequence_base_is_refused() -> None:
    with pytest.raises(UserError, match="The base model is a sequence-to-sequence model"):
        TRL.check_base(tiny_seq2seq(), TASK)
