"""Rows of text classification: from questions and from functions, with an account of every record; and its figures."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from engine.data.derived import DerivedQuestion
from engine.data.feedback_dataset import FeedbackDataset
from engine.data.fields import TextField
from engine.data.questions import LabelQuestion, MultiLabelQuestion, RankingQuestion, RatingQuestion
from engine.errors import UserError
from engine.registry import TASKS
from engine.tasks.task import Rows, TaskData
from engine.tasks.training_task import TrainingTask
from tests.annotated import annotated, plain, ranking

TASK = TASKS["text-classification"]
MOOD = LabelQuestion(name="mood", labels=["bad", "so-so", "good"])
TAGS = MultiLabelQuestion(name="tags", labels=["price", "taste", "service"])
STARS = RatingQuestion(name="stars", values=[1, 2, 3, 4, 5])
ORDER = RankingQuestion(name="order", values=["a", "b", "c"])
MOODS = {"unanimous": ["good", "good"], "two to one": ["bad", "good", "bad"], "one": ["so-so"], "none": []}


def rows_of(dataset: FeedbackDataset, strategy: str | None = None, **given: Any) -> Rows:
    if not given:
        given = {"text": "text", "label": dataset.questions[0], "label_strategy": strategy}
    return TASK.rows(dataset, TrainingTask.for_text_classification(**given))


def pairs(rows: Rows) -> list[tuple]:
    return [tuple(row.values())[1:] for row in rows.table.to_pylist()]


def test_majority_rows_come_in_record_order_with_the_questions_classes():
    rows = rows_of(annotated(MOOD, MOODS))
    assert rows.table.schema == pa.schema([("record_id", pa.string()), ("text", pa.string()), ("label", pa.string())])
    assert rows.table.to_pylist() == [
        {"record_id": "r1", "text": "unanimous", "label": "good"},
        {"record_id": "r2", "text": "two to one", "label": "bad"},
        {"record_id": "r3", "text": "one", "label": "so-so"},
    ]
    assert rows.info == {"classes": ["bad", "so-so", "good"], "multi_label": False}
    assert rows.left_out == {"unanswered": ["r4"]}
    assert rows.counts == {"ties": 0, "duplicates": 0}


def test_every_record_without_a_row_is_counted_under_its_reason():
    records = [
        ("here", ["good"]),
        (None, ["good"]),
        ("  ", ["bad"]),
        ("draft", [("draft", "good")]),
        ("silent", []),
        ("here", ["good"]),
        ("here", ["bad"]),
    ]
    rows = rows_of(annotated(MOOD, records))
    assert pairs(rows) == [("here", "good"), ("here", "bad")]
    assert rows.left_out == {
        "unanswered": ["r5"],
        "only drafts or discarded": ["r4"],
        "text missing": ["r2"],
        "text empty": ["r3"],
        "duplicate row": ["r6"],
    }
    assert rows.counts["duplicates"] == 1


def test_disagreement_gives_a_row_per_different_answer():
    rows = rows_of(annotated(MOOD, MOODS), "disagreement")
    assert pairs(rows) == [("unanimous", "good"), ("two to one", "bad"), ("two to one", "good"), ("one", "so-so")]
    assert rows.counts["duplicates"] == 2
    assert "duplicate row" not in rows.left_out


def test_ties_are_counted_and_follow_the_seed():
    dataset = annotated(MOOD, {f"text {i}": ["good", "bad"] for i in range(40)})
    task = TrainingTask.for_text_classification(text="text", label=MOOD)
    one, same, other = (TASK.rows(dataset, task, seed=seed) for seed in (1, 1, 2))
    assert one.counts["ties"] == 40
    assert one.table == same.table != other.table


def test_multi_label_rows_hold_lists_and_count_those_without_labels():
    rows = rows_of(annotated(TAGS, {"both": [["taste", "price"]], "none apply": [[]], "nobody": []}))
    assert rows.table.schema.field("labels").type == pa.list_(pa.string())
    assert pairs(rows) == [("both", ["taste", "price"]), ("none apply", [])]
    assert rows.info["multi_label"]
    assert rows.counts == {"ties": 0, "duplicates": 0, "no labels": 1}
    assert rows.left_out == {"unanswered": ["r3"]}


def test_label_lists_in_another_order_are_not_duplicates():
    rows = rows_of(annotated(TAGS, {"t": [["taste", "price"], ["price", "taste"], ["taste", "price"]]}), "disagreement")
    assert pairs(rows) == [("t", ["taste", "price"]), ("t", ["price", "taste"])]


def test_ratings_become_classes_by_their_value():
    rows = rows_of(annotated(STARS, {"a": [2, 3, 3], "b": [5]}), "majority")
    assert pairs(rows) == [("a", "3"), ("b", "5")]
    assert rows.info["classes"] == ["1", "2", "3", "4", "5"]


def test_a_ranking_gives_the_item_ranked_first_and_draws_among_several():
    records = {"a": [ranking("b", "a", "c")], "b": [ranking("a", "b", "c", ranks=[1, 1, 2])]}
    rows = rows_of(annotated(ORDER, records))
    assert pairs(rows)[0] == ("a", "b")
    assert pairs(rows)[1] in [("b", "a"), ("b", "b")]
    assert rows.counts["ties"] == 1


def test_a_column_chosen_as_label_is_learned_from_like_a_question():
    table = {"body": ["one", "two", "three"], "n": [1.0, 2.0, None]}
    dataset = plain(table).with_questions_from_fields(
        [DerivedQuestion(field="n", question=LabelQuestion(name="n", labels=["1", "2"]))]
    )
    rows = rows_of(dataset, text="body", label="n")
    assert pairs(rows) == [("one", "1"), ("two", "2")]
    assert list(rows.left_out) == ["unanswered"]


def test_numbers_in_the_text_field_are_read_as_their_text():
    dataset = plain({"year": [1999, 2024], "kind": ["old", "new"]})
    dataset = dataset.with_questions_from_fields(
        [DerivedQuestion(field="kind", question=LabelQuestion(name="kind", labels=["new", "old"]))]
    )
    assert pairs(rows_of(dataset, text="year", label="kind")) == [("1999", "old"), ("2024", "new")]


def test_no_records_and_no_rows_left_are_told_apart():
    with pytest.raises(UserError) as error:
        rows_of(annotated(MOOD, {}))
    assert error.value.message == "The dataset has no records."
    with pytest.raises(UserError) as error:
        rows_of(annotated(MOOD, [("a", []), ("b", []), ("c", [("draft", "good")]), (None, ["bad"])]))
    assert error.value.message == (
        "No rows are left to learn from. "
        "Records left out: unanswered (2), only drafts or discarded (1), text missing (1)."
    )


def test_an_unknown_field_or_question_lists_the_names_there_are():
    with pytest.raises(UserError, match=r"The dataset has no question named 'moood'\. Its questions: mood\."):
        rows_of(annotated(MOOD, MOODS), text="text", label="moood")
    with pytest.raises(UserError, match=r"The dataset has no field named 'txt'\. Its fields: text\."):
        rows_of(annotated(MOOD, MOODS), text="txt", label="mood")


# ---- from a function -----------------------------------------------------------------------------------------------


def one_or_none(sample: dict) -> tuple[str, str] | None:
    answers = [answer["value"] for answer in sample["mood"] if answer["status"] == "submitted"]
    return (sample["text"], answers[0]) if answers else None


def test_a_function_gives_rows_for_every_record_in_order():
    rows = rows_of(annotated(MOOD, MOODS), formatting_func=one_or_none)
    assert pairs(rows) == [("unanimous", "good"), ("two to one", "bad"), ("one", "so-so")]
    assert rows.table["record_id"].to_pylist() == ["r1", "r2", "r3"]
    assert rows.info == {"classes": ["bad", "so-so", "good"], "multi_label": False}
    assert rows.left_out == {"the function returned nothing": ["r4"]}
    assert rows.counts == {"returned": 3, "none": 1, "several": 0}


def yields(sample: dict) -> Iterator[Any]:
    yield None
    yield [(sample["text"], answer["value"]) for answer in sample["mood"]]


@pytest.mark.parametrize(
    "function",
    [
        yields,
        lambda sample: [None, *((sample["text"], answer["value"]) for answer in sample["mood"])],
        lambda sample: map(lambda answer: (sample["text"], answer["value"]), sample["mood"]),
    ],
    ids=["generator of lists", "list with None", "iterator"],
)
def test_several_rows_a_record_and_nothing_between_them(function):
    rows = rows_of(annotated(MOOD, {"a": ["good", "bad", "good"], "b": []}), formatting_func=function)
    assert pairs(rows) == [("a", "good"), ("a", "bad"), ("a", "good")]
    assert rows.counts == {"returned": 1, "none": 1, "several": 1}


def test_a_set_of_rows_comes_in_one_order_always():
    rows = rows_of(annotated(MOOD, {"a": []}), formatting_func=lambda s: {("a", "y"), ("a", "x"), ("a", "z")})
    assert pairs(rows) == [("a", "x"), ("a", "y"), ("a", "z")]


def test_functions_keep_duplicates_and_empty_texts():
    rows = rows_of(annotated(MOOD, MOODS), formatting_func=lambda sample: ("", "x"))
    assert pairs(rows) == [("", "x")] * 4
    assert "4 of the 4 rows have an empty text; leave those records out." in TASK.blocking(rows, None)


def test_a_list_of_labels_anywhere_makes_every_row_multi_label():
    labels = iter(["x", ["y", "x"], []])
    rows = rows_of(annotated(MOOD, {"a": [], "b": [], "c": []}), formatting_func=lambda s: (s["text"], next(labels)))
    assert pairs(rows) == [("a", ["x"]), ("b", ["y", "x"]), ("c", [])]
    assert rows.info == {"classes": ["x", "y"], "multi_label": True}
    assert (rows.counts["single labels taken as lists"], rows.counts["no labels"]) == (1, 1)


def test_whole_numbers_and_truth_values_are_labels_by_their_name_sorted_by_value():
    labels = iter([10, 9, 100])
    rows = rows_of(annotated(MOOD, {"a": [], "b": [], "c": []}), formatting_func=lambda s: (s["text"], next(labels)))
    assert rows.info["classes"] == ["9", "10", "100"]
    rows = rows_of(annotated(MOOD, {"a": [], "bb": []}), formatting_func=lambda s: (s["text"], len(s["text"]) > 1))
    assert pairs(rows) == [("a", "False"), ("bb", "True")]


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ("just text", "'just text' (str)"),
        ({"text": "a"}, "{'text': 'a'} (dict)"),
        (("a", "x", "y"), "('a', 'x', 'y') (tuple of 3)"),
        (("a", None), "('a', None) (a label is NoneType)"),
        (("a", 0.5), "('a', 0.5) (a label is float)"),
        (("a", ["x", None]), "('a', ['x', None]) (a label is NoneType)"),
        ((None, "x"), "(None, 'x') (its text is NoneType)"),
        (["a", "x"], "'a' (str)"),
    ],
)
def test_what_is_no_row_is_refused_with_record_value_and_type(item, shown):
    dataset = annotated(MOOD, {"fine": [], "off": []})
    with pytest.raises(UserError) as error:
        rows_of(dataset, formatting_func=lambda sample: ("fine", "x") if sample["text"] == "fine" else item)
    assert error.value.message == f"For record 'r2' the formatting function gave {shown}."
    assert error.value.hint == "A row is (text, label) or (text, [label, …]), with the text and every label as text."


def test_an_error_in_the_function_names_the_record_and_the_keys():
    with pytest.raises(UserError) as error:
        rows_of(annotated(MOOD, MOODS), formatting_func=lambda sample: (sample["nope"], "x"))
    assert error.value.message == "formatting_func failed on record 'r1' with KeyError: 'nope'."
    assert error.value.hint.startswith("Correct the function. A sample has the keys text, mood, mood-suggestion,")
    assert isinstance(error.value.__cause__, KeyError)


def test_a_function_that_gives_nothing_at_all_is_refused_with_the_count():
    with pytest.raises(UserError) as error:
        rows_of(annotated(MOOD, MOODS), formatting_func=lambda sample: None)
    assert error.value.message == (
        "No rows are left to learn from. Records left out: the function returned nothing (4)."
    )


def test_a_function_known_only_by_name_can_not_be_run():
    task = TrainingTask.from_dict({"task": "text-classification", "function": "by_hand"})
    with pytest.raises(UserError) as error:
        TASK.rows(annotated(MOOD, MOODS), task)
    assert error.value.message == (
        "The rows of this run came from the Python function 'by_hand', which a run file can't hold."
    )


@pytest.mark.parametrize(
    ("question", "records", "strategy"),
    [
        (MOOD, MOODS, "majority"),
        (TAGS, {"a": [["price"], ["price", "taste"], ["taste"]], "b": [[]], "c": []}, "majority"),
        (STARS, {"a": [2, 3, 3], "b": [1, 2], "c": []}, "mean"),
        (ORDER, {"a": [ranking("b", "a", "c")], "b": []}, "majority"),
    ],
)
def test_starter_code_gives_the_rows_of_the_question(question, records, strategy):
    dataset = annotated(question, records)
    by_fields = TrainingTask.for_text_classification(text="text", label=question, label_strategy=strategy)
    code = TASK.starter_code(dataset, by_fields)
    in_cell = TASK.rows(dataset, TrainingTask.from_code("text-classification", code))
    assert in_cell.table == TASK.rows(dataset, by_fields).table


def test_starter_code_for_a_dataset_without_questions_takes_its_columns():
    dataset = plain({"body": ["one", "two"], "kind": ["x", None]})
    code = TASK.starter_code(dataset, TrainingTask("text-classification"))
    rows = TASK.rows(dataset, TrainingTask.from_code("text-classification", code))
    assert pairs(rows) == [("one", "x")]


# ---- before and after training -------------------------------------------------------------------------------------


def _table(*labels: str) -> pa.Table:
    return pa.table(
        {
            "record_id": [f"r{i}" for i in range(len(labels))],
            "text": [f"t{i}" for i in range(len(labels))],
            "label": labels,
        }
    )


def test_blocking_says_that_there_is_one_class_only():
    rows = Rows(_table("x", "x"), {"classes": ["x", "y"], "multi_label": False})
    assert TASK.blocking(rows, None) == [
        "All 2 rows have “x”; a classifier needs rows with at least two different labels."
    ]


def test_blocking_names_labels_that_training_would_never_see():
    rows = Rows(_table("x", "y", "z"), {"classes": ["x", "y", "z"], "multi_label": False})
    data = TaskData(_table("x", "y"), _table("x"), _table("z"), rows.info)
    assert TASK.blocking(rows, data) == [
        "1 label stands in the test rows but in no training row: “z”. "
        "Annotate more records with it, or give training a larger share."
    ]
    assert TASK.blocking(rows, TaskData(_table("x", "z"), None, _table("x"), rows.info)) == []


def test_evaluate_reports_figures_a_baseline_and_the_surest_mistakes_first():
    table = _table("x", "x", "y", "y")
    guesses = [("x", 0.9), ("y", 0.6), ("y", 0.8), ("x", 0.7)]
    predictions = [
        [{"label": label, "score": score}, {"label": "y" if label == "x" else "x", "score": 1 - score}]
        for label, score in guesses
    ]
    report = TASK.evaluate(predictions, table, {"classes": ["x", "y"], "multi_label": False}, _table("y", "y", "x"))
    assert report["metrics"]["accuracy"] == 0.5
    assert report["baseline"]["name"] == "Always “y”"
    assert report["baseline"]["metrics"]["accuracy"] == 0.5
    assert [(m["record_id"], m["expected"], m["predicted"], m["score"]) for m in report["mistakes"]] == [
        ("r3", ["y"], ["x"], 0.7),
        ("r1", ["x"], ["y"], 0.6),
    ]
    assert report["n_mistakes"] == 2


def test_evaluate_takes_every_label_from_a_half_on_when_there_are_several():
    table = pa.table({"record_id": ["r1", "r2"], "text": ["a", "b"], "labels": [["x"], []]})
    predictions = [
        [{"label": "x", "score": 0.9}, {"label": "y", "score": 0.5}],
        [{"label": "y", "score": 0.4}, {"label": "x", "score": 0.1}],
    ]
    report = TASK.evaluate(predictions, table, {"classes": ["x", "y"], "multi_label": True}, table)
    assert report["metrics"]["accuracy"] == 0.5
    assert report["mistakes"] == [
        {"record_id": "r1", "text": "a", "expected": ["x"], "predicted": ["x", "y"], "score": 0.5}
    ]


def test_example_inputs_cover_the_labels_and_keep_the_order():
    table = _table("x", "x", "x", "y", "z")
    assert [e["input"] for e in TASK.example_inputs(table, 3)] == ["t0", "t3", "t4"]
    assert TASK.example_inputs(table, 9)[3] == {"input": "t3", "expected": ["y"], "record_id": "r3"}
    assert [e["input"] for e in TASK.example_inputs(table, 5)] == ["t0", "t1", "t2", "t3", "t4"]


def test_suggestion_takes_the_required_text_and_a_question_with_a_choice():
    dataset = FeedbackDataset(
        fields=[TextField(name="previous", required=False), TextField(name="said")],
        questions=[LabelQuestion(name="only", labels=["yes"]), LabelQuestion(name="mood", labels=["good", "bad"])],
    )
    dataset.add_records([{"fields": {"previous": "a much longer text than the other one", "said": "short"}}])
    assert TASK.suggest(dataset) == {"text": "said", "label": "mood"}


def test_suggestion_without_a_question_is_none():
    dataset = FeedbackDataset(fields=[TextField(name="text")], questions=[])
    dataset.add_records([{"fields": {"text": "a"}}])
    assert TASK.suggest(dataset) == {}
