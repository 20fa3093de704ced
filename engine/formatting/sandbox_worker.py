"""The confined side of the code cell: runs user code on samples that come on stdin, answers on stdout.

Started by sandbox.py with nothing in its environment. It imports what code may use, gives up everything else
(confinement.py), and only then is it sent the code. Frames are a 4-byte length and: from the page a pickle (it is
trusted), back JSON (nothing that comes from here is).
"""

import codecs
import contextlib
import datetime
import gc
import hashlib
import importlib
import io
import json
import mmap
import os
import pickle
import struct
import sys
import time
from collections.abc import Iterable
from typing import Any

CODECS = (
    "utf-8 utf-8-sig utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be ascii latin-1 iso8859-2 iso8859-5 "
    "iso8859-15 cp437 cp850 cp1250 cp1251 cp1252 mac-roman koi8-r gb18030 gbk big5 shift_jis euc_jp euc_kr "
    "idna punycode unicode_escape raw_unicode_escape rot13 hex base64 charmap"
)


def main() -> None:
    """Confine this process as the first frame says, compile the second, run every further one."""
    progress = _shared_page(int(sys.argv[1]))
    request = _read()
    sys.path += [os.path.dirname(os.path.abspath(__file__)), *request["packages"]]  # last: nothing shadows Python's own
    import user_code

    _load_modules(user_code.MODULES)
    try:
        _send({"confined": _confine(request)})
    except Exception as error:
        return _send({"refused": f"{type(error).__name__}: {error}"[:500]})
    printed = user_code.Printed()
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), printed, printed
    sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None
    code = _read()
    if code is None:  # a spare that was never needed
        return None
    try:
        function = user_code.compiled(code, printed)
    except BaseException as error:
        return _send(user_code.failure(error, None, printed))
    _send({"ready": True})
    while (frame := _read()) is not None:
        for answer in user_code.answers(function, frame, request["limits"], printed, progress):
            _write(answer)
    return None


# ---- before the code comes -------------------------------------------------------------------------------------------


def _shared_page(descriptor: int) -> memoryview:
    """A number that the other side sees: how many samples are done."""
    page = mmap.mmap(descriptor, mmap.PAGESIZE)
    os.closerange(3, 64)  # it, and the copy that mmap keeps: the page stays
    return memoryview(page).cast("Q")


def _load_modules(names: Iterable[str]) -> None:
    """Import what a cell may use, and touch what opens files when it is first used."""
    for name in names:
        importlib.import_module(name)
    for name in CODECS.split():
        codecs.lookup(name)
    for name in hashlib.algorithms_available:
        with contextlib.suppress(ValueError, TypeError):
            hashlib.new(name)
    gc.freeze()  # samples come by the thousand: looking for cycles after every 700 objects took half of the time
    gc.set_threshold(50_000, 20, 50)
    time.tzset()
    datetime.datetime.strptime("2026 Jan", "%Y %b").astimezone()


def _confine(request: dict[str, Any]) -> list[str]:
    """What holds from now on. Raises confinement.Refused."""
    before = set(sys.modules)
    import confinement

    limits = request["limits"]
    confinement.limit(limits["memory_bytes"], limits["total_seconds"] + 30)
    holds = confinement.confine(request["program"]) if request["program"] else []
    for name in set(sys.modules) - before | {"mmap", "pickle"}:  # not for the code: an import says so then
        del sys.modules[name]
    return holds


# ---- frames ----------------------------------------------------------------------------------------------------------


def _read() -> Any:
    """The next frame, None at the end."""
    header = _read_bytes(4)
    if len(header) < 4:
        return None
    return pickle.loads(_read_bytes(struct.unpack("!I", header)[0]))


def _read_bytes(count: int) -> bytes:
    parts = []
    while count and (part := os.read(0, min(count, 1 << 20))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _send(message: dict[str, Any]) -> None:
    _write(json.dumps(message).encode())


def _write(data: bytes) -> None:
    view = memoryview(struct.pack("!I", len(data)) + data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main()
