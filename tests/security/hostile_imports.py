"""One child process that imports file after file as the import worker does, under guards: memory, time, honest answers.

`Imports().of(source)` gives how an import ended. Anything but a readable dataset or a refusal in words is a `Failure`.
"""

import faulthandler
import itertools
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.profile import PROFILE_FILE
from engine.data.readers import import_source, inspect_file
from engine.data.roles import guess_roles
from engine.errors import UserError
from engine.runs.events import Report

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024**2
GROWTH = 1024 * MEGABYTE  # of an import: the worker has the machine's memory to itself but for the page
INSPECTED_GROWTH = 512 * MEGABYTE  # of a look at an upload, which the page's own process takes
SECONDS = 30  # of CPU time for one file
PATIENCE = 10  # times as long on the clock: other processes may keep the cores busy
LONGEST_MESSAGE = 1500
INNER_WORDS = re.compile(
    r"Traceback|<class |object at 0x|\bFile \"|site-packages|pydantic|NoneType|has no attribute|object is not"
)


class Failure(AssertionError):
    """An import that crashed, hung, took too much memory, or said something that no person should read."""


@dataclass
class Ended:
    """How an import ended: `rows` of a dataset that reads, or the `message` of a refusal."""

    rows: int | None = None
    message: str = ""


class Imports:
    """The child, started on first use and again after a failure. Use as a context manager."""

    def __init__(self, seconds: int = SECONDS) -> None:
        self._seconds = seconds
        self._child: subprocess.Popen | None = None
        self._scratch = tempfile.TemporaryDirectory(prefix="hostile-")

    def __enter__(self) -> "Imports":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._scratch.cleanup()

    def of(self, source: dict[str, Any]) -> Ended:
        """Inspect and import `source` in the child. Raises Failure."""
        child = self._child = self._child or self._started()
        child.stdin.write(json.dumps(source) + "\n")
        child.stdin.flush()
        if not select.select([child.stdout], [], [], self._seconds * PATIENCE)[0]:
            self._end()
            raise Failure(f"a hang: not done in {self._seconds * PATIENCE} s")
        line = child.stdout.readline()
        if not line:
            code = child.wait(10)
            self._end()
            took = f"a hang: not done in {self._seconds} s of CPU time"
            raise Failure(took if code == -signal.SIGPROF else f"a crash: the process ended with {code}")
        answer = json.loads(line)
        if "failure" in answer:
            raise Failure(answer["failure"])
        return Ended(**answer)

    def _started(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.security.hostile_imports", self._scratch.name, str(self._seconds)]
        env = os.environ | {"TMPDIR": self._scratch.name, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(
            command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1
        )

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child.stdin.close()
            self._child.stdout.close()
            self._child = None


# ---- in the child -------------------------------------------------------------------------------------------------


def main(scratch: Path, seconds: int) -> None:
    """Read sources from stdin, a JSON line each; answer each with a JSON line."""
    faulthandler.register(signal.SIGPROF, chain=True)  # says where it hangs, then ends the process
    import_source({"kind": "example"}, scratch / "warm")  # what is imported on first use is not a file's doing
    for number, line in enumerate(sys.stdin):
        folder = scratch / f"dataset-{number}"
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            answer = _answer(json.loads(line), folder)
        except Failure as failure:
            answer = {"failure": str(failure)}
        except BaseException:
            answer = {"failure": traceback.format_exc()}
        shutil.rmtree(folder, ignore_errors=True)
        print(json.dumps(answer), flush=True)


BROKEN = {  # kinds of sources by which the tests see that the guards hold
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": lambda: all(itertools.count(1)),
    "memory": lambda: bytearray(2 * GROWTH),
    "bug": lambda: {}["no such key"],
    "words": lambda: _check_words(UserError("'NoneType' object is not iterable", "Do this.")),
    "path": lambda: _check_words(UserError(f"There is no file {ROOT}/x.", "Do this.")),
}


def _answer(source: dict[str, Any], folder: Path) -> dict[str, Any]:
    if source["kind"] in BROKEN:
        with _memory(GROWTH):
            BROKEN[source["kind"]]()
    with _memory(INSPECTED_GROWTH):
        try:
            json.dumps(inspect_file(source["path"], source.get("name")), default=str).encode()
        except UserError as error:
            _check_words(error)
    report = _Said()
    with _memory(GROWTH):
        try:
            dataset = import_source(source, folder, report=report)
        except UserError as error:
            _check_words(error)
            left = [p.name for p in folder.iterdir()] if folder.exists() else []
            _insist(not left, f"a refused import leaves {left} behind")
            return {"message": str(error)}
        _check_dataset(dataset, folder, report)
        return {"rows": len(dataset)}


class _Said(Report):
    """Notes, and the last progress while reading."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.rows: tuple[int, int | None] = (0, None)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, step: int, total: int | None, **_details: Any) -> None:
        self.rows = (step, total)


def _check_dataset(dataset: FeedbackDataset, folder: Path, report: _Said) -> None:
    """What the page and the next workers do with a dataset that was read works, and the counts agree."""
    n = len(dataset)
    profile = json.loads((folder / PROFILE_FILE).read_text(encoding="utf-8"))
    _insist(n == profile["records"] == report.rows[0], f"{n} rows, but said {profile['records']} and {report.rows}")
    _insist(report.rows[1] in (None, n), f"{n} rows, but {report.rows[1]} were announced")
    for note in report.notes:
        _insist(len(note) <= LONGEST_MESSAGE, f"a note of {len(note):,} characters: {note[:200]}")
    names = [item.name for item in (*dataset.fields, *dataset.questions)]
    _insist(len(set(names)) == len(names) and all(names), f"names {names}")
    again = FeedbackDataset.load(folder)
    first = list(again.samples(0, 5))
    _insist(len(first) == min(5, n), "the first samples can't be read")
    _ = again.records[0], again.records[n - 1]
    for role in guess_roles(again):
        json.dumps([role.name, role.reason, role.examples]).encode()


def _check_words(error: UserError) -> None:
    text = str(error)
    _insist(bool(error.message.strip()) and bool(error.hint.strip()), f"no message or no hint: {text}")
    _insist(len(text) <= LONGEST_MESSAGE, f"a message of {len(text):,} characters: {text[:300]} … {text[-100:]}")
    _insist(not INNER_WORDS.search(text), f"inner words: {text}")
    _insist(tempfile.gettempdir() not in text and str(ROOT) not in text, f"a path of this machine: {text}")
    _insist("takes more memory" not in text, f"stopped only by the last guard: {text}")
    text.encode()


def _insist(true: bool, otherwise: str) -> None:
    if not true:
        raise Failure(otherwise)


@contextmanager
def _memory(most: int) -> Iterator[None]:
    """Lets the block allocate `most` bytes: what goes beyond fails. Memory-mapped files do not count."""
    found = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (found + most, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
