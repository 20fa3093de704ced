"""Sentence similarity: rows from columns and functions, what is refused, figures on hand-worked cases, shapes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine import FeedbackDataset, LabelQuestion, RankingQuestion, RatingQuestion, TextField, TrainingTask, UserError
from engine.data.examples import EXAMPLES
from engine.data.questions import Question
from engine.evaluation.similarity import best_threshold, figures, mistakes_of, triplets_of
from engine.registry import TASKS
from engine.runs.run_directory import SplitSpec
from engine.tasks.preparation import divide, prepare
from engine.tasks.task import Rows
from tests.annotated import plain, ranking

TASK = TASKS["sentence-similarity"]
LABEL = LabelQuestion(name="label", labels=["0", "1", "2"])


def annotated(question: Question, *answers: list[Any], texts: list[tuple[Any, ...]] | None = None) -> FeedbackDataset:
    """Records with fields a, b (and c), and the annotators' submitted answers."""
    texts = texts or [(f"a{i}", f"b{i}") for i in range(len(answers))]
    fields = [TextField(name=name, required=False) for name in "abc"[: len(texts[0])]]
    dataset = FeedbackDataset(fields, [question])
    records = []
    for pair, given in zip(texts, answers, strict=True):
        responses = [
            {"user_id": f"u{i}", "status": "submitted", "values": {question.name: {"value": value}}}
            for i, value in enumerate(given)
        ]
        records.append({"fields": dict(zip("abc", pair, strict=False)), "responses": responses})
    dataset.add_records(records)
    return dataset


def pairs(dataset: FeedbackDataset, label: Any = "label", **options: Any) -> Rows:
    task = TrainingTask.for_sentence_similarity(texts=["a", "b"], label=label, **options)
    return TASK.rows(dataset, task)


def by_function(dataset: FeedbackDataset, *returned: Any) -> Rows:
    given = iter(returned)
    return TASK.rows(dataset, TrainingTask.for_sentence_similarity(formatting_func=lambda sample: next(given)))


# ---- rows -----------------------------------------------------------------------------------------------------------


def test_label_is_the_number_that_the_label_says() -> None:
    rows = pairs(annotated(LABEL, ["2", "2", "0"], ["0"], []))
    assert rows.table.to_pydict() == {
        "record_id": ["r1", "r2"],
        "sentence-1": ["a0", "a1"],
        "sentence-2": ["b0", "b1"],
        "label": [2, 0],
    }
    assert rows.table["label"].type == pa.int64()
    assert rows.info == {
        "format": "pairs with a label",
        "label": "int",
        "values": [0, 2],
        "range": [0, 2],
        "names": None,
    }
    assert rows.left_out == {"unanswered": ["r3"]}


def test_decimals_make_all_labels_decimals() -> None:
    rows = pairs(annotated(LabelQuestion(name="label", labels=["0", "0.5", "-1"]), ["0"], ["0.5"], ["-1"]))
    assert rows.table["label"].to_pylist() == [0.0, 0.5, -1.0]
    assert rows.table["label"].type == pa.float64()
    assert rows.counts == {"whole numbers read as decimals": 2}


def test_rating_ranking_and_disagreement() -> None:
    rating = annotated(RatingQuestion(name="label", values=[1, 2, 3, 4, 5]), [4, 5, 5], [1])
    assert pairs(rating).table["label"].to_pylist() == [4, 1]
    assert pairs(rating).info["range"] == [1, 5]
    assert pairs(rating, label_strategy="disagreement").table["label"].to_pylist() == [4, 5, 1]
    ranked = annotated(RankingQuestion(name="label", values=["0", "1"]), [ranking("1", "0")], [ranking("0", "1")])
    assert pairs(ranked).table["label"].to_pylist() == [1, 0]


def test_words_are_refused_with_the_record_and_advice() -> None:
    with pytest.raises(UserError) as caught:
        pairs(annotated(LabelQuestion(name="label", labels=["entails", "contradicts"]), ["entails"]))
    assert str(caught.value) == (
        "The label 'entails' of 'label' (record 'r1') is no number, and how alike two sentences are is learned from "
        "numbers. Write a formatting_func that gives a number for each label, such as 1 for alike and 0 for not alike, "
        "or leave the label out and keep only the pairs that are alike."
    )


@pytest.mark.parametrize("scores,label", [([0.5, 1.0, 0.0], "float"), (["3", "4.5", "1"], "float"), ([0, 1, 1], "int")])
def test_column_of_numbers_as_label(scores: list[Any], label: str) -> None:
    dataset = plain({"a": ["x", "y", "z"], "b": ["u", "v", "w"], "score": scores})
    rows = pairs(dataset, "score")
    assert rows.info["label"] == label
    assert rows.table["label"].to_pylist() == [float(score) for score in scores]
    chosen = {"sentence-1": "a", "sentence-2": "b", "label": "score"}
    assert TASK.suggest(plain({"text_a": ["x y"], "text_b": ["u"], "score": ["1.5"]})) == {
        "sentence-1": "text_a",
        "sentence-2": "text_b",
        "label": "score",
    }
    assert TASK.python_arguments(chosen, {name: "field" for name in ("a", "b", "score")}) == [
        "texts=[dataset.field_by_name('a'), dataset.field_by_name('b')]",
        "label=dataset.field_by_name('score')",
    ]


def test_what_is_left_out_is_told_by_its_column() -> None:
    texts = [("x", None), ("x", " "), ("x", "y"), ("x", "y")]
    rows = TASK.rows(
        annotated(LABEL, [], [], [], [], texts=texts), TrainingTask.for_sentence_similarity(texts=["a", "b"])
    )
    assert rows.left_out == {"“b” missing": ["r1"], "“b” empty": ["r2"], "duplicate row": ["r4"]}
    with pytest.raises(UserError, match=r"No rows are left to learn from. Records left out: “b” empty \(2\)."):
        pairs(annotated(LABEL, ["1"], ["1"], texts=[("x", ""), ("y", "")]))
    triplets = annotated(LABEL, [], [], texts=[("x", "y", "y"), ("x", "y", "z")])
    rows = TASK.rows(triplets, TrainingTask.for_sentence_similarity(texts=["a", "b", "c"]))
    assert rows.info["format"] == "triplets"
    assert rows.left_out == {"the second and the third sentence are the same": ["r1"]}


@pytest.mark.parametrize(
    "texts,label,message",
    [
        (["a", "a"], None, "'a' is chosen for two sentences."),
        (["a", "nothing"], None, "'nothing' is no column for “Second sentence”."),
        (["a", "b"], "b", "'b' can't be used as “Similarity”."),
    ],
)
def test_wrong_choices(texts: list[str], label: str | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        TASK.rows(annotated(LABEL, ["1"]), TrainingTask.for_sentence_similarity(texts=texts, label=label))
    assert caught.value.message == message


# ---- a formatting function --------------------------------------------------------------------------------------


def test_function_gives_numbers_texts_and_truth() -> None:
    pair = {"sentence-1": 2000, "sentence-2": "b"}
    dataset = annotated(LABEL, [], [], [])
    rows = by_function(dataset, pair | {"label": True}, [pair | {"label": "0"}, pair | {"label": "0"}], None)
    assert rows.table["sentence-1"].to_pylist() == ["2000"] * 3
    assert rows.table["label"].to_pylist() == [1, 0, 0]
    assert rows.counts == {"returned": 2, "none": 1, "several": 1}


def test_sentences_with_a_class() -> None:
    dataset = annotated(LABEL, [], [], [])
    rows = by_function(dataset, *({"sentence": f"s{i}", "label": name} for i, name in enumerate(["b", "a", "b"])))
    assert rows.info["format"] == "sentences with a class"
    assert rows.info["names"] == ["a", "b"]
    assert rows.table.to_pydict() == {
        "record_id": ["r1", "r2", "r3"],
        "sentence": ["s0", "s1", "s2"],
        "label": [1, 0, 1],
    }
    rows = by_function(dataset, *({"sentence": f"s{i}", "label": label} for i, label in enumerate([7, 3, 7])))
    assert rows.table["label"].to_pylist() == [7, 3, 7]


@pytest.mark.parametrize(
    "item,found",
    [
        (("a", "b"), "tuple"),
        ({"sentence-1": "a"}, "its keys are sentence-1"),
        ({"sentence-1": "a", "sentence-2": None}, "NoneType where a text belongs"),
        ({"sentence-1": "a", "sentence-2": "b", "label": "alike"}, "its label is 'alike', which is no number"),
        ({"sentence-1": "a", "sentence-2": "b", "label": float("nan")}, "its label is nan, which is no number"),
        ({"sentence-1": "a", "sentence-2": "b", "sentence-3": "b"}, "the second and the third sentence are the same"),
        ({"sentence": "a", "label": 0.5}, "its label is float"),
    ],
)
def test_wrong_items_name_the_record(item: Any, found: str) -> None:
    with pytest.raises(UserError) as caught:
        by_function(annotated(LABEL, []), item)
    assert caught.value.message == f"For record 'r1' the formatting function gave {item!r} ({found})."


def test_uneven_rows_name_the_record() -> None:
    pair = {"sentence-1": "a", "sentence-2": "b"}
    with pytest.raises(UserError) as caught:
        by_function(annotated(LABEL, [], []), pair | {"label": 0}, pair)
    assert caught.value.message == (
        "For record 'r2' the formatting function gave a row with sentence-1, sentence-2, but for record 'r1' one with "
        "sentence-1, sentence-2, label."
    )


@pytest.mark.parametrize(
    "question,answers",
    [
        (LABEL, ["2", "2", "0"]),
        (RatingQuestion(name="label", values=[1, 3, 5]), [3, 5, 5]),
        (RankingQuestion(name="label", values=["0.5", "1"]), [ranking("0.5", "1")]),
    ],
    ids=["label", "rating", "ranking"],
)
def test_starter_code_gives_the_rows_of_the_columns(question: Question, answers: list[Any]) -> None:
    dataset = annotated(question, answers, [], answers, texts=[("a", "b"), ("c", "d"), ("e", "")])
    task = TrainingTask.for_sentence_similarity(texts=["a", "b"], label="label")
    scope: dict[str, Any] = {}
    exec(TASK.starter_code(dataset, task), scope)
    by_code = TASK.rows(dataset, TrainingTask.for_sentence_similarity(formatting_func=scope["formatting_func"]))
    assert by_code.table.equals(TASK.rows(dataset, task).table)


def test_example_is_suggested_and_its_code_gives_the_same_rows() -> None:
    dataset = FeedbackDataset.example("question_pairs")
    chosen = TASK.suggest(dataset)
    assert chosen == {"sentence-1": "question1", "sentence-2": "question2", "label": "similarity"}
    task = TrainingTask.define("sentence-similarity", **chosen)
    scope: dict[str, Any] = {}
    exec(TASK.starter_code(dataset, task), scope)
    by_code = TASK.rows(dataset, TrainingTask.for_sentence_similarity(formatting_func=scope["formatting_func"]))
    assert by_code.table.equals(TASK.rows(dataset, task).table)
    data = prepare(dataset, task, SplitSpec(train=0.8, validation=0.1, test=0.1, seed=1)).data
    firsts = [set(part["sentence-1"].to_pylist()) for part in (data.train, data.validation, data.test)]
    assert not (firsts[0] & firsts[1] or firsts[0] & firsts[2] or firsts[1] & firsts[2])


def test_example_is_what_its_script_writes(tmp_path: Path) -> None:
    folder = EXAMPLES["question_pairs"].folder
    subprocess.run([sys.executable, str(folder / "build.py"), str(tmp_path)], check=True, capture_output=True)
    assert (tmp_path / "question_pairs.csv").read_bytes() == (folder / "question_pairs.csv").read_bytes()


def test_words_as_labels_are_no_suggestion() -> None:
    dataset = FeedbackDataset(
        [TextField(name="premise"), TextField(name="hypothesis")], [LabelQuestion(name="label", labels=["yes", "no"])]
    )
    dataset.add_records([{"fields": {"premise": "a b", "hypothesis": "c d"}}])
    assert TASK.suggest(dataset) == {}
    assert TASK.suggest(plain({"anchor": ["a"], "positive": ["b"], "negative": ["c"]})) == {
        "sentence-1": "anchor",
        "sentence-2": "positive",
        "sentence-3": "negative",
    }


# ---- splits, blocking, training data --------------------------------------------------------------------------------


def labelled(*labels: float) -> Rows:
    return Rows(table(labels), {"format": "pairs with a label", "label": "int", "values": None, "range": None})


def table(labels: Any) -> pa.Table:
    n = len(labels)
    columns = {"sentence-1": [f"a{i}" for i in range(n)], "sentence-2": [f"b{i}" for i in range(n)]}
    return pa.table({"record_id": [f"r{i}" for i in range(n)], **columns, "label": list(labels)})


def test_whole_number_labels_are_stratified_zero_too() -> None:
    data = divide("sentence-similarity", labelled(*[0, 1] * 10), SplitSpec(train=0.5, validation=0.0, test=0.5, seed=3))
    assert sorted(data.train["label"].to_pylist()) == [0] * 5 + [1] * 5


def test_nothing_to_tell_apart_blocks() -> None:
    assert TASK.blocking(labelled(1, 1, 1), None) == [
        "All 3 rows have the label 1; it takes two different labels to tell pairs apart. Annotate more records."
    ]
    with pytest.raises(UserError) as caught:
        divide("sentence-similarity", labelled(0, 0, 0, 0, 1), SplitSpec(train=0.8, validation=0.0, test=0.2, seed=1))
    assert caught.value.message == (
        "The only test row has the label 0; it takes two different labels to tell pairs apart. "
        "Annotate more records, or give test a larger share."
    )
    classes = pa.table({"record_id": ["1", "2", "3"], "sentence": ["x", "y", "z"], "label": [0, 1, 0]})
    assert TASK.blocking(Rows(classes, {"format": "sentences with a class"}), None) == [
        "The rows have 2 classes, and it takes two classes with two different sentences each to tell them apart. "
        "Annotate more records."
    ]


def test_prepare_for_training_gives_columns() -> None:
    task = TrainingTask.for_sentence_similarity(texts=["a", "b"], label="label")
    prepared = annotated(LABEL, ["0"], ["1"]).prepare_for_training("sentence-transformers", task)
    assert list(prepared) == [
        {"id": 0, "sentence-1": "a0", "sentence-2": "b0", "label": 0},
        {"id": 1, "sentence-1": "a1", "sentence-2": "b1", "label": 1},
    ]
    unlabelled = TrainingTask.for_sentence_similarity(texts=["a", "b"])
    assert annotated(LABEL, [], []).prepare_for_training("sentence-transformers", unlabelled).column_names == [
        "id",
        "sentence-1",
        "sentence-2",
    ]


# ---- figures --------------------------------------------------------------------------------------------------------


def scored(**of: float) -> Any:
    """A model that gives each second sentence its own score."""
    return lambda pairs: np.array([of[second] for _, second in pairs])


def test_graded_labels_are_measured_by_their_order() -> None:
    held_out = table([0.0, 1.0, 2.0, 3.0])
    found = figures(held_out, scored(b0=0.1, b1=0.2, b2=0.9, b3=0.8))
    assert found["spearman"] == pytest.approx(0.8)  # 1 - 6·(1 + 1) / (4·15)
    assert list(found) == ["spearman", "pearson"]
    assert figures(held_out, lambda pairs: np.ones(len(pairs))) == {"spearman": 0.0, "pearson": 0.0}


def test_two_labels_are_measured_as_alike_or_not() -> None:
    held_out = table([0, 1, 0, 1])
    found = figures(held_out, scored(b0=0.1, b1=0.9, b2=0.8, b3=0.7), threshold=0.75)
    assert found == {"average_precision": pytest.approx((1 + 2 / 3) / 2), "accuracy": 0.5}
    assert "accuracy" not in figures(held_out, scored(b0=0.1, b1=0.9, b2=0.8, b3=0.7))


def test_threshold_is_half_way_and_never_between_equal_scores() -> None:
    assert best_threshold(np.array([True, True, False, False]), np.array([0.9, 0.6, 0.4, 0.1])) == pytest.approx(0.5)
    assert best_threshold(np.array([True, False, False]), np.array([0.5, 0.5, 0.1])) > 0.5
    assert best_threshold(np.array([True, True]), np.array([0.5, 0.3])) == pytest.approx(0.3, abs=1e-6)


def test_pairs_alone_are_measured_by_finding_the_partner() -> None:
    held_out = table([1, 1, 1]).drop_columns(["label"])
    perfect = figures(held_out, lambda pairs: np.array([float(a[1] == b[1]) for a, b in pairs]))
    assert perfect == {"mrr": 1.0, "recall_at_1": 1.0}
    constant = figures(held_out, lambda pairs: np.zeros(len(pairs)))  # equal scores count against the model
    assert constant == {"mrr": pytest.approx(1 / 3), "recall_at_1": 0.0}


def test_triplets_and_classes_are_measured_by_which_is_nearer() -> None:
    triplets = pa.table(
        {"record_id": ["1", "2"], "sentence-1": ["a", "c"], "sentence-2": ["b", "d"], "sentence-3": ["x", "y"]}
    )
    score = scored(b=0.9, x=0.1, d=0.4, y=0.6)
    assert figures(triplets, score) == {"triplet_accuracy": 0.5}
    (mistake,) = mistakes_of(triplets, [0.9, 0.1, 0.4, 0.6])
    assert mistake["text"] == "c ↔ d"
    assert mistake["expected"] == ["above 0.60, of “y”"]
    assert mistake["predicted"] == ["0.40"]
    classes = pa.table({"record_id": list("1234"), "sentence": ["p", "q", "r", "p"], "label": [5, 5, 8, 8]})
    assert triplets_of(classes) == [(0, "p", "q", "r"), (1, "q", "p", "r"), (2, "r", "p", "p")]


def test_pairs_far_from_their_place_are_mistakes() -> None:
    found = TASK.evaluate([0.1, 0.2, 0.3, 0.0], table([0.0, 1.0, 2.0, 3.0]), {}, table([0.0]))
    assert [(one["record_id"], one["expected"], one["predicted"]) for one in found["mistakes"]] == [
        ("r3", ["3 (0 to 3)"], ["0.00"])
    ]
    assert found["n_mistakes"] == 1


# ---- shapes of predict ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given,inputs,answer",
    [
        (["a", ["b", "c"]], [["a", "b"], ["a", "c"]], [0.0, 1.0]),
        ([["a", "b"], ("c", "d")], [["a", "b"], ["c", "d"]], [0.0, 1.0]),
        (["a", "b"], [["a", "b"]], 0.0),
        ([["a", "b"]], [["a", "b"]], [0.0]),
    ],
)
def test_shapes_of_predict(given: Any, inputs: list[Any], answer: Any) -> None:
    found, answer_of = TASK.as_inputs(given)
    assert found == inputs
    assert answer_of([float(i) for i in range(len(found))]) == answer


def test_one_text_is_no_pair() -> None:
    with pytest.raises(UserError, match="A str is no pair of sentences."):
        TASK.as_inputs("a")


def test_file_columns_and_output() -> None:
    source = pa.table({"id": ["1"], "text_b": ["x"], "text_a": ["y"]})
    assert TASK.input_columns(source) == {"sentence-1": "text_a", "sentence-2": "text_b"}
    assert TASK.as_input({"sentence-1": "y", "sentence-2": "x"}) == ["y", "x"]
    assert TASK.output_columns([0.5, None], {})["similarity"].to_pylist() == [0.5, None]
