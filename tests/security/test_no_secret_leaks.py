"""A token lives only in the workers that need it: not in files, logs, environments, arguments or messages."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs import locks
from engine.runs.events import EventWriter
from engine.runs.run_directory import RunDirectory, RunSpec
from engine.runs.supervisor import Supervisor
from engine.settings import Settings
from tests.hub_server import HubServer

TOKEN = "hf_alice:openid,profile,contribute-repos,read-repos"
PATIENCE = 60.0  # seconds


@pytest.fixture
def supervisor(hub: HubServer, tmp_path: Path) -> Supervisor:
    return Supervisor(Settings(data_root=tmp_path / "annotune"))


@pytest.fixture
def run_dir(supervisor: Supervisor) -> RunDirectory:
    """A finished run with a small model."""
    spec = RunSpec(
        dataset={"source": {"kind": "example"}},
        task={"task": "text-classification", "fields": {"text": "text", "label": "topic"}},
        framework="transformers",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
    )
    run_dir = RunDirectory.create(supervisor.settings.runs_dir, spec)
    run_dir.model_dir.mkdir()
    (run_dir.model_dir / "model.safetensors").write_bytes(b"\0" * 1000)
    run_dir.write_report({"n": {"train": 8, "validation": 0, "test": 0}, "metrics": None})
    EventWriter(run_dir.events_file).write("finished", result={})
    return run_dir


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def files_with(secret: str, *folders: Path) -> list[Path]:
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert found
    return [path for path in found if secret.encode() in path.read_bytes()]


def test_publishing_leaves_the_token_nowhere(
    hub: HubServer, supervisor: Supervisor, run_dir: RunDirectory, tmp_path: Path
) -> None:
    hub.fail_next("commit", status=503)  # the worker waits a second before it tries again: time to look at it
    supervisor.publish(run_dir.id, "alice/topics", private=True, token=TOKEN)
    wait(lambda: supervisor.publish_status(run_dir.id).notes)
    pid = locks.holder(run_dir.publish_dir / "lock")
    for seen in ("environ", "cmdline"):
        assert TOKEN.encode() not in Path(f"/proc/{pid}/{seen}").read_bytes()
    wait(lambda: not supervisor.publish_status(run_dir.id).live)
    status = supervisor.publish_status(run_dir.id)
    assert (status.state, status.result["repo_id"]) == ("finished", "alice/topics")
    assert files_with(TOKEN, tmp_path) == []
    assert not any(TOKEN.encode() in content for content in hub.files("model", "alice/topics").values())


@pytest.mark.parametrize("status", [400, 403])
def test_refused_push_tells_why_without_the_token(
    hub: HubServer, supervisor: Supervisor, run_dir: RunDirectory, tmp_path: Path, status: int
) -> None:
    hub.fail_next("commit", status=status)
    supervisor.publish(run_dir.id, "alice/topics", private=True, token=TOKEN)
    wait(lambda: not supervisor.publish_status(run_dir.id).live)
    ended = supervisor.publish_status(run_dir.id)
    assert ended.state == "failed" and "Injected fault: try again later" in ended.message
    assert files_with(TOKEN, tmp_path) == []


def test_importing_a_private_dataset_leaves_the_token_nowhere(
    hub: HubServer, supervisor: Supervisor, tmp_path: Path
) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": "text,label\nhello,a\nbye,b\n"}, private=True)
    dataset_id = supervisor.import_dataset({"kind": "hub", "id": "alice/notes"}, token=TOKEN)
    wait(lambda: not supervisor.dataset_status(dataset_id).live)
    assert supervisor.dataset_status(dataset_id).state == "finished"
    assert len(supervisor.dataset(dataset_id)) == 2
    assert files_with(TOKEN, tmp_path) == []


def test_private_dataset_that_one_person_read_stays_closed_to_another(hub: HubServer, supervisor: Supervisor) -> None:
    """`datasets` falls back to what anyone on this machine has downloaded before; that must not count."""
    hub.add_repo("dataset", "alice/notes", {"train.csv": "text,label\nhello,a\nbye,b\n"}, private=True)
    first = supervisor.import_dataset({"kind": "hub", "id": "alice/notes"}, token=TOKEN)
    wait(lambda: not supervisor.dataset_status(first).live)
    for token in ("hf_bob", None):
        again = supervisor.import_dataset({"kind": "hub", "id": "alice/notes"}, token=token)
        wait(lambda again=again: not supervisor.dataset_status(again).live)
        assert supervisor.dataset_status(again).state == "failed"
