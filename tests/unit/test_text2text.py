"""Text2text: rows from fields, questions and functions, what is left out and told, and its figures."""

from typing import Any

import pyarrow as pa
import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.questions import TextQuestion
from engine.errors import UserError
from engine.evaluation import generated
from engine.registry import TASKS
from engine.tasks.task import Rows
from engine.tasks.training_task import TrainingTask
from tests.annotated import annotated, plain

TASK = TASKS["text2text"]
SHORT = TextQuestion(name="short")


def rows_of(dataset: FeedbackDataset, formatting_func: Any = None, **chosen: str) -> Rows:
    given = {"formatting_func": formatting_func} if formatting_func else {"text": "text", "target": "short"} | chosen
    return TASK.rows(dataset, TrainingTask.for_text2text(**given))


def pairs(rows: Rows) -> list[tuple[str, str, str]]:
    return [tuple(row.values()) for row in rows.table.to_pylist()]


def test_every_different_submitted_target_is_a_row() -> None:
    dataset = annotated(SHORT, {"Good morning": ["Morning", "Hi", "Morning", ("draft", "Hey")]})
    assert pairs(rows_of(dataset)) == [("r1", "Good morning", "Morning"), ("r1", "Good morning", "Hi")]


def test_records_without_a_row_are_told_with_their_reason() -> None:
    records = [
        ("one", ["1"]), ("two", []), ("three", [("discarded", "3")]), ("four", [" ", "4"]), (None, ["5"]), (" ", ["6"]),
        ("one", ["1"]),
    ]  # fmt: skip
    rows = rows_of(annotated(SHORT, records))
    assert pairs(rows) == [("r1", "one", "1"), ("r4", "four", "4")]
    assert rows.left_out == {
        "unanswered": ["r2"],
        "only drafts or discarded": ["r3"],
        "target empty": ["r4"],
        "text missing": ["r5"],
        "text empty": ["r6"],
        "duplicate row": ["r7"],
    }
    assert rows.counts == {"empty targets": 1, "duplicates": 1}


def test_columns_of_a_file_and_functions() -> None:
    dataset = plain({"source": ["ein Hund", "eine Katze"], "translation": ["a dog", None]})
    assert TASK.suggest(dataset) == {"text": "source", "target": "translation"}
    rows = rows_of(dataset, text="source", target="translation")
    assert pairs(rows) == [("r1", "ein Hund", "a dog")]
    assert rows.left_out == {"target missing": ["r2"]}
    rows = rows_of(dataset, lambda sample: (sample["source"], sample["translation"] or ""))
    assert (pairs(rows), rows.left_out) == ([("r1", "ein Hund", "a dog")], {"target empty": ["r2"]})
    with pytest.raises(UserError) as caught:
        rows_of(dataset, lambda sample: sample["source"])
    assert str(caught.value) == (
        "For record 'r1' the formatting function gave 'ein Hund' (str). Let it return (text, target)."
    )


def test_starter_code_gives_the_rows_of_the_chosen_columns() -> None:
    asked = annotated(SHORT, {"Good morning": ["Morning", "Hi", ("draft", "Hey")], "Bye": []})
    file = plain({"source": ["ein Hund", "eine Katze"], "translation": ["a dog", None]})
    for dataset, chosen in ((asked, {}), (file, {"text": "source", "target": "translation"})):
        definition = TrainingTask.for_text2text(**({"text": "text", "target": "short"} | chosen))
        code = TASK.starter_code(dataset, definition)
        rows = TASK.rows(dataset, TrainingTask.from_code("text2text", code))
        assert rows.table.equals(rows_of(dataset, **chosen).table)


def test_one_target_for_all_texts_is_nothing_to_learn() -> None:
    rows = rows_of(annotated(SHORT, {"a": ["yes"], "b": ["yes"]}))
    assert TASK.blocking(rows, None) == [
        "All 2 rows have the same target, “yes”; there is nothing to learn from their texts."
    ]
    assert TASK.blocking(rows_of(annotated(SHORT, {"a": ["yes"], "b": ["no"]})), None) == []


def test_nothing_is_suggested_without_a_second_text() -> None:
    assert TASK.suggest(annotated(SHORT, {"a": ["b"]})) == {"text": "text", "target": "short"}
    assert TASK.suggest(plain({"text": ["a"], "topic": ["b"]})) == {}


def test_prepared_for_its_libraries() -> None:
    task = TrainingTask.for_text2text(text="text", target="short")
    dataset = annotated(SHORT, {"summarise this": ["this"], "not annotated": [], "and that": ["that"]})
    assert list(dataset.prepare_for_training("transformers", task)) == [
        {"id": 0, "text": "summarise this", "target": "this"},
        {"id": 1, "text": "and that", "target": "that"},
    ]
    assert dataset.prepare_for_training("openai", task)[1] == {
        "prompt": "and that\n\n###\n\n",
        "completion": " that END",
    }
    with pytest.raises(UserError):
        dataset.prepare_for_training("spacy", task)


def test_chrf_and_exact_match() -> None:
    assert generated.figures(["a cat ", "a dog"], ["a cat", "a cow"])["exact_match"] == 0.5
    assert generated.figures(["the cat sat"], ["the cat sat"]) == {"chrf": pytest.approx(1), "exact_match": 1}
    assert generated.figures(["zzz"], ["the cat sat"])["chrf"] == 0
    # One 1-gram of three is shared both ways (1/3), no longer one: sacrebleu averages precision and recall over the
    # six orders that both texts have, here three.
    assert generated.figures(["abc"], ["axy"])["chrf"] == pytest.approx(1 / 9)
    near, far = generated.row_chrf(["the cat", "dog"], ["the cats", "cow"])
    assert near > 0.7 > far


def test_report_measures_beside_the_unchanged_text() -> None:
    table = pa.table({"record_id": ["r1", "r2"], "text": ["helo", "wrld"], "target": ["hello", "world"]})
    report = TASK.evaluate(["hello", "wald"], table, {}, table)
    assert report["metrics"]["exact_match"] == 0.5
    assert report["metrics"]["chrf"] > 0.5
    assert report["baseline"]["name"] == "The text, unchanged"
    assert 0 < report["baseline"]["metrics"]["chrf"] < 1
    assert report["samples"][0] == {"input": "helo", "expected": "hello", "predicted": "hello"}
    assert [(m["record_id"], m["expected"], m["predicted"]) for m in report["mistakes"]] == [
        ("r2", ["world"], ["wald"])
    ]
    assert report["n_mistakes"] == 1


def test_files_and_examples_know_their_columns() -> None:
    table = pa.table({"id": ["1"], "source": ["ein Hund"], "note": ["longer than the source text"]})
    assert TASK.input_columns(table) == {"text": "source"}
    assert TASK.output_columns(["a dog", None], {})["prediction"].to_pylist() == ["a dog", None]
    rows = pa.table({"record_id": ["r1"], "text": ["helo"], "target": ["hello"]})
    assert list(TASK.example_inputs(rows, 2)) == [{"input": "helo", "expected": "hello", "record_id": "r1"}]
