"""A job: one worker process over one folder. Starting it, and telling its true state from its lock and its events.

Used for imports, base-model downloads, runs and publishing alike. The folder is the truth; nothing is remembered here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.frameworks.overlays import python_path
from engine.runs import locks
from engine.runs.events import FINAL, read_events

# The only variables a worker sees. Tokens are never among them: a worker that needs one reads it from stdin.
INHERITED = (
    "PATH HOME LANG LC_ALL TZ TMPDIR LD_LIBRARY_PATH XDG_CACHE_HOME XDG_DATA_HOME HF_HOME HF_ENDPOINT HF_HUB_CACHE "
    "HF_HUB_DISABLE_XET HF_HUB_OFFLINE HF_HUB_DISABLE_TELEMETRY OMP_NUM_THREADS OPENAI_BASE_URL "
    "CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES SSL_CERT_FILE "
    "HTTPS_PROXY HTTP_PROXY NO_PROXY PYTHONUTF8 VIRTUAL_ENV SYSTEMROOT ANNOTUNE_HOME ANNOTUNE_OVERLAYS SPACE_ID "
    "ANNOTUNE_UNCONFINED_CELLS"
).split()
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY")
START_GRACE = 20.0  # seconds in which a started worker must have taken its lock


@dataclass
class JobStatus:
    """What is true about a job now. `state`: waiting, running, finished, failed, cancelled or interrupted."""

    state: str = "waiting"
    stage: str = ""
    step: int = 0
    total: int | None = None
    epoch: float | None = None
    eta_seconds: float | None = None
    ahead: int | None = None  # runs that have their turn before this one, while it waits for its own
    started: float | None = None
    ended: float | None = None
    message: str = ""
    hint: str = ""
    notes: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def fraction(self) -> float | None:
        """Share of the current stage that is done, 0 to 1; None while it can't be told."""
        return min(self.step / self.total, 1.0) if self.total else None

    @property
    def elapsed(self) -> float:
        """Seconds from the start to the end, or to now."""
        return ((self.ended or time.time()) - self.started) if self.started else 0.0


def worker_environment(**extra: str) -> dict[str, str]:
    """The allow-listed environment of a worker; an offline one has no proxy, whose address may hold a password."""
    offline = extra.get("HF_HUB_OFFLINE") == "1"
    env = {name: os.environ[name] for name in INHERITED if name in os.environ and not (offline and name in PROXIES)}
    return env | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"} | extra


def spawn(
    verb: str, folder: Path, *, secret: dict[str, str] | None = None, offline: bool, overlay: str | None = None
) -> int:
    """Start `python -m engine <verb> <folder>` detached, its output in log.txt and `secret` on its stdin. → its pid.

    Raises UserError when its overlay is not installed.
    """
    env = worker_environment(**({"HF_HUB_OFFLINE": "1"} if offline else {}))
    env["PYTHONPATH"] = python_path(overlay)
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", verb, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=folder,  # a library that writes into the working directory writes into the job's own folder
            start_new_session=True,
        )
    try:
        process.stdin.write(json.dumps(secret or {}).encode() + b"\n")
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died at once; status() will say so
    _reap_later(process)
    return process.pid


def run_in_child(verb: str, folder: Path, overlay: str | None) -> JobStatus:
    """Run a job in a child and wait for it, its output on this terminal: for scripts. → how it ended."""
    env = worker_environment(HF_HUB_OFFLINE="1", PYTHONPATH=python_path(overlay))
    command = [sys.executable, "-m", "engine", verb, str(folder)]
    subprocess.run(command, env=env, cwd=folder, stdin=subprocess.DEVNULL)
    return status(folder)


def _reap_later(process: subprocess.Popen) -> None:
    """Keep the child from staying a zombie, which would look alive to `os.kill(pid, 0)`."""
    import threading

    threading.Thread(target=process.wait, daemon=True, name=f"reap-{process.pid}").start()


def status(folder: Path) -> JobStatus:
    """The job's state, from its lock and its events: never from a promise."""
    alive = locks.holder(folder / "lock") is not None  # before the events: a final event may come in between
    events = read_events(folder / "events.jsonl")
    result = JobStatus()
    for event in events:
        _apply(result, event)
    if result.state in FINAL:
        return result
    if alive:
        result.state = "running"
        result.eta_seconds = _eta(events)
    elif events or _age(folder) > START_GRACE:
        result.state = "interrupted"
        result.ended = events[-1]["ts"] if events else None
        result.message, result.hint = _how_it_ended(folder)
    return result


def is_at_work(folder: Path) -> bool:
    """Whether a worker has this folder's lock, or was just started and is about to take it. Reads no events."""
    if locks.holder(folder / "lock") is not None:
        return True
    return (folder / "log.txt").is_file() and not (folder / "events.jsonl").is_file() and _age(folder) < START_GRACE


def _apply(result: JobStatus, event: dict[str, Any]) -> None:
    kind = event["kind"]
    if kind == "started":  # a job that is tried again in the same folder begins anew
        result.__init__(started=event["ts"])
    elif kind == "stage":
        result.stage, result.step, result.total, result.epoch = event["name"], 0, None, None
    elif kind == "progress":
        result.step, result.total, result.epoch = event["step"], event["total"], event.get("epoch")
    elif kind == "note":
        result.notes.append(event["text"])
    elif kind in FINAL:
        result.state, result.ended = kind, event["ts"]
        result.message, result.hint = event.get("message", ""), event.get("hint", "")
        result.result = event.get("result", {})


def _eta(events: list[dict[str, Any]]) -> float | None:
    """Seconds left of the current stage, from the pace of its progress events."""
    stage = next((i for i in range(len(events) - 1, -1, -1) if events[i]["kind"] == "stage"), 0)
    marks = [e for e in events[stage:] if e["kind"] == "progress" and e["total"]]
    if len(marks) < 2 or marks[-1]["step"] <= marks[0]["step"]:
        return None
    pace = (marks[-1]["ts"] - marks[0]["ts"]) / (marks[-1]["step"] - marks[0]["step"])
    waited = max(0.0, time.time() - marks[-1]["ts"])
    return max(0.0, pace * (marks[-1]["total"] - marks[-1]["step"]) - waited)


def _age(folder: Path) -> float:
    log = folder / "log.txt"
    return time.time() - log.stat().st_mtime if log.is_file() else 0.0


def _how_it_ended(folder: Path) -> tuple[str, str]:
    log = folder / "log.txt"
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.is_file() else ""
    if "MemoryError" in tail or "out of memory" in tail.lower():
        return "It ran out of memory.", "Use a smaller base model, a smaller batch or shorter texts, and start again."
    return (
        "It was cut off before it ended: the process was killed, or the machine restarted.",
        "Start it again; nothing it had loaded is lost.",
    )


def stop(folder: Path, *, keep_best: bool = False, grace: float = 15.0) -> bool:
    """Ask the job's process group to stop; SIGKILL after `grace` seconds. With `keep_best`, only ask training to end.

    Returns whether there was a live worker to ask.
    """
    pid = locks.holder(folder / "lock")
    if pid is None:
        return False
    if keep_best:
        os.kill(pid, signal.SIGUSR1)
        return True
    os.killpg(pid, signal.SIGTERM)
    import threading

    threading.Thread(target=_kill_if_alive, args=(folder, pid, grace), daemon=True).start()
    return True


def _kill_if_alive(folder: Path, pid: int, grace: float) -> None:
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if locks.holder(folder / "lock") != pid:
            return
        time.sleep(0.1)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
