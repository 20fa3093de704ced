"""One confined process for one piece of code: started with nothing, attested, fed, watched, killed.

This side is the page's; what comes from the other side is believed in nothing but its bytes. Linux with seccomp; where
that can't be had there is no sandbox (SandboxUnavailable), but for an owner who asks for an unconfined one.
"""

import fcntl
import importlib.util
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from engine.errors import UserError
from engine.formatting import system_calls
from engine.formatting.frames import packed

WORKER = Path(__file__).with_name("sandbox_worker.py")
START_SECONDS = 20.0
LAST_WORDS_SECONDS = 0.5
MAX_WORDS = 64_000  # bytes kept of what it says on stderr
READ_BYTES = PIPE_BYTES = 1 << 20
WAKE_MILLISECONDS = 100  # how often its progress is looked at while it works
KEPT_VARIABLES = ("TZ", "LD_LIBRARY_PATH")
# No hash seed: sets keep their order from a preview to the training. The allocator asks for memory in larger pieces.
ENVIRONMENT = {
    **{"LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
    **{"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_TOP_PAD_": "16777216"},
}


@dataclass(frozen=True)
class Limits:
    """What a cell may use: seconds a sample and in all, bytes of memory, rows a sample, bytes of rows a sample (as
    JSON) and in all.
    """

    sample_seconds: float = 2.0
    total_seconds: float = 600.0
    memory_bytes: int = 512 * 1024**2
    rows_per_sample: int = 10_000
    answer_bytes: int = 16 * 1024**2
    total_bytes: int = 2 * 1024**3


class SandboxUnavailable(UserError):
    """Code can't be confined on this machine, so none is run."""


class TooSlow(Exception):
    """It worked on one sample, or in all, for longer than it may. `words`: where the code was, as Python printed it."""

    def __init__(self, words: str, *, in_all: bool) -> None:
        super().__init__(words)
        self.words, self.in_all = words, in_all


class Ended(Exception):
    """It ended without an answer. `words`: its last ones."""

    def __init__(self, words: str, return_code: int) -> None:
        super().__init__(words)
        self.words, self.return_code = words, return_code


class Nonsense(Exception):
    """It answered what the code of the worker never answers."""


class Sandbox:
    """A process that has given up everything, waiting for its code. Use as a context manager, from one thread.

    Raises SandboxUnavailable when the kernel does not confine it. `confined=False` asks for none of the kernel's help.
    """

    def __init__(self, limits: Limits, *, confined: bool = True) -> None:
        self.limits = limits
        self.answer_bytes = 0  # of the last answer
        self._words, self._in, self._out = b"", bytearray(), bytearray()
        program = _program() if confined else None
        with _shared_page() as (descriptor, self._page):
            self.process = subprocess.Popen(
                [sys.executable, "-sSPB", str(WORKER), str(descriptor)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT | {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
                cwd="/",
                close_fds=True,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        streams = (self.process.stdin, self.process.stdout, self.process.stderr)
        self._stdin, self._stdout, self._stderr = (stream.fileno() for stream in streams)
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
            with suppress(OSError, AttributeError):  # a larger pipe only saves changes of process
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.send(packed({"program": program, "limits": asdict(limits), "packages": _packages()}))

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def wait_until_confined(self) -> list[str]:
        """What confines it ("seccomp", "landlock 7"): its own word, checked with the kernel's.

        Raises SandboxUnavailable.
        """
        try:
            answer = self.receive(START_SECONDS, time.monotonic() + START_SECONDS)
        except (TooSlow, Ended, Nonsense) as error:
            why = str(error).strip()[-300:] or type(error).__name__
            raise unavailable(f"its process did not start: {why}") from error
        holds = answer.get("confined")
        if not isinstance(holds, list):
            raise unavailable(str(answer.get("refused"))[:500])
        if holds and not _is_filtered(self.process.pid):
            raise unavailable("the kernel does not say that its filter is in force")
        return [str(name) for name in holds]

    @property
    def done(self) -> int:
        """How many samples it has worked through, as it says."""
        return struct.unpack_from("Q", self._page)[0]

    def send(self, frame: bytes) -> None:
        """Queue what `packed` made of a message; it is written while an answer is waited for."""
        self._out += struct.pack("!I", len(frame)) + frame

    def receive(self, still_seconds: float, deadline: float, max_bytes: int = READ_BYTES) -> dict[str, Any]:
        """The next answer. Raises TooSlow after `still_seconds` without a sample done, Ended, Nonsense."""
        moved, done = time.monotonic(), self.done
        while (answer := self._answer(max_bytes)) is None:
            now = time.monotonic()
            if self.done != done:
                moved, done = now, self.done
            if now > deadline or now - moved > still_seconds:
                raise TooSlow(self._last_words(), in_all=now > deadline)
            self._transfer(min(WAKE_MILLISECONDS, 1000 * (moved + still_seconds - now) + 1))
        return answer

    def close(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with _broken_pipe_is_fine():
                stream.close()

    def _answer(self, max_bytes: int) -> dict[str, Any] | None:
        if len(self._in) < 4:
            return None
        (length,) = struct.unpack_from("!I", self._in)
        if length > max_bytes:
            raise Nonsense(f"an answer of {length:,} bytes")
        if len(self._in) < 4 + length:
            return None
        data = bytes(memoryview(self._in)[4 : 4 + length])
        del self._in[: 4 + length]
        self.answer_bytes = length
        try:
            answer = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise Nonsense(str(error)) from error
        if not isinstance(answer, dict):
            raise Nonsense(f"an answer that is a {type(answer).__name__}")
        return answer

    def _transfer(self, milliseconds: float) -> None:
        """Write what is queued and read what is there. Raises Ended at the end of its answers."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        poll.register(self._stderr, select.POLLIN)
        if self._out:
            poll.register(self._stdin, select.POLLOUT)
        ready = {descriptor for descriptor, _ in poll.poll(milliseconds)}
        if self._stdin in ready:
            with _broken_pipe_is_fine():
                del self._out[: os.write(self._stdin, memoryview(self._out)[:READ_BYTES])]
        if self._stderr in ready:
            self._words = (self._words + os.read(self._stderr, READ_BYTES))[-MAX_WORDS:]
        if self._stdout in ready:
            data = os.read(self._stdout, READ_BYTES)
            if not data:
                raise Ended(self._last_words(), self.process.wait())
            self._in += data

    def _last_words(self) -> str:
        """What it says when it is asked where it is, and then no more."""
        if self.process.poll() is None and hasattr(signal, "SIGUSR1"):
            self.process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + LAST_WORDS_SECONDS
        poll = select.poll()
        poll.register(self._stderr, select.POLLIN)
        while (left := until - time.monotonic()) > 0 and poll.poll(1000 * left):
            data = os.read(self._stderr, READ_BYTES)
            self._words = (self._words + data)[-MAX_WORDS:]
            if not data or b"<module>\n" in data:  # the outermost line of a traceback comes last
                break
        self.process.kill()
        return self._words.decode("utf-8", "replace")


def unavailable(reason: str) -> SandboxUnavailable:
    """The refusal, with the reason in it."""
    hint = "Choose columns instead of code: everything else works. "
    hint += "On your own machine you may set ANNOTUNE_UNCONFINED_CELLS=1 to run your own code without confinement."
    return SandboxUnavailable(f"Code can't be confined on this machine, so it is not run ({reason}).", hint)


def _program() -> bytes:
    if sys.platform != "linux":
        raise unavailable(f"that takes Linux, and this is {sys.platform}")
    try:
        return system_calls.program()
    except (ImportError, RuntimeError, OSError) as error:
        raise unavailable(f"libseccomp: {getattr(error, 'strerror', None) or error}") from error


def _packages() -> list[str]:
    """The folders of what the other side takes from outside the standard library: its codec, and Landlock's binding."""
    found = [importlib.util.find_spec(name) for name in ("orjson", "landlock")]
    return sorted({str(Path(spec.origin).parents[1]) for spec in found if spec is not None and spec.origin})


def _is_filtered(pid: int) -> bool:
    """Whether the kernel says that the process runs under a filter and can't gain privileges."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    return "\nSeccomp:\t2\n" in status and "\nNoNewPrivs:\t1\n" in status


@contextmanager
def _shared_page() -> Iterator[tuple[int, mmap.mmap]]:
    """A page of memory that two processes see, and its descriptor. Sealed: nobody can make it smaller under us."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("progress", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, mmap.PAGESIZE)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    else:
        with tempfile.TemporaryFile() as file:
            file.truncate(mmap.PAGESIZE)
            descriptor = os.dup(file.fileno())
    try:
        yield descriptor, mmap.mmap(descriptor, mmap.PAGESIZE)
    finally:
        os.close(descriptor)


@contextmanager
def _broken_pipe_is_fine() -> Iterator[None]:
    """It died; the next answer tells how."""
    try:
        yield
    except BrokenPipeError:
        pass
