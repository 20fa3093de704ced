"""Runs that wait for their turn: one trains at a time on a machine, whoever started it, in whatever tab or process.

An empty file for each waiting run, its name the order; what trains now stands in another. So every process on one data
folder sees the same queue, it outlives all of them, and it can be looked at with `ls`.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.runs import job
from engine.runs.run_directory import write_text

logger = logging.getLogger(__name__)
LOOK_SECONDS = 0.5


class RunQueue:
    """The queue in `folder` of the runs in `runs_dir`. `spawn(run_id)` starts a run's worker."""

    def __init__(self, folder: Path, runs_dir: Path, spawn: Callable[[str], None]) -> None:
        self._waiting, self._now, self._lock = folder / "waiting", folder / "now", folder / "lock"
        self._runs, self._spawn = runs_dir, spawn
        self._waiting.mkdir(parents=True, exist_ok=True)

    def add(self, run_id: str) -> None:
        """Put a run at the end, and start it when nothing else is at work."""
        (self._waiting / f"{time.time_ns():020d} {run_id}").touch()
        self.advance()

    def waiting(self) -> list[str]:
        """Run ids, the next one first."""
        return [name.split(" ")[1] for name in self._names()]

    def remove(self, run_id: str) -> bool:
        """Take a run out of the queue; whether it was still waiting."""
        with self._locked():
            found = [name for name in self._names() if name.split(" ")[1] == run_id]
            for name in found:
                (self._waiting / name).unlink(missing_ok=True)
        return bool(found)

    def move_up(self, run_id: str) -> None:
        """Let a waiting run change places with the one before it."""
        with self._locked():
            names = self._names()
            place = next((i for i, name in enumerate(names) if name.split(" ")[1] == run_id), 0)
            if place:
                (before, other), (after, this) = (name.split(" ") for name in names[place - 1 : place + 1])
                (self._waiting / names[place]).rename(self._waiting / f"{before} {this}")
                (self._waiting / names[place - 1]).rename(self._waiting / f"{after} {other}")

    def advance(self) -> None:
        """Start the next run if none is at work. Any process may call it at any time."""
        with self._locked():
            if self._is_busy():
                return
            for name in self._names():
                run_id = name.split(" ")[1]
                folder, place = self._runs / run_id, self._waiting / name
                if folder.is_dir() and not (folder / "log.txt").exists():
                    write_text(self._now, run_id)
                    self._spawn(run_id)  # before its place is given up: a crash in between loses no run
                    place.unlink(missing_ok=True)
                    return
                place.unlink(missing_ok=True)  # deleted, or started by a process that then died

    def keep_going(self) -> None:
        """Advance from a thread of this process from now on."""
        threading.Thread(target=self._go_on, name="queue", daemon=True).start()

    def _go_on(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                if self._names():
                    self.advance()
            except Exception:
                logger.exception("The next run could not be started")
                time.sleep(10)

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self._waiting) if " " in name)

    def _is_busy(self) -> bool:
        with suppress(FileNotFoundError):
            return job.is_at_work(self._runs / self._now.read_text(encoding="utf-8"))
        return False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process and thread at a time; the kernel opens the lock again however its holder ends."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
