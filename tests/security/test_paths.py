"""Ids and names from a browser lead to folders of ours and nowhere else; links planted there are not followed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import RunSpec, Settings, Supervisor, Uploads, UserError
from engine.frameworks import _rewards
from engine.paths import file_name, inside
from engine.runs.events import EventWriter
from engine.runs.run_directory import RunDirectory
from engine.runs.work import open_dataset

HOSTILE = [
    *("", ".", "..", "../runs", "../../etc", "/etc", "/", "a/b", "a\\b", "..\\..", "~", ".hidden", "a\0b", "\0"),
    *("x" * 81, "x" * 5000, "a\nb", "a ", " a", "%2e%2e", "..%2f", "a?b", "a#b", "é", "\ufeff", "-rf", "run.json/.."),
]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(Settings(data_root=tmp_path / "data"))
    yield supervisor
    supervisor.close()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is not ours, made to look like a finished run."""
    folder = tmp_path / "outside"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_bytes(b"secret")
    (folder / "report.json").write_text('{"secret": 1}')
    (folder / "log.txt").write_text("secret")
    (folder / "schema.json").write_text("{}")
    (folder / "run.json").write_text(spec().model_dump_json())
    EventWriter(folder / "events.jsonl").write("finished", result={})
    return folder


def spec(**dataset: str) -> RunSpec:
    task = {"task": "text-classification", "fields": {"text": "text", "label": "topic"}}
    return RunSpec(dataset={"source": {"kind": "example"}} | dataset, task=task, framework="setfit", base_model="x/y")


def finished_run(supervisor: Supervisor) -> RunDirectory:
    run_dir = RunDirectory.create(supervisor.settings.runs_dir, spec())
    run_dir.model_dir.mkdir()
    (run_dir.model_dir / "model.safetensors").write_bytes(b"weights")
    run_dir.write_report({"n": {}, "metrics": None})
    EventWriter(run_dir.events_file).write("finished", result={})
    return run_dir


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_id_is_refused_by_everything_that_takes_one(supervisor: Supervisor, name: str) -> None:
    takes_a_run = [supervisor.run, supervisor.status, supervisor.stop, supervisor.delete, supervisor.history]
    takes_a_run += [supervisor.log_tail, supervisor.publish_status, supervisor.zip_model]
    takes_a_dataset = [supervisor.dataset_folder, supervisor.dataset_status, supervisor.dataset, supervisor.profile]
    takes_a_dataset += [supervisor.dataset_source, supervisor.delete_dataset, supervisor.fetch_status]
    for take in takes_a_run + takes_a_dataset:
        with pytest.raises(UserError, match="There is nothing here called"):
            take(name)
    with pytest.raises(UserError):
        supervisor.predict(name, ["a text"])
    with pytest.raises(UserError):
        supervisor.publish(name, "alice/x", private=True, token="hf_alice")
    assert not supervisor.is_shown_example(name)
    assert not supervisor.is_public(name)


def test_refusal_does_not_repeat_a_long_name(supervisor: Supervisor) -> None:
    with pytest.raises(UserError) as refused:
        supervisor.run("x" * 5000)
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize("kind", ["runs", "datasets"])
def test_link_to_a_folder_is_nothing_of_ours(supervisor: Supervisor, outside: Path, kind: str) -> None:
    link = supervisor.settings.data_root / kind / "20260101-000000-abcdef"
    link.symlink_to(outside)
    take = supervisor.run if kind == "runs" else supervisor.dataset_folder
    with pytest.raises(UserError, match="There is nothing here called"):
        take(link.name)
    assert (supervisor.runs(), supervisor.datasets()) == ([], [])
    with pytest.raises(UserError):
        supervisor.delete(link.name) if kind == "runs" else supervisor.delete_dataset(link.name)
    assert (outside / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "part", ["report.json", "log.txt", "model", "model/extra.json", "data", "publish", "events.jsonl"]
)
def test_run_with_a_link_out_of_it_is_not_opened_served_or_deleted(
    supervisor: Supervisor, outside: Path, part: str
) -> None:
    run_dir = finished_run(supervisor)
    path = run_dir.path / part
    if path.is_dir():
        path.rename(run_dir.path / "moved")
    path.unlink(missing_ok=True)
    path.symlink_to(outside / ("model" if path.suffix == "" else "report.json"))
    for take in (supervisor.run, supervisor.status, supervisor.log_tail, supervisor.zip_model, supervisor.delete):
        with pytest.raises(UserError, match="holds a link that leads out of it"):
            take(run_dir.id)
    with pytest.raises(UserError, match="holds a link that leads out of it"):
        supervisor.publish(run_dir.id, "alice/x", private=True, token="hf_alice")
    assert (outside / "report.json").is_file() and (outside / "model" / "model.safetensors").is_file()


def test_link_within_a_run_is_harmless(supervisor: Supervisor) -> None:
    run_dir = finished_run(supervisor)
    (run_dir.path / "latest").symlink_to(run_dir.model_dir)
    assert supervisor.status(run_dir.id).state == "finished"


def test_data_folder_may_itself_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    supervisor = Supervisor(Settings(data_root=tmp_path / "data"))
    assert supervisor.status(finished_run(supervisor).id).state == "finished"


def test_deleting_a_run_deletes_no_more(supervisor: Supervisor) -> None:
    kept, gone = finished_run(supervisor), finished_run(supervisor)
    supervisor.delete(gone.id)
    assert (kept.path.is_dir(), gone.path.exists()) == (True, False)


def test_run_file_that_names_a_folder_elsewhere_reads_its_own_source(supervisor: Supervisor, outside: Path) -> None:
    from engine.runs.events import Report

    for known in ("../../outside", str(outside), "x" * 300, "a\0b"):
        run_dir = RunDirectory.create(supervisor.settings.runs_dir, spec(id=known))
        assert len(open_dataset(run_dir, Report())) == 400


@pytest.mark.parametrize("name", ["..", "../runs", "a\0b"])
def test_reward_model_is_no_way_out_of_the_runs(supervisor: Supervisor, outside: Path, name: str) -> None:
    try:
        assert _rewards.locate(name) is None
    except UserError:
        pass


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("data.csv", "data.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\data.csv", "data.csv"),
        ("..", "file"),
        ("", "file"),
        (".hidden", "hidden"),
        ("a\0b\n.csv", "ab.csv"),
        ("x" * 400 + ".csv", "x" * 146 + ".csv"),
    ],
)
def test_upload_keeps_the_last_part_of_its_name_only(given: str, kept: str) -> None:
    assert file_name(given) == kept


def test_upload_leaves_the_folder_that_is_served(tmp_path: Path) -> None:
    arrived = tmp_path / "cache" / "abc" / "notes.csv"
    arrived.parent.mkdir(parents=True)
    arrived.write_text("text\nhello\n")
    uploads = Uploads(tmp_path / "uploads")
    upload_id = uploads.take(arrived)
    assert not arrived.exists()
    assert uploads.path(upload_id).read_text() == "text\nhello\n" and uploads.path(upload_id).name == "notes.csv"
    uploads.forget(upload_id)
    uploads.forget(upload_id)
    with pytest.raises(UserError, match="not here any more"):
        uploads.path(upload_id)


def test_upload_that_is_a_link_is_not_taken(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "notes.csv").symlink_to(outside / "report.json")
    with pytest.raises(UserError, match="not here any more"):
        Uploads(tmp_path / "uploads").take(tmp_path / "notes.csv")
    assert (outside / "report.json").is_file()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_upload_id_is_nothing(tmp_path: Path, name: str) -> None:
    uploads = Uploads(tmp_path / "uploads")
    with pytest.raises(UserError, match="not here any more"):
        uploads.path(name)


def test_uploads_that_nobody_used_go_at_a_start_and_with_time(tmp_path: Path) -> None:
    import os

    uploads = Uploads(tmp_path / "uploads")
    ids = []
    for name in "ab":
        (tmp_path / name).write_text(name)
        ids.append(uploads.take(tmp_path / name))
        if name == "a":
            os.utime(tmp_path / "uploads" / ids[0], (0, 0))
    assert [folder.name for folder in (tmp_path / "uploads").iterdir()] == [ids[1]]
    assert list(Uploads(tmp_path / "uploads").folder.iterdir()) == []


def test_plain_name_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "20260101-000000-abcdef").mkdir()
    assert inside(tmp_path, "20260101-000000-abcdef") == tmp_path / "20260101-000000-abcdef"


def test_source_of_a_dataset_is_what_was_asked(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("text,label\nhello,a\n")
    source = {"kind": "file", "path": str(tmp_path / "notes.csv"), "name": "../../../evil.csv"}
    dataset_id = supervisor.import_dataset(source)
    folder = supervisor.dataset_folder(dataset_id)
    assert json.loads((folder / "request.json").read_text())["source"]["path"] == str(folder / "source" / "evil.csv")
