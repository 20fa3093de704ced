"""The confined side of the code cell: runs user code on samples it reads from stdin, answers on stdout.

Started with `python -I` and an empty environment; imports nothing of ours. Frames are a 4-byte length and JSON.
It gives up what it can give up without the kernel's help (files, memory, CPU); the parent trusts nothing it says.
"""

import ast
import collections
import collections.abc
import contextlib
import faulthandler
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import typing
from typing import Any

CELL = "<cell>"  # the file name in tracebacks of the user's code
MAX_STDOUT = 64_000  # characters of printed text that are kept
SEED = 42  # of the cell's `random`: a preview shows the rows that training will get
# What a guide's whole example holds besides the function: the page does that part.
SET_ASIDE_MODULES = {"argilla", "engine", "datasets"}
SET_ASIDE_NAMES = {"TrainingTask", "ArgillaTrainer", "FeedbackDataset", "rg", "trainer"}


class _TooSlow(BaseException):
    """One sample took longer than its limit. A BaseException: the cell's own `except Exception` lets it pass."""


class _Printed(io.StringIO):
    """What the cell prints, up to a limit."""

    def write(self, text: str) -> int:
        room = MAX_STDOUT - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)


def unpack(returned: Any, max_items: int = 10_000) -> list[Any]:
    """What a formatting function gave back, as a list of items; None gives none, lists and generators one each.

    Lists that a generator yields are flattened too. Tuples, strings and dicts are items themselves.
    """
    if returned is None:
        return []
    if not isinstance(returned, (list, set, frozenset, collections.abc.Iterator)):
        return [returned]
    if isinstance(returned, (set, frozenset)):
        returned = sorted(returned, key=repr)  # the order of a set changes with PYTHONHASHSEED
    items: list[Any] = []
    for item in returned:
        items += unpack(item, max_items) if isinstance(item, list) else [] if item is None else [item]
        if len(items) > max_items:
            raise ValueError(f"formatting_func gave more than {max_items:,} rows for one record")
    return items


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a stray write to the real stdout must not be taken for an answer
    request = _read(sys.stdin.buffer)
    _give_up(request["limits"])
    printed = _Printed()
    try:
        with contextlib.redirect_stdout(printed):
            function = _compile(request["code"], printed)
    except BaseException as error:
        return _send(answers, _failure(error, None, printed))
    _send(answers, {"ready": True})
    while samples := _read(sys.stdin.buffer):
        reply = _run_batch(function, samples, request["limits"], printed)
        _send(answers, reply)
        if "error" in reply:
            return None
    return None


def _compile(code: str, printed: "_Printed") -> Any:
    """The cell's function. Names that guides use without importing them are there: typing's, Counter, random."""
    scope: dict[str, Any] = {name: getattr(typing, name) for name in typing.__all__}
    scope |= {"Counter": collections.Counter, "random": random, "__name__": "formatting_cell"}
    random.seed(SEED)
    exec(compile(_without_the_rest(code, printed), CELL, "exec"), scope)
    function = scope.get("formatting_func")
    if not callable(function):
        raise NameError("the cell defines no function called formatting_func")
    return function


def _without_the_rest(code: str, printed: "_Printed") -> ast.Module:
    """The cell without what only makes sense in a script (imports of argilla, `task = …`); each is told by its line."""
    tree = ast.parse(code, CELL)
    kept = []
    for node in tree.body:
        if _belongs_to_a_script(node):
            printed.write(f"Line {node.lineno} was set aside, the page does that: {ast.unparse(node)[:80]}\n")
        else:
            kept.append(node)
    tree.body = kept
    return tree


def _belongs_to_a_script(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] in SET_ASIDE_MODULES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] in SET_ASIDE_MODULES
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr)):
        return any(isinstance(part, ast.Name) and part.id in SET_ASIDE_NAMES for part in ast.walk(node))
    return False


def _run_batch(function: Any, samples: list[dict], limits: dict, printed: _Printed) -> dict[str, Any]:
    rows: list[Any] = []
    faulthandler.dump_traceback_later(limits["sample_seconds"] * len(samples) + 1, exit=True)  # even inside a C call
    try:
        with contextlib.redirect_stdout(printed):
            for sample in samples:
                signal.setitimer(signal.ITIMER_REAL, limits["sample_seconds"])
                rows.append(_encode(unpack(function(sample), limits["rows_per_sample"])))
                signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return _failure(error, len(rows), printed)
    finally:
        faulthandler.cancel_dump_traceback_later()
    text, _ = printed.getvalue(), (printed.seek(0), printed.truncate())
    return {"rows": rows, "stdout": text}


def _encode(items: list[Any]) -> list[Any]:
    """Items as JSON keeps them. Raises TypeError for what JSON can't say, here, where the record is known."""
    return json.loads(json.dumps(items, allow_nan=False))


def _failure(error: BaseException, index: int | None, printed: _Printed) -> dict[str, Any]:
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == CELL:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == CELL:
        line = error.lineno
    kind = "timeout" if isinstance(error, _TooSlow) else "syntax" if isinstance(error, SyntaxError) else "error"
    try:
        message = str(error)[:2000]
    except BaseException:  # a hostile __str__
        message = "(its message can't be shown)"
    return {
        "error": {"kind": kind, "type": type(error).__name__, "message": message, "line": line, "index": index},
        "stdout": printed.getvalue(),
    }


def _give_up(limits: dict) -> None:
    """Limit memory, CPU time, files and core dumps for good; none of them can be raised again."""

    def too_slow(_signum: int, _frame: Any) -> None:
        raise _TooSlow(f"took longer than {limits['sample_seconds']:g} s")

    signal.signal(signal.SIGALRM, too_slow)
    faulthandler.enable()
    for name, value in (
        ("RLIMIT_AS", limits["memory_bytes"]),
        ("RLIMIT_CPU", limits["total_seconds"] + 30),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
    ):
        resource.setrlimit(getattr(resource, name), (int(value), int(value)))


def _read(stream: Any) -> Any:
    header = stream.read(4)
    if len(header) < 4:
        return None
    return json.loads(stream.read(struct.unpack("!I", header)[0]))


def _send(stream: Any, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    stream.write(struct.pack("!I", len(data)) + data)


if __name__ == "__main__":
    main()
