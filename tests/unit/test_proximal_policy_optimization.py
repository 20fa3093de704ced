"""Prompts: rows from a column, a template or a function, what is left out, samples, training data."""

from typing import Any

import pyarrow as pa
import pytest

from engine import FeedbackDataset, TrainingTask, UserError
from engine.registry import TASKS
from engine.runs.run_directory import SplitSpec
from engine.tasks.preparation import prepare
from tests.annotated import plain

NAME = "proximal-policy-optimization"
TASK = TASKS[NAME]
TABLE = pa.table(
    {
        "instruction": ["Greet Ann.", "Say why.", "", "Greet Ann.", "Count {up}."],
        "context": ["Ann is new.", None, "", "Ann is new.", ""],
    }
)
DATASET = FeedbackDataset.from_dataset(TABLE)


def rows(dataset: FeedbackDataset = DATASET, **given: Any) -> Any:
    return TASK.rows(dataset, TrainingTask.for_proximal_policy_optimization(**given))


def test_a_column_gives_each_prompt_once_and_counts_the_rest() -> None:
    found = rows(prompt=DATASET.field_by_name("instruction"))
    assert found.table.column_names == ["record_id", "query"]
    assert found.table["query"].to_pylist() == ["Greet Ann.", "Say why.", "Count {up}."]
    assert {reason: len(ids) for reason, ids in found.left_out.items()} == {"no prompt": 1, "duplicate row": 1}
    assert found.counts == {"duplicates": 1}


def test_a_template_holds_several_columns() -> None:
    found = rows(prompt="{instruction}\n{{{context}}}")
    assert found.table["query"].to_pylist() == ["Greet Ann.\n{Ann is new.}", "Say why.\n{}", "Count {up}.\n{}"]


def test_a_template_without_a_known_column_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        rows(prompt="{instructon}")
    assert caught.value.message == (
        "The template of “Prompt” names {instructon}, and there is no such column. Did you mean {instruction}?"
    )


def test_a_function_gives_texts_and_what_is_empty_is_counted() -> None:
    def formatting_func(sample: dict) -> Any:
        yield sample["instruction"]
        if sample["context"]:
            yield f"{sample['instruction']} {sample['context']}"

    found = rows(formatting_func=formatting_func)
    expected = ["Greet Ann.", "Greet Ann. Ann is new.", "Say why.", "Greet Ann.", "Greet Ann. Ann is new."]
    assert found.table["query"].to_pylist() == [*expected, "Count {up}."]
    assert {reason: len(ids) for reason, ids in found.left_out.items()} == {"no prompt": 1}


def test_a_function_that_gives_something_else_is_refused_with_the_record() -> None:
    with pytest.raises(UserError) as caught:
        rows(formatting_func=lambda sample: {"query": "a"})
    assert str(caught.value) == (
        "For record 'r1' the formatting function gave {'query': 'a'} (dict where a text belongs). "
        "Let it return a prompt (text); a list of them for several rows; None for no row."
    )


def test_only_empty_prompts_are_no_rows() -> None:
    with pytest.raises(UserError) as caught:
        rows(formatting_func=lambda sample: " ")
    assert caught.value.message == "No rows are left to learn from. Records left out: no prompt (5)."


def test_suggestion_and_starter_code_give_the_same_rows() -> None:
    assert TASK.suggest(DATASET) == {"prompt": "{instruction}\n\n{context}"}
    assert TASK.suggest(FeedbackDataset.from_dataset(pa.table({"note": ["a b"]}))) == {"prompt": "{note}"}
    assert TASK.suggest(FeedbackDataset.from_dataset(pa.table({"a": ["x y"], "b": ["y z"]}))) == {}
    chosen = TrainingTask.for_proximal_policy_optimization(prompt="Q: {instruction} {{x}}")
    code = TASK.starter_code(DATASET, chosen)
    scope: dict[str, Any] = {}
    exec(code, scope)
    by_code = rows(formatting_func=scope["formatting_func"]).table["query"].to_pylist()
    assert list(dict.fromkeys(by_code)) == TASK.rows(DATASET, chosen).table["query"].to_pylist()


def test_a_prompt_and_its_copies_stay_in_one_part() -> None:
    dataset = plain({"prompt": [f"p{i % 10}" for i in range(40)]})
    task = TrainingTask.for_proximal_policy_optimization(formatting_func=lambda sample: sample["prompt"])
    data = prepare(dataset, task, SplitSpec(train=0.5, validation=0.2, test=0.3)).data
    parts = [set(part["query"].to_pylist()) for part in (data.train, data.validation, data.test)]
    assert sum(map(len, parts)) == 10


def test_samples_inputs_and_files() -> None:
    table = pa.table({"record_id": ["a", "b"], "query": ["One?", "Two?"]})
    found = TASK.evaluate(["1", "2"], table, {}, table)
    assert found["samples"][1] == {"record_id": "b", "input": "Two?", "expected": None, "predicted": "2"}
    assert list(TASK.example_inputs(table, 1)) == [{"input": "One?", "expected": None, "record_id": "a"}]
    assert TASK.as_input({"prompt": "One?"}) == "One?"
    assert TASK.input_columns(pa.table({"id": ["1"], "prompt": ["x"]})) == {"prompt": "prompt"}
    assert TASK.output_columns(["1", None], {})["prediction"].to_pylist() == ["1", None]
    assert TASK.blocking(rows(prompt="{instruction}"), None) == []


def test_training_data_as_argilla_gave_it_and_as_grpo_reads_it() -> None:
    task = TrainingTask.for_proximal_policy_optimization(prompt="{instruction}")
    whole = DATASET.prepare_for_training(framework="trl", task=task)
    assert {name: str(value.dtype) for name, value in whole.features.items()} == {"id": "int32", "query": "string"}
    assert whole[0] == {"id": 0, "query": "Greet Ann."}
    parts = DATASET.prepare_for_training(framework="grpo", task=task, train_size=0.67)
    assert (parts["train"].column_names, len(parts["train"]), len(parts["test"])) == (["id", "prompt"], 2, 1)
