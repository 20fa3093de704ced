"""What the confined side gives up, for good, before it is sent any code, and the proof that it has.

Imported by sandbox_worker.py in a process of its own; imports nothing of ours. The rule behind it: assume that the code
runs as machine code. What Python itself could forbid serves clear messages only.
"""

import _socket
import contextlib
import ctypes
import errno
import faulthandler
import mmap
import os
import resource
import signal
from collections.abc import Callable

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 22, 38
SECCOMP_MODE_FILTER = 2
STACK_BYTES = 8 * 1024**2


class Refused(Exception):
    """The kernel did not take a part of the confinement."""


def limit(memory_bytes: int, cpu_seconds: float) -> None:
    """Bound memory (beyond what is in use now), CPU time and stack; no files, processes or core dumps."""
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=False)  # the other side asks where the code is
    zero = ("FSIZE", "NPROC", "CORE", "MEMLOCK", "MSGQUEUE")
    most = {"AS": _in_use() + memory_bytes, "CPU": int(cpu_seconds), "STACK": STACK_BYTES, "NOFILE": 8}
    for name, value in (most | dict.fromkeys(zero, 0)).items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        hardest = resource.getrlimit(kind)[1]
        value = value if hardest == resource.RLIM_INFINITY else min(value, hardest)
        with contextlib.suppress(ValueError, OSError):  # macOS takes no AS
            resource.setrlimit(kind, (value, value))


def _in_use() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def confine(program: bytes) -> list[str]:
    """Give up files, network, other processes and new privileges; what holds now. Raises Refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, "no_new_privs", PR_SET_NO_NEW_PRIVS, 1)
    _prctl(libc, "non-dumpable", PR_SET_DUMPABLE, 0)
    holds = _landlock()
    code = ctypes.create_string_buffer(program, len(program))
    filtered = _Program(len(program) // 8, ctypes.addressof(code))
    _prctl(libc, "seccomp", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(filtered))
    still = [name for name, attempt in FORBIDDEN.items() if not _is_denied(attempt)]
    if still:
        raise Refused(f"still possible after the filter was loaded: {', '.join(still)}")
    return ["seccomp", *holds]


class _Program(ctypes.Structure):
    """struct sock_fprog: how many instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _prctl(libc: ctypes.CDLL, what: str, option: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if libc.prctl(option, *arguments) != 0:
        raise Refused(f"{what}: {os.strerror(ctypes.get_errno())}")


def _landlock() -> list[str]:
    """No path at all may be touched, where the kernel has Landlock: a second lock on files, the filter is the first."""
    try:
        import landlock

        landlock.Ruleset().apply()
        return [f"landlock {landlock.landlock_abi_version()}"]
    except (ImportError, OSError):
        return []


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


FORBIDDEN: dict[str, Callable[[], object]] = {
    "to open a file": lambda: os.open("/", os.O_RDONLY),
    "to look at a file": lambda: os.stat("/"),
    "to open a socket": lambda: _socket.socket(),
    "to start a process": _fork,
    "to signal a process": lambda: os.kill(os.getppid(), 0),
    "to copy a descriptor": lambda: os.dup(0),
    "to map machine code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "to raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
}


def _is_denied(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError as error:
        return error.errno == errno.EPERM
    except ValueError:  # what setrlimit makes of EPERM
        return True
    return False
