"""DPO of TRL: whole and as an adapter, beside the model that it started from."""

import math
from pathlib import Path

import pyarrow as pa
import pytest

from engine import UserError
from engine.evaluation.report import evaluate
from engine.registry import FRAMEWORKS
from engine.tasks.task import TaskData
from tests.frameworks.preferences import pair_data, printed_by_usage, train
from tests.frameworks.topics import Told
from tests.models import encoder, tiny_llm

pytestmark = pytest.mark.slow
TASK, TRL = "direct-preference-optimization", FRAMEWORKS["trl"]
FAST = {"num_train_epochs": 2, "learning_rate": 3e-3, "logging_steps": 1}


def test_a_model_learns_what_is_preferred_and_loads_with_transformers_alone(tmp_path: Path) -> None:
    data = pair_data()
    model_dir, told = train(TASK, data, tiny_llm(), tmp_path, **FAST)
    assert told.stages == ["loading", "training", "saving"]
    assert told.values("validation_loss")[-1] < told.values("validation_loss")[0] < math.log(2)
    report = evaluate("trl", TASK, data, model_dir, Told(), tiny_llm())
    assert report["metrics"]["reward_accuracy"] == 1.0
    assert report["metrics"]["loss"] < 0.5
    assert report["metrics"]["reward_margin"] > 0
    assert report["baseline"]["metrics"] == {"reward_accuracy": 0.5, "loss": math.log(2), "reward_margin": 0.0}
    assert len(report["samples"]) == 8
    answer = TRL.load(model_dir, TASK).predict(["A prompt."])[0]
    assert printed_by_usage(TASK, model_dir) == answer.strip()
    assert TRL.load(model_dir, TASK).predict(["A prompt."], max_new_tokens=2)[0] != answer


def test_an_adapter_learns_and_is_small(tmp_path: Path) -> None:
    data = pair_data(validation=0)
    model_dir, told = train(TASK, data, tiny_llm(), tmp_path, use_lora=True, **FAST)
    assert told.values("loss")[-1] < told.values("loss")[0]
    assert not (model_dir / "model.safetensors").exists()
    figures = TRL.load(model_dir, TASK).score(data.test)
    assert figures["reward_accuracy"] > 0.7
    assert figures["loss"] < math.log(2)


def test_the_held_out_accuracy_is_a_share_of_the_rows(tmp_path: Path) -> None:
    data = pair_data(validation=0)
    model_dir, _ = train(TASK, data, tiny_llm(), tmp_path, max_steps=1, learning_rate=1e-4)
    accuracy = TRL.load(model_dir, TASK).score(data.test)["reward_accuracy"] * len(data.test)
    assert accuracy == pytest.approx(round(accuracy), abs=1e-5)
    (tmp_path / "reference.json").unlink()
    with pytest.raises(UserError, match="Which model this one started from is no longer known"):
        TRL.load(model_dir, TASK).score(data.test)


def test_conversations_are_written_with_the_chat_template(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be kind."}]
    rows = [{"record_id": "r", "prompt": "Hello?", "chosen": "Hi.", "rejected": "No.", "history": turns}] * 4
    data = TaskData(pa.Table.from_pylist(rows), None, pa.Table.from_pylist(rows[:1]), {"chat": True})
    model_dir, _ = train(TASK, data, tiny_llm(), tmp_path, max_steps=1)
    model = TRL.load(model_dir, TASK)
    assert model.as_chat
    said = turns + [{"role": "user", "content": "Hello?"}]
    ids = model.prompt_ids("Hello?")
    assert model.tokenizer.decode(ids).endswith("<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\n")
    assert model.predict([said], max_new_tokens=1)
    assert math.isfinite(model.score(data.test)["loss"])


def test_stopping_keeps_what_was_learned(tmp_path: Path) -> None:
    model_dir, told = train(TASK, pair_data(), tiny_llm(), tmp_path, Told(stop_after=2), num_train_epochs=9)
    assert "Stopped by its owner after step 2 of 36." in told.notes
    assert TRL.load(model_dir, TASK).predict(["A prompt."], max_new_tokens=1)


def test_long_rows_are_counted_and_prompts_that_fill_the_window_leave_nothing(tmp_path: Path) -> None:
    data = pair_data(validation=0)
    long = data.train.slice(0, 4).set_column(1, "prompt", pa.array(["word " * 40] * 4))
    mixed = TaskData(pa.concat_tables([data.train, long]), None, None, data.info)
    _, told = train(TASK, mixed, tiny_llm(), tmp_path, max_length=12, max_steps=1)
    assert (
        "4 of 36 training rows are left out: their prompts alone fill the 12 tokens that a row may have." in told.notes
    )
    assert any("training rows are longer than 12 tokens; the end of the answer is cut" in note for note in told.notes)
    with pytest.raises(UserError, match="There is nothing to learn: all prompts alone fill the 4 tokens"):
        train(TASK, data, tiny_llm(), tmp_path, max_length=4, max_steps=1)


def test_wrong_bases_and_wrong_settings_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The base model does not write text"):
        TRL.check_base(encoder(), TASK)
    with pytest.raises(UserError, match="TRL refuses these settings: Label smoothing must be greater than 0.0"):
        train(TASK, pair_data(), tiny_llm(), tmp_path, loss_type="exo_pair")
