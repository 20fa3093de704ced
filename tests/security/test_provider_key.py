"""A provider's key through the whole line: page process, worker, prediction, publishing. It is written down nowhere."""

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import JobStatus, RunSpec, Settings, SplitSpec, Supervisor, UserError
from engine.runs import job, locks
from tests.hub_server import HubServer
from tests.openai_server import CLOSED, KEY, OpenAIServer

pytestmark = pytest.mark.slow

PATIENCE = 120.0  # seconds
BASE = "gpt-4.1-mini-2025-04-14"


@pytest.fixture(scope="module")
def api() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.url)
        patch.delenv("OPENAI_API_KEY", raising=False)
        yield server


@pytest.fixture(scope="module")
def supervisor(api: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    supervisor = Supervisor(Settings(tmp_path_factory.mktemp("home")))
    yield supervisor
    supervisor.close()


@pytest.fixture(scope="module")
def dataset_id(supervisor: Supervisor) -> str:
    dataset_id = supervisor.import_dataset({"kind": "example"})
    assert ended(lambda: supervisor.dataset_status(dataset_id)).state == "finished"
    return dataset_id


@pytest.fixture(scope="module")
def run_id(supervisor: Supervisor, dataset_id: str) -> str:
    """A finished run."""
    supervisor.keep_secret("OPENAI_API_KEY", f" {KEY}\n")
    run_id = supervisor.start(spec(dataset_id))
    status = ended(lambda: supervisor.status(run_id))
    assert status.state == "finished", status.message + supervisor.log_tail(run_id)
    return run_id


def spec(dataset_id: str, **changes: Any) -> RunSpec:
    values = {
        "title": "topic",
        "dataset": {"id": dataset_id, "name": "Support messages", "source": {"kind": "example"}},
        "task": {"task": "text-classification", "fields": {"text": "text", "label": "topic"}, "strategy": "majority"},
        "framework": "openai",
        "base_model": BASE,
        "config": {"poll_seconds": 0.05},
        "split": SplitSpec(),
    }
    return RunSpec(**values | changes)


def wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def ended(status: Callable[[], JobStatus]) -> JobStatus:
    wait(lambda: not status().live)
    return status()


def files_with_key(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found
    return [path for path in found if KEY.encode() in path.read_bytes()]


def test_without_a_key_a_run_is_not_ready_and_fails_in_words(supervisor: Supervisor, dataset_id: str) -> None:
    supervisor.keep_secret("OPENAI_API_KEY", "")
    sentence = "OpenAI-style API needs a key: OPENAI_API_KEY. Enter it, or set it where Annotune runs."
    assert supervisor.readiness(spec(dataset_id)).blocking == [sentence]
    run_id = supervisor.start(spec(dataset_id))
    status = ended(lambda: supervisor.status(run_id))
    assert status.state == "failed" and "needs a key, and there is none." in status.message
    rows = supervisor.run(run_id).data_dir / "train.jsonl"
    assert len(rows.read_text().splitlines()) == 267, "the rows outlive the failure"
    assert (
        status.notes[-1] == "The rows are kept as JSONL in the run's folder: data/train.jsonl, data/validation.jsonl."
    )


def test_rows_can_be_downloaded_without_a_key(supervisor: Supervisor, dataset_id: str) -> None:
    supervisor.keep_secret("OPENAI_API_KEY", "")
    with zipfile.ZipFile(supervisor.export_rows(spec(dataset_id))) as archive:
        sizes = {name: len(archive.read(name).splitlines()) for name in archive.namelist()}
        first = json.loads(archive.read("train.jsonl").splitlines()[0])
    assert sizes == {"train.jsonl": 267, "validation.jsonl": 38, "test.jsonl": 77}
    assert [message["role"] for message in first["messages"]] == ["system", "user", "assistant"]
    with pytest.raises(UserError, match="spaCy has no files of rows."):
        supervisor.export_rows(spec(dataset_id, framework="spacy", base_model="blank:en", config={}))


def test_rows_of_large_data_are_written_by_a_worker(
    supervisor: Supervisor, dataset_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = spec(dataset_id, config={"instruction": "Which desk?"})
    here = zipfile.ZipFile(supervisor.export_rows(asked)).read("test.jsonl")
    monkeypatch.setattr("engine.runs.supervisor.CHECKED_HERE", 1)
    assert zipfile.ZipFile(supervisor.export_rows(asked)).read("test.jsonl") == here
    assert b"Which desk?" in here
    with pytest.raises(UserError, match="must sum to 1"):
        supervisor.export_rows(spec(dataset_id, split=SplitSpec(train=0.9, validation=0.2, test=0.1)))


def test_run_finishes_predicts_and_is_ready(supervisor: Supervisor, dataset_id: str, run_id: str) -> None:
    assert supervisor.readiness(spec(dataset_id)).blocking == []
    report = supervisor.run(run_id).report
    assert report["metrics"]["accuracy"] > report["baseline"]["metrics"]["accuracy"]
    assert supervisor.history(run_id)["loss"][-1][0] == 6
    (output,) = supervisor.predict(run_id, ["My invoice is wrong"])
    assert output[0]["score"] == 1.0 and len(output) == len(report["info"]["classes"])
    assert BASE in {model.id for model in supervisor.remote_models("openai")}


def test_key_is_in_no_file_of_the_app(supervisor: Supervisor, run_id: str) -> None:
    supervisor.predict(run_id, ["My invoice is wrong"])
    supervisor.runs()
    supervisor.zip_model(run_id)
    assert files_with_key(supervisor.settings.data_root) == []


def test_key_is_in_no_environment_and_argument(api: OpenAIServer, supervisor: Supervisor, dataset_id: str) -> None:
    supervisor.keep_secret("OPENAI_API_KEY", KEY)
    api.held = True
    run_id = supervisor.start(spec(dataset_id))
    wait(lambda: supervisor.status(run_id).stage == "the provider checks the files")
    pid = locks.holder(supervisor.run(run_id).lock_file)
    for seen in ("environ", "cmdline"):
        assert KEY.encode() not in Path(f"/proc/{pid}/{seen}").read_bytes()
    assert not any(KEY in value for value in job.worker_environment().values())
    supervisor.stop(run_id)
    assert ended(lambda: supervisor.status(run_id)).state == "cancelled"
    api.held = False
    assert list(api.jobs.values())[-1]["status"] == "cancelled", "stopped here is stopped there"


def test_key_reaches_no_worker_but_its_own_frameworks(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine import FRAMEWORKS

    supervisor.keep_secret("OPENAI_API_KEY", KEY)
    given = {name: supervisor.secrets_of(framework) for name, framework in FRAMEWORKS.items()}
    assert {name for name, secrets in given.items() if secrets} == {"openai"}
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert not any(KEY in value for value in job.worker_environment().values())


def test_key_that_is_taken_back_is_gone_from_the_warm_process_too(supervisor: Supervisor, run_id: str) -> None:
    supervisor.keep_secret("OPENAI_API_KEY", KEY)
    supervisor.predict(run_id, ["My invoice is wrong"])
    supervisor.keep_secret("OPENAI_API_KEY", "")
    with pytest.raises(UserError, match="needs a key"):
        supervisor.predict(run_id, ["My invoice is wrong"])


@pytest.mark.parametrize("key,words", [("sk-other-key-98765", "does not accept the key"), (KEY, CLOSED)])
def test_refusal_is_told_without_the_key(
    api: OpenAIServer, supervisor: Supervisor, dataset_id: str, key: str, words: str
) -> None:
    api.closed = True
    supervisor.keep_secret("OPENAI_API_KEY", key)
    run_id = supervisor.start(spec(dataset_id))
    status = ended(lambda: supervisor.status(run_id))
    api.closed = False
    assert status.state == "failed" and words.rstrip(".") in status.message
    folder = supervisor.run(run_id).path
    assert not any(key.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_settings_and_supervisor_do_not_print_the_key(supervisor: Supervisor) -> None:
    settings = Settings.from_env({"OPENAI_API_KEY": KEY, "ANNOTUNE_HOME": str(supervisor.settings.data_root)})
    assert settings.provider_keys and KEY not in repr(settings)


def test_publishing_pushes_card_rows_and_model_name_and_no_key(
    hub: HubServer, supervisor: Supervisor, run_id: str
) -> None:
    supervisor.publish(run_id, "alice/topics", private=True, token="hf_alice")
    status = ended(lambda: supervisor.publish_status(run_id))
    assert status.state == "finished", status.message
    files = hub.files("model", "alice/topics")
    assert {"README.md", "openai.json", "train.jsonl", "validation.jsonl", "run.json", "report.json"} <= set(files)
    card = files["README.md"].decode()
    assert "the rows it was trained on, word for word (train.jsonl, validation.jsonl)" in card
    assert f"from {BASE} on" in card and f"huggingface.co/{BASE}" not in card and "base_model:" not in card
    assert "library_name: openai" in card
    assert json.loads(files["openai.json"])["model"].startswith(f"ft:{BASE}")
    assert json.loads(files["run.json"])["base_model"] == BASE
    assert not any(KEY.encode() in content for content in files.values())
    assert not any(str(supervisor.settings.data_root).encode() in content for content in files.values())


def test_run_file_from_a_terminal(api: OpenAIServer, tmp_path: Path) -> None:
    run_file, home = tmp_path / "run.json", tmp_path / "home"
    environment = os.environ | {"ANNOTUNE_HOME": str(home), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.url}
    asked = spec("", dataset={"name": "Support messages", "source": {"kind": "example"}})
    for base_url, code in (("https://api.example.com/v1", 1), ("", 0)):
        config = asked.config | ({"base_url": base_url} if base_url else {})
        run_file.write_text(asked.model_copy(update={"config": config}).model_dump_json())
        done = subprocess.run(
            [sys.executable, "-m", "engine", "train", str(run_file)],
            env=environment,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert KEY not in done.stdout + done.stderr
        assert ("sends your key OPENAI_API_KEY and the rows to api.example.com" in done.stdout) == bool(base_url)
    assert files_with_key(home) == []
