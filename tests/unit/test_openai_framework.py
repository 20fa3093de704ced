"""The openai framework against a stand-in on loopback, spoken to by the unmodified SDK."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine import FRAMEWORKS, TASKS, UserError, validate_config
from engine.evaluation.report import evaluate
from engine.frameworks import _openai_job
from engine.tasks.task import TaskData
from tests.frameworks.topics import Told, topic_data
from tests.openai_server import CLOSED, KEY, OpenAIServer

BASE = "gpt-4.1-mini-2025-04-14"
TASK = "text-classification"
QUICK = {"poll_seconds": 0.05}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
        monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.02)
        yield server


def train(
    folder: Path, data: TaskData | None = None, told: Told | None = None, task: str = TASK, **config: Any
) -> Path:
    told = told or Told()
    chosen = validate_config("openai", task, QUICK | config)
    FRAMEWORKS["openai"].train(chosen, task, data or topic_data(), BASE, folder / "model", told)
    return folder / "model"


def refused(folder: Path, told: Told | None = None, **given: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        train(folder, told=told, **given)
    assert KEY not in str(caught.value)
    return caught.value


def posts(api: OpenAIServer, path: str) -> int:
    return api.requests.count(("POST", "/v1" + path))


# ---- training -------------------------------------------------------------------------------------------------------


def test_rows_are_uploaded_and_a_supervised_job_is_asked_for(api: OpenAIServer, tmp_path: Path) -> None:
    folder = train(tmp_path, n_epochs=2, learning_rate_multiplier=0.5, suffix="topics", extra_arguments={"user": "ann"})
    (body,) = api.bodies
    assert body == {
        "model": BASE,
        "training_file": body["training_file"],
        "validation_file": body["validation_file"],
        "method": {
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 2, "learning_rate_multiplier": 0.5}},
        },
        "seed": 42,
        "suffix": "topics",
        "user": "ann",
    }
    assert api.files[body["training_file"]] == (folder / "train.jsonl").read_bytes()
    assert api.files[body["validation_file"]] == (folder / "validation.jsonl").read_bytes()
    assert len((folder / "train.jsonl").read_text().splitlines()) == 60


def test_folder_holds_the_models_name_and_the_rows(api: OpenAIServer, tmp_path: Path) -> None:
    folder = train(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["openai.json", "train.jsonl", "validation.jsonl"]
    about = json.loads((folder / "openai.json").read_text())
    assert about["model"].startswith(f"ft:{BASE}:acme:") and about["job"].startswith("ftjob-")
    assert (about["base_model"], about["base_url"], about["task"]) == (BASE, None, TASK)
    assert about["classes"] == topic_data().info["classes"]


def test_progress_and_figures_are_told_once_each_in_order(
    api: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_openai_job, "EVENTS_A_PAGE", 1)  # events come in pages
    told = Told()
    train(tmp_path, told=told)
    assert told.steps == [(step, 6) for step in range(1, 7)]
    assert [step for step, _ in told.points] == list(range(1, 7))
    losses = told.values("loss")
    assert losses == sorted(losses, reverse=True) and told.values("validation_loss")[0] == pytest.approx(
        losses[0] + 0.1
    )
    assert told.stages == [
        "writing the rows",
        "uploading",
        "the provider checks the files",
        "waiting at the provider",
        "training",
        "saving",
    ]
    assert told.notes[0].startswith("The rows are sent to 127.0.0.1:")
    assert "The tuned model is ft:" in told.notes[-1]


def test_without_validation_rows_one_file_is_sent(api: OpenAIServer, tmp_path: Path) -> None:
    train(tmp_path, topic_data(validation=0))
    assert "validation_file" not in api.bodies[0] and len(api.files) == 1


# ---- using the tuned model ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_tuned_model_answers_in_the_tasks_shape_and_is_measured(
    api: OpenAIServer, tmp_path: Path, multi_label: bool
) -> None:
    data = topic_data(multi_label=multi_label)
    folder = train(tmp_path, data)
    predictor = FRAMEWORKS["openai"].load(folder, TASK)
    rows = data.train.slice(0, 8)
    outputs = predictor.predict(rows["text"].to_pylist())
    expected = rows["labels"].to_pylist() if multi_label else [[label] for label in rows["label"].to_pylist()]
    assert [sorted(row["label"] for row in output if row["score"] == 1.0) for output in outputs] == expected
    assert all(len(output) == 3 for output in outputs)
    assert api.asked[0]["temperature"] == 0.0 and api.asked[0]["max_tokens"] >= len("weather, cooking, football")
    report = evaluate("openai", TASK, data, folder, Told(), BASE)
    assert report["metrics"]["accuracy"] > report["baseline"]["metrics"]["accuracy"]


def test_answers_come_in_the_inputs_order_though_asked_at_once(api: OpenAIServer, tmp_path: Path) -> None:
    data = topic_data()
    predictor = FRAMEWORKS["openai"].load(train(tmp_path, data), TASK)
    outputs = predictor.predict(data.train["text"].to_pylist())
    assert [output[0]["label"] for output in outputs] == data.train["label"].to_pylist()


def test_answer_that_is_no_label_counts_as_wrong(
    api: OpenAIServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = topic_data()
    folder = train(tmp_path, data)
    api.memory.clear()  # the model answers as if it had not been tuned
    figures = evaluate("openai", TASK, data, folder, Told())
    assert figures["metrics"]["accuracy"] == 0.0 and figures["n_mistakes"] == 30
    assert figures["mistakes"][0]["predicted"] == []
    assert figures["confusion"]["matrix"] == [[0] * 3] * 3
    assert "30 of 30 answers" in caplog.text and "'I have not been tuned.'" in caplog.text
    assert TASKS[TASK].output_columns(FRAMEWORKS["openai"].load(folder, TASK).predict(["a"]), data.info)[
        "prediction"
    ] == (pa.array([""]))


def test_model_that_is_gone_is_said(api: OpenAIServer, tmp_path: Path) -> None:
    folder = train(tmp_path)
    name = json.loads((folder / "openai.json").read_text())["model"]
    del api.models[name]
    with pytest.raises(UserError) as caught:
        FRAMEWORKS["openai"].load(folder, TASK).predict(["a"])
    assert f"does not know the model '{name}' (asked to answer)" in str(caught.value)


def test_key_is_looked_for_at_each_prediction(
    api: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = FRAMEWORKS["openai"].load(train(tmp_path), TASK)
    predictor.predict(["a"])
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="needs a key, and there is none. Enter it, or set OPENAI_API_KEY."):
        predictor.predict(["a"])


def test_usage_lines_run_with_the_sdk_alone(api: OpenAIServer, tmp_path: Path) -> None:
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


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_key_that_is_not_accepted(api: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "sk-wrong-key-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    error = refused(tmp_path)
    assert "does not accept the key OPENAI_API_KEY." in error.message
    assert wrong not in str(error)
    assert len(api.requests) == 1


@pytest.mark.parametrize("key", ["sk-a\nsk-b", "sk-ä", "sk a"])
def test_key_that_can_be_none_is_not_sent_nor_repeated(
    api: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError) as caught:
        train(tmp_path)
    assert str(caught.value) == (
        "The key OPENAI_API_KEY holds a character that no key has. Copy it again, without line breaks."
    )
    assert api.requests == []


def test_organisation_that_may_not_fine_tune_any_more(api: OpenAIServer, tmp_path: Path) -> None:
    api.closed = True
    error = refused(tmp_path)
    assert f"does not let this account start a fine-tuning job. It says: {CLOSED}" in error.message
    assert error.hint.startswith("OpenAI lets no new organisation fine-tune since May 2026")
    assert api.files == {}, "what was uploaded is deleted again"
    assert (tmp_path / "model" / "train.jsonl").is_file()
    assert posts(api, "/fine_tuning/jobs") == 1, "no endless retry"


def test_base_model_that_the_provider_does_not_know(api: OpenAIServer, tmp_path: Path) -> None:
    del api.models[BASE]
    error = refused(tmp_path)
    assert f"does not know the model '{BASE}' (asked to start a fine-tuning job)." in error.message


def test_rows_that_break_the_rules_are_refused_before_anything_is_sent(api: OpenAIServer, tmp_path: Path) -> None:
    error = refused(tmp_path, data=topic_data(train=9))
    assert error.message == "There are 9 training rows, and the provider takes 10 or more."
    assert api.requests == []
    assert (tmp_path / "model" / "train.jsonl").is_file(), "the rows are there to be taken elsewhere"


def test_job_that_fails_says_why(api: OpenAIServer, tmp_path: Path) -> None:
    api.failure = f"The file holds what is not allowed ({KEY})"
    told = Told()
    error = refused(tmp_path, told)
    assert "ended at 127.0.0.1:" in error.message
    assert "without a model (failed). It says: The file holds what is not allowed (•••)." in error.message
    assert KEY not in " ".join(told.notes)


def test_job_that_someone_else_cancels(api: OpenAIServer, tmp_path: Path) -> None:
    told = Told()
    told.metrics = lambda values, *, step: [api.jobs[job].update(status="cancelled") for job in api.jobs]
    assert "was cancelled at 127.0.0.1:" in refused(tmp_path, told).message


def test_job_that_takes_too_long_is_cancelled(api: OpenAIServer, tmp_path: Path) -> None:
    api.held = True
    error = refused(tmp_path, max_hours=0.0001)
    assert "had not ended after 0.0001 hours and was cancelled." in error.message
    assert [job["status"] for job in api.jobs.values()] == ["cancelled"]


# ---- faults that pass, and those that do not ------------------------------------------------------------------------


def test_faults_that_pass_are_waited_out(api: OpenAIServer, tmp_path: Path) -> None:
    api.fail_next("/files", status=429, times=1, after="0")
    api.fail_next("/fine_tuning/jobs", status=500, times=1)
    told = Told()
    train(tmp_path, told=told)
    assert len(api.jobs) == 1


def test_faults_while_the_job_runs_are_borne_a_few_times(
    api: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.frameworks._openai_client.RETRIES", 0)
    told = Told()
    told.stage = lambda name: api.fail_next("/fine_tuning/jobs/", status=503, times=2) if name == "training" else None
    folder = train(tmp_path, told=told)
    assert (folder / "openai.json").is_file()
    assert sum("gave no answer (InternalServerError); asking again." in note for note in told.notes) == 2


def test_provider_that_stays_away_is_given_up(
    api: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.frameworks._openai_client.RETRIES", 0)
    api.fail_next("/fine_tuning/jobs/", status=503, times=1000)
    error = refused(tmp_path)
    assert "has a fault (503)" in error.message
    assert "may still be at work there" in error.hint
    assert len([path for _, path in api.requests if path.startswith("/v1/fine_tuning/jobs/")]) == 5


def test_account_without_credit_is_not_asked_again(api: OpenAIServer, tmp_path: Path) -> None:
    api.fail_next("/fine_tuning/jobs", status=429, times=1000, code="insufficient_quota")
    error = refused(tmp_path)
    assert "credit" in error.message
    assert posts(api, "/fine_tuning/jobs") <= 5


def test_provider_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.frameworks._openai_client.RETRIES", 0)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    error = refused(tmp_path, base_url="http://127.0.0.1:9/v1")
    assert error.message == "127.0.0.1:9 can't be reached to take the train file: ConnectError."


# ---- stopping -------------------------------------------------------------------------------------------------------


def test_stop_and_keep_the_best_keeps_a_checkpoint(api: OpenAIServer, tmp_path: Path) -> None:
    api.checkpoints, api.steps = True, 1000
    told = Told(stop_after=3)
    folder = train(tmp_path, told=told)
    (job,) = api.jobs.values()
    about = json.loads((folder / "openai.json").read_text())
    assert job["status"] == "cancelled" and about["model"].endswith(f":ckpt-step-{job['step']}")
    assert any(note.endswith("as you asked.") for note in told.notes)
    assert FRAMEWORKS["openai"].load(folder, TASK).predict(["rain and snow"])


def test_stop_before_there_is_a_checkpoint_says_that_nothing_is_kept(api: OpenAIServer, tmp_path: Path) -> None:
    api.steps = 1000
    error = refused(tmp_path, Told(stop_after=1))
    assert "before it had a checkpoint, so nothing is kept." in error.message
    assert [job["status"] for job in api.jobs.values()] == ["cancelled"]


def test_interrupt_cancels_at_the_provider(api: OpenAIServer, tmp_path: Path) -> None:
    api.steps = 1000
    told = Told()

    def interrupt(_values: dict[str, float], *, step: int) -> None:
        raise KeyboardInterrupt

    told.metrics = interrupt
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, told=told)
    assert [job["status"] for job in api.jobs.values()] == ["cancelled"]
    assert told.notes[-1].startswith("The job ftjob-")


def test_interrupt_before_the_job_is_known_finds_and_cancels_it(
    api: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai.resources.fine_tuning.jobs import Jobs

    create = Jobs.create

    def interrupted(self: Jobs, **given: Any) -> None:
        create(self, **given)
        raise KeyboardInterrupt

    monkeypatch.setattr(Jobs, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert [job["status"] for job in api.jobs.values()] == ["cancelled"]


# ---- what the provider has ------------------------------------------------------------------------------------------


def test_models_are_listed_with_the_day_they_end(api: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    api.models |= {"gpt-ends-later": "2099-01-31", "ft:gpt-4.1-mini:acme::1": None, "gpt-odd": "soon"}
    monkeypatch.delenv("OPENAI_API_KEY")
    models = FRAMEWORKS["openai"].remote_models({"OPENAI_API_KEY": KEY}, {"base_url": api.url})
    notes = {model.id: model.note for model in models}
    assert notes["gpt-ends-later"] == "Ends on 31 January 2099."
    assert notes["gpt-next"] == notes["gpt-odd"] == "No end announced."
    assert not notes.keys() & {"gpt-3.5-turbo-0125", "text-embedding-3-small", "ft:gpt-4.1-mini:acme::1"}
    assert (BASE in notes) == (datetime.now(UTC).date().isoformat() < "2027-01-14")


def test_models_without_a_key_or_with_a_bad_address_are_a_sentence(api: OpenAIServer) -> None:
    with pytest.raises(UserError, match="needs a key"):
        FRAMEWORKS["openai"].remote_models({}, {})
    with pytest.raises(UserError, match="it must begin with https://"):
        FRAMEWORKS["openai"].remote_models({"OPENAI_API_KEY": KEY}, {"base_url": "http://example.com"})
    assert FRAMEWORKS["spacy"].remote_models({}, {}) is None


def test_redirect_does_not_take_the_key_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    with OpenAIServer() as elsewhere:

        class Redirect(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(307)
                self.send_header("Location", elsewhere.url + "/models")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Redirect)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        with pytest.raises(UserError, match=r"refuses to list its models \(307\)"):
            FRAMEWORKS["openai"].remote_models({"OPENAI_API_KEY": KEY}, {"base_url": url})
        server.shutdown()
        server.server_close()
        assert elsewhere.requests == []


def test_run_file_from_elsewhere_sends_no_key_where_its_reader_did_not_say(
    api: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework, stranger = FRAMEWORKS["openai"], "https://api.example.com/v1"
    framework.check_run_file(validate_config("openai", TASK, {}))
    config = validate_config("openai", TASK, {"base_url": stranger})
    with pytest.raises(UserError) as caught:
        framework.check_run_file(config)
    assert str(caught.value) == (
        "This run file sends your key OPENAI_API_KEY and the rows to api.example.com. "
        "If you trust that provider, set OPENAI_BASE_URL=https://api.example.com/v1 and start again."
    )
    monkeypatch.setenv("OPENAI_BASE_URL", stranger)
    framework.check_run_file(config)


# ---- the other tasks ------------------------------------------------------------------------------------------------


def test_text2text_is_trained_asked_and_measured(api: OpenAIServer, tmp_path: Path) -> None:
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
    asked = api.asked[-1]
    assert asked["messages"][0] == {"role": "system", "content": "Correct it."}
    assert {name: asked[name] for name in ("max_tokens", "temperature", "top_p", "seed")} == {
        "max_tokens": 30,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
    }
    figures = evaluate("openai", "text2text", data, folder, Told(), BASE)
    assert figures["metrics"]["exact_match"] == 1.0


def test_chat_completion_is_trained_and_answers_with_a_message(api: OpenAIServer, tmp_path: Path) -> None:
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


def test_trainer_in_python_trains_predicts_and_loads_again(api: OpenAIServer, tmp_path: Path) -> None:
    from engine import ArgillaTrainer, FeedbackDataset, TrainingTask

    dataset = FeedbackDataset.example("support_messages")
    task = TrainingTask.for_text_classification(
        text=dataset.field_by_name("text"), label=dataset.question_by_name("topic"), label_strategy="majority"
    )
    trainer = ArgillaTrainer(dataset, task, framework="openai", train_size=0.8)
    trainer.update_config(hyperparameters={"n_epochs": 1}, poll_seconds=0.05)
    trainer.train(output_dir=tmp_path / "out")
    assert api.bodies[0]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 1}
    assert trainer.report["n"]["test"] == 77 and trainer.report["metrics"]["accuracy"] > 0
    answer = trainer.predict("My invoice is wrong")
    assert ArgillaTrainer.load(tmp_path / "out").predict("My invoice is wrong") == answer
    with pytest.raises(UserError, match="There is no hyperparameter 'n_epoch' here. Did you mean 'n_epochs'?"):
        trainer.update_config(n_epoch=1)


def test_guides_formatting_func_for_chats_trains(api: OpenAIServer, tmp_path: Path) -> None:
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
