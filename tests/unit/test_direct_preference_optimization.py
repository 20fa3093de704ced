"""Prompts with a better and a worse answer, from texts and from conversations."""

from typing import Any

import pytest

from engine import FeedbackDataset, TrainingTask, UserError
from engine.registry import TASKS
from tests.annotated import plain

TASK = TASKS["direct-preference-optimization"]
USER, BOT = {"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}
BETTER, WORSE = {"role": "assistant", "content": "Good."}, {"role": "assistant", "content": "Bad."}


def rows_of(columns: dict[str, list[Any]], chosen: dict[str, str] | None = None) -> Any:
    dataset = plain(columns)
    return TASK.rows(dataset, TrainingTask(TASK.name, TASK.suggest(dataset) if chosen is None else chosen))


def test_rows_from_three_columns() -> None:
    rows = rows_of({"instruction": ["Why?", " ", "How?"], "chosen": ["A", "B", "C"], "rejected": ["x", "y", "C"]})
    assert rows.table.to_pylist() == [{"record_id": "r1", "prompt": "Why?", "chosen": "A", "rejected": "x"}]
    assert rows.left_out == {"no prompt": ["r2"], "chosen equal to rejected": ["r3"]}


def test_a_template_makes_the_prompt() -> None:
    chosen = {"prompt": "Q: {q}\nA: ", "chosen": "a", "rejected": "b"}
    assert rows_of({"q": ["Why?"], "a": ["A"], "b": ["B"]}, chosen).table["prompt"].to_pylist() == ["Q: Why?\nA: "]


def test_without_a_prompt_it_is_refused() -> None:
    assert TASK.suggest(plain({"chosen": ["A b"], "rejected": ["x y"]})) == {}
    with pytest.raises(UserError) as caught:
        rows_of({"chosen": ["A"], "rejected": ["x"]}, {"chosen": "chosen", "rejected": "rejected"})
    assert str(caught.value) == (
        "Direct preference optimisation (DPO) needs a prompt here, and none is chosen. Choose its column."
    )


def test_a_conversation_gives_the_prompt_and_the_turns_before_it() -> None:
    columns = {"prompt": [[USER, BOT, USER], [USER]], "chosen": [[BETTER], [BETTER]], "rejected": [[WORSE], [WORSE]]}
    rows = rows_of(columns)
    assert rows.info["chat"] is True
    assert rows.table.to_pylist() == [
        {"record_id": "r1", "prompt": "Hello?", "chosen": "Good.", "rejected": "Bad.", "history": [USER, BOT]},
        {"record_id": "r2", "prompt": "Hello?", "chosen": "Good.", "rejected": "Bad.", "history": None},
    ]
    first, second = TASK.example_inputs(rows.table, 2)
    assert (first["input"], second["input"]) == ([USER, BOT, USER], "Hello?")


def test_whole_conversations_as_chosen_and_rejected_hold_their_prompt() -> None:
    rows = rows_of({"chosen": [[USER, BETTER]], "rejected": [[USER, WORSE]]})
    assert rows.table.to_pylist() == [{"record_id": "r1", "prompt": "Hello?", "chosen": "Good.", "rejected": "Bad."}]
    assert rows.info["chat"] is True


@pytest.mark.parametrize(
    "given,found", [(("a", "b"), "tuple of 2"), ("p", "str"), (("p", "c", None), "NoneType where")]
)
def test_what_is_no_triple_is_refused(given: Any, found: str) -> None:
    task = TrainingTask.for_direct_preference_optimization(lambda sample: given)
    with pytest.raises(UserError) as caught:
        TASK.rows(plain({"text": ["one"]}), task)
    assert f"({found}" in caught.value.message
    assert caught.value.hint == "A row is (prompt, chosen, rejected): three texts."


def test_prepare_for_training() -> None:
    dataset = plain({"prompt": ["P", "Q"], "chosen": ["A", "B"], "rejected": ["x", "y"]})
    task = TrainingTask(TASK.name, TASK.suggest(dataset))
    assert dataset.prepare_for_training("trl", task)[1] == {"prompt": "Q", "chosen": "B", "rejected": "y"}
    parts = dataset.prepare_for_training("trl", task, train_size=0.5)
    assert {name: len(part) for name, part in parts.items()} == {"train": 1, "test": 1}
    chat = plain({"prompt": [[USER, BOT, USER]], "chosen": [[BETTER]], "rejected": [[WORSE]]})
    row = chat.prepare_for_training("trl", TrainingTask(TASK.name, TASK.suggest(chat)))[0]
    assert row == {"prompt": [USER, BOT, USER], "chosen": [BETTER], "rejected": [WORSE]}


def test_the_starter_code_gives_the_same_rows() -> None:
    for columns in (
        {"prompt": ["P", ""], "chosen": ["A", "B"], "rejected": ["x", "y"]},
        {"prompt": [[USER], [USER, BOT, USER]], "chosen": [[BETTER], [BOT]], "rejected": [[WORSE], [WORSE]]},
        {"chosen": [[USER, BETTER]], "rejected": [[USER, WORSE]]},
    ):
        dataset = plain(columns)
        task = TrainingTask(TASK.name, TASK.suggest(dataset))
        names: dict[str, Any] = {}
        exec(TASK.starter_code(dataset, task), names)
        theirs = TASK.rows(dataset, TrainingTask(TASK.name, formatting_func=names["formatting_func"])).table
        ours = TASK.rows(dataset, task).table.select(theirs.column_names)
        assert theirs.to_pylist() == ours.to_pylist()


def test_messages_are_one_input_and_a_list_of_prompts_many() -> None:
    assert TASK.as_inputs([USER, BOT, USER])[0] == [[USER, BOT, USER]]
    assert TASK.as_inputs(["a", "b"])[0] == ["a", "b"]
    inputs, answer = TASK.as_inputs("a")
    assert (inputs, answer(["out"])) == (["a"], "out")


def test_the_report_shows_answers_beside_the_better_ones() -> None:
    rows = rows_of({"prompt": ["P", "Q"], "chosen": ["A", "B"], "rejected": ["x", "y"]})
    report = TASK.evaluate(["one", "two"], rows.table, rows.info, rows.table)
    assert report["baseline"]["metrics"]["reward_accuracy"] == 0.5  # by definition: it is its own reference
    assert report["samples"][1] == {"input": "Q", "expected": "B", "predicted": "two"}


def test_the_example_fills_the_choices() -> None:
    dataset = FeedbackDataset.example("ranked_replies")
    assert TASK.suggest(dataset) == {"prompt": "{prompt}", "preference": "ranking"}
    rows = TASK.rows(dataset, TrainingTask(TASK.name, TASK.suggest(dataset)))
    assert len(rows.table) == 156
    assert TASK.blocking(rows, None) == []
