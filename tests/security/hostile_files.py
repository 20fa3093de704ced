"""The pass over hostile files for every reader: short and always the same for the tests, long and random: `make fuzz`.

python -m tests.security.hostile_files [minutes] [kind]
"""

import random
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from tests.security.hostile_exports import archives, argilla_v1_exports, argilla_v2_exports
from tests.security.hostile_imports import ROOT, Failure, Imports
from tests.security.hostile_parquet import parquet_files
from tests.security.hostile_text import HostileFile, conll_files, delimited_files, json_files

FILES: dict[str, st.SearchStrategy[HostileFile]] = {
    "delimited": delimited_files(),
    "json": json_files(),
    "conll": conll_files(),
    "parquet": parquet_files(),
    "argilla 1.x": argilla_v1_exports(),
    "argilla 2.x": argilla_v2_exports(),
    "archives": archives(),
}
KEPT = ROOT / ".pytest_cache" / "hostile"  # a file that broke a reader
ROUND = 100  # files of one kind before it is another's turn


def check(kind: str, imports: Imports, folder: Path, **options: object) -> int:
    """Import files of one kind; gives how many. Raises Failure, or what Hypothesis makes of it, with the file."""
    count = 0

    @settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), **options)
    @given(file=FILES[kind])
    def each_ends_well(file: HostileFile) -> None:
        nonlocal count
        count += 1
        try:
            imports.of(file.source(folder / "upload"))
        except Failure as failure:
            failure.add_note(repr(file))
            raise

    if not options.get("derandomize"):
        each_ends_well = seed(random.randrange(2**32))(each_ends_well)
    each_ends_well()
    return count


def main(minutes: float, kinds: list[str]) -> int:
    """Random files of every kind in turn, until the time is over. 1 when any of them broke a reader."""
    end, counts, broken = time.monotonic() + 60 * minutes, dict.fromkeys(kinds, 0), []
    KEPT.mkdir(parents=True, exist_ok=True)
    with Imports() as imports:
        while time.monotonic() < end:
            kind = min(kinds, key=lambda name: counts[name])
            try:
                counts[kind] += check(
                    kind, imports, KEPT, max_examples=ROUND, phases=(Phase.generate,), verbosity=Verbosity.quiet
                )
            except Failure as failure:
                counts[kind] += ROUND
                broken.append(failure)
                kept = (KEPT / "upload").replace(KEPT / f"{kind}-{len(broken)}".replace(" ", "-"))
                print(f"{kind}: {failure}\n  {failure.__notes__[0]}\n  kept as {kept}", flush=True)
    done = ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
    print(f"{sum(counts.values()):,} files in {minutes:g} minutes ({done}): {len(broken)} broke a reader")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:] or list(FILES)))
