"""How much and how often: what one person may ask of a machine that strangers can reach, and what any page may ask.

Rates count on a Space only; on a personal machine they would only be in its owner's way.
"""

import json
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.redaction import holds_secret

SPACE_UPLOAD_BYTES = 1024**3
PREDICT_CHARACTERS = 200_000  # of what is predicted at once: a browser holds no more comfortably
PREDICT_FILE_BYTES = 200_000_000
CODE_CHARACTERS = 100_000
REQUEST_BYTES = 8 * 1024**2  # of a call of the page that is not an upload


@dataclass(frozen=True)
class Rate:
    """At most `times` in any `seconds`; `what` stands in the sentence of a refusal."""

    what: str
    times: int
    seconds: float


RATES = {
    "upload": Rate("uploads", 30, 3600),
    "load": Rate("datasets", 60, 3600),
    "preview": Rate("previews", 60, 60),
    "predict": Rate("predictions", 60, 60),
    "predict-file": Rate("files to predict", 20, 3600),
}


class RateLimits:
    """Counts by person and action. `strict` False: nothing is counted."""

    def __init__(self, *, strict: bool) -> None:
        self._strict, self._lock = strict, threading.Lock()
        self._times: dict[tuple[str, str], deque[float]] = {}

    def spend(self, action: str, person: str) -> None:
        """Count one `action` of `person`. Raises UserError when it is one too many for now."""
        if not self._strict:
            return
        rate, now = RATES[action], time.monotonic()
        with self._lock:
            times = self._times.setdefault((action, person), deque())
            while times and now - times[0] > rate.seconds:
                times.popleft()
            if len(times) >= rate.times:
                raise UserError(
                    f"That is more than {rate.times} {rate.what} in {_words(rate.seconds)}.",
                    f"Go on in {_words(rate.seconds - (now - times[0]))}.",
                )
            times.append(now)
            self._drop_idle(now)

    def _drop_idle(self, now: float) -> None:
        """Forget people who have not come back, so that memory does not grow with visitors."""
        longest = max(rate.seconds for rate in RATES.values())
        if len(self._times) > 1000:
            self._times = {key: times for key, times in self._times.items() if now - times[-1] <= longest}


def check_inputs(inputs: Any) -> None:
    """Raise UserError when what is to be predicted at once is too much."""
    found = _characters(inputs)
    if found > PREDICT_CHARACTERS:
        raise UserError(
            f"That is {found:,} characters; at most {PREDICT_CHARACTERS:,} are predicted at once.",
            "Shorten the text, or predict a file.",
        )


def check_file(path: Path) -> None:
    """Raise UserError when a file is too large to be predicted."""
    size = path.stat().st_size
    if size > PREDICT_FILE_BYTES:
        raise UserError(
            f"The file has {size / 1e6:,.0f} MB; at most {PREDICT_FILE_BYTES / 1e6:,.0f} MB are predicted at once.",
            "Split it into smaller files.",
        )


def check_code(code: str) -> None:
    """Raise UserError when a cell is longer than any that a person writes."""
    if len(code) > CODE_CHARACTERS:
        raise UserError(
            f"The cell has {len(code):,} characters; at most {CODE_CHARACTERS:,} are run.", "Shorten the code."
        )


def _characters(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, (list, tuple)) else len(str(value))


def _words(seconds: float) -> str:
    if seconds > 90:
        return f"{seconds / 60:.0f} minutes"
    whole = max(1, round(seconds))
    return f"{whole} seconds" if whole > 1 else "1 second"


def check_no_secret(asked: Any) -> None:
    """Raise UserError before a token or a password is written down with what was asked for."""
    if holds_secret(json.dumps(asked, ensure_ascii=False, default=str)):
        raise UserError(
            "What was entered holds a token or a password, and it would be kept with the run.",
            "Leave it out: sign in instead, or use the box for keys.",
        )
