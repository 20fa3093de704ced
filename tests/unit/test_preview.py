"""The preview of a task: what goes in, which rows come out, why there are none, and what a model will see."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from engine.data.questions import LabelQuestion, MultiLabelQuestion
from engine.errors import UserError
from engine.tasks.preview import preview
from engine.tasks.training_task import TrainingTask
from tests.annotated import annotated

MOOD = LabelQuestion(name="mood", labels=["bad", "good"])
BY_FIELDS = TrainingTask.for_text_classification(text="text", label=MOOD)


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    """A tokenizer of whole words, with a special token at either end."""
    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_fields_and_question_show_input_rows_and_reasons():
    shown = preview(annotated(MOOD, [("yes", ["good"]), ("open", []), (None, ["bad"]), ("yes", ["good"])]), BY_FIELDS)
    assert shown.records[0] == {
        "record_id": "r1",
        "input": {"text": "yes"},
        "rows": [{"text": "yes", "labels": ["good"]}],
        "reason": "",
        "model_input": "yes",
        "tokens": None,
        "cut_at": None,
    }
    assert [record["reason"] for record in shown.records] == ["", "unanswered", "text missing", "duplicate row"]
    assert shown.counts == {"returned": 1, "none": 3, "several": 0, "wrong type": 0}


def test_only_the_first_records_are_shown():
    shown = preview(annotated(MOOD, {f"t{i}": ["good"] for i in range(30)}), BY_FIELDS)
    assert len(shown.records) == 20
    assert len(preview(annotated(MOOD, {"a": ["good"]}), BY_FIELDS, n=5).records) == 1


def test_several_labels_and_several_rows_are_shown():
    question = MultiLabelQuestion(name="tags", labels=["x", "y"])
    task = TrainingTask.for_text_classification(text="text", label=question, label_strategy="disagreement")
    shown = preview(annotated(question, {"a": [["x", "y"], []]}), task)
    assert shown.records[0]["rows"] == [{"text": "a", "labels": ["x", "y"]}, {"text": "a", "labels": []}]
    assert shown.counts["several"] == 1


def test_a_function_is_counted_by_what_it_gives():
    given = {"one": ("one", "x"), "none": None, "two": [("two", "x"), ("zwei", ["y"])], "off": "just text"}
    task = TrainingTask.for_text_classification(lambda sample: given[sample["text"]])
    shown = preview(annotated(MOOD, dict.fromkeys(given, [])), task)
    assert shown.counts == {"returned": 2, "none": 1, "several": 1, "wrong type": 1}
    assert shown.records[1]["reason"] == "the function returned nothing"
    assert shown.records[2]["rows"] == [{"text": "two", "labels": ["x"]}, {"text": "zwei", "labels": ["y"]}]
    assert shown.records[3]["reason"] == (
        "For record 'r4' the formatting function gave 'just text' (str). "
        "A row is (text, label) or (text, [label, …]), with the text and every label as text."
    )


def test_a_cell_runs_in_its_own_process_and_what_it_prints_is_kept():
    code = "def formatting_func(sample):\n    print(sample['text'])\n    return sample['text'], 'x'\n"
    shown = preview(annotated(MOOD, {"a": [], "b": []}), TrainingTask.from_code("text-classification", code))
    assert [record["rows"] for record in shown.records] == [
        [{"text": "a", "labels": ["x"]}],
        [{"text": "b", "labels": ["x"]}],
    ]
    assert shown.stdout == "a\nb\n"


def test_a_cell_that_fails_is_a_sentence():
    task = TrainingTask.from_code("text-classification", "def formatting_func(sample):\n    return sample['nope']\n")
    with pytest.raises(UserError, match="Line 2 of the cell, on record 1, failed with KeyError: 'nope'"):
        preview(annotated(MOOD, {"a": []}), task)


def test_what_the_model_will_not_see_is_marked(tokenizer_file):
    dataset = annotated(MOOD, {"one two three four five": ["good"], "one two": ["bad"]})
    first, second = preview(dataset, BY_FIELDS, tokenizer_file=tokenizer_file, max_length=5).records
    assert (first["model_input"], first["tokens"], first["cut_at"]) == ("one two three⟦ four five⟧", 7, 13)
    assert (second["model_input"], second["tokens"], second["cut_at"]) == ("one two", 4, None)


def test_tokens_are_counted_without_a_length_too(tokenizer_file):
    (record,) = preview(annotated(MOOD, {"one two three": ["good"]}), BY_FIELDS, tokenizer_file=tokenizer_file).records
    assert (record["model_input"], record["tokens"]) == ("one two three", 5)


def test_a_length_of_special_tokens_alone_leaves_nothing(tokenizer_file):
    dataset = annotated(MOOD, {"one two": ["good"]})
    (record,) = preview(dataset, BY_FIELDS, tokenizer_file=tokenizer_file, max_length=2).records
    assert record["model_input"] == "⟦one two⟧"


def test_a_preview_draws_ties_as_the_whole_dataset_does():
    dataset = annotated(MOOD, {f"t{i}": ["good", "bad"] for i in range(40)})
    shown = [record["rows"][0]["labels"] for record in preview(dataset, BY_FIELDS).records]
    from engine.registry import TASKS

    whole = TASKS["text-classification"].rows(dataset, BY_FIELDS).table["label"].to_pylist()
    assert [labels[0] for labels in shown] == whole[:20]
