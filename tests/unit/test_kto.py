"""Answers that are good or bad: from ratings, from two classes, and from pairs."""

from typing import Any

import pytest

from engine import FeedbackDataset, TrainingTask, UserError
from engine.data.fields import TextField
from engine.data.questions import LabelQuestion, Question, RatingQuestion
from engine.registry import TASKS
from tests.annotated import plain

TASK = TASKS["kto"]


def judged(question: Question, rows: list[tuple[str, str, list[Any]]]) -> FeedbackDataset:
    dataset = FeedbackDataset([TextField(name="prompt"), TextField(name="response")], [question])
    dataset.add_records(
        [
            {
                "fields": {"prompt": prompt, "response": response},
                "responses": [
                    {"user_id": f"a{i}", "values": {question.name: {"value": value}}} for i, value in enumerate(values)
                ],
            }
            for prompt, response, values in rows
        ]
    )
    return dataset


def short(rows: Any) -> list[tuple[str, str, bool]]:
    return [(row["prompt"], row["completion"], row["label"]) for row in rows.table.to_pylist()]


def test_above_the_middle_is_good_and_the_middle_is_left_out() -> None:
    question = RatingQuestion(name="stars", values=[1, 2, 3, 4, 5])
    dataset = judged(
        question, [("P", "A", [5, 4]), ("P", "B", [1]), ("P", "C", [3, 4]), ("Q", "D", [2, 4]), ("Q", "E", [])]
    )
    assert TASK.suggest(dataset) == {"prompt": "{prompt}", "completion": "response", "label": "stars"}
    rows = TASK.rows(dataset, TrainingTask("kto", TASK.suggest(dataset)))
    assert short(rows) == [("P", "A", True), ("P", "B", False), ("P", "C", True)]
    assert rows.left_out == {"rated in the middle of the scale": ["r4"], "unanswered": ["r5"]}
    assert rows.counts == {"good": 2, "bad": 1}


def test_a_scale_without_a_middle_leaves_nothing_out() -> None:
    dataset = judged(RatingQuestion(name="stars", values=[1, 2, 3, 4]), [("P", "A", [2]), ("P", "B", [3])])
    rows = TASK.rows(dataset, TrainingTask("kto", TASK.suggest(dataset)))
    assert short(rows) == [("P", "A", False), ("P", "B", True)]


def test_the_strategy_decides_between_annotators() -> None:
    question = RatingQuestion(name="stars", values=[1, 2, 3, 4, 5])
    dataset = judged(question, [("P", "A", [1, 5, 5])])
    found = {}
    for strategy in ("mean", "min", "max", "majority", "disagreement"):
        task = TrainingTask.for_kto(prompt="{prompt}", completion="response", label=question, label_strategy=strategy)
        found[strategy] = [row[2] for row in short(TASK.rows(dataset, task))]
    # Rows of one record that are equal stand once.
    assert found == {"mean": [True], "min": [False], "max": [True], "majority": [True], "disagreement": [False, True]}


def test_two_classes_whose_names_say_which_is_good() -> None:
    dataset = judged(
        LabelQuestion(name="thumb", labels=["down", "up"]), [("P", "A", ["up", "up", "down"]), ("P", "B", ["down"])]
    )
    rows = TASK.rows(dataset, TrainingTask("kto", TASK.suggest(dataset)))
    assert short(rows) == [("P", "A", True), ("P", "B", False)]


def test_classes_that_say_nothing_are_refused() -> None:
    dataset = judged(LabelQuestion(name="kind", labels=["red", "blue"]), [("P", "A", ["red"])])
    assert TASK.suggest(dataset) == {}
    with pytest.raises(UserError) as caught:
        TASK.rows(dataset, TrainingTask.for_kto(prompt="{prompt}", completion="response", label="kind"))
    assert caught.value.message == "Which class of 'kind' is the good one can't be told: red, blue."


def test_a_pair_gives_a_good_and_a_bad_row() -> None:
    dataset = plain({"prompt": ["P", "Q", "R"], "chosen": ["A", "B", "C"], "rejected": ["x", "B", ""]})
    assert TASK.suggest(dataset) == {"prompt": "{prompt}", "chosen": "chosen", "rejected": "rejected"}
    rows = TASK.rows(dataset, TrainingTask("kto", TASK.suggest(dataset)))
    assert short(rows) == [("P", "A", True), ("P", "x", False)]
    assert rows.left_out == {"chosen equal to rejected": ["r2"], "no rejected text": ["r3"]}


def test_a_conversation_ends_with_what_was_judged() -> None:
    turns = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}]
    question = LabelQuestion(name="label", labels=["false", "true"])
    dataset = plain({"messages": [turns, turns + turns], "label": ["true", "false"]})
    from engine.data.derived import DerivedQuestion

    dataset = dataset.with_questions_from_fields([DerivedQuestion(field="label", question=question)])
    assert TASK.suggest(dataset) == {"completion": "messages", "label": "label"}
    rows = TASK.rows(dataset, TrainingTask("kto", TASK.suggest(dataset)))
    assert short(rows) == [("Hello?", "Hi.", True), ("Hello?", "Hi.", False)]
    assert rows.table["history"].to_pylist() == [None, turns]
    assert rows.info["chat"] is True


@pytest.mark.parametrize(
    "chosen,message",
    [
        ({}, "KTO needs an answer and its label, or a better and a worse text; chosen: none."),
        ({"completion": "a", "rejected": "b"}, "KTO needs an answer and its label, or a better and a worse text; "),
        ({"chosen": "a", "rejected": "b"}, "KTO needs a prompt, and none is chosen."),
    ],
)
def test_choices_that_make_no_rows_are_refused(chosen: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        TASK.rows(plain({"a": ["x"], "b": ["y"]}), TrainingTask("kto", chosen))
    assert caught.value.message.startswith(message)


def test_a_function_gives_rows_and_its_mistakes_are_named() -> None:
    dataset = plain({"text": ["one"]})
    rows = TASK.rows(dataset, TrainingTask.for_kto(lambda sample: [("p", "c", True), ("p", "d", False)]))
    assert short(rows) == [("p", "c", True), ("p", "d", False)]
    with pytest.raises(UserError) as caught:
        TASK.rows(dataset, TrainingTask.for_kto(lambda sample: ("p", "c", 1)))
    assert str(caught.value) == (
        "For record 'r1' the formatting function gave ('p', 'c', 1) (int where True or False belongs). "
        "A row is (prompt, completion, True or False)."
    )


def test_one_label_only_can_not_be_learned_from() -> None:
    rows = TASK.rows(plain({"text": ["one", "two"]}), TrainingTask.for_kto(lambda sample: (sample["text"], " ", True)))
    assert TASK.blocking(rows, None) == [
        "All 2 rows are good; KTO learns from good and bad answers.",
        "2 of the 2 rows have an empty completion (the first: record 'r1'); leave them out.",
    ]


def test_the_starter_code_gives_the_same_rows() -> None:
    stars = RatingQuestion(name="stars", values=[1, 2, 3, 4, 5])
    thumb = LabelQuestion(name="thumb", labels=["no", "yes"])
    for dataset in (
        judged(stars, [("P", "A", [5, 4]), ("P", "B", [1]), ("P", "C", [3]), ("P", "D", [])]),
        judged(thumb, [("P", "A", ["yes", "yes", "no"]), ("P", "B", ["no"]), ("P", "D", [])]),
        plain({"prompt": ["P", "Q"], "chosen": ["A", "B"], "rejected": ["x", "B"]}),
    ):
        task = TrainingTask("kto", TASK.suggest(dataset))
        names: dict[str, Any] = {}
        exec(TASK.starter_code(dataset, task), names)
        theirs = TASK.rows(dataset, TrainingTask.for_kto(names["formatting_func"]))
        assert short(theirs) == short(TASK.rows(dataset, task))


def test_prepare_for_training() -> None:
    dataset = plain({"prompt": ["P"], "chosen": ["A"], "rejected": ["x"]})
    prepared = dataset.prepare_for_training("trl", TrainingTask("kto", TASK.suggest(dataset)))
    assert prepared.to_list() == [
        {"prompt": "P", "completion": "A", "label": True},
        {"prompt": "P", "completion": "x", "label": False},
    ]


def test_the_report_says_how_the_answers_shown_were_judged() -> None:
    rows = TASK.rows(plain({"text": ["t"]}), TrainingTask.for_kto(lambda sample: [("p", "c", True), ("p", "d", False)]))
    report = TASK.evaluate(["x", "y"], rows.table, rows.info, rows.table)
    assert [sample["expected"] for sample in report["samples"]] == ["Good: c", "Bad: d"]


def test_the_example_fills_the_choices() -> None:
    dataset = FeedbackDataset.example("rated_replies")
    rows = TASK.rows(dataset, TrainingTask("kto", TASK.suggest(dataset)))
    assert rows.counts == {"good": 36, "bad": 27}
    assert len(rows.left_out["rated in the middle of the scale"]) == 9
