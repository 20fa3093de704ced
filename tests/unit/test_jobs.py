"""Jobs: each way a worker can end is told apart, from its lock and its events alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.runs import job, locks
from engine.runs.events import EventLog, EventReport, EventWriter, read_events

WORKERS = {
    "finish": "report.stage('training'); report.metrics({'loss': 0.5}, step=1); return {'answer': 42}",
    "fail": "from engine.errors import UserError; raise UserError('It went wrong.', 'Do this.')",
    "full": "raise RuntimeError('Error while serializing: I/O error: No space left on device (os error 28)')",
    "bug": "raise KeyError('secret ' + secrets['token'])",
    "wait": "report.stage('training')\n  import time\n  while not report.stop_requested: time.sleep(0.02)\n"
    "  return {'kept': 1}",
}


def start(folder: Path, name: str, *, secrets: bool = True) -> subprocess.Popen:
    code = "import sys\nfrom pathlib import Path\nfrom engine.runs.worker import run_job\n"
    code += f"def work(folder, secrets, report):\n  {WORKERS[name]}\nsys.exit(run_job(Path(sys.argv[1]), work))\n"
    log = (folder / "log.txt").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    if secrets:
        hand_secrets(process)
    return process


def hand_secrets(process: subprocess.Popen) -> None:
    process.stdin.write(json.dumps({"token": "hf_hidden"}).encode() + b"\n")
    process.stdin.close()


def wait_until_training(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while job.status(folder).stage != "training":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_job_that_finishes(tmp_path: Path) -> None:
    assert start(tmp_path, "finish").wait() == 0
    status = job.status(tmp_path)
    assert (status.state, status.result, status.live) == ("finished", {"answer": 42}, False)


def test_job_that_fails_says_it_in_its_own_words(tmp_path: Path) -> None:
    assert start(tmp_path, "fail").wait() == 1
    status = job.status(tmp_path)
    assert (status.state, status.message, status.hint) == ("failed", "It went wrong.", "Do this.")


def test_job_on_a_full_disk_says_so_however_the_library_tells_it(tmp_path: Path) -> None:
    assert start(tmp_path, "full").wait() == 1
    assert job.status(tmp_path).message == "The disk is full."


def test_job_with_a_bug_keeps_the_traceback_in_the_log_without_the_secret(tmp_path: Path) -> None:
    assert start(tmp_path, "bug").wait() == 1
    assert job.status(tmp_path).message == "Something unexpected happened: KeyError."
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" in log
    assert "hf_hidden" not in log + (tmp_path / "events.jsonl").read_text()


def test_job_that_is_cancelled(tmp_path: Path) -> None:
    process = start(tmp_path, "wait")
    wait_until_training(tmp_path)
    assert job.status(tmp_path).state == "running"
    assert job.stop(tmp_path)
    assert process.wait() == 130
    assert job.status(tmp_path).state == "cancelled"


def test_job_that_is_cancelled_before_it_has_begun(tmp_path: Path) -> None:
    process = start(tmp_path, "wait", secrets=False)
    deadline = time.monotonic() + 20
    while locks.holder(tmp_path / "lock") is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert job.stop(tmp_path)
    hand_secrets(process)
    assert process.wait() == 130
    assert job.status(tmp_path).state == "cancelled"


def test_job_that_is_asked_to_stop_and_keep_the_best_finishes(tmp_path: Path) -> None:
    process = start(tmp_path, "wait")
    wait_until_training(tmp_path)
    job.stop(tmp_path, keep_best=True)
    assert process.wait() == 0
    assert job.status(tmp_path).result == {"kept": 1}


def test_job_that_is_killed_is_interrupted(tmp_path: Path) -> None:
    process = start(tmp_path, "wait")
    wait_until_training(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    status = job.status(tmp_path)
    assert status.state == "interrupted"
    assert status.message == "It was cut off before it ended: the process was killed, or the machine restarted."
    assert not job.stop(tmp_path)


def test_job_outlives_who_started_it_and_is_found_again(tmp_path: Path) -> None:
    """A page that dies does not matter: another process sees the same running job."""
    process = start(tmp_path, "wait")
    wait_until_training(tmp_path)
    look = "import sys; from pathlib import Path; from engine.runs import job\n"
    look += "print(job.status(Path(sys.argv[1])).state)"
    seen = subprocess.run(
        [sys.executable, "-c", look, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert seen.stdout.strip() == "running"
    job.stop(tmp_path)
    process.wait()


def test_second_worker_on_one_folder_is_refused(tmp_path: Path) -> None:
    first = start(tmp_path, "wait")
    wait_until_training(tmp_path)
    assert start(tmp_path, "finish").wait() == 1
    assert job.status(tmp_path).state == "running"
    job.stop(tmp_path)
    first.wait()


def test_status_before_the_worker_is_up_is_waiting(tmp_path: Path) -> None:
    (tmp_path / "log.txt").touch()
    assert job.status(tmp_path).state == "waiting"


def test_job_tried_again_begins_anew(tmp_path: Path) -> None:
    start(tmp_path, "fail").wait()
    start(tmp_path, "finish").wait()
    status = job.status(tmp_path)
    assert (status.state, status.message) == ("finished", "")


def test_worker_environment_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_hidden")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    environment = job.worker_environment()
    assert "PATH" in environment
    assert not any("hidden" in value for value in environment.values())


def test_event_log_leaves_a_half_line_for_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind": "stage", "name": "a"}\n{"kind": "no')
    log = EventLog(path)
    assert [event["kind"] for event in log.poll()] == ["stage"]
    with path.open("ab") as file:
        file.write(b'te", "text": "b"}\nnot json\n{"kind": "stage", "name": "c"}\n')
    assert [event["kind"] for event in log.poll()] == ["note", "stage"]
    assert log.poll() == []


def test_eta_follows_the_pace_of_the_stage(tmp_path: Path) -> None:
    now = time.time()
    lines = [
        {"kind": "started", "ts": now - 10},
        {"kind": "stage", "name": "training", "ts": now - 10},
        {"kind": "progress", "step": 10, "total": 100, "ts": now - 9},
        {"kind": "progress", "step": 50, "total": 100, "ts": now},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    held = locks.hold(tmp_path / "lock")
    status = job.status(tmp_path)
    os.close(held)
    assert status.fraction == 0.5
    assert 10 < status.eta_seconds < 12.5


def test_progress_is_thinned_but_the_last_step_is_kept(tmp_path: Path) -> None:
    report = EventReport(EventWriter(tmp_path / "events.jsonl"))
    for step in range(1, 1001):
        report.progress(step, 1000)
    steps = [event["step"] for event in read_events(tmp_path / "events.jsonl")]
    assert steps[0] == 1
    assert steps[-1] == 1000
    assert len(steps) < 20
