"""The page's side of the code cell: feeds samples to a confined process, checks its answers, words what goes wrong."""

import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pprint import pformat
from typing import Any

import pyarrow as pa

from engine.errors import UserError
from engine.formatting import frames
from engine.formatting.frames import Frame, packed
from engine.formatting.sandbox import Ended, Limits, Nonsense, TooSlow
from engine.formatting.warm import renew, take

AHEAD = 3  # frames sent before the answer to the first is in: both sides work at once
START_SECONDS = 10.0
AT_ONCE = 4  # cells of everyone together: each may take Limits.memory_bytes
FRAME_SLACK = 1 << 20  # bytes of an answer that are not rows
MAX_STDOUT = 64_000
MAX_SHOWN_RECORD = 2_000
HINTS = {
    "timeout": "Look for a loop that never ends, or do less work a record.",
    "memory": "Keep less in memory: return rows as you go.",
    "output": "Return fewer rows, or shorter texts.",
}
NOT_PERMITTED = "A cell can compute, but not open files, the network or other programs."


_slots = threading.BoundedSemaphore(AT_ONCE)


@dataclass
class CellResult:
    """`rows`: for each sample the list of what was returned or yielded (tuples as lists). `stdout`: what it printed."""

    rows: list[list[Any]] = field(default_factory=list)
    stdout: str = ""


class CellError(UserError):
    """The cell failed. `kind`: syntax, error, timeout, memory, output, crash; `line` of the cell; `index` of the sample
    (0-based) and the sample itself, shortened; what was printed until then.
    """

    def __init__(
        self,
        message: str,
        hint: str,
        *,
        kind: str,
        line: int | None = None,
        index: int | None = None,
        record: str = "",
        stdout: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.kind, self.line, self.index, self.record, self.stdout = kind, line, index, record, stdout

    def __reduce__(self) -> tuple:
        about = ("kind", "line", "index", "record", "stdout")
        return _rebuild, (self.message, self.hint, {name: getattr(self, name) for name in about})


def _rebuild(message: str, hint: str, about: dict[str, Any]) -> CellError:
    return CellError(message, hint, **about)


def run_formatting_cell(code: str, samples: Iterable[dict[str, Any]], *, limits: Limits | None = None) -> CellResult:
    """Run the cell's `formatting_func` on every sample, in a confined process of its own.

    Raises CellError that names the line of the cell and the sample, with what was printed until then, and
    SandboxUnavailable where code can't be confined.
    """
    result = CellResult()
    with FormattingCell(code, limits) as cell:
        try:
            for rows in cell.run(samples):
                result.rows += rows
        finally:
            result.stdout = cell.stdout
    return result


class FormattingCell:
    """A cell whose rows are taken batch by batch, so that neither side holds all of them. Use as a context manager.

    Raises as `run_formatting_cell` does; entering compiles the code.
    """

    def __init__(self, code: str, limits: Limits | None = None) -> None:
        self.code, self.limits = code, limits or Limits()
        self.stdout = ""
        self._start = self._done = self._bytes = 0  # samples before those in _sent; with rows; bytes of all rows
        self._sent: deque[Frame] = deque()

    def __enter__(self) -> "FormattingCell":
        with ExitStack() as undo:
            undo.callback(renew)
            undo.enter_context(_slots)
            self._sandbox = undo.enter_context(take(self.limits))
            self._deadline = time.monotonic() + self.limits.total_seconds
            self._sandbox.send(packed(self.code))
            answer = self._receive(START_SECONDS)
            if answer.get("ready") is not True:
                self._failed(answer)
            self._close = undo.pop_all().close
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    @property
    def pid(self) -> int:
        """The confined process's."""
        return self._sandbox.process.pid

    def run(self, samples: Iterable[dict[str, Any]]) -> Iterator[list[list[Any]]]:
        """For each few samples, in order, the list of rows of each."""
        return self._run(frames.of_samples(samples))

    def run_batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[list[list[Any]]]:
        """The same for record batches, each of whose rows is a sample; faster."""
        return self._run(frames.of_batches(batches))

    def _run(self, given: Iterator[Frame]) -> Iterator[list[list[Any]]]:
        for frame in given:
            self._sandbox.send(frame.data)
            self._sent.append(frame)
            if len(self._sent) >= AHEAD:
                yield self._rows()
        while self._sent:
            yield self._rows()

    def _rows(self) -> list[list[Any]]:
        """The rows of the batch that was sent first."""
        rows: list[list[Any]] = []
        while (missing := self._sent[0].size - len(rows)) > 0:
            answer = self._receive(self.limits.sample_seconds)
            if "error" in answer:
                self._failed(answer)
            self._print(answer)
            rows += self._checked(answer.get("rows"), missing)
            self._done = self._start + len(rows)
        self._start += self._sent.popleft().size
        return rows

    def _checked(self, part: Any, missing: int) -> list[list[Any]]:
        """Rows of one sample to `missing` ones; anything else is no answer."""
        most = self.limits.rows_per_sample
        if not isinstance(part, list) or not 0 < len(part) <= missing:
            raise self._nonsense()
        if set(map(type, part)) != {list} or max(map(len, part)) > most:
            raise self._nonsense()
        return part

    def _receive(self, still_seconds: float) -> dict[str, Any]:
        sandbox = self._sandbox
        try:
            answer = sandbox.receive(still_seconds, self._deadline, self.limits.answer_bytes + FRAME_SLACK)
        except TooSlow as error:
            raise self._timeout(error) from error
        except Ended as error:
            raise self._death(error) from error
        except Nonsense as error:
            raise self._nonsense() from error
        self._bytes += sandbox.answer_bytes
        if self._bytes > self.limits.total_bytes:
            most = f"{self.limits.total_bytes / 1024**2:,.0f} MB"
            raise self._error("output", f"The cell returned more than {most} in all.", index=self._done)
        return answer

    def _print(self, answer: dict[str, Any]) -> None:
        self.stdout = (self.stdout + str(answer.get("stdout") or ""))[:MAX_STDOUT]

    # ---- what went wrong ---------------------------------------------------------------------------------------------

    def _failed(self, answer: dict[str, Any]) -> None:
        """Raise what the worker told; all of it may be made up by the code, and is only ever shown as text."""
        self._print(answer)
        told = answer.get("error") if isinstance(answer.get("error"), dict) else {}
        index, line = told.get("index"), told.get("line")
        index = min(max(index, self._start), self._last()) if isinstance(index, int) and self._sent else None
        line = line if isinstance(line, int) else None
        place = f"Line {line} of the cell" if line else "The cell"
        record = f", on record {index + 1}," if index is not None else ""
        name, message = str(told.get("type", "Error")), str(told.get("message", ""))
        kind = told.get("kind") if told.get("kind") in ("syntax", "memory") else "error"
        hint = NOT_PERMITTED if name == "PermissionError" else ""
        raise self._error(kind, f"{place}{record} failed with {name}: {message}", line=line, index=index, hint=hint)

    def _timeout(self, error: TooSlow) -> CellError:
        line = _cell_line(error.words)
        text = f"The cell took longer than {self.limits.sample_seconds:g} s for one record"
        if error.in_all:
            text = f"The cell took longer than {self.limits.total_seconds:g} s in all"
        where = f" (it was in line {line})." if line else "."
        return self._error("timeout", text + where, line=line, index=self._at())

    def _death(self, error: Ended) -> CellError:
        """It ended without an answer: its last words and its exit code tell whether it was memory or a crash."""
        line = _cell_line(error.words)
        if "MemoryError" in error.words or error.return_code == -9:
            return self._error("memory", "The cell used more memory than it may.", line=line, index=self._at())
        return self._error("crash", "The cell ended its own process.", line=line, index=self._at())

    def _nonsense(self) -> CellError:
        return self._error("crash", "The cell's process gave an answer that makes no sense.", index=self._done)

    def _at(self) -> int | None:
        """The sample it was at, as it says itself, where that can be."""
        if not self._sent:
            return None
        return min(max(self._sandbox.done, self._done), self._last())

    def _last(self) -> int:
        """The last sample that was sent."""
        return self._start + sum(frame.size for frame in self._sent) - 1

    def _error(
        self, kind: str, message: str, *, line: int | None = None, index: int | None = None, hint: str = ""
    ) -> CellError:
        hint = hint or HINTS.get(kind, "Correct the code and preview again; your code is kept.")
        record = self._record(index)
        return CellError(message, hint, kind=kind, line=line, index=index, record=record, stdout=self.stdout)

    def _record(self, index: int | None) -> str:
        """The sample of an index, as our own side has it."""
        if index is None or not self._sent:
            return ""
        index -= self._start
        for frame in self._sent:
            if index < frame.size:
                shown = pformat(frame.record(index), width=88, sort_dicts=False)
                return shown if len(shown) <= MAX_SHOWN_RECORD else shown[:MAX_SHOWN_RECORD] + "…"
            index -= frame.size
        return ""


def _cell_line(words: str) -> int | None:
    """The innermost line of the cell in a traceback, which Python prints most recent call first."""
    found = re.search(r'File "<cell>", line (\d+)', words)
    return int(found.group(1)) if found else None
