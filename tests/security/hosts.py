"""Kernels and installations of other hosts, put on in a child before it starts ours. Not a test: `python hosts.py …`.

python -m tests.security.hosts WHAT PROGRAM [ARGUMENT …]
"""

import errno
import os
import sys

import pyseccomp as seccomp

# What each host refuses: system call → the error, or a pair of it and the first argument that is refused.
PR_SET_SECCOMP = 22
HOSTS: dict[str, dict[str, tuple[int, int | None]]] = {
    # An older kernel (5.10, as Spaces had): no Landlock.
    "no-landlock": {
        name: (errno.ENOSYS, None)
        for name in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")
    },
    # A container whose profile takes no further filter, or a kernel built without them.
    "no-seccomp": {"seccomp": (errno.EINVAL, None), "prctl": (errno.EINVAL, PR_SET_SECCOMP)},
}


def main() -> None:
    """Take the host's place, for good, and become the program."""
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for name, (error, first) in HOSTS[sys.argv[1]].items():
        number = {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446}.get(
            name, name
        )
        where = [] if first is None else [seccomp.Arg(0, seccomp.EQ, first)]
        rules.add_rule(seccomp.ERRNO(error), number, *where)
    rules.load()
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
