"""The openai framework against a stand-in on loopback, spoken to by the unmodified SDK: training, refusals, stops."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine import FRAMEWORKS, UserError, validate_config
from engine.frameworks import _openai_job
from tests.frameworks.topics import Told, topic_data
from tests.openai_server import CLOSED, KEY, OpenAIServer
from tests.tuning import BASE, TASK, train


def refused(folder: Path, told: Told | None = None, **given: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        train(folder, told=told, **given)
    assert KEY not in str(caught.value)
    return caught.value


def posts(provider: OpenAIServer, path: str) -> int:
    return provider.requests.count(("POST", "/v1" + path))


# ---- training --------------------------------------------------------------------------------------------------------


def test_rows_are_uploaded_and_a_supervised_job_is_asked_for(provider: OpenAIServer, tmp_path: Path) -> None:
    folder = train(tmp_path, n_epochs=2, learning_rate_multiplier=0.5, suffix="topics", extra_arguments={"user": "ann"})
    (body,) = provider.bodies
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
    assert provider.files[body["training_file"]] == (folder / "train.jsonl").read_bytes()
    assert provider.files[body["validation_file"]] == (folder / "validation.jsonl").read_bytes()
    assert len((folder / "train.jsonl").read_text().splitlines()) == 60


def test_folder_holds_the_models_name_and_the_rows(provider: OpenAIServer, tmp_path: Path) -> None:
    folder = train(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["openai.json", "train.jsonl", "validation.jsonl"]
    about = json.loads((folder / "openai.json").read_text())
    assert about["model"].startswith(f"ft:{BASE}:acme:") and about["job"].startswith("ftjob-")
    assert (about["base_model"], about["base_url"], about["task"]) == (BASE, None, TASK)
    assert about["classes"] == topic_data().info["classes"]


def test_progress_and_figures_are_told_once_each_in_order(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_without_validation_rows_one_file_is_sent(provider: OpenAIServer, tmp_path: Path) -> None:
    train(tmp_path, topic_data(validation=0))
    assert "validation_file" not in provider.bodies[0] and len(provider.files) == 1


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_key_that_is_not_accepted(provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "sk-wrong-key-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    error = refused(tmp_path)
    assert "does not accept the key OPENAI_API_KEY." in error.message
    assert wrong not in str(error)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("key", ["sk-a\nsk-b", "sk-ä", "sk a"])
def test_key_that_can_be_none_is_not_sent_nor_repeated(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError) as caught:
        train(tmp_path)
    assert str(caught.value) == (
        "The key OPENAI_API_KEY holds a character that no key has. Copy it again, without line breaks."
    )
    assert provider.requests == []


def test_organisation_that_may_not_fine_tune_any_more(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.closed = True
    error = refused(tmp_path)
    assert f"does not let this account start a fine-tuning job. It says: {CLOSED}" in error.message
    assert error.hint.startswith("OpenAI lets no new organisation fine-tune since May 2026")
    assert provider.files == {}, "what was uploaded is deleted again"
    assert (tmp_path / "model" / "train.jsonl").is_file()
    assert posts(provider, "/fine_tuning/jobs") == 1, "no endless retry"


def test_base_model_that_the_provider_does_not_know(provider: OpenAIServer, tmp_path: Path) -> None:
    del provider.models[BASE]
    error = refused(tmp_path)
    assert f"does not know the model '{BASE}' (asked to start a fine-tuning job)." in error.message


def test_rows_that_break_the_rules_are_refused_before_anything_is_sent(provider: OpenAIServer, tmp_path: Path) -> None:
    error = refused(tmp_path, data=topic_data(train=9))
    assert error.message == "There are 9 training rows, and the provider takes 10 or more."
    assert provider.requests == []
    assert (tmp_path / "model" / "train.jsonl").is_file(), "the rows are there to be taken elsewhere"


def test_job_that_fails_says_why(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.failure = f"The file holds what is not allowed ({KEY})"
    told = Told()
    error = refused(tmp_path, told)
    assert "ended at 127.0.0.1:" in error.message
    assert "without a model (failed). It says: The file holds what is not allowed (•••)." in error.message
    assert KEY not in " ".join(told.notes)


def test_job_that_someone_else_cancels(provider: OpenAIServer, tmp_path: Path) -> None:
    told = Told()
    told.metrics = lambda values, *, step: [provider.jobs[job].update(status="cancelled") for job in provider.jobs]
    assert "was cancelled at 127.0.0.1:" in refused(tmp_path, told).message


def test_job_that_takes_too_long_is_cancelled(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.held = True
    error = refused(tmp_path, max_hours=0.0001)
    assert "had not ended after 0.0001 hours and was cancelled." in error.message
    assert [job["status"] for job in provider.jobs.values()] == ["cancelled"]


# ---- faults that pass, and those that do not -------------------------------------------------------------------------


def test_faults_that_pass_are_waited_out(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.fail_next("/files", status=429, times=1, after="0")
    provider.fail_next("/fine_tuning/jobs", status=500, times=1)
    told = Told()
    train(tmp_path, told=told)
    assert len(provider.jobs) == 1


def test_faults_while_the_job_runs_are_borne_a_few_times(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.frameworks._openai_client.RETRIES", 0)
    told = Told()
    faulty = {"training": 3}  # the events, and two questions about the job
    told.stage = lambda name: provider.fail_next("/fine_tuning/jobs/", status=503, times=faulty.get(name, 0))
    folder = train(tmp_path, told=told)
    assert (folder / "openai.json").is_file()
    assert sum("gave no answer (InternalServerError); asking again." in note for note in told.notes) == 2


def test_provider_without_events_trains_without_progress(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.fail_next("/events", status=404, times=1000)
    told = Told()
    folder = train(tmp_path, told=told)
    assert (folder / "openai.json").is_file() and told.steps == []
    assert sum("does not tell what happens in the job (NotFoundError)." in note for note in told.notes) == 1


def test_provider_that_stays_away_is_given_up(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.frameworks._openai_client.RETRIES", 0)
    provider.fail_next("/fine_tuning/jobs/", status=503, times=1000)
    error = refused(tmp_path)
    assert "has a fault (503)" in error.message
    assert "may still be at work there" in error.hint
    assert len([path for _, path in provider.requests if path.startswith("/v1/fine_tuning/jobs/")]) == 5


def test_account_without_credit_is_not_asked_again(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.fail_next("/fine_tuning/jobs", status=429, times=1000, code="insufficient_quota")
    error = refused(tmp_path)
    assert "credit" in error.message
    assert posts(provider, "/fine_tuning/jobs") <= 5


def test_provider_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.frameworks._openai_client.RETRIES", 0)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    error = refused(tmp_path, base_url="http://127.0.0.1:9/v1")
    assert error.message == "127.0.0.1:9 can't be reached to take the train file: ConnectError."


# ---- stopping --------------------------------------------------------------------------------------------------------


def test_stop_and_keep_the_best_keeps_a_checkpoint(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.checkpoints, provider.steps = True, 1000
    told = Told(stop_after=3)
    folder = train(tmp_path, told=told)
    (job,) = provider.jobs.values()
    about = json.loads((folder / "openai.json").read_text())
    assert job["status"] == "cancelled" and about["model"].endswith(f":ckpt-step-{job['step']}")
    assert any(note.endswith("as you asked.") for note in told.notes)
    assert FRAMEWORKS["openai"].load(folder, TASK).predict(["rain and snow"])


def test_stop_before_there_is_a_checkpoint_says_that_nothing_is_kept(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.steps = 1000
    error = refused(tmp_path, Told(stop_after=1))
    assert "before it had a checkpoint, so nothing is kept." in error.message
    assert [job["status"] for job in provider.jobs.values()] == ["cancelled"]


def test_interrupt_cancels_at_the_provider(provider: OpenAIServer, tmp_path: Path) -> None:
    provider.steps = 1000
    told = Told()

    def interrupt(_values: dict[str, float], *, step: int) -> None:
        raise KeyboardInterrupt

    told.metrics = interrupt
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, told=told)
    assert [job["status"] for job in provider.jobs.values()] == ["cancelled"]
    assert told.notes[-1].startswith("The job ftjob-")


def test_interrupt_before_there_is_a_job_deletes_what_was_uploaded(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai.resources.fine_tuning.jobs import Jobs

    def interrupted(_self: Jobs, **_given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Jobs, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert (provider.files, provider.jobs) == ({}, {})


def test_interrupt_before_the_job_is_known_finds_and_cancels_it(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai.resources.fine_tuning.jobs import Jobs

    create = Jobs.create

    def interrupted(self: Jobs, **given: Any) -> None:
        create(self, **given)
        raise KeyboardInterrupt

    monkeypatch.setattr(Jobs, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert [job["status"] for job in provider.jobs.values()] == ["cancelled"]


# ---- what the provider has -------------------------------------------------------------------------------------------


def test_models_are_listed_with_the_day_they_end(provider: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.models |= {"gpt-ends-later": "2099-01-31", "ft:gpt-4.1-mini:acme::1": None, "gpt-odd": "soon"}
    monkeypatch.delenv("OPENAI_API_KEY")
    models = FRAMEWORKS["openai"].remote_models({"OPENAI_API_KEY": KEY}, {"base_url": provider.url})
    notes = {model.id: model.note for model in models}
    assert notes["gpt-ends-later"] == "Ends on 31 January 2099."
    assert notes["gpt-next"] == notes["gpt-odd"] == "No end announced."
    assert not notes.keys() & {"gpt-3.5-turbo-0125", "text-embedding-3-small", "ft:gpt-4.1-mini:acme::1"}
    assert (BASE in notes) == (datetime.now(UTC).date().isoformat() < "2027-01-14")


def test_models_without_a_key_or_with_a_bad_address_are_a_sentence(provider: OpenAIServer) -> None:
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
    provider: OpenAIServer, monkeypatch: pytest.MonkeyPatch
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
