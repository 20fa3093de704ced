"""A model tuned at the stand-in of the OpenAI-style API, in use: predictions, figures, Python, for each task."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine import FRAMEWORKS, TASKS, UserError
from engine.evaluation.report import evaluate
from engine.tasks.task import TaskData
from tests.frameworks.topics import Told, topic_data
from tests.openai_server import OpenAIServer
from tests.tuning import BASE, TASK, train

# ---- using the tuned model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_tuned_model_answers_in_the_tasks_shape_and_is_measured(
    provider: OpenAIServer, tmp_path: Path, multi_label: bool
) -> None:
    data = topic_data(multi_label=multi_label)
    folder = train(tmp_path, data)
    predictor = FRAMEWORKS["openai"].load(folder, TASK)
    rows = data.train.slice(0, 8)
    outputs = predictor.predict(rows["text"].to_pylist())
    expected = rows["labels"].to_pylist() if multi_label else [[label] for label in rows["label"].to_pylist()]
    assert [sorted(row["label"] for row in output if row["score"] == 1.0) for output in outputs] == expected
    assert all(len(output) == 3 for output in outputs)
    room = provider.asked[0]["max_tokens"]
    assert provider.asked[0]["temperature"] == 0.0 and room >= 24
    report = evaluate("openai", TASK, data, folder, Told(), BASE)
    assert report["metrics"]["accuracy"] > report["baseline"]["metrics"]["accuracy"]


def test_answers_come_in_the_inputs_order_though_asked_at_once(provider: OpenAIServer, tmp_path: Path) -> None:
    data = topic_data()
    predictor = FRAMEWORKS["openai"].load(train(tmp_path, data), TASK)
    outputs = predictor.predict(data.train["text"].to_pylist())
    assert [output[0]["label"] for output in outputs] == data.train["label"].to_pylist()


def test_answer_that_is_no_label_counts_as_wrong(
    provider: OpenAIServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = topic_data()
    folder = train(tmp_path, data)
    provider.memory.clear()  # the model answers as if it had not been tuned
    figures = evaluate("openai", TASK, data, folder, Told())
    assert figures["metrics"]["accuracy"] == 0.0 and figures["n_mistakes"] == 30
    assert figures["mistakes"][0]["predicted"] == []
    assert figures["confusion"]["matrix"] == [[0] * 3] * 3
    assert "30 of 30 answers" in caplog.text and "'I have not been tuned.'" in caplog.text
    assert TASKS[TASK].output_columns(FRAMEWORKS["openai"].load(folder, TASK).predict(["a"]), data.info)[
        "prediction"
    ] == (pa.array([""]))


def test_model_that_is_gone_is_said(provider: OpenAIServer, tmp_path: Path) -> None:
    folder = train(tmp_path)
    name = json.loads((folder / "openai.json").read_text())["model"]
    del provider.models[name]
    with pytest.raises(UserError) as caught:
        FRAMEWORKS["openai"].load(folder, TASK).predict(["a"])
    assert f"does not know the model '{name}' (asked to answer)" in str(caught.value)


def test_key_is_looked_for_at_each_prediction(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = FRAMEWORKS["openai"].load(train(tmp_path), TASK)
    predictor.predict(["a"])
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="needs a key, and there is none. Enter it, or set OPENAI_API_KEY."):
        predictor.predict(["a"])


def test_usage_lines_run_with_the_sdk_alone(provider: OpenAIServer, tmp_path: Path) -> None:
    folder = train(tmp_path)
    usage = (
        FRAMEWORKS["openai"]
        .usage("ann/topics", TASK)
        .replace(
            "from huggingface_hub import hf_hub_download",
            f"hf_hub_download = lambda repo, name: {str(folder)!r} + '/' + name",
        )
    )
    done = subprocess.run([sys.executable, "-c", usage], env=dict(os.environ), capture_output=True, text=True)
    assert done.stdout.strip() in topic_data().info["classes"], done.stderr


# ---- the other tasks -------------------------------------------------------------------------------------------------


def test_text2text_is_trained_asked_and_measured(provider: OpenAIServer, tmp_path: Path) -> None:
    words = [f"teh cat number {i}" for i in range(20)]
    table = pa.table(
        {
            "record_id": [f"r{i}" for i in range(20)],
            "text": words,
            "target": [text.replace("teh", "the") for text in words],
        }
    )
    data = TaskData(table, None, table.slice(0, 5), {})
    folder = train(tmp_path, data, task="text2text", instruction="Correct it.")
    predictor = FRAMEWORKS["openai"].load(folder, "text2text")
    options = {"max_new_tokens": 30, "temperature": 0.5, "top_p": 0.9, "seed": 7}
    assert predictor.predict(words[:2], **options) == ["the cat number 0", "the cat number 1"]
    asked = provider.asked[-1]
    assert asked["messages"][0] == {"role": "system", "content": "Correct it."}
    assert {name: asked[name] for name in ("max_tokens", "temperature", "top_p", "seed")} == {
        "max_tokens": 30,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
    }
    figures = evaluate("openai", "text2text", data, folder, Told(), BASE)
    assert figures["metrics"]["exact_match"] == 1.0


def test_chat_completion_is_trained_and_answers_with_a_message(provider: OpenAIServer, tmp_path: Path) -> None:
    chats = [
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"How much is {i} and {i}?"},
            {"role": "assistant", "content": str(2 * i)},
        ]
        for i in range(12)
    ]
    table = pa.table({"record_id": [f"r{i}" for i in range(12)], "messages": chats})
    data = TaskData(table, None, table.slice(0, 3), {})
    folder = train(tmp_path, data, task="chat-completion")
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    assert lines == [{"messages": chat} for chat in chats]
    predictor = FRAMEWORKS["openai"].load(folder, "chat-completion")
    assert predictor.predict([chats[4][:2]]) == [{"role": "assistant", "content": "8"}]
    figures = evaluate("openai", "chat-completion", data, folder, Told(), BASE)
    assert figures["metrics"] == {}, "the provider tells no loss of held-out rows"
    assert [sample["predicted"] for sample in figures["samples"]] == ["0", "2", "4"]


def test_trainer_in_python_trains_predicts_and_loads_again(provider: OpenAIServer, tmp_path: Path) -> None:
    from engine import ArgillaTrainer, FeedbackDataset, TrainingTask

    dataset = FeedbackDataset.example("support_messages")
    task = TrainingTask.for_text_classification(
        text=dataset.field_by_name("text"), label=dataset.question_by_name("topic"), label_strategy="majority"
    )
    trainer = ArgillaTrainer(dataset, task, framework="openai", train_size=0.8)
    trainer.update_config(hyperparameters={"n_epochs": 1}, poll_seconds=0.05)
    trainer.train(output_dir=tmp_path / "out")
    assert provider.bodies[0]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 1}
    assert trainer.report["n"]["test"] == 77 and trainer.report["metrics"]["accuracy"] > 0
    answer = trainer.predict("My invoice is wrong")
    assert ArgillaTrainer.load(tmp_path / "out").predict("My invoice is wrong") == answer
    with pytest.raises(UserError, match="There is no hyperparameter 'n_epoch' here. Did you mean 'n_epochs'?"):
        trainer.update_config(n_epoch=1)


def test_guides_formatting_func_for_chats_trains(provider: OpenAIServer, tmp_path: Path) -> None:
    """The guide's generator that yields a list of turns, as printed, by its own trainer's defaults."""
    from engine import ArgillaTrainer, FeedbackDataset, TrainingTask

    source = tmp_path / "asked.csv"
    source.write_text(
        "user-message,context,response\n" + "".join(f"Question {i}?,Page {i},Answer {i}\n" for i in range(20))
    )
    dataset = FeedbackDataset.from_file(source)

    def formatting_func(sample: dict) -> Iterator[list[tuple[str, str, str, str]]]:
        from uuid import uuid4

        if sample["response"]:
            chat = str(uuid4())
            yield [
                (chat, "0", "system", "You are an expert."),
                (chat, "1", "user", f"{sample['context']} {sample['user-message']}"),
                (chat, "2", "assistant", sample["response"]),
            ]

    task = TrainingTask.for_chat_completion(formatting_func=formatting_func)
    trainer = ArgillaTrainer(dataset=dataset, task=task, framework="openai", framework_kwargs={"poll_seconds": 0.05})
    trainer.train(output_dir=str(tmp_path / "chat-completion"))
    assert trainer.predict("Page 3 Question 3?") == {"role": "assistant", "content": "Answer 3"}
