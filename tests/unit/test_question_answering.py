"""Question answering: rows from questions, columns and functions, what is left out and told, and its figures."""

from typing import Any

import pyarrow as pa
import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.fields import TextField
from engine.data.questions import LabelQuestion, TextQuestion
from engine.errors import UserError
from engine.evaluation import answers
from engine.registry import TASKS
from engine.tasks.task import Rows
from engine.tasks.training_task import TrainingTask
from tests.annotated import plain

TASK = TASKS["question-answering"]
CONTEXT = "The ferry leaves at 8:15 from Pier 3. Tickets cost 12 euros."
CHOSEN = {"question": "question", "context": "context", "answer": "answer"}
Answers = list[Any]  # texts (submitted), or (status, text)


def asked(*records: tuple[str | None, str | None, Answers]) -> FeedbackDataset:
    """Records r1, r2, … of a question, a context and what annotators answered."""
    fields = [TextField(name="question", required=False), TextField(name="context", required=False)]
    dataset = FeedbackDataset(fields, [TextQuestion(name="answer")])
    dataset.add_records(
        [
            {"fields": {"question": question, "context": context}, "responses": _responses(given)}
            for question, context, given in records
        ]
    )
    return dataset


def _responses(given: Answers) -> list[dict[str, Any]]:
    pairs = [answer if isinstance(answer, tuple) else ("submitted", answer) for answer in given]
    return [
        {"user_id": f"a{i}", "status": status, "values": {"answer": {"value": text}}}
        for i, (status, text) in enumerate(pairs)
    ]


def rows_of(dataset: FeedbackDataset, formatting_func: Any = None, **chosen: str) -> Rows:
    given = {"formatting_func": formatting_func} if formatting_func else CHOSEN | chosen
    return TASK.rows(dataset, TrainingTask.for_question_answering(**given))


def test_all_submitted_answers_of_a_record_are_in_its_row() -> None:
    rows = rows_of(asked(("When?", CONTEXT, ["8:15", "at 8:15", "8:15", ("draft", "Pier 3")])))
    assert rows.table.to_pylist() == [
        {
            "record_id": "r1",
            "question": "When?",
            "context": CONTEXT,
            "answers": {"text": ["8:15", "at 8:15"], "answer_start": [20, 17]},
        }
    ]
    assert (rows.info, rows.left_out, rows.counts) == ({}, {}, {})


def test_records_without_a_row_are_told_with_their_reason() -> None:
    rows = rows_of(
        asked(
            ("When?", CONTEXT, ["8:15"]),
            ("How much?", CONTEXT, []),
            ("How much?", CONTEXT, [("draft", "12 euros"), ("discarded", "12")]),
            ("How much?", CONTEXT, ["  ", "12 euros"]),
            ("How much?", CONTEXT, ["ten euros"]),
            ("Where?", CONTEXT, ["pier 3"]),
            ("Where?", None, ["Pier 3"]),
            ("  ", CONTEXT, ["Pier 3"]),
            ("When?", CONTEXT, ["8:15"]),
        )
    )
    assert rows.table["record_id"].to_pylist() == ["r1", "r4"]
    assert rows.left_out == {
        "unanswered": ["r2"],
        "only drafts or discarded": ["r3"],
        "answer empty": ["r4"],
        "answer “ten euros” not in the context": ["r5"],
        "answer “pier 3” not in the context, which has “Pier 3”": ["r6"],
        "context missing": ["r7"],
        "question empty": ["r8"],
        "duplicate row": ["r9"],
    }
    assert rows.counts == {"empty answers": 1, "answers not in their context": 2, "duplicates": 1}


def test_when_many_answers_are_elsewhere_the_first_twenty_are_named() -> None:
    records = [("What?", f"context {i}", [f"answer {i}"]) for i in range(25)]
    rows = rows_of(asked(*records, ("When?", CONTEXT, ["8:15"])))
    assert len(rows.left_out) == 21
    assert rows.left_out["answer not in the context"] == ["r21", "r22", "r23", "r24", "r25"]
    assert rows.counts["answers not in their context"] == 25


def test_when_no_answer_is_in_its_context_the_error_names_it() -> None:
    with pytest.raises(UserError) as caught:
        rows_of(asked(("When?", CONTEXT, ["half past nine"])))
    assert str(caught.value) == (
        "No rows are left to learn from. Records left out: answer “half past nine” not in the context (1). "
        "Annotate more records, choose other columns, or look at what filter_by and max_records leave."
    )


def test_squad_columns_keep_their_starts_and_wrong_starts_are_looked_up() -> None:
    context = "Bo met Bo."
    answers_ = [
        {"text": ["Bo"], "answer_start": [7]},
        {"text": ["Bo"], "answer_start": [3]},
        {"text": [], "answer_start": []},
    ]
    dataset = plain({"question": ["Whom?", "Who?", "Why?"], "context": [context] * 3, "answers": answers_})
    assert TASK.suggest(dataset) == {"question": "question", "context": "context", "answer": "answers"}
    rows = rows_of(dataset, answer="answers")
    assert [row["answers"]["answer_start"] for row in rows.table.to_pylist()] == [[7], [0]]
    assert rows.left_out == {"answer missing": ["r3"]}


def test_a_plain_column_of_answers_and_starts_count_code_points() -> None:
    dataset = plain({"question": ["Where?"], "context": ["😀 I live in İstanbul."], "answer": ["İstanbul"]})
    assert rows_of(dataset).table.to_pylist()[0]["answers"] == {"text": ["İstanbul"], "answer_start": [12]}


@pytest.mark.parametrize(
    "item,answers_",
    [
        (("When?", CONTEXT, "8:15"), {"text": ["8:15"], "answer_start": [20]}),
        (("When?", CONTEXT, ["8:15", "nine"]), {"text": ["8:15"], "answer_start": [20]}),
        (("When?", CONTEXT, {"text": ["e"], "answer_start": [5]}), {"text": ["e"], "answer_start": [5]}),
    ],
)
def test_a_function_gives_an_answer_or_several(item: Any, answers_: dict[str, Any]) -> None:
    rows = rows_of(asked(("", "", [])), lambda sample: item)
    assert rows.table["answers"].to_pylist() == [answers_]


def test_a_function_may_yield_a_row_for_every_answer() -> None:
    def formatting_func(sample: dict[str, Any]) -> Any:
        for answer in sample["answer"]:
            yield sample["question"], sample["context"], answer["value"]

    rows = rows_of(asked(("When?", CONTEXT, ["8:15", "nowhere", "at 8:15"])), formatting_func)
    assert [row["text"] for row in rows.table["answers"].to_pylist()] == [["8:15"], ["at 8:15"]]
    assert rows.left_out == {"answer “nowhere” not in the context": ["r1"]}


@pytest.mark.parametrize(
    "item,found",
    [
        (("When?", "8:15"), "gave ('When?', '8:15') (tuple of 2)"),
        ("8:15", "gave '8:15' (str)"),
        (("When?", CONTEXT, None), "(NoneType where a text belongs)"),
    ],
)
def test_an_item_that_is_no_row_is_told_with_its_record(item: Any, found: str) -> None:
    with pytest.raises(UserError) as caught:
        rows_of(asked(("When?", CONTEXT, ["8:15"])), lambda sample: item)
    assert caught.value.message.startswith("For record 'r1' the formatting function gave")
    assert found in caught.value.message
    assert caught.value.hint == "Let it return (question, context, answer), or a list of answers in place of one."


def test_starter_code_gives_the_rows_of_the_chosen_columns() -> None:
    dataset = asked(("When?", CONTEXT, ["8:15", "at 8:15", ("draft", "12")]), ("Where?", CONTEXT, []))
    code = TASK.starter_code(dataset, TrainingTask.for_question_answering(**CHOSEN))
    rows = TASK.rows(dataset, TrainingTask.from_code("question-answering", code))
    assert rows.table.equals(rows_of(dataset).table)
    squad = plain({"q": ["Whom?"], "passage": ["Bo met Bo."], "answers": [{"text": ["Bo"], "answer_start": [7]}]})
    chosen = {"question": "q", "context": "passage", "answer": "answers"}
    code = TASK.starter_code(squad, TrainingTask.for_question_answering(**chosen))
    assert TASK.rows(squad, TrainingTask.from_code("question-answering", code)).table.equals(
        rows_of(squad, **chosen).table
    )


def test_suggestion_needs_answers_that_stand_in_their_context() -> None:
    assert TASK.suggest(asked(("When?", CONTEXT, ["8:15"]))) == CHOSEN
    assert TASK.suggest(asked(("When?", CONTEXT, ["in the morning"]))) == {}
    assert TASK.suggest(plain({"question": ["a"], "context": ["b"]})) == {}


def test_an_answer_that_no_annotator_writes_is_refused() -> None:
    dataset = FeedbackDataset(
        [TextField(name="question"), TextField(name="context")], [LabelQuestion(name="answer", labels=["a", "b"])]
    )
    dataset.add_records([{"fields": {"question": "q", "context": "a b"}}])
    with pytest.raises(UserError) as caught:
        rows_of(dataset)
    assert caught.value.message == "'answer' can't be used as “Answer”."


def test_prepared_for_its_libraries_as_argilla_did() -> None:
    task = TrainingTask.for_question_answering(**CHOSEN)
    dataset = asked(*((f"When {i}?", CONTEXT, ["8:15"]) for i in range(4)))
    prepared = dataset.prepare_for_training("transformers", task)
    assert prepared[0] == {
        "question": "When 0?",
        "context": CONTEXT,
        "answer": {"text": ["8:15"], "answer_start": [20]},
        "id": 0,
    }
    parts = dataset.prepare_for_training("peft", task, train_size=0.5)
    assert {name: len(part) for name, part in parts.items()} == {"train": 2, "test": 2}
    with pytest.raises(UserError) as caught:
        dataset.prepare_for_training("spacy", task)
    assert caught.value.message.startswith("prepare_for_training has no format for 'spacy'")


@pytest.mark.parametrize(
    "answer,right,exact,f1",
    [
        ("The Pier 3!", ["pier 3"], 1, 1),
        ("Pier 3 at 8:15", ["Pier 3"], 0, 2 / 3),
        ("8:15", ["at noon", "8:15 sharp"], 0, 2 / 3),
        ("noon", ["Pier 3"], 0, 0),
        ("", ["Pier 3"], 0, 0),
        ("the", ["an"], 1, 1),
    ],
)
def test_exact_match_and_f1_as_in_the_squad_paper(answer: str, right: list[str], exact: float, f1: float) -> None:
    assert answers.exact_match(answer, right) == exact
    assert answers.f1(answer, right) == pytest.approx(f1)


def test_report_measures_the_best_answer_beside_the_first_sentence() -> None:
    table = rows_of(asked(("When?", CONTEXT, ["8:15", "at 8:15"]), ("How much?", CONTEXT, ["12 euros"]))).table
    guesses = [
        {"answer": "at 8:15", "start": 17, "end": 24, "score": 0.9},
        {"answer": "euros", "start": 54, "end": 59, "score": 0.4},
    ]
    report = TASK.evaluate(guesses, table, {}, table)
    assert report["metrics"] == pytest.approx({"f1": (1 + 2 / 3) / 2, "exact_match": 0.5})
    assert report["intervals"]["exact_match"] == pytest.approx([0.094, 0.906], abs=1e-3)
    assert report["baseline"]["name"] == "The context's first sentence"
    assert report["baseline"]["metrics"] == pytest.approx({"f1": (2 * 2 / 9) / 2, "exact_match": 0})
    assert report["mistakes"] == [
        {"record_id": "r2", "text": "How much?", "expected": ["12 euros"], "predicted": ["euros"], "score": 0.4}
    ]


def test_files_and_examples_know_their_columns() -> None:
    table = pa.table({"id": ["1"], "passage": [CONTEXT], "query": ["When?"]})
    assert TASK.input_columns(table) == {"question": "query", "context": "passage"}
    outputs = [{"answer": "8:15", "start": 20, "end": 24, "score": 0.5}, None]
    columns = TASK.output_columns(outputs, {})
    assert {name: values.to_pylist() for name, values in columns.items()} == {
        "answer": ["8:15", None],
        "answer_start": [20, None],
        "answer_end": [24, None],
        "score": [0.5, None],
    }
    rows = rows_of(asked(("When?", CONTEXT, ["8:15"]))).table
    assert list(TASK.example_inputs(rows, 3)) == [
        {"input": {"question": "When?", "context": CONTEXT}, "expected": ["8:15"], "record_id": "r1"}
    ]
    assert TASK.as_input({"question": "When?", "context": CONTEXT}) == {"question": "When?", "context": CONTEXT}
