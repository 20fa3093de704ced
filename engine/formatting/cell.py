"""The page's side of the code cell: starts a single-use worker, feeds it samples, and believes nothing it answers."""

import re
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from engine.errors import UserError

BATCH = 256  # samples a frame
START_SECONDS = 10.0
MAX_FRAME = 64 * 1024**2  # bytes of one answer


@dataclass(frozen=True)
class Limits:
    """What a formatting cell may use: seconds a sample and in all, bytes of memory, rows a sample."""

    sample_seconds: float = 2.0
    total_seconds: float = 600.0
    memory_bytes: int = 1024**3
    rows_per_sample: int = 10_000


@dataclass
class CellResult:
    """`rows`: for each sample the list of what was returned or yielded (tuples as lists). `stdout`: what it printed."""

    rows: list[list[Any]] = field(default_factory=list)
    stdout: str = ""


class CellError(UserError):
    """The cell failed. `kind`: syntax, error, timeout, memory, crash; `line` of the cell; `index` of the sample."""

    def __init__(self, message: str, hint: str, *, kind: str, line: int | None, index: int | None, stdout: str) -> None:
        super().__init__(message, hint)
        self.kind, self.line, self.index, self.stdout = kind, line, index, stdout

    def __reduce__(self) -> tuple:
        return _rebuild, (self.message, self.hint, self.kind, self.line, self.index, self.stdout)


def _rebuild(message: str, hint: str, kind: str, line: int | None, index: int | None, stdout: str) -> CellError:
    return CellError(message, hint, kind=kind, line=line, index=index, stdout=stdout)


def run_formatting_cell(code: str, samples: Iterable[dict[str, Any]], *, limits: Limits | None = None) -> CellResult:
    """Run the cell's `formatting_func` on every sample, in a process of its own with an empty environment.

    Raises CellError that names the line of the cell and the sample, with what was printed until then.
    """
    limits = limits or Limits()
    result = CellResult()
    worker = _Worker(limits, result)
    try:
        worker.start(code)
        for batch in _batches(samples):
            worker.run(batch)
    finally:
        worker.close()
    return result


def _batches(samples: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(samples)
    while batch := list(islice(iterator, BATCH)):
        yield batch


class _Worker:
    """One confined process, for one piece of code and one pass over the samples."""

    def __init__(self, limits: Limits, result: CellResult) -> None:
        self.limits = limits
        self.result = result
        self.deadline = time.monotonic() + limits.total_seconds
        self.process = subprocess.Popen(
            [sys.executable, "-ISB", str(Path(__file__).with_name("sandbox_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )

    def start(self, code: str) -> None:
        self._send({"code": code, "limits": asdict(self.limits)})
        answer = self._receive(START_SECONDS + self.limits.sample_seconds)
        if "error" in answer:
            self._raise(answer)

    def run(self, batch: list[dict[str, Any]]) -> None:
        """Feed one batch and keep its rows."""
        self._send(batch)
        seconds = min(self.limits.sample_seconds * len(batch) + 3, self.deadline - time.monotonic())
        answer = self._receive(seconds)
        if "error" in answer:
            self._raise(answer)
        rows, text = answer.get("rows"), answer.get("stdout")
        if not (isinstance(rows, list) and len(rows) == len(batch) and all(isinstance(row, list) for row in rows)):
            raise self._nonsense()
        self.result.rows += rows
        self.result.stdout = (self.result.stdout + str(text or ""))[:64_000]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass

    def _send(self, message: Any) -> None:
        data = orjson.dumps(message, default=str, option=orjson.OPT_NON_STR_KEYS)
        try:
            self.process.stdin.write(struct.pack("!I", len(data)) + data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died; _receive tells how

    def _receive(self, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        (length,) = struct.unpack("!I", self._read(4, deadline))
        if length > MAX_FRAME:
            raise self._error("error", "The cell returned more than 64 MB for 256 records.", None, None)
        answer = orjson.loads(self._read(length, deadline))
        if not isinstance(answer, dict):
            raise self._nonsense()
        return answer

    def _read(self, count: int, deadline: float) -> bytes:
        data = b""
        while len(data) < count:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._timeout()
            chunk = self.process.stdout.raw.read(min(count - len(data), 1 << 20))
            if not chunk:
                raise self._death()
            data += chunk
        return data

    def _death(self) -> CellError:
        """The worker ended without an answer: read from its last words whether it was time, memory or a crash."""
        self.process.wait()
        words = self.process.stderr.read().decode("utf-8", "replace")
        line = _cell_line(words)
        if "Timeout (" in words:
            return self._timeout(line)
        if "MemoryError" in words or self.process.returncode == -9:
            return self._error("memory", "The cell used more memory than it may.", line, None)
        return self._error("crash", "The cell ended its own process.", line, None)

    def _timeout(self, line: int | None = None) -> CellError:
        text = f"The cell took longer than {self.limits.sample_seconds:g} s for one record"
        if time.monotonic() >= self.deadline:
            text = f"The cell took longer than {self.limits.total_seconds:g} s in all"
        return self._error(
            "timeout", text + (f" (it was in line {line})." if line else "."), line, len(self.result.rows)
        )

    def _nonsense(self) -> CellError:
        message = "The cell's process gave an answer that makes no sense."
        return self._error("crash", message, None, len(self.result.rows))

    def _raise(self, answer: dict[str, Any]) -> None:
        error = answer["error"] if isinstance(answer["error"], dict) else {}
        index, line = error.get("index"), error.get("line")
        index = index + len(self.result.rows) if isinstance(index, int) else None
        line = line if isinstance(line, int) else None
        self.result.stdout = (self.result.stdout + str(answer.get("stdout") or ""))[:64_000]
        place = f"Line {line} of the cell" if line else "The cell"
        record = f", on record {index + 1}," if index is not None else ""
        what = f"{error.get('type', 'Error')}: {error.get('message', '')}"
        kind = error.get("kind") if error.get("kind") in ("syntax", "timeout") else "error"
        raise self._error(kind, f"{place}{record} failed with {what}", line, index)

    def _error(self, kind: str, message: str, line: int | None, index: int | None) -> CellError:
        hint = {
            "timeout": "Look for a loop that never ends, or do less work a record.",
            "memory": "Keep less in memory: return rows as you go.",
        }.get(kind, "Correct the code and preview again; your code is kept.")
        return CellError(message, hint, kind=kind, line=line, index=index, stdout=self.result.stdout)


def _cell_line(words: str) -> int | None:
    found = re.search(r'"<cell>", line (\d+)', words)
    return int(found.group(1)) if found else None
