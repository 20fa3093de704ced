"""Text2text by Transformers, really trained: a tiny model learns pairs by heart; its own loader, limits, refusals."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.frameworks import base_models
from engine.registry import FRAMEWORKS, TASKS
from engine.runs.events import Report
from engine.tasks.task import TaskData
from tests.frameworks.capitals import PLACES, run_lines
from tests.frameworks.topics import Told
from tests.models import tiny_seq2seq

pytestmark = pytest.mark.slow

TASK = "text2text"
QUICK = {"num_train_epochs": 50, "learning_rate": 1e-2, "per_device_train_batch_size": 4, "max_target_length": 16}


def data_of(*, validation: bool = True) -> TaskData:
    """Twelve pairs to learn by heart, some of them again to validate and test."""
    pairs = [(f"r{i}", place, capital) for i, (place, capital) in enumerate(PLACES.items())]
    table = pa.table(dict(zip(("record_id", "text", "target"), map(list, zip(*pairs, strict=True)), strict=True)))
    return TaskData(table, table.slice(0, 4) if validation else None, table, {})


def train(config: dict, data: TaskData, folder: Path, report: Report | None = None) -> Path:
    """Train the random byte T5. → the model's folder."""
    chosen = FRAMEWORKS["transformers"]
    chosen.train(chosen.configs[TASK](**config), TASK, data, tiny_seq2seq(), folder / "model", report or Told())
    return folder / "model"


def test_learns_pairs_by_heart_and_loads_with_transformers_itself(tmp_path: Path) -> None:
    data, told = data_of(validation=False), Told()
    model_dir = train(QUICK, data, tmp_path, told)
    predictor = FRAMEWORKS["transformers"].load(model_dir, TASK)
    texts = data.test["text"].to_pylist()
    written = predictor.predict(texts)
    report = TASKS[TASK].evaluate(written, data.test, data.info, data.train)
    assert report["metrics"]["exact_match"] > 0.8
    assert report["metrics"]["chrf"] > 0.8 > report["baseline"]["metrics"]["chrf"]
    assert told.values("loss")[-1] < told.values("loss")[0] / 10

    usage = FRAMEWORKS["transformers"].usage(str(model_dir), TASK).replace("A text to rewrite.", "Norway")
    assert run_lines(usage, tmp_path).splitlines()[-1] == written[texts.index("Norway")]
    assert predictor.predict(["Norway"], max_new_tokens=3)[0] == "Osl"
    drawn = [predictor.predict(["Norway", "Peru"], temperature=5.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    before = FRAMEWORKS["transformers"].load_base(tiny_seq2seq(), TASK).predict(["Norway", "Peru"])
    assert len(before) == 2 and "Oslo" not in before
    with pytest.raises(UserError, match="Input 1 is 3"):
        predictor.predict([3])


def test_validation_chooses_by_loss_or_by_what_is_written(tmp_path: Path) -> None:
    told = Told()
    quick = QUICK | {"num_train_epochs": 3}
    train(quick, data_of(), tmp_path / "loss", told)
    assert len(told.values("validation_loss")) == 3
    assert told.values("validation_chrf") == []
    assert any("validation loss" in note for note in told.notes)
    told = Told()
    train(quick | {"predict_with_generate": True, "generation_num_beams": 2}, data_of(), tmp_path / "chrf", told)
    assert len(told.values("validation_chrf")) == len(told.values("validation_exact_match")) == 3
    assert any("validation chrf" in note for note in told.notes)
    saved = json.loads((tmp_path / "chrf" / "model" / "generation_config.json").read_text())
    assert (saved["max_new_tokens"], saved["num_beams"]) == (16, 2)
    with pytest.raises(UserError) as caught:
        train(quick | {"metric_for_best_model": "chrf"}, data_of(), tmp_path / "none")
    assert caught.value.message == ("The best checkpoint can't be chosen by chrf: validation rows are not written out.")


def test_stop_keeps_a_model_that_works_and_cuts_are_told(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    model_dir = train(QUICK | {"max_length": 6, "max_target_length": 5}, data_of(), tmp_path, told)
    assert told.steps[-1] == (2, 150)
    assert "Stopped by its owner after step 2 of 150." in told.notes
    long = sum(len(place) > 5 for place in PLACES), sum(len(capital) > 4 for capital in PLACES.values())
    assert f"{long[0]} of 12 training texts are longer than 6 tokens and were cut." in told.notes
    assert f"{long[1]} of 12 training targets are longer than 5 tokens and were cut." in told.notes
    assert len(FRAMEWORKS["transformers"].load(model_dir, TASK).predict(["Norway"])[0]) <= 5


def test_a_model_that_is_no_pair_of_encoder_and_decoder_is_refused() -> None:
    check = FRAMEWORKS["transformers"].check_base
    check(tiny_seq2seq(), TASK)
    with pytest.raises(UserError) as caught:
        check(base_models.locate(base_models.EMBEDDED_ID), TASK)
    assert str(caught.value) == (
        "The base model (BertModel) is not a sequence-to-sequence model: it can't read one text and write another. "
        "Choose one such as google-t5/t5-small or google/flan-t5-base; a model that only writes learns the task "
        "supervised-fine-tuning."
    )
