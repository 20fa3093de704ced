"""The code cell beside `datasets.map` with the same function in-process: Arrow in, Arrow out, paired in one run."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from engine.formatting import FormattingCell, keep_warm

ROWS, PAIRS = 100_000, 7
MILLION = 1_000_000
SLOWEST = 1 / 5  # of datasets.map's time
FIRST_ROW_SECONDS, GROWTH_MB = 0.3, 48
OUT = pa.schema({"text": pa.string(), "label": pa.string()})
CODE = """
from collections import Counter

def formatting_func(sample):
    votes = [answer["value"] for answer in sample["topic"] if answer["status"] == "submitted"]
    return sample["text"], Counter(votes).most_common(1)[0][0]
"""


def measure() -> list[tuple[str, float, float, str]]:
    table = records(ROWS)
    ratios = []
    for _ in range(PAIRS):
        keep_warm()
        time.sleep(1)  # a worker is ready before anybody has typed a function
        ours, peer = timed(through_the_cell, table), timed(through_datasets, table)
        print(f"  cell {ROWS / ours:,.0f} records/s   datasets.map {ROWS / peer:,.0f} records/s", flush=True)
        ratios.append(ours / peer)
    first = median(first_row(table) for _ in range(5))
    return [
        ("cell ÷ datasets.map in-process, 100,000 records, median", median(ratios), SLOWEST, "×"),
        ("first row from a warm worker, median of 5", first, FIRST_ROW_SECONDS, "s"),
        ("a million records: growth of both processes after 100,000", million_records(), GROWTH_MB, "MB"),
    ]


def records(n: int) -> pa.Table:
    """A short text and three annotators' answers a record."""
    rng = np.random.default_rng(42)
    votes = rng.choice(["billing", "delivery", "returns"], size=(n, 3))
    answers = [
        [{"user_id": f"u{k}", "value": value, "status": "submitted"} for k, value in enumerate(row)] for row in votes
    ]
    return pa.table({"text": [f"record number {i} of many" for i in range(n)], "topic": answers})


def through_the_cell(table: pa.Table) -> pa.Table:
    with FormattingCell(CODE) as cell:
        return pa.Table.from_batches([as_arrow(rows) for rows in cell.run_batches(table.to_batches())])


def as_arrow(rows: list[list[Any]]) -> pa.RecordBatch:
    columns = [pa.array([row[i] for of_sample in rows for row in of_sample]) for i in range(len(OUT))]
    return pa.record_batch(columns, schema=OUT)


def through_datasets(table: pa.Table) -> pa.Table:
    import datasets

    datasets.disable_progress_bars()
    scope: dict[str, Any] = {}
    exec(CODE, scope)

    def named(sample: dict[str, Any]) -> dict[str, str]:
        return dict(zip(OUT.names, scope["formatting_func"](sample), strict=True))

    return datasets.Dataset(table).map(named, remove_columns=["topic"], load_from_cache_file=False).data.table


def timed(run: Callable[[pa.Table], pa.Table], table: pa.Table) -> float:
    started = time.perf_counter()
    assert run(table).num_rows == len(table)
    return time.perf_counter() - started


def first_row(table: pa.Table) -> float:
    """Seconds from the click to the first row, a worker being ready: it is, while a person types."""
    keep_warm()
    time.sleep(1)
    started = time.perf_counter()
    with FormattingCell(CODE) as cell:
        next(cell.run_batches(table.slice(0, 20).to_batches()))
        return time.perf_counter() - started


def million_records(records_a_table: int = 10_000) -> float:
    """MB by which this process and the cell's grow from the first 100,000 records to a million, nothing being kept."""
    table, seen = records(records_a_table), 0
    held: list[float] = []
    with FormattingCell(CODE) as cell:
        for rows in cell.run_batches(batch for _ in range(MILLION // len(table)) for batch in table.to_batches()):
            seen += as_arrow(rows).num_rows
            if seen // ROWS > len(held):
                held.append(resident_mb("self") + resident_mb(str(cell.pid)))
    assert seen == MILLION
    print(f"  a million records: {held[0]:.0f} MB after the first tenth, at most {max(held):.0f} MB", flush=True)
    return max(held) - held[0]


def resident_mb(process: str) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
