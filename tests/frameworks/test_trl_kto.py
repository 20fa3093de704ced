"""KTO of TRL: whole and as an adapter, beside the model that it started from."""

from pathlib import Path

import pytest

from engine import UserError, validate_config
from engine.evaluation.report import evaluate
from engine.registry import FRAMEWORKS
from engine.tasks.task import TaskData
from tests.frameworks.preferences import judged_data, printed_by_usage, train
from tests.frameworks.topics import Told
from tests.models import encoder, tiny_llm

pytestmark = pytest.mark.slow
TASK, TRL = "kto", FRAMEWORKS["trl"]
FAST = {"num_train_epochs": 2, "learning_rate": 3e-3, "logging_steps": 1}


def test_a_model_learns_what_is_good_and_loads_with_transformers_alone(tmp_path: Path) -> None:
    data = judged_data()
    model_dir, told = train(TASK, data, tiny_llm(), tmp_path, **FAST)
    assert told.stages == ["loading", "training", "saving"]
    assert "16 good and 16 bad answers to learn from." in told.notes
    assert told.values("validation_loss")[-1] < 0.5
    report = evaluate("trl", TASK, data, model_dir, Told(), tiny_llm())
    assert report["metrics"]["loss"] < report["baseline"]["metrics"]["loss"] == 0.5
    assert report["metrics"]["reward_margin"] > 0
    answer = TRL.load(model_dir, TASK).predict(["A prompt."])[0]
    assert printed_by_usage(TASK, model_dir) == answer.strip()


def test_an_adapter_learns(tmp_path: Path) -> None:
    data = judged_data(validation=0)
    model_dir, told = train(TASK, data, tiny_llm(), tmp_path, use_lora=True, **FAST)
    assert told.values("loss")[-1] < told.values("loss")[0]
    assert TRL.load(model_dir, TASK).score(data.test)["loss"] < 0.5


def test_more_good_than_bad_names_the_weight_that_evens_them_out(tmp_path: Path) -> None:
    data = judged_data(validation=0)
    few = TaskData(data.train.slice(0, 20), None, None, data.info)
    _, told = train(TASK, few, tiny_llm(), tmp_path, max_steps=1)
    assert told.notes[0] == "16 good and 4 bad answers to learn from. To count alike, set “Weight of bad answers” to 4."
    _, told = train(TASK, few, tiny_llm(), tmp_path, max_steps=1, undesirable_weight=4.0)
    assert told.notes[0] == "16 good and 4 bad answers to learn from."


def test_stopping_keeps_what_was_learned(tmp_path: Path) -> None:
    model_dir, told = train(TASK, judged_data(), tiny_llm(), tmp_path, Told(stop_after=2), num_train_epochs=9)
    assert "Stopped by its owner after step 2 of 36." in told.notes
    assert TRL.load(model_dir, TASK).predict(["A prompt."], max_new_tokens=1)


def test_prompts_that_fill_the_window_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is nothing to learn: all prompts alone fill the 4 tokens"):
        train(TASK, judged_data(validation=0), tiny_llm(), tmp_path, max_length=4, max_steps=1)


def test_wrong_bases_and_a_batch_of_one_are_refused() -> None:
    with pytest.raises(UserError, match="The base model does not write text"):
        TRL.check_base(encoder(), TASK)
    with pytest.raises(UserError, match="Batch size: should be greater than or equal to 2; you entered 1."):
        validate_config("trl", TASK, {"per_device_train_batch_size": 1})
