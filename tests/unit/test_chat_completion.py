"""Chat completion: conversations from columns, roles and turns, what is refused, training data, inputs."""

from typing import Any

import pytest

from engine import TASKS, FeedbackDataset, TextQuestion, TrainingTask, UserError
from engine.runs.run_directory import SplitSpec
from engine.tasks.preparation import prepare
from tests.annotated import annotated, plain

TASK = TASKS["chat-completion"]
REPLY = TextQuestion(name="response")


def say(*turns: str) -> list[dict[str, str]]:
    """ "user: Hi" → a message."""
    return [dict(zip(("role", "content"), turn.split(": ", 1), strict=True)) for turn in turns]


def rows(dataset: FeedbackDataset, formatting_func: Any = None, **chosen: str) -> Any:
    return TASK.rows(dataset, TrainingTask.for_chat_completion(formatting_func, **chosen))


def messages_of(found: Any) -> list[list[dict[str, str]]]:
    return found.table["messages"].to_pylist()


def refusal(*given: Any, **chosen: Any) -> str:
    with pytest.raises(UserError) as caught:
        rows(*given, **chosen)
    return str(caught.value)


# ---- from columns ---------------------------------------------------------------------------------------------------


def test_roles_are_templates_and_every_answer_is_a_conversation() -> None:
    dataset = annotated(REPLY, {"a": ["x", "y"], "b": [], "": ["z"]})
    found = rows(dataset, system="Be kind.", user="Q: {text}", assistant="response")
    assert messages_of(found) == [
        say("system: Be kind.", "user: Q: a", "assistant: x"),
        say("system: Be kind.", "user: Q: a", "assistant: y"),
    ]
    assert found.table.column_names == ["record_id", "messages"]
    assert found.left_out == {"unanswered": ["r2"], "a message is empty": ["r3"]}
    assert messages_of(rows(dataset, user="text", assistant="response"))[0] == say("user: a", "assistant: x")


def test_an_empty_system_message_is_left_away() -> None:
    dataset = plain({"system": ["", "Be brief."], "q": ["a", "b"], "answer": ["x", "y"]})
    assert messages_of(rows(dataset, system="{system}", user="{q}", assistant="answer")) == [
        say("user: a", "assistant: x"),
        say("system: Be brief.", "user: b", "assistant: y"),
    ]


def test_choices_that_make_no_task_are_refused() -> None:
    dataset = plain({"q": ["a"], "answer": ["x"], "chat": [say("user: a", "assistant: b")]})
    needs = "Chat completion needs a column of messages, or what the user and the assistant say;"
    assert refusal(dataset) == f"{needs} nothing was chosen. Choose one of the two."
    assert refusal(dataset, user="{q}") == f"{needs} “User says” was chosen. Choose one of the two."
    assert "Did you mean {q}?" in refusal(dataset, user="{qq}", assistant="answer")
    assert refusal(dataset, user="{q}", assistant="chat") == (
        "'chat' can't be used as “Assistant says”. Columns that can: q, answer."
    )


@pytest.mark.parametrize(
    "columns,expected",
    [
        ({"conversations": [[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]]},
         {"messages": "conversations"}),
        ({"question": ["a"], "answer": ["b"]}, {"user": "{question}", "assistant": "answer"}),
        ({"system": ["s"], "context": ["c"], "user": ["a"], "assistant": ["b"]},
         {"user": "{context}\n\n{user}", "assistant": "assistant", "system": "{system}"}),
        ({"text": ["a"]}, {}),
    ],
)  # fmt: skip
def test_suggested_roles(columns: dict[str, list[Any]], expected: dict[str, str]) -> None:
    assert TASK.suggest(plain(columns)) == expected
    if expected:
        assert len(rows(plain(columns), **expected).table) == 1


@pytest.mark.parametrize(
    "chosen",
    [
        {"system": "Be {text}.", "user": "{text}", "assistant": "response"},
        {"system": "Be kind.", "user": "{text}?", "assistant": "response"},
        {"user": "text", "assistant": "response"},
    ],
)
def test_starter_code_gives_the_conversations_of_the_chosen_columns(chosen: dict[str, str]) -> None:
    dataset = annotated(REPLY, {"a": ["x", "y", "x"], "b": [], " ": ["z"], "c": ["w"]})
    code = TASK.starter_code(dataset, TrainingTask("chat-completion", chosen))
    from_cell = TASK.rows(dataset, TrainingTask.from_code("chat-completion", code))
    assert messages_of(from_cell) == messages_of(rows(dataset, **chosen))


def test_starter_code_for_a_column_of_messages() -> None:
    dataset = plain({"chat": [say("user: a", "assistant: b")]})
    code = TASK.starter_code(dataset, TrainingTask("chat-completion", {"messages": "chat"}))
    assert messages_of(TASK.rows(dataset, TrainingTask.from_code("chat-completion", code))) == messages_of(
        rows(dataset, messages="chat")
    )


# ---- from functions -------------------------------------------------------------------------------------------------


def test_turns_of_one_chat_over_several_records_are_one_conversation() -> None:
    dataset = plain({"text": ["Hi", "Hello!", "Bye", "See you."]})
    numbers = iter(range(4))

    def turn(sample: dict[str, Any]) -> tuple[str, int, str, str]:
        i = next(numbers)
        return ("c", i, "user" if i % 2 == 0 else "assistant", sample["text"])

    found = rows(dataset, turn)
    assert found.table.to_pylist() == [
        {"record_id": "r1", "chat": "c",
         "messages": say("user: Hi", "assistant: Hello!", "user: Bye", "assistant: See you.")}
    ]  # fmt: skip


@pytest.mark.parametrize(
    "turns,order",
    [(["10", "9", "2"], "2 9 10"), ([10, 9, 2], "2 9 10"), (["b", "c", "a"], "b c a"), (["10", "x", "2"], "10 x 2")],
)
def test_turns_are_ordered_by_number_or_as_given(turns: list[Any], order: str) -> None:
    said = [("c", turn, "assistant", str(turn)) for turn in turns]
    assert " ".join(m["content"] for m in messages_of(rows(plain({"text": ["a"]}), lambda sample: said))[0]) == order


def test_a_generator_that_yields_lists_works_as_in_the_guide() -> None:
    def formatting_func(sample: dict[str, Any]) -> Any:
        from uuid import uuid4

        if sample["response"]:
            chat = str(uuid4())
            yield [
                (chat, "0", "system", "Be kind."),
                (chat, "1", "user", sample["text"]),
                (chat, "2", "assistant", sample["response"][0]["value"]),
            ]

    found = rows(annotated(REPLY, {"a": ["x"], "b": [], "c": ["y"]}), formatting_func)
    assert messages_of(found) == [
        say("system: Be kind.", "user: a", "assistant: x"),
        say("system: Be kind.", "user: c", "assistant: y"),
    ]
    assert found.left_out == {"the function returned nothing": ["r2"]}


@pytest.mark.parametrize(
    "gives,found",
    [
        (("c", "0", "user"), "('c', '0', 'user') (tuple of 3)"),
        (("c", "0", "human", "q"), "('c', '0', 'human', 'q') (the role 'human')"),
        ("text", "'text' (str)"),
        (("c", "0", "user", None), "('c', '0', 'user', None) (NoneType where a text belongs)"),
    ],
)
def test_an_item_that_is_no_turn_is_refused_with_its_record(gives: Any, found: str) -> None:
    assert refusal(plain({"text": ["a"]}), lambda sample: gives).startswith(
        f"For record 'r1' the formatting function gave {found}. Let it return turns (chat, turn, role, content)"
    )


def test_chats_without_an_assistant_or_with_an_empty_turn_are_counted_and_none_left_is_refused() -> None:
    dataset = plain({"text": ["a", "b", "c"]})
    answers = {"a": "x", "b": "", "c": None}

    def formatting_func(sample: dict[str, Any]) -> Any:
        text = sample["text"]
        turns = [(text, 0, "user", text)]
        return turns if answers[text] is None else [*turns, (text, 1, "assistant", answers[text])]

    found = rows(dataset, formatting_func)
    assert messages_of(found) == [say("user: a", "assistant: x")]
    assert found.left_out == {"a message is empty": ["r2"], "no assistant turn": ["r3"]}
    said = refusal(dataset, lambda sample: (sample["text"], 0, "user", "q"))
    assert said.startswith("No rows are left to learn from. Records left out: no assistant turn (3).")


# ---- what comes after -----------------------------------------------------------------------------------------------


def test_split_is_by_conversation_and_pairs_are_lists() -> None:
    dataset = plain({"text": [f"t{i}" for i in range(10)]})
    task = TrainingTask.for_chat_completion(
        lambda sample: [(sample["text"], 0, "user", "q"), (sample["text"], 1, "assistant", sample["text"])]
    )
    train, test = dataset.prepare_for_training("openai", task, train_size=0.7)
    assert (len(train), len(test)) == (7, 3)
    assert all(len(row["messages"]) == 2 for row in train + test)
    whole = dataset.prepare_for_training("trl", task)
    assert whole.column_names == ["id", "messages"]
    data = prepare(dataset, task, SplitSpec(train=0.8, validation=0, test=0.2)).data
    assert (len(data.train), len(data.test)) == (8, 2)


def test_inputs_are_messages_texts_or_lists_of_them() -> None:
    user = say("user: Hi")
    assert TASK.as_input({"message": "Hi"}) == user
    for given, inputs in (("Hi", [user]), (user, [user]), ([user, user], [user, user]), (["Hi", user], [user, user])):
        found, answer = TASK.as_inputs(given)
        assert found == inputs
        outputs = [{"role": "assistant", "content": "x"}] * len(found)
        assert answer(outputs) == (outputs[0] if given in ("Hi", user) else outputs)


def test_held_out_conversations_are_shown_up_to_their_last_answer() -> None:
    table = rows(
        plain({"chat": [say("user: a", "assistant: b", "user: c", "assistant: d", "user: e")]}), messages="chat"
    )
    expected = {"input": say("user: a", "assistant: b", "user: c"), "expected": "d", "record_id": "r1"}
    assert TASK.example_inputs(table.table, 3) == [expected]
    output = {"role": "assistant", "content": "D"}
    assert TASK.evaluate([output], table.table, {}, table.table) == {"samples": [expected | {"predicted": "D"}]}
    assert TASK.output_columns([output, None], {})["prediction"].to_pylist() == ["D", None]


def test_the_bundled_example_fills_the_roles() -> None:
    dataset = FeedbackDataset.example("library_chats")
    found = rows(dataset, **TASK.suggest(dataset))
    assert (len(found.table), found.left_out) == (60, {})
    assert {message["role"] for said in messages_of(found) for message in said} == {"system", "user", "assistant"}
