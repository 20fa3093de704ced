"""All attacks one after the other, for a user who can't run pytest here. Prints how many were contained."""

import os
import tempfile
from pathlib import Path

from engine.formatting import CellError, run_formatting_cell
from tests.security.attacks import ATTACKS


def main() -> int:
    """0 when all are contained; else their names are printed."""
    from tests.security.test_sandbox_attacks import QUICK, SAMPLES, Outside

    escaped = []
    with tempfile.TemporaryDirectory() as folder:
        outside = Outside(Path(folder))
        for name in ATTACKS:
            rows: list = []
            try:
                rows = run_formatting_cell(outside.cell(name), SAMPLES, limits=QUICK).rows
            except CellError:
                pass
            try:
                assert "ESCAPED" not in repr(rows)
                outside.assert_untouched()
            except AssertionError as error:
                escaped.append(f"{name}: {error}")
    print(f"{len(ATTACKS) - len(escaped)} contained as {os.geteuid()}", *escaped, sep="\n")
    return int(bool(escaped))
