"""Supervised fine-tuning: rows of three kinds from columns and from functions, what is refused, training data."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import EXAMPLES, TASKS, FeedbackDataset, LabelQuestion, TextField, TextQuestion, TrainingTask, UserError
from engine.data.fields import Field
from engine.runs.run_directory import SplitSpec
from engine.tasks.generation import GenerationOptions
from engine.tasks.preparation import prepare
from tests.annotated import annotated, plain

TASK = TASKS["supervised-fine-tuning"]
REPLY = TextQuestion(name="reply")
HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]


def rows(dataset: FeedbackDataset, formatting_func: Any = None, **chosen: str) -> Any:
    return TASK.rows(dataset, TrainingTask.for_supervised_fine_tuning(formatting_func, **chosen))


def table_of(found: Any) -> list[dict[str, Any]]:
    return found.table.drop(["record_id"]).to_pylist()


def refusal(*given: Any, **chosen: Any) -> str:
    with pytest.raises(UserError) as caught:
        rows(*given, **chosen)
    return str(caught.value)


# ---- rows from columns ----------------------------------------------------------------------------------------------


def test_every_submitted_answer_is_a_completion_of_its_own() -> None:
    answered = {"a": ["x", "y", "x"], "b": [("draft", "z")], "c": [], "d": [("discarded", "w"), "v"], " ": ["u"]}
    found = rows(annotated(REPLY, answered), prompt="Q: {text}\n", completion="reply")
    assert table_of(found) == [
        {"prompt": "Q: a\n", "completion": "x"},
        {"prompt": "Q: a\n", "completion": "y"},
        {"prompt": "Q: d\n", "completion": "v"},
    ]
    assert found.info == {"format": "prompt"}
    assert found.left_out == {
        "only drafts or discarded": ["r2"], "unanswered": ["r3"], "the prompt is empty": ["r5"]
    }  # fmt: skip


def test_whole_texts_come_from_a_template_or_from_all_answers() -> None:
    dataset = annotated(REPLY, {"a": ["x", "y"], "b": []})
    assert table_of(rows(dataset, text="{text}: {reply}")) == [{"text": "a: x"}, {"text": "b: "}]
    assert table_of(rows(dataset, text="reply")) == [{"text": "x"}, {"text": "y"}]


def test_an_empty_column_of_a_template_is_nothing_and_braces_can_be_text() -> None:
    dataset = plain({"instruction": ["Add", "Name one"], "input": ["1 + 2", ""], "output": ["3", "Ann"]})
    found = rows(dataset, prompt='{instruction} {{"in": {input}}}', completion="output")
    assert [row["prompt"] for row in table_of(found)] == ['Add {"in": 1 + 2}', 'Name one {"in": }']


def test_messages_are_read_from_lists_json_and_sharegpt() -> None:
    said = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]
    for column in (HELLO, said, json.dumps(HELLO), json.dumps(said)):
        dataset = plain({"chat": [column]})
        found = rows(dataset, messages="chat")
        assert table_of(found) == [{"messages": HELLO}]
        assert found.counts == ({"conversations in ShareGPT's form": 1} if "gpt" in str(column) else {})
    assert found.table.schema.field("messages").type == pa.list_(
        pa.struct({"role": pa.string(), "content": pa.string()})
    )


def test_messages_may_come_in_parts() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "value": "Hi"}]}]
    parts.append({"role": "assistant", "content": [{"type": "text", "value": "Hel"}, {"type": "text", "value": "lo!"}]})
    assert table_of(rows(plain({"chat": [parts]}), messages="chat")) == [{"messages": HELLO}]


def test_conversations_without_anything_to_learn_are_left_out_with_their_reason() -> None:
    user, answer = HELLO
    chats = [
        HELLO,
        [user],
        [user, {"role": "assistant", "content": " "}],
        [{**user, "role": "robot"}, answer],
        [],
        HELLO,
    ]
    found = rows(plain({"chat": chats}), messages="chat")
    assert table_of(found) == [{"messages": HELLO}]
    assert found.counts == {"duplicates": 1}
    assert found.left_out == {
        "no assistant turn": ["r2"],
        "a message is empty": ["r3"],
        "a message has the role 'robot'": ["r4"],
        "no messages": ["r5"],
        "duplicate row": ["r6"],
    }


def test_a_chat_field_can_be_given_as_an_object() -> None:
    task = TrainingTask.for_supervised_fine_tuning(messages=Field(name="chat", type="chat"))
    assert task.fields == {"messages": "chat"}
    with pytest.raises(UserError, match="text must be a text field; a field of type 'chat' was given"):
        TrainingTask.for_supervised_fine_tuning(text=Field(name="chat", type="chat"))


# ---- choices --------------------------------------------------------------------------------------------------------


def test_one_of_three_ways_must_be_chosen() -> None:
    dataset = plain({"prompt": ["a"], "output": ["b"]})
    needs = "Supervised fine-tuning needs a prompt with its completion, or a whole text, or messages;"
    assert refusal(dataset) == f"{needs} nothing was chosen. Choose one of the three."
    assert refusal(dataset, prompt="{prompt}") == f"{needs} “Prompt” was chosen. Choose one of the three."
    both = refusal(dataset, text="{output}", prompt="{prompt}", completion="output")
    assert both == f"{needs} “Prompt” and “Completion” and “Whole text” was chosen. Choose one of the three."


def test_wrong_columns_are_refused_by_name() -> None:
    dataset = plain({"prompt": ["a"], "output": ["b"]})
    assert refusal(dataset, prompt="{promt}", completion="output") == (
        "The template of “Prompt” names {promt}, and there is no such column. Did you mean {prompt}? "
        "The columns are: prompt, output. Write {{ and }} for braces that are part of the text."
    )
    assert refusal(dataset, messages="output") == (
        "'output' can't be used as “Messages”. Columns that can: none of this dataset."
    )


@pytest.mark.parametrize(
    "columns,expected",
    [
        ({"messages": [HELLO], "id": ["1"]}, {"messages": "messages"}),
        ({"x": [json.dumps(HELLO)]}, {"messages": "x"}),
        ({"prompt": ["a "], "completion": ["b"]}, {"prompt": "{prompt}", "completion": "completion"}),
        (
            {"instruction": ["a"], "input": ["b"], "output": ["c"]},
            {
                "prompt": "### Instruction:\n{instruction}\n\n### Context:\n{input}\n\n### Response:\n",
                "completion": "output",
            },
        ),
        (
            {"question": ["a"], "answer": ["b"]},
            {"prompt": "### Instruction:\n{question}\n\n### Response:\n", "completion": "answer"},
        ),
        ({"text": ["a"]}, {"text": "{text}"}),
        ({"sentence": ["a"], "source": ["b"]}, {}),
        ({"number": [1]}, {}),
    ],
)
def test_suggested_roles(columns: dict[str, list[Any]], expected: dict[str, str]) -> None:
    dataset = plain(columns)
    assert TASK.suggest(dataset) == expected
    if expected:
        assert len(rows(dataset, **expected).table) == 1


def test_a_text_question_is_the_answer_and_a_label_question_is_none() -> None:
    assert TASK.suggest(annotated(REPLY, {"a": ["x"]})) == {
        "prompt": "### Instruction:\n{text}\n\n### Response:\n",
        "completion": "reply",
    }
    assert TASK.suggest(annotated(LabelQuestion(name="mood", labels=["a", "b"]), {"a": ["a"]})) == {}
    fields = [TextField(name="original-instruction"), TextField(name="original-response")]
    dolly = FeedbackDataset(
        fields, [TextQuestion(name=f"new-{name}") for name in ("instruction", "context", "response")]
    )
    assert TASK.suggest(dolly) == {
        "prompt": "### Instruction:\n{new-instruction}\n\n### Context:\n{new-context}\n\n### Response:\n",
        "completion": "new-response",
    }


@pytest.mark.parametrize(
    "dataset,chosen",
    [
        (
            annotated(REPLY, {"a {x}": ["x", "y", "x"], "b": [], " ": ["z"]}),
            {"prompt": "{text}{", "completion": "reply"},
        ),
        (annotated(REPLY, {"a": ["x", "y"], "b": []}), {"text": 'Say {"n": {text}} {{so}}'}),
        (annotated(REPLY, {"a": ["x", "y"], "b": []}), {"text": "reply"}),
        (plain({"chat": [HELLO]}), {"messages": "chat"}),
        (plain({"chat": [json.dumps(HELLO), ""]}), {"messages": "chat"}),
        (plain({"q": [1, 2], "a": ["x", "y"]}), {"prompt": "{q}?", "completion": "a"}),
    ],
)
def test_starter_code_gives_the_rows_of_the_chosen_columns(dataset: FeedbackDataset, chosen: dict[str, str]) -> None:
    code = TASK.starter_code(dataset, TrainingTask("supervised-fine-tuning", chosen))
    from_cell = TASK.rows(dataset, TrainingTask.from_code("supervised-fine-tuning", code))
    assert from_cell.table.equals(rows(dataset, **chosen).table)


# ---- rows from functions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gives,expected",
    [
        ("x", [{"text": "x"}]),
        (7, [{"text": "7"}]),
        ("", [{"text": ""}]),
        (["x", "y", "x"], [{"text": "x"}, {"text": "y"}, {"text": "x"}]),
        (("p", "c"), [{"prompt": "p", "completion": "c"}]),
        ([("p", "c"), ("p", "d")], [{"prompt": "p", "completion": "c"}, {"prompt": "p", "completion": "d"}]),
        (HELLO, [{"messages": HELLO}]),
        ({"messages": HELLO}, [{"messages": HELLO}]),
        ([{"role": "system", "content": "Be kind."}, *HELLO] * 2,
         [{"messages": [{"role": "system", "content": "Be kind."}, *HELLO]}] * 2),
    ],
)  # fmt: skip
def test_functions_give_texts_pairs_or_messages(gives: Any, expected: list[dict[str, Any]]) -> None:
    assert table_of(rows(plain({"text": ["a"]}), lambda sample: gives)) == expected


@pytest.mark.parametrize(
    "gives,found",
    [
        ({"text": "a"}, "{'text': 'a'} (dict where a text belongs)"),
        (("a", "b", "c"), "('a', 'b', 'c') (tuple of 3)"),
        (("a", None), "('a', None) (NoneType where a text belongs)"),
        (True, "True (bool where a text belongs)"),
        (HELLO[:1], "[{'role': 'user', 'content': 'Hi'}] (no assistant turn)"),
    ],
)
def test_an_item_that_is_no_row_is_refused_with_its_record(gives: Any, found: str) -> None:
    said = refusal(plain({"text": ["a"]}), lambda sample: gives)
    assert said == (
        f"For record 'r1' the formatting function gave {found}. "
        'Let it return a text, (prompt, completion), or a list of {"role": …, "content": …}.'
    )


def test_rows_of_several_kinds_are_refused() -> None:
    said = refusal(plain({"text": ["a", "b"]}), lambda sample: "x" if sample["text"] == "a" else ("p", "c"))
    assert said == (
        "The formatting function gave rows of several kinds: a whole text (first for record 'r1'), a prompt and its "
        "completion (first for record 'r2'). Let it give one kind."
    )


def test_empty_texts_of_a_function_stop_training() -> None:
    task = TrainingTask.for_supervised_fine_tuning(lambda sample: ("p", "" if sample["text"] == "a" else "c"))
    with pytest.raises(UserError) as caught:
        prepare(plain({"text": ["a", "b", "d"]}), task, SplitSpec(train=1, validation=0, test=0))
    assert caught.value.message == "1 of the 3 rows have an empty completion; there is nothing to learn there."


# ---- what comes after -----------------------------------------------------------------------------------------------


def test_completions_of_one_prompt_stay_in_one_part() -> None:
    dataset = plain({"prompt": ["a", "b", "c", "d"] * 3, "output": [f"o{i}" for i in range(12)]})
    task = TrainingTask.for_supervised_fine_tuning(prompt="{prompt}", completion="output")
    data = prepare(dataset, task, SplitSpec(train=0.5, validation=0, test=0.5)).data
    assert not set(data.train["prompt"].to_pylist()) & set(data.test["prompt"].to_pylist())


def test_prepare_for_training_gives_trl_its_columns() -> None:
    dataset = plain({"prompt": ["a", "b"], "output": ["c", "d"]})
    task = TrainingTask.for_supervised_fine_tuning(prompt="{prompt}", completion="output")
    assert list(dataset.prepare_for_training("trl", task)) == [
        {"id": 0, "prompt": "a", "completion": "c"},
        {"id": 1, "prompt": "b", "completion": "d"},
    ]
    split = dataset.prepare_for_training("trl", task, train_size=0.5)
    assert {name: len(part) for name, part in split.items()} == {"train": 1, "test": 1}
    with pytest.raises(UserError, match="no format for 'openai' with the task 'supervised-fine-tuning'"):
        dataset.prepare_for_training("openai", task)


def test_inputs_are_prompts_conversations_or_lists_of_them() -> None:
    for given, n in (("a", 1), (HELLO[:1], 1), (["a", "b"], 2), ([HELLO[:1], "b"], 2), ([], 0)):
        inputs, answer = TASK.as_inputs(given)
        assert len(inputs) == n
        assert answer(["x"] * n) == ("x" if given in ("a", HELLO[:1]) else ["x"] * n)


def test_held_out_rows_are_shown_with_what_stands_in_the_data() -> None:
    found = rows(plain({"chat": [HELLO]}), messages="chat").table
    expected = {"input": HELLO[:1], "expected": "Hello!", "record_id": "r1"}
    assert TASK.example_inputs(found, 5) == [expected]
    assert TASK.evaluate(["Hey"], found, {}, found) == {"samples": [expected | {"predicted": "Hey"}]}
    whole = rows(plain({"text": ["one two three"]}), text="{text}").table
    assert TASK.example_inputs(whole, 1) == [{"input": "one two", "expected": "three", "record_id": "r1"}]
    assert TASK.output_columns(["x", None], {})["prediction"].to_pylist() == ["x", None]


def test_generation_options_have_bounds() -> None:
    assert GenerationOptions().model_dump() == {"max_new_tokens": 64, "temperature": 0.0, "top_p": 1.0, "seed": 42}
    with pytest.raises(ValueError, match="less than or equal to 5"):
        GenerationOptions(temperature=6)


def test_the_bundled_example_fills_the_roles(tmp_path: Path) -> None:
    dataset = FeedbackDataset.example("kitchen_answers")
    found = rows(dataset, **TASK.suggest(dataset))
    assert (len(dataset), len(found.table), found.info) == (64, 76, {"format": "prompt"})
    assert {reason: len(ids) for reason, ids in found.left_out.items()} == {
        "unanswered": 2, "only drafts or discarded": 2
    }  # fmt: skip
    folder = EXAMPLES["kitchen_answers"].folder
    subprocess.run([sys.executable, str(folder / "build.py"), str(tmp_path)], check=True, capture_output=True)
    file = Path("data") / "train-00000-of-00001.parquet"
    assert pq.read_table(tmp_path / file).equals(pq.read_table(folder / file))
