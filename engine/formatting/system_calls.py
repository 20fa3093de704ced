"""The system calls that confined code may make, as a seccomp filter; every other one fails with EPERM.

Compiled by libseccomp (through pyseccomp) on the page's side, loaded on the confined side.
"""

import errno
import tempfile
from functools import cache

# Memory, clocks, its own end. Nothing here names a file, a socket or another process.
ALLOWED = (
    *("brk", "munmap", "mremap", "getrandom"),
    *("clock_gettime", "clock_getres", "gettimeofday", "time", "clock_nanosleep", "nanosleep"),
    *("getpid", "gettid", "sched_yield", "rt_sigreturn", "restart_syscall", "exit", "exit_group"),
)
# Allowed with one value of one argument: call → (argument's place, values).
ONLY_WITH: dict[str, tuple[int, tuple[int, ...]]] = {
    "read": (0, (0,)),  # from the pipe that brings samples
    "write": (0, (1, 2)),  # to the pipes that take answers and last words
    "madvise": (2, (4, 8, 14)),  # DONTNEED, FREE, HUGEPAGE: what malloc does
    "rt_sigaction": (0, (4, 6, 7, 8, 11)),  # ILL, ABRT, BUS, FPE, SEGV: a crash is reported, then happens
}
# Allowed while the bits of a mask have a value: call → (argument's place, mask, values).
ONLY_MASKED: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "mmap": (2, 0x4, (0,)),  # not PROT_EXEC: no new machine code
    "mprotect": (2, 0x4, (0,)),
    "futex": (1, 0x7F, (0, 1, 9, 10)),  # WAIT, WAKE and their BITSET forms
}


@cache
def program() -> bytes:
    """The filter as BPF for this machine's architecture; calls of any other architecture end the process.

    Raises ImportError or RuntimeError where libseccomp is not there, OSError where it refuses.
    """
    import pyseccomp as seccomp  # starts ldconfig to find the library, so not at import

    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    rules.set_attr(seccomp.Attr.ACT_BADARCH, seccomp.KILL_PROCESS)
    for name in ALLOWED:
        rules.add_rule(seccomp.ALLOW, name)
    for name, (place, values) in ONLY_WITH.items():
        for value in values:
            rules.add_rule(seccomp.ALLOW, name, seccomp.Arg(place, seccomp.EQ, value))
    for name, (place, mask, values) in ONLY_MASKED.items():
        for value in values:
            rules.add_rule(seccomp.ALLOW, name, seccomp.Arg(place, seccomp.MASKED_EQ, mask, value))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
