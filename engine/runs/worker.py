"""The worker's side of a job: takes the lock, runs one piece of work, and ends with exactly one final event.

Exit codes: 0 finished, 1 failed, 130 cancelled. Anything else is a crash, and the supervisor sees the missing event.
"""

import errno
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.redaction import redacted, remember
from engine.runs import locks
from engine.runs.events import Cancelled, EventReport, EventWriter, Report, install_signals

ASKED_BY = {signal.SIGTERM, signal.SIGUSR1}  # cancel; stop and keep the best

Work = Callable[[Path, dict[str, str], Report], dict[str, Any]]


def read_secrets() -> dict[str, str]:
    """The one JSON line that the parent wrote on stdin; nothing when it is a terminal or closed."""
    if sys.stdin is None or sys.stdin.isatty():
        return {}
    line = sys.stdin.readline()
    return json.loads(line) if line.strip().startswith("{") else {}


def run_job(folder: Path, work: Work) -> int:
    """Run `work(folder, secrets, report)` as a job in `folder`; its return value goes into the finished event."""
    # Whoever sees the lock may ask this process to stop: until it can listen, what is asked waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, ASKED_BY)
    try:
        locks.hold(folder / "lock")
    except BlockingIOError:
        print(f"Another process is already at work in {folder.name}.", file=sys.stderr)
        return 1
    writer = EventWriter(folder / "events.jsonl")
    report = EventReport(writer)
    install_signals(report)
    secrets = read_secrets()
    remember(*secrets.values())
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED_BY)
        writer.write("started")
        result = work(folder, secrets, report)
        writer.write("finished", result=result)
        return 0
    except Cancelled:
        writer.write("cancelled", message="Stopped by its owner.")
        return 130
    except Exception as error:
        _explain(error)
        message, hint = in_words(error)
        writer.write("failed", error=type(error).__name__, message=message, hint=hint)
        return 1


def in_words(error: Exception) -> tuple[str, str]:
    """What to tell the owner: a UserError's own words, a known cause, or where to look for an unknown one."""
    if isinstance(error, UserError):
        return error.message, error.hint
    if _is_disk_full(error):
        return "The disk is full.", "Delete old runs on the Runs page, or free space, and start again."
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "There was not enough memory.", "Use a smaller batch, shorter texts or a smaller base model."
    if "trust_remote_code" in str(error):
        return "This model needs Python code of its own that is not approved here.", "Choose another base model."
    return (
        f"Something unexpected happened: {type(error).__name__}.",
        "The log has the details; nothing was lost. Please report it if it happens again.",
    )


def _is_disk_full(error: BaseException) -> bool:
    """Also as Rust libraries tell it: safetensors and tokenizers raise their own errors with the system's words."""
    said = isinstance(error, OSError) and error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error)
    return said or (error.__cause__ is not None and _is_disk_full(error.__cause__))


def _explain(error: Exception) -> None:
    """Print the traceback of a bug to the log (not of a UserError), with every secret blotted out."""
    if isinstance(error, UserError):
        text = str(error)
    else:
        text = "".join(traceback.format_exception(error))
    print(redacted(text), file=sys.stderr, flush=True)
