"""A confined process kept ready for the next piece of code, so that nobody waits for one to start.

One serves one piece of code of one person and is thrown away.
"""

import atexit
import threading
from dataclasses import dataclass, field

from engine.formatting.sandbox import Limits, Sandbox, SandboxUnavailable
from engine.settings import Settings


@dataclass
class _Spare:
    """The one that waits, if any; `limits`: those that it was started with, while one is to be kept."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sandbox: Sandbox | None = None
    limits: Limits | None = None


_spare = _Spare()
DEFAULT = Limits()


def take(limits: Limits) -> Sandbox:
    """A sandbox with these limits that has given up everything and waits for its code.

    Raises SandboxUnavailable.
    """
    with _spare.lock:
        ready = _spare.sandbox if _spare.sandbox is not None and _spare.limits == limits else None
        if ready is not None:
            _spare.sandbox = None
    if ready is not None and ready.process.poll() is None:
        return ready
    if ready is not None:
        ready.close()
    return _started(limits)


def keep_warm(limits: Limits = DEFAULT) -> None:
    """Have one ready from now on."""
    with _spare.lock:
        _spare.limits = limits
    renew()


def renew() -> None:
    """Start the next one in the background, if one is to be ready. Called when a cell is done: before, it would take
    the core that the cell works on.
    """
    if _spare.limits is not None and _spare.sandbox is None:
        threading.Thread(target=_refill, name="sandbox", daemon=True).start()


def why_unavailable() -> str:
    """Why code can't be run here; empty when it can. Starts a sandbox to see."""
    try:
        take(Limits()).close()
    except SandboxUnavailable as error:
        return str(error)
    return ""


def _started(limits: Limits) -> Sandbox:
    sandbox = Sandbox(limits, confined=not Settings.from_env().unconfined_cells)
    try:
        sandbox.wait_until_confined()
    except BaseException:
        sandbox.close()
        raise
    return sandbox


def _refill() -> None:
    with _spare.lock:
        if _spare.sandbox is None and _spare.limits is not None:
            try:
                _spare.sandbox = _started(_spare.limits)
            except SandboxUnavailable:
                _spare.limits = None  # whoever needs one is told


@atexit.register
def _end() -> None:
    with _spare.lock:
        _spare.limits = None
        if _spare.sandbox is not None:
            _spare.sandbox.close()
            _spare.sandbox = None
