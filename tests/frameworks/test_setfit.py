"""SetFit, really trained on tiny data: quality, its own loader, pairs, selection, stopping, refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.frameworks import base_models
from engine.registry import FRAMEWORKS
from tests.frameworks.topics import TASK, WORDS, Told, held_out_accuracy, scores_of, topic_data, train

pytestmark = pytest.mark.slow

QUICK = {"max_pairs": 48}
PROBE = "The striker missed a penalty."


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_learns_and_loads_with_setfit_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multi_label: bool
) -> None:
    from setfit import SetFitModel

    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    data, told = topic_data(multi_label=multi_label), Told()
    model_dir = train("setfit", QUICK, data, tmp_path, told)
    assert held_out_accuracy("setfit", model_dir, data) >= (0.6 if multi_label else 0.9)
    model = SetFitModel.from_pretrained(str(model_dir))
    assert model.labels == data.info["classes"]
    texts = data.test["text"].to_pylist()[:8]
    theirs = model.predict_proba(texts, as_numpy=True)
    ours = FRAMEWORKS["setfit"].load(model_dir, TASK).predict(texts)
    for output, row in zip(ours, theirs, strict=True):
        scores = {entry["label"]: entry["score"] for entry in output}
        assert scores == pytest.approx(dict(zip(model.labels, row, strict=True)), abs=1e-5)
    if not multi_label:
        assert [output[0]["label"] for output in ours] == list(model.predict(texts))
    assert "Training on 48 pairs of texts (60 rows make 1,830 different ones)." in told.notes
    assert told.steps[-1] == (3, 3)
    assert told.values("loss")
    assert told.stages == ["loading", "training", "saving"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwd", "model"]
    assert list((tmp_path / "cwd").iterdir()) == []
    assert not (model_dir / "README.md").exists()


def test_class_without_training_rows_scores_nothing_and_shifts_no_other(tmp_path: Path) -> None:
    data = topic_data()
    data.info = {"classes": ["weather", "never seen", "cooking", "football"], "multi_label": False}
    model_dir = train("setfit", {"max_steps": 1}, data, tmp_path)
    scores = scores_of("setfit", model_dir, PROBE)
    assert scores["never seen"] == 0
    assert max(scores, key=scores.get) == "football"


def test_best_encoder_is_kept_and_early_stopping_ends_training(tmp_path: Path) -> None:
    told = Told()
    config = {"max_pairs": 16, "num_epochs": 30, "body_learning_rate": 1e-8, "early_stopping_patience": 2}
    train("setfit", config, topic_data(), tmp_path, told)
    assert told.steps[-1][0] == 3
    assert "Stopped early after step 3 of 30: no gain on validation rows." in told.notes
    assert any(note.startswith("Kept the encoder of step 1: validation accuracy ") for note in told.notes)


def test_stop_keeps_a_model_that_works(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    model_dir = train("setfit", {"num_epochs": 10, "max_pairs": 32}, topic_data(), tmp_path, told)
    assert told.steps[-1] == (2, 20)
    assert "Stopped by its owner after step 2 of 20." in told.notes
    assert held_out_accuracy("setfit", model_dir, topic_data()) >= 0.8


def test_pairs_follow_the_number_asked_for(tmp_path: Path) -> None:
    told = Told()
    train("setfit", {"num_iterations": 1, "max_steps": 2}, topic_data(validation=0), tmp_path, told)
    assert "Training on 32 pairs of texts (60 rows make 1,830 different ones)." in told.notes
    assert told.values("validation_accuracy") == []


@pytest.mark.parametrize(
    "config",
    [
        {"use_differentiable_head": True, "head_num_epochs": 8, "head_batch_size": 8, "max_length": 20},
        {"loss": "BatchHardTripletLoss", "max_steps": 2},
        {"class_weights": "balanced", "head_params": {"C": 2.0}, "normalize_embeddings": True, "max_length": 32},
    ],
    ids=["neural-head", "triplets", "regression"],
)
def test_other_ways_to_train_learn_too(tmp_path: Path, config: dict[str, Any]) -> None:
    model_dir = train("setfit", QUICK | config, topic_data(validation=0), tmp_path)
    assert held_out_accuracy("setfit", model_dir, topic_data()) >= 0.8


@pytest.mark.parametrize("strategy", ["multi-output", "classifier-chain"])
def test_other_heads_for_several_labels(tmp_path: Path, strategy: str) -> None:
    data = topic_data(multi_label=True, validation=0)
    model_dir = train("setfit", QUICK | {"multi_target_strategy": strategy}, data, tmp_path)
    assert held_out_accuracy("setfit", model_dir, data) >= 0.5
    data.info = {"classes": [*WORDS, "never seen"], "multi_label": True}
    with pytest.raises(UserError) as caught:
        train("setfit", QUICK | {"multi_target_strategy": strategy}, data, tmp_path / "again")
    assert str(caught.value) == (
        f"With {strategy} every label needs training rows with it and rows without it; "
        "“never seen” has only one kind. Choose one-vs-rest."
    )


def test_long_texts_are_counted(tmp_path: Path) -> None:
    data, told = topic_data(validation=0), Told()
    long = pa.table({"record_id": ["l"], "text": ["rain and snow " * 100], "label": ["weather"]})
    data.train = pa.concat_tables([data.train, long])
    train("setfit", QUICK | {"max_steps": 1}, data, tmp_path, told)
    assert "1 of 61 training texts are longer than 256 tokens; the rest is not seen." in told.notes


def test_head_in_a_base_folder_is_never_unpickled(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for path in Path(base_models.locate(base_models.EMBEDDED_ID)).iterdir():
        (base / path.name).symlink_to(path)
    (base / "model_head.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    setfit = FRAMEWORKS["setfit"]
    setfit.train(
        setfit.configs[TASK](max_steps=1), TASK, topic_data(validation=0), str(base), tmp_path / "model", Told()
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "config,multi_label,sentence",
    [
        (
            {"extra_arguments": {"eval_max_step": 1}},
            False,
            "TrainingArguments has no argument named 'eval_max_step'.",
        ),
        ({"head_params": {"c": 1}}, False, "scikit-learn's LogisticRegression has no argument named 'c'."),
        ({"loss": "SupConLoss"}, True, "SupConLoss takes one label a row, and these rows may have several."),
        ({"max_length": 1000}, False, "Longest text: 1000 tokens is more than the 256 that this encoder reads."),
        ({"use_amp": True}, False, "Mixed precision needs a GPU, and there is none here."),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    tmp_path: Path, config: dict[str, Any], multi_label: bool, sentence: str
) -> None:
    import torch

    if torch.cuda.is_available() and "use_amp" in config:
        pytest.skip("there is a GPU here")
    with pytest.raises(UserError) as caught:
        train("setfit", QUICK | config, topic_data(multi_label=multi_label), tmp_path)
    assert caught.value.message.startswith(sentence)


def test_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    first, second = (
        scores_of("setfit", train("setfit", {"max_steps": 1}, topic_data(validation=0), tmp_path / name), PROBE)
        for name in "ab"
    )
    assert np.allclose(list(first.values()), list(second.values()), atol=1e-6)
