"""`make bench`: speed and memory as ratios against a peer in the same run. Exits 1 when a promise is broken.

python -m benchmarks [startup] [million] [cell] [run]
"""

import sys

from benchmarks import formatting_cell, million_rows, startup, whole_run

BENCHMARKS = {
    "startup": startup.measure,
    "million": million_rows.measure,
    "cell": formatting_cell.measure,
    "run": whole_run.measure,
}


def main() -> int:
    broken = []
    for name in sys.argv[1:] or BENCHMARKS:
        for what, value, limit, unit in BENCHMARKS[name]():
            kept = value <= limit
            print(f"{what:58} {value:10.2f} {unit:6} limit {limit:g}  {'ok' if kept else 'TOO MUCH'}", flush=True)
            broken += [] if kept else [what]
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
