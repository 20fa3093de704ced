"""Events: what a worker reports, one JSON line each, append-only, one writer. Readers keep a byte offset."""

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.redaction import redacted

VERSION = 1
FINAL = ("finished", "failed", "cancelled")


class Cancelled(BaseException):
    """Raised in a worker by SIGTERM. Not an Exception, so that no library's `except Exception` swallows it."""


class EventWriter:
    """Appends events to a file, one write a line, so that a reader never sees two lines mixed."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._seq = 0

    def write(self, kind: str, **values: Any) -> None:
        line = {"v": VERSION, "seq": self._seq, "ts": round(time.time(), 3), "kind": kind} | values
        os.write(self._fd, redacted(json.dumps(line, default=float)).encode() + b"\n")
        self._seq += 1


@dataclass
class EventLog:
    """Events read so far from one file; `poll` returns what is new."""

    path: Path
    offset: int = 0

    def poll(self) -> list[dict[str, Any]]:
        """Events written since the last poll. A half-written last line is left for the next one."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        self.offset += len(complete)
        return [event for event in map(_parse, complete.splitlines()) if event]


def read_events(path: Path) -> list[dict[str, Any]]:
    """All events of a file."""
    return EventLog(path).poll()


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:  # a line cut by a crash or a full disk: the ones around it still count
        return None
    return event if isinstance(event, dict) and "kind" in event else None


class Report:
    """What frameworks and readers tell about their work. This one says nothing; subclasses pass it on.

    `stop_requested` becomes true when the owner asked to stop and keep the best so far: a framework looks at it
    after each step, ends its training in the ordinary way, and keeps its best checkpoint.
    """

    stop_requested = False

    def stage(self, name: str) -> None:
        """A new stage begins: "preparing", "loading", "training", "evaluating", "saving"."""

    def progress(self, step: int, total: int | None, **details: Any) -> None:
        """`step` of `total` steps of the stage are done; details such as epoch."""

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Figures for the plots: "loss", "validation_loss", "validation_accuracy", …"""

    def note(self, text: str) -> None:
        """A sentence for the owner: pairs capped, texts truncated, device chosen."""


class EventReport(Report):
    """Writes events, at most a few progress lines a second."""

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        self._last_progress = 0.0

    def stage(self, name: str) -> None:
        self._last_progress = 0.0
        self._writer.write("stage", name=name)

    def progress(self, step: int, total: int | None, **details: Any) -> None:
        now = time.monotonic()
        if now - self._last_progress >= 0.25 or step == total:
            self._last_progress = now
            self._writer.write("progress", step=step, total=total, **details)

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        self._writer.write("metrics", step=step, values=values)

    def note(self, text: str) -> None:
        self._writer.write("note", text=text)


def install_signals(report: Report) -> None:
    """SIGTERM cancels (raises Cancelled in the main thread); SIGUSR1 asks to stop and keep the best so far."""

    def cancel(_signum: int, _frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up may take as long as it needs
        raise Cancelled

    def stop(_signum: int, _frame: Any) -> None:
        report.stop_requested = True

    signal.signal(signal.SIGTERM, cancel)
    signal.signal(signal.SIGUSR1, stop)
