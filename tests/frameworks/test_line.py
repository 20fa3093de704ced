"""The line through processes, without a page: import, run, report, predict, files, .zip, publish, stop, kill."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine import JobStatus, RunSpec, Settings, SplitSpec, Supervisor, UserError, public_spec
from engine.runs import locks
from tests.hub_server import HubServer

pytestmark = pytest.mark.slow


def wait(status: Callable[[], JobStatus], seconds: float = 180) -> JobStatus:
    deadline = time.monotonic() + seconds
    while status().live:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return status()


def spec(dataset_id: str, **changes: object) -> RunSpec:
    values = {
        "title": "topic",
        "dataset": {"id": dataset_id, "name": "Support messages", "source": {"kind": "example"}},
        "task": {"task": "text-classification", "fields": {"text": "text", "label": "topic"}, "strategy": "majority"},
        "framework": "spacy",
        "base_model": "blank:en",
        "config": {"architecture": "bow", "max_steps": 60, "eval_frequency": 20},
        "split": SplitSpec(),
    }
    return RunSpec(**values | changes)


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    supervisor = Supervisor(Settings(tmp_path_factory.mktemp("home")))
    supervisor.queue.keep_going()
    yield supervisor
    supervisor.close()


@pytest.fixture(scope="module")
def dataset_id(supervisor: Supervisor) -> str:
    dataset_id = supervisor.import_dataset({"kind": "example"})
    assert wait(lambda: supervisor.dataset_status(dataset_id)).state == "finished"
    return dataset_id


@pytest.fixture(scope="module")
def run_id(supervisor: Supervisor, dataset_id: str) -> str:
    assert supervisor.readiness(spec(dataset_id)).blocking == []
    run_id = supervisor.start(spec(dataset_id))
    status = wait(lambda: supervisor.status(run_id))
    assert status.state == "finished", status.message + supervisor.log_tail(run_id)
    return run_id


def test_run_leaves_report_card_data_and_events(supervisor: Supervisor, run_id: str) -> None:
    run_dir = supervisor.run(run_id)
    report = run_dir.report
    assert report["n"] == {"train": 267, "validation": 38, "test": 77}
    assert report["left_out"]["unanswered"] == 12
    assert 0.3 < report["metrics"]["accuracy"] <= 1
    assert report["baseline"]["metrics"]["accuracy"] < report["metrics"]["accuracy"]
    assert sum(map(sum, report["confusion"]["matrix"])) == 77
    assert report["n_mistakes"] == round((1 - report["metrics"]["accuracy"]) * 77)
    assert "77" in run_dir.card_file.read_text()
    assert {"loss", "validation_accuracy"} <= supervisor.history(run_id).keys()
    assert run_dir.spec.versions["spacy"]
    assert not run_dir.checkpoints_dir.exists()


def test_restarted_app_sees_the_same_runs_without_its_index(
    supervisor: Supervisor, run_id: str, tmp_path: Path
) -> None:
    shutil.copytree(supervisor.settings.runs_dir, tmp_path / "runs")  # runs.db stays behind
    restarted = Supervisor(Settings(tmp_path))
    (summary,) = [run for run in restarted.runs() if run.id == run_id]
    assert (summary.state, summary.n_test, summary.framework) == ("finished", 77, "spacy")
    assert restarted.store.pace("spacy", "blank:en") > 0


def test_predict_answers_from_a_warm_process(supervisor: Supervisor, run_id: str) -> None:
    first, second = supervisor.predict(run_id, ["Where is my parcel?", "I was charged twice."])
    assert {entry["label"] for entry in first} == {"account", "billing", "delivery", "product", "returns"}
    assert [entry["score"] for entry in second] == sorted((entry["score"] for entry in second), reverse=True)
    started = time.monotonic()
    supervisor.predict(run_id, ["again"])
    assert time.monotonic() - started < 2


def test_predict_process_that_dies_is_replaced(supervisor: Supervisor, run_id: str) -> None:
    supervisor.predict(run_id, ["a"])
    os.kill(next(iter(supervisor.predictor._processes.values()))._process.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert supervisor.predict(run_id, ["a"])


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_predict_file_gives_the_same_file_with_predictions(
    supervisor: Supervisor, run_id: str, tmp_path: Path, ending: str
) -> None:
    rows = [
        {"id": str(i), "text": text} for i, text in enumerate(["My invoice is wrong.", "", "Where is it, today?"] * 30)
    ]
    source = tmp_path / f"in{ending}"
    if ending == ".jsonl":
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif ending == ".parquet":
        import pyarrow as pa

        pq.write_table(pa.Table.from_pylist(rows), source)
    else:
        with source.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "text"], delimiter="\t" if ending == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    *progress, done = supervisor.predict_file(run_id, source)
    assert progress[-1] == {"step": 60, "total": 60}
    assert (done["rows"], done["empty"], done["columns"]) == (90, 30, {"text": "text"})
    if ending == ".parquet":
        result = pq.read_table(done["path"]).to_pylist()
    elif ending == ".jsonl":
        result = [json.loads(line) for line in Path(done["path"]).read_text().splitlines()]
    else:
        with open(done["path"], newline="") as file:
            result = list(csv.DictReader(file, delimiter="\t" if ending == ".tsv" else ","))
    assert [str(row["id"]) for row in result] == [row["id"] for row in rows]
    assert not result[1]["prediction"]
    (live,) = supervisor.predict(run_id, ["Where is it, today?"])
    assert result[2]["prediction"] == live[0]["label"]
    assert float(result[2][f"score_{live[0]['label']}"]) == pytest.approx(live[0]["score"], abs=1e-4)


def test_predict_file_without_the_column_says_which_there_are(
    supervisor: Supervisor, run_id: str, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n1,2\n")
    with pytest.raises(UserError) as caught:
        list(supervisor.predict_file(run_id, source, {"text": "text"}))
    assert str(caught.value) == "The file has no column named 'text'. Its columns: a, b."


def test_zip_holds_model_card_and_report(supervisor: Supervisor, run_id: str) -> None:
    with zipfile.ZipFile(supervisor.zip_model(run_id)) as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {"README.md", "report.json", "config.cfg", "meta.json"} <= names


def test_publish_fails_in_words_and_works_the_second_time(supervisor: Supervisor, run_id: str, hub: HubServer) -> None:
    supervisor.publish(run_id, "ann/topics", private=True, token="hf_ann:read")
    status = wait(lambda: supervisor.publish_status(run_id))
    assert status.state == "failed"
    assert status.hint
    supervisor.publish(run_id, "ann/topics", private=True, token="hf_ann")
    status = wait(lambda: supervisor.publish_status(run_id))
    assert status.state == "finished", status.message
    assert status.result["url"].endswith("ann/topics")
    assert {"README.md", "config.cfg", "meta.json"} <= set(hub.files("model", "ann/topics"))
    written = "".join(path.read_text(errors="replace") for path in supervisor.run(run_id).publish_dir.iterdir())
    assert "hf_ann" not in written


def test_stop_and_keep_the_best_ends_with_a_model(supervisor: Supervisor, dataset_id: str) -> None:
    run_id = supervisor.start(spec(dataset_id, config={"max_steps": 100_000, "eval_frequency": 5, "patience": 0}))
    _wait_for_steps(supervisor, run_id)
    supervisor.stop(run_id, keep_best=True)
    status = wait(lambda: supervisor.status(run_id))
    assert status.state == "finished", status.message
    assert supervisor.run(run_id).report["stopped_early"]
    assert supervisor.predict(run_id, ["a parcel"])


def test_cancel_and_kill_are_told_apart_and_deleted(supervisor: Supervisor, dataset_id: str) -> None:
    endless = spec(dataset_id, config={"max_steps": 100_000, "patience": 0})
    cancelled, killed, removed = (supervisor.start(endless) for _ in range(3))
    _wait_for_steps(supervisor, cancelled)
    assert [supervisor.status(run_id).ahead for run_id in (cancelled, killed, removed)] == [None, 1, 2]
    with pytest.raises(UserError, match="This run is still at work."):
        supervisor.delete(killed)
    supervisor.stop(cancelled)
    assert wait(lambda: supervisor.status(cancelled)).state == "cancelled"
    _wait_for_steps(supervisor, killed)  # its turn has come
    supervisor.stop(removed)
    assert supervisor.status(removed).state == "cancelled"
    os.kill(locks.holder(supervisor.run(killed).lock_file), signal.SIGKILL)
    assert wait(lambda: supervisor.status(killed)).state == "interrupted"
    with pytest.raises(UserError, match="This run has no finished model: it is interrupted."):
        supervisor.predict(killed, ["a"])
    for run_id in (cancelled, killed, removed):
        supervisor.delete(run_id)
        assert run_id not in [run.id for run in supervisor.runs()]


def test_run_that_can_not_be_says_why(supervisor: Supervisor, dataset_id: str) -> None:
    readiness = supervisor.readiness(
        spec(dataset_id, config={"dropout": 7}, base_model="ann/nowhere", task={"task": "text-classification"})
    )
    assert len(readiness.blocking) == 3
    checked = supervisor.check(spec(dataset_id, split=SplitSpec(train=0.9, validation=0.2, test=0.1)))
    assert checked.blocking == (
        "The shares for training, validation and test must sum to 1; they sum to 1.2. Change one of them.",
    )
    assert (checked.rows, checked.left_out["unanswered"]) == (382, 12)
    assert len(checked.left_out_records["unanswered"]) == 12
    run_id = supervisor.start(spec(dataset_id, base_model="ann/nowhere"))
    status = wait(lambda: supervisor.status(run_id))
    assert (status.state, status.message) == ("failed", "The base model 'ann/nowhere' is not on this machine.")


def test_exported_run_file_trains_the_same_from_a_terminal(supervisor: Supervisor, tmp_path: Path) -> None:
    source = tmp_path / "messages.csv"
    lines = [f"my invoice number {i} is wrong,billing\nwhere is parcel {i} today,delivery\n" for i in range(40)]
    source.write_text("message,topic\n" + "".join(lines))
    dataset_id = supervisor.import_dataset({"kind": "file", "path": str(source), "name": "messages.csv"})
    assert wait(lambda: supervisor.dataset_status(dataset_id)).state == "finished"
    dataset = supervisor.dataset(dataset_id)
    derived = [question.model_dump() for question in dataset.schema.derived]
    about = {"id": dataset_id, "name": dataset.name, "source": dataset.schema.source, "derived": derived}
    task = {"task": "text-classification", "fields": {"text": "message", "label": "topic"}, "strategy": None}
    asked = spec(dataset_id, dataset=about, task=task)
    run_id = supervisor.start(asked)
    assert wait(lambda: supervisor.status(run_id)).state == "finished"
    exported = public_spec(asked).model_dump_json()
    assert str(tmp_path) not in exported
    (tmp_path / "run.json").write_text(exported)
    done = subprocess.run(
        [sys.executable, "-m", "engine", "train", str(tmp_path / "run.json")],
        env=os.environ | {"ANNOTUNE_HOME": str(tmp_path / "home")},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (again,) = (tmp_path / "home" / "runs").iterdir()
    report = json.loads((again / "report.json").read_text())
    assert report["metrics"] == supervisor.run(run_id).report["metrics"]
    assert f"model:  {again / 'model'}" in done.stdout


def test_names_from_the_address_bar_stay_inside(supervisor: Supervisor) -> None:
    for name in ("../runs", "..", "", "/etc", "nothing"):
        with pytest.raises(UserError, match="There is nothing here called"):
            supervisor.run(name)


def _wait_for_steps(supervisor: Supervisor, run_id: str) -> None:
    deadline = time.monotonic() + 90
    while "loss" not in supervisor.history(run_id):
        status = supervisor.status(run_id)
        assert status.live and time.monotonic() < deadline, status.message + supervisor.log_tail(run_id)
        time.sleep(0.1)
