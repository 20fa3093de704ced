"""Transformers, really trained on tiny data: quality, its own loader, selection, stopping, refusals."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.frameworks import _hf
from engine.registry import FRAMEWORKS
from tests.frameworks.topics import TASK, Told, held_out_accuracy, scores_of, topic_data, train

pytestmark = pytest.mark.slow

QUICK = {"num_train_epochs": 3, "learning_rate": 3e-4}
PROBE = "The striker missed a penalty."


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_learns_and_loads_with_transformers_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multi_label: bool
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    data, told = topic_data(multi_label=multi_label), Told()
    model_dir = train("transformers", QUICK, data, tmp_path, told)
    assert held_out_accuracy("transformers", model_dir, data) >= (0.6 if multi_label else 0.8)
    model = AutoModelForSequenceClassification.from_pretrained(model_dir)
    assert list(model.config.id2label.values()) == data.info["classes"]
    classify = pipeline("text-classification", model, tokenizer=AutoTokenizer.from_pretrained(model_dir), top_k=None)
    theirs = {row["label"]: row["score"] for row in classify([PROBE])[0]}
    assert theirs == pytest.approx(scores_of("transformers", model_dir, PROBE), abs=1e-5)
    metric = "f1_macro" if multi_label else "accuracy"
    assert len(told.values(f"validation_{metric}")) == 3
    assert any(f"validation {metric}" in note for note in told.notes)
    assert told.values("loss")[-1] < told.values("loss")[0]
    assert told.steps[-1] == (24, 24)
    assert told.stages == ["loading", "training", "saving"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwd", "model"]
    assert list((tmp_path / "cwd").iterdir()) == []


def test_early_stopping_ends_training_and_the_best_checkpoint_is_kept(tmp_path: Path) -> None:
    told = Told()
    config = {"num_train_epochs": 30, "learning_rate": 1e-9, "early_stopping_patience": 2}
    train("transformers", config, topic_data(), tmp_path, told)
    assert told.steps[-1] == (24, 240)
    assert "Stopped early after step 24 of 240: no gain on validation rows." in told.notes
    assert any(note.startswith("Kept the checkpoint of step 8: validation accuracy ") for note in told.notes)


def test_kept_checkpoint_is_the_best_of_the_validations(tmp_path: Path) -> None:
    told = Told()
    config = QUICK | {"eval_strategy": "steps", "eval_steps": 4, "early_stopping_patience": None}
    train("transformers", config, topic_data(), tmp_path, told)
    figures = told.values("validation_accuracy")
    assert len(figures) == 6
    assert any(f"validation accuracy {max(figures):.3f} on 18 rows." in note for note in told.notes)


@pytest.mark.parametrize("strategy", ["epoch", "steps"])
def test_stop_keeps_a_model_that_works(tmp_path: Path, strategy: str) -> None:
    told = Told(stop_after=3)
    config = QUICK | {"eval_strategy": strategy, "eval_steps": 100}
    model_dir = train("transformers", config, topic_data(), tmp_path, told)
    assert told.steps[-1] == (3, 24)
    assert "Stopped by its owner after step 3 of 24." in told.notes
    assert any(note.startswith("Kept the checkpoint of step 3: ") for note in told.notes)
    assert set(scores_of("transformers", model_dir, PROBE)) == {"weather", "cooking", "football"}


def test_without_validation_rows_nothing_is_selected(tmp_path: Path) -> None:
    told = Told()
    train("transformers", {"max_steps": 3}, topic_data(validation=0), tmp_path, told)
    assert told.values("validation_accuracy") == []
    assert told.notes == ["Training on the CPU."] or "GPU" in told.notes[0]


def test_rare_labels_can_count_more(tmp_path: Path) -> None:
    data = topic_data(validation=0)
    model_dir = train("transformers", QUICK | {"class_weights": "balanced"}, data, tmp_path)
    assert held_out_accuracy("transformers", model_dir, data) >= 0.8
    several = topic_data(multi_label=True, validation=0)
    model_dir = train("transformers", QUICK | {"class_weights": "balanced"}, several, tmp_path / "multi")
    assert held_out_accuracy("transformers", model_dir, several) >= 0.5


def test_only_the_new_layer_changes_when_the_base_is_frozen(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    from engine.frameworks import base_models

    model_dir = train("transformers", {"freeze_base_model": True, "max_steps": 3}, topic_data(), tmp_path)
    before = load_file(Path(base_models.locate(base_models.EMBEDDED_ID)) / "model.safetensors")
    after = load_file(model_dir / "model.safetensors")
    shared = [name for name in before if f"bert.{name}" in after]
    assert len(shared) > 90
    assert all((before[name] == after[f"bert.{name}"]).all() for name in shared)


def test_long_texts_are_cut_counted_and_cut_alike_when_predicting(tmp_path: Path) -> None:
    data, told = topic_data(validation=0), Told()
    long = pa.table({"record_id": ["l"], "text": ["rain and snow " * 100], "label": ["weather"]})
    data.train = pa.concat_tables([data.train, long])
    model_dir = train("transformers", {"max_steps": 1, "max_length": 64}, data, tmp_path, told)
    assert "1 of 61 training texts are longer than 64 tokens; the rest is not seen." in told.notes
    assert json.loads((model_dir / "tokenizer_config.json").read_text())["model_max_length"] == 64
    assert scores_of("transformers", model_dir, "rain " * 2000)


def test_predictions_keep_the_order_of_inputs_of_any_length(tmp_path: Path) -> None:
    model_dir = train("transformers", {"max_steps": 2}, topic_data(validation=0), tmp_path)
    predictor = FRAMEWORKS["transformers"].load(model_dir, TASK)
    texts = ["goal " * (i % 40 + 1) for i in range(70)] + ["", "  "]
    together = predictor.predict(texts)
    for i in (0, 35, 69, 70):
        alone = {row["label"]: row["score"] for row in predictor.predict([texts[i]])[0]}
        assert {row["label"]: row["score"] for row in together[i]} == pytest.approx(alone, abs=1e-5)
    assert predictor.predict([]) == []


@pytest.mark.parametrize(
    "config,multi_label,sentence",
    [
        (
            {"extra_arguments": {"torch_compil": True}},
            False,
            "TrainingArguments has no argument named 'torch_compil'. Did you mean 'torch_compile'?",
        ),
        ({"extra_arguments": {"learning_rate": 1}}, False, "'learning_rate' stands among the settings already."),
        ({"max_length": 2000}, False, "Longest text: 2000 tokens is more than the 512 that this base model can read."),
        ({"label_smoothing_factor": 0.1}, True, "Label smoothing is for one label a row, and these rows may have"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    tmp_path: Path, config: dict[str, Any], multi_label: bool, sentence: str
) -> None:
    with pytest.raises(UserError) as caught:
        train("transformers", config, topic_data(multi_label=multi_label), tmp_path)
    assert caught.value.message.startswith(sentence)


def test_base_that_is_no_transformers_model_is_refused(tmp_path: Path) -> None:
    transformers = FRAMEWORKS["transformers"]
    with pytest.raises(UserError) as caught:
        transformers.train(transformers.configs[TASK](), TASK, topic_data(), "blank:en", tmp_path / "model", Told())
    assert str(caught.value) == (
        "The base model blank:en is not a Transformers model, so Transformers can't train it. Choose a model with a "
        "config.json and safetensors weights, such as distilbert/distilroberta-base."
    )


def test_early_stopping_waits_for_the_first_gain() -> None:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    config = SimpleNamespace(early_stopping_patience=2, early_stopping_threshold=0.0)
    stopping, state = _hf.early_stopping(config), TrainerState()
    arguments = TrainingArguments(metric_for_best_model="f1_macro", greater_is_better=True, report_to="none")
    ended = []
    for value in (0.0, 0.0, 0.0, 0.1, 0.1, 0.0):
        control = TrainerControl()
        stopping.on_evaluate(arguments, state, control, metrics={"eval_f1_macro": value})
        state.best_metric = max(state.best_metric or 0.0, value)
        ended.append(control.should_training_stop)
    assert ended == [False, False, False, False, False, True]
