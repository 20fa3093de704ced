"""Rows as the messages of a chat model: what is sent, what the provider would refuse, and what an answer means."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine import UserError, validate_config
from engine.frameworks import _openai_rows as rows
from tests.frameworks.topics import Told

SINGLE = {"classes": ["billing", "delivery"], "multi_label": False}
MULTI = {"classes": ["billing", "delivery", "refund"], "multi_label": True}
TASK = "text-classification"


def about(info: dict[str, Any], instruction: str = "") -> dict[str, Any]:
    return rows.about_task(TASK, instruction, info)


def table(n: int, text: str = "text") -> pa.Table:
    labels = [SINGLE["classes"][i % 2] for i in range(n)]
    return pa.table(
        {"record_id": [f"r{i}" for i in range(n)], "text": [f"{text} {i}" for i in range(n)], "label": labels}
    )


# ---- rows → messages ------------------------------------------------------------------------------------------------


def test_single_label_rows_list_the_labels_and_answer_with_one() -> None:
    given = pa.table({"record_id": ["a"], "text": ["Where is it?"], "label": ["delivery"]})
    assert list(rows.examples(given, about(SINGLE))) == [
        [
            {
                "role": "system",
                "content": "Classify the text. Answer with exactly one of these labels and nothing else:\n"
                "- billing\n- delivery",
            },
            {"role": "user", "content": "Where is it?"},
            {"role": "assistant", "content": "delivery"},
        ]
    ]


def test_several_labels_are_joined_by_commas_and_none_is_a_word() -> None:
    given = pa.table({"record_id": ["a", "b"], "text": ["x", "y"], "labels": [["billing", "refund"], []]})
    answers = [messages[-1]["content"] for messages in rows.examples(given, about(MULTI))]
    assert answers == ["billing, refund", "none"]
    assert "separated by commas; with “none” when none fits" in about(MULTI)["system"]


@pytest.mark.parametrize(
    "classes,separator,nothing",
    [
        (["a", "b"], ", ", "none"),
        (["yes, please", "no"], "; ", "none"),
        (["a, b; c", "None"], " | ", "no label"),
        (["a,b;c|d", "e"], "\n", "none"),
    ],
)
def test_separator_and_word_for_nothing_stand_in_no_label(classes: list[str], separator: str, nothing: str) -> None:
    found = about({"classes": classes, "multi_label": True})
    assert (found["separator"], found["nothing"]) == (separator, nothing)


def test_own_instruction_takes_the_place_of_ours() -> None:
    assert about(SINGLE, " Which desk? ")["system"] == "Which desk?"


def test_text2text_has_a_system_message_only_where_one_is_given() -> None:
    given = pa.table({"record_id": ["a"], "text": ["teh cat"], "target": ["the cat"]})
    user, answer = {"role": "user", "content": "teh cat"}, {"role": "assistant", "content": "the cat"}
    assert list(rows.examples(given, rows.about_task("text2text", "", {}))) == [[user, answer]]
    told = {"role": "system", "content": "Correct it."}
    assert list(rows.examples(given, rows.about_task("text2text", "Correct it.", {}))) == [[told, user, answer]]


def test_chats_are_sent_as_they_are() -> None:
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    given = pa.table({"record_id": ["a"], "messages": [chat]})
    assert list(rows.examples(given, rows.about_task("chat-completion", "", {}))) == [chat]


def test_what_follows_the_last_answer_is_left_out_and_noted(tmp_path: Path) -> None:
    asked, answered = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
    chats = [[asked, answered, asked, asked], *[[asked, answered]] * 59]
    given = pa.table({"record_id": [str(i) for i in range(60)], "messages": chats})
    told, about_chat = Told(), rows.about_task("chat-completion", "", {})
    path = rows.write_jsonl(given, about_chat, tmp_path / "train.jsonl")
    rows.check_rules(given, about_chat, path, told, training=True)
    assert next(rows.examples(given, about_chat)) == [asked, answered]
    assert told.notes == ["1 training conversations go on after the last answer; that end is left out."]


# ---- the provider's rules -------------------------------------------------------------------------------------------


def check(given: pa.Table, tmp_path: Path, *, training: bool = True, info: dict[str, Any] = SINGLE) -> Told:
    told = Told()
    path = rows.write_jsonl(given, about(info), tmp_path / "train.jsonl")
    rows.check_rules(given, about(info), path, told, training=training)
    return told


def test_jsonl_has_one_conversation_a_line(tmp_path: Path) -> None:
    path = rows.write_jsonl(table(3, "größer\n"), about(SINGLE), tmp_path / "new" / "train.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["messages"][1]["content"] for line in lines] == [f"größer\n {i}" for i in range(3)]
    assert "größer" in lines[0]


def test_fewer_than_ten_training_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check(table(9), tmp_path)
    assert str(caught.value) == (
        "There are 9 training rows, and the provider takes 10 or more. "
        "Annotate more records, or give training a larger share."
    )
    check(table(9), tmp_path, training=False)


def test_few_rows_and_long_rows_are_noted(tmp_path: Path) -> None:
    given = pa.concat_tables([table(10), pa.table({"record_id": ["x"], "text": ["a" * 300_000], "label": ["billing"]})])
    assert check(given, tmp_path).notes == [
        "1 of 11 training rows may be longer than 65,536 tokens; their end is cut.",
        "11 training rows are few; the provider advises 50 to 100.",
    ]
    assert check(table(60), tmp_path).notes == []


def test_empty_text_is_refused_by_its_record(tmp_path: Path) -> None:
    given = pa.concat_tables(
        [table(10), pa.table({"record_id": ["x", "y"], "text": [" ", ""], "label": ["billing"] * 2})]
    )
    with pytest.raises(UserError) as caught:
        check(given, tmp_path)
    assert str(caught.value) == (
        "2 of 12 training rows break the provider's rules; record 'x': message 2 (user) is empty. "
        "Correct them, or leave those records out."
    )


@pytest.mark.parametrize(
    "messages,reason",
    [
        ([], "it has no message"),
        ([("user", "a")], "its last message is by 'user', not by the assistant, so there is nothing to learn"),
        (
            [("human", "a"), ("assistant", "b")],
            "message 1 has the role 'human', which is none of system, developer, user, assistant, tool",
        ),
        ([("user", "a"), ("assistant", None)], "message 2 (assistant) is empty"),
        ([("system", "s"), ("user", "a"), ("assistant", "b")], ""),
    ],
)
def test_broken_rules_are_named(messages: list[tuple[str, str]], reason: str) -> None:
    assert rows.broken_rule([{"role": role, "content": content} for role, content in messages]) == reason


def test_too_large_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BIGGEST_FILE", 100)
    with pytest.raises(UserError, match="The training file is 0 MB, and the provider takes 512 MB."):
        check(table(10), tmp_path)


# ---- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer,expected",
    [
        ("delivery", "delivery"),
        (" Delivery.\n", "delivery"),
        ("“billing”", "billing"),
        ("I think billing", None),
        ("", None),
        ("billing, delivery", None),
    ],
)
def test_answer_is_a_class_or_nothing(answer: str, expected: str | None) -> None:
    scores, understood = rows.output(answer, about(SINGLE))
    assert [row["label"] for row in scores if row["score"] == 1.0] == ([expected] if expected else [])
    assert len(scores) == 2 and understood == (expected is not None)


def test_labels_alike_but_for_case_are_told_apart_or_not_guessed() -> None:
    told = about({"classes": ["Yes", "yes", "no"], "multi_label": False})
    assert rows.output("yes", told)[0][0] == {"label": "yes", "score": 1.0}
    assert rows.output("YES", told) == ([{"label": name, "score": 0.0} for name in ("Yes", "yes", "no")], False)


@pytest.mark.parametrize(
    "answer,expected,understood",
    [
        ("billing, refund", {"billing", "refund"}, True),
        ("Refund,billing", {"billing", "refund"}, True),
        ("none", set(), True),
        ("billing, complaint", {"billing"}, False),
        ("", set(), False),
    ],
)
def test_answer_of_several_labels(answer: str, expected: set[str], understood: bool) -> None:
    scores, clear = rows.output(answer, about(MULTI))
    assert {row["label"] for row in scores if row["score"] == 1.0} == expected
    assert len(scores) == 3 and clear == understood


def test_what_is_sent_is_what_is_understood() -> None:
    given = pa.table({"record_id": list("abc"), "text": list("xyz"), "labels": [["a,b"], ["a,b", "c;d"], []]})
    told = about({"classes": ["a,b", "c;d"], "multi_label": True})
    for labels, messages in zip(given["labels"].to_pylist(), rows.examples(given, told), strict=True):
        scores, understood = rows.output(messages[-1]["content"], told)
        assert ([row["label"] for row in scores if row["score"]], understood) == (labels, True)


# ---- hyperparameters ------------------------------------------------------------------------------------------------


def test_auto_and_the_apis_own_nesting_are_taken() -> None:
    config = validate_config("openai", TASK, {"hyperparameters": {"n_epochs": 2, "batch_size": "auto"}})
    assert (config.n_epochs, config.batch_size) == (2, None)


@pytest.mark.parametrize("url", ["", "https://api.example.com/v1", "http://127.0.0.1:8000/v1", "http://[::1]/v1"])
def test_addresses_that_a_key_may_be_sent_to(url: str) -> None:
    assert validate_config("openai", TASK, {"base_url": url}).base_url == url


@pytest.mark.parametrize("url", ["http://api.example.com/v1", "api.example.com", "ftp://127.0.0.1", "https://"])
def test_addresses_that_would_show_the_key_are_refused(url: str) -> None:
    with pytest.raises(UserError) as caught:
        validate_config("openai", TASK, {"base_url": url})
    assert str(caught.value).startswith("Address of the API: it must begin with https://")


@pytest.mark.parametrize(
    "url", ["https://ann:sk-hidden@api.example.com", "https://api.example.com/v1?api_key=sk-hidden"]
)
def test_key_in_the_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UserError) as caught:
        validate_config("openai", TASK, {"base_url": url})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["model", "training_file", "api_key", "wandb_token", "Authorization"])
def test_more_arguments_hold_no_secret_and_nothing_of_ours(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' can't stand in “More arguments”"):
        validate_config("openai", TASK, {"extra_arguments": {name: "sk-hidden"}})
