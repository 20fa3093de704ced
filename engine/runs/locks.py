"""Who is alive: a worker holds an exclusive file lock for its whole life, and the kernel drops it however it ends."""

import fcntl
import os
import time
from pathlib import Path

PATIENCE = (
    2.0  # seconds: somebody who only asks `holder` has the lock for an instant, and must not be taken for a worker
)


def hold(path: Path) -> int:
    """Take the lock for the life of this process and write our process id into it. Returns the descriptor to keep.

    Raises BlockingIOError when another worker holds it.

    The descriptor is not inherited by children: a child left behind must not make a dead worker look alive.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(fd)
                raise
            time.sleep(0.01)
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def holder(path: Path) -> int | None:
    """Process id of the live worker that holds the lock, or None when nobody does."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return int(os.pread(fd, 32, 0) or b"0") or None
    finally:
        os.close(fd)
