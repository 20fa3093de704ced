"""The user's code on the confined side: compiled, run on samples, its rows as JSON, its failures told.

Imported by sandbox_worker.py, which holds what may be done; nothing of ours but this is there. Its `unpack` is also
what a Python function's rows go through.
"""

import ast
import builtins
import collections
import collections.abc
import functools
import importlib
import io
import itertools
import json
import math
import random
import sys
import typing
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import orjson

CELL = "<cell>"  # the file name in tracebacks of the user's code
MAX_STDOUT = 64_000  # characters of printed text that are kept
SEED = 42  # of the cell's `random`: a preview shows the rows that training will get
# What a guide's whole example holds besides the function: the page does that part.
SET_ASIDE_MODULES = {"argilla", "engine", "datasets"}
SET_ASIDE_NAMES = {"TrainingTask", "ArgillaTrainer", "FeedbackDataset", "rg", "trainer"}
# What a cell may import. Loaded before the doors close, since nothing can be opened afterwards.
MODULES = (
    *("abc", "array", "ast", "base64", "binascii", "bisect", "calendar", "cmath", "codecs", "collections"),
    *("collections.abc", "colorsys", "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "difflib"),
    *("enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "html.entities", "html.parser", "inspect"),
    *("io", "ipaddress", "itertools", "json", "keyword", "logging", "math", "numbers", "operator", "pprint", "queue"),
    *("random", "re", "reprlib", "secrets", "statistics", "string", "struct", "sys", "textwrap", "time", "token"),
    *("tokenize", "traceback", "types", "typing", "unicodedata", "urllib.parse", "uuid", "warnings", "weakref"),
    *("xml.sax.saxutils", "zlib", "__future__"),
)
PART_BYTES = 1 << 20  # of an answer; a further one follows
# What orjson would turn into texts by itself is refused, as it is for a Python function.
PLAIN = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class Printed(io.StringIO):
    """What the cell prints, up to a limit."""

    def write(self, text: str) -> int:
        room = MAX_STDOUT - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)

    def taken(self) -> str:
        """What was printed since it was last asked for."""
        text, _ = self.getvalue(), (self.seek(0), self.truncate())
        return text


def unpack(returned: Any, max_items: int = 10_000) -> list[Any]:
    """What a formatting function gave back, as a list of items; None gives none, lists and generators one each.

    Lists that a generator yields are flattened too. Tuples, strings and dicts are items themselves.
    """
    if returned is None:
        return []
    if type(returned) in (tuple, str, dict):  # the usual ones, told from iterators without asking an ABC
        return [returned]
    if not isinstance(returned, (list, set, frozenset, collections.abc.Iterator)):
        return [returned]
    if isinstance(returned, (set, frozenset)):
        returned = sorted(returned, key=repr)  # a set has no order of its own
    items: list[Any] = []
    for item in returned:
        items += unpack(item, max_items) if isinstance(item, list) else [] if item is None else [item]
        if len(items) > max_items:
            raise ValueError(f"formatting_func gave more than {max_items:,} rows for one record")
    return items


def compiled(code: str, printed: Printed) -> Any:
    """The cell's function. Names that guides use without importing them are there: typing's, Counter, random."""
    scope: dict[str, Any] = {name: getattr(typing, name) for name in typing.__all__}
    scope |= {"Counter": collections.Counter, "random": random, "__name__": "formatting_cell"}
    scope["__builtins__"] = vars(builtins) | {"__import__": _import}
    sys.modules["formatting_cell"] = ModuleType("formatting_cell")  # dataclasses look up the module of a class
    random.seed(SEED)
    exec(compile(_without_the_rest(code, printed), CELL, "exec"), scope)
    function = scope.get("formatting_func")
    if not callable(function):
        raise NameError("the cell defines no function called formatting_func")
    return function


def _import(name: str, *rest: Any, **named: Any) -> Any:
    """`import` that says in a sentence what there is; the kernel would only say that opening is not permitted."""
    if name and name not in sys.modules:
        raise ModuleNotFoundError(f"{name!r} is not available in a cell. These modules are: {', '.join(MODULES)}")
    return importlib.__import__(name, *rest, **named)


def _without_the_rest(code: str, printed: Printed) -> ast.Module:
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


def answers(
    function: Any, frame: dict[str, Any], limits: dict[str, Any], printed: Printed, progress: memoryview
) -> Iterator[bytes]:
    """The rows of every sample of a frame, in one answer or several; after a failure, that and no more."""
    rows: list[bytes] = []
    size, done = 0, progress[0]
    most_rows, most_bytes = limits["rows_per_sample"], limits["answer_bytes"]
    try:
        for sample in samples_of(frame):
            encoded = _encode(unpack(function(sample), most_rows))
            if len(encoded) > most_bytes:
                raise ValueError(f"formatting_func returned more than {most_bytes >> 20} MB")
            if size + len(encoded) > PART_BYTES and rows:
                yield _answer(rows, printed)
                rows, size = [], 0
            rows.append(encoded)
            size += len(encoded)
            progress[0] = done = done + 1
    except BaseException as error:
        yield json.dumps(failure(error, done, printed)).encode()
    else:
        yield _answer(rows, printed)


def _answer(rows: list[bytes], printed: Printed) -> bytes:
    return b'{"rows": [%b], "stdout": %b}' % (b",".join(rows), json.dumps(printed.taken()).encode())


def samples_of(frame: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples of a frame (engine/formatting/frames.py), made of their columns where it brings those."""
    if "samples" in frame:
        return frame["samples"]
    n, names, columns = frame["columns"]
    return _values(("dicts", None, names, columns)) if names else [{} for _ in range(n)]


def _values(column: tuple) -> list[Any]:
    if column[0] == "values":
        return column[1]
    if column[0] == "lists":
        lengths, children = column[1], iter(_values(column[2]))
        return [None if n is None else list(itertools.islice(children, n)) for n in lengths]
    _, valid, names, columns = column
    rows = _builder(tuple(names))(list(map(_values, columns)))
    return rows if valid is None else [row if there else None for row, there in zip(rows, valid, strict=True)]


@functools.cache
def _builder(names: tuple[str, ...]) -> Callable[[list[list[Any]]], list[dict[str, Any]]]:
    """A function from columns to dicts with these keys, written out: calling `dict` for each took half of the time."""
    values = [f"v{i}" for i in range(len(names))]
    pairs = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    return eval(f"lambda columns: [{{{pairs}}} for {', '.join(values)}, in zip(*columns, strict=True)]")


def _encode(items: list[Any]) -> bytes:
    """Items as JSON. Raises an error in words for what JSON can't say, here, where the record is known."""
    try:
        data = orjson.dumps(items, default=_plainer, option=PLAIN)
    except orjson.JSONEncodeError:
        data = _encode_with_any_keys(items)
    if b"null" in data:  # it may have been a number that is none
        _check_numbers(items)
    return data


def _encode_with_any_keys(items: list[Any]) -> bytes:
    """The same, with numbers and the like as keys of dicts, which takes longer."""
    try:
        return orjson.dumps(items, default=_plainer, option=PLAIN | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError as error:
        raise error.__cause__ or error from None


def _plainer(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    raise TypeError(f"a row can hold texts, numbers, True, False, None, lists and dicts, and no {type(value).__name__}")


def _check_numbers(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number that a row can hold")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        _check_numbers(part)


def failure(error: BaseException, index: int | None, printed: Printed) -> dict[str, Any]:
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == CELL:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == CELL:
        line = error.lineno
    kind = "syntax" if isinstance(error, SyntaxError) else "memory" if isinstance(error, MemoryError) else "error"
    try:
        message = str(error)[:2000].encode("utf-8", "replace").decode()
    except BaseException:  # a hostile __str__
        message = "(its message can't be shown)"
    name = str(type.__getattribute__(type(error), "__name__"))[:100]
    told = {"kind": kind, "type": name, "message": message, "line": line, "index": index}
    return {"error": told, "stdout": printed.taken()}
