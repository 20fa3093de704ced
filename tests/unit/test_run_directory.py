"""Run files round-trip, and say what is wrong with them."""

from pathlib import Path

import pytest

from engine import RunSpec, SplitSpec, UserError
from engine.python_source import python_source
from engine.runs.run_directory import RunDirectory, read_spec

SPEC = RunSpec(
    title="Topic",
    dataset={"id": "d1", "name": "messages", "source": {"kind": "hub", "id": "ann/messages", "revision": "abc"}},
    task={"task": "text-classification", "fields": {"text": "text", "label": "topic"}, "strategy": "majority"},
    framework="setfit",
    base_model="sentence-transformers/all-MiniLM-L6-v2",
    config={"num_epochs": 2},
    split=SplitSpec(train=0.8, validation=0.0, test=0.2),
)


def test_run_file_round_trips(tmp_path: Path) -> None:
    run_dir = RunDirectory.create(tmp_path, SPEC)
    assert run_dir.spec == SPEC.model_copy(update={"created": run_dir.spec.created})
    assert run_dir.report is None


def test_run_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no run file at"):
        read_spec(tmp_path / "run.json")


def test_run_file_with_an_unknown_key(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(SPEC.model_dump_json().replace('"title"', '"titel"'))
    with pytest.raises(UserError, match="is not a run file"):
        read_spec(path)


def test_python_source_is_the_guides_line() -> None:
    source = python_source(SPEC)
    compile(source, "source", "exec")
    assert "dataset = FeedbackDataset.from_huggingface('ann/messages', revision='abc')" in source
    assert "    label=dataset.question_by_name('topic'),\n    label_strategy='majority',\n)" in source
    assert "trainer.update_config(num_epochs=2)" in source


def test_python_source_of_a_cell_holds_the_cell() -> None:
    code = "def formatting_func(sample):\n    return sample['text'], 'a'\n"
    source = python_source(SPEC.model_copy(update={"task": {"task": "text-classification", "code": code}}))
    compile(source, "source", "exec")
    assert "task = TrainingTask.for_text_classification(formatting_func=formatting_func)" in source
