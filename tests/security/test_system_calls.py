"""The filter itself, tried with machine code: every system call there is, not only those that Python has a name for."""

import errno
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.formatting import system_calls

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls are those of x86_64")
CONFINED = Path(system_calls.__file__).parent
MOST = 470  # the highest number of a system call in Linux 6.18, and a few more
HEAD = f"""
import ctypes, errno, mmap, os, sys
sys.path.append({str(CONFINED)!r})
import confinement
program = bytes.fromhex(sys.stdin.read())
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *values):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(value & 2**64 - 1) for value in values))
    return ctypes.get_errno() if result == -1 else 0
"""
# The kernel lets these pass every filter and kills whoever makes them outside a probe's own page (uretprobe, uprobe).
PASSED_BY = {335, 336}
# Numbers that may be made at all, by name; read, write and the like only with some arguments, tried below.
ALLOWED = {
    **{"read": 0, "write": 1, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13},
    **{"rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60},
    **{"gettimeofday": 96, "gettid": 186, "time": 201, "futex": 202, "restart_syscall": 219, "clock_gettime": 228},
    **{"clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "getrandom": 318},
}


def confined(body: str) -> subprocess.CompletedProcess:
    """Run Python under the filter; it may print while it has descriptor 1."""
    source = HEAD + "confinement.confine(program)\n" + body
    given = {"input": system_calls.program().hex(), "capture_output": True, "text": True, "timeout": 60}
    return subprocess.run([sys.executable, "-c", source], check=False, **given)


def test_the_table_of_this_test_is_the_filter_s() -> None:
    assert set(ALLOWED) == {*system_calls.ALLOWED, *system_calls.ONLY_WITH, *system_calls.ONLY_MASKED}


def test_every_other_system_call_fails_with_eperm() -> None:
    numbers = sorted(set(range(MOST)) - set(ALLOWED.values()) - PASSED_BY)
    done = confined(f"print([(n, e) for n in {numbers} if (e := call(n, 0, 0, 0, 0, 0, 0)) != errno.EPERM])")
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("read from another descriptor", "0, 3, 0, 0"),
        ("write to another descriptor", "1, 3, 0, 0"),
        ("write to the pipe that brings samples", "1, 0, 0, 0"),
        ("map machine code", "9, 0, 4096, 7, 0x22, -1, 0"),
        ("map code to run only", "9, 0, 4096, 4, 0x22, -1, 0"),
        ("make memory machine code", "10, 0, 4096, 5"),
        ("shared madvise", "28, 0, 0, 9"),
        ("a handler for SIGTERM", "13, 15, 0, 0, 8"),
        ("a handler for SIGUSR1", "13, 10, 0, 0, 8"),
        ("futex requeue", "202, 0, 3, 0, 0, 0, 0"),
        ("futex with priorities", "202, 0, 6, 0, 0, 0, 0"),
    ],
)
def test_arguments_that_are_not_allowed(what: str, call: str) -> None:
    done = confined(f"print(call({call}))")
    assert done.stdout == f"{errno.EPERM}\n", done.stderr


def test_what_is_allowed_works() -> None:
    """Or the test above would pass on a filter that refuses everything."""
    done = confined("print([call(39), call(24), call(9, 0, 4096, 3, 0x22, -1, 0), call(202, 0, 1, 0, 0, 0, 0)])")
    assert done.stdout == f"[0, 0, 0, {errno.EFAULT}]\n", done.stderr


def test_system_calls_of_32_bits_end_the_process() -> None:
    """int 0x80 (getpid is 20 there), prepared before the filter, when machine code may still be mapped."""
    source = HEAD + (
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3]))\n"
        "run = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
        "print(run() == os.getpid(), flush=True)\n"
        "confinement.confine(program)\n"
        "run()\nprint('ESCAPED', flush=True)\n"
    )
    given = {"input": system_calls.program().hex(), "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run([sys.executable, "-c", source], check=False, **given)
    assert done.stdout != "" and "ESCAPED" not in done.stdout
    assert done.returncode in (-signal.SIGSYS, -signal.SIGSEGV)  # a kernel without 32 bits ends it before


def test_system_calls_of_the_x32_kind_end_the_process() -> None:
    done = confined("call(0x40000000 + 39)\nprint('ESCAPED', flush=True)")
    assert done.stdout == "" and done.returncode == -signal.SIGSYS
