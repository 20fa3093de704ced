"""A million-row Parquet, imported by the worker, opened and previewed by the page's code: resident memory of each."""

import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 1_000_000
WORDS = np.array("invoice parcel refund broken late thanks please account size colour order again never why".split())


def measure() -> list[tuple[str, float, float, str]]:
    with tempfile.TemporaryDirectory() as home:
        source, folder = Path(home) / "million.parquet", Path(home) / "datasets" / "million"
        folder.mkdir(parents=True)
        write(source)
        print(f"  file {source.stat().st_size / 1e6:.0f} MB", flush=True)
        imported, seconds = in_fresh_process(import_it, source, folder)
        opened, preview_seconds = in_fresh_process(open_and_preview, source, folder)
        print(f"  import {seconds:.1f} s, open and preview {preview_seconds:.1f} s", flush=True)
    return [
        ("million-row Parquet: peak memory of the import worker", imported, 700, "MB"),
        ("million-row Parquet: peak memory of open and preview", opened, 700, "MB"),
    ]


def write(path: Path) -> None:
    """About 20 words a row and five labels."""
    rng = np.random.default_rng(42)
    with pq.ParquetWriter(path, pa.schema({"text": pa.string(), "label": pa.string()})) as writer:
        for start in range(0, ROWS, 100_000):
            words = rng.choice(WORDS, size=(100_000, 20))
            texts = [f"{start + i} " + " ".join(row) for i, row in enumerate(words)]
            labels = rng.choice(["billing", "delivery", "returns", "account", "product"], size=100_000)
            writer.write_table(pa.table({"text": texts, "label": labels}))


def import_it(source: Path, folder: Path) -> None:
    from engine.data.readers import import_source

    import_source({"kind": "file", "path": str(source), "name": source.name}, folder)


def open_and_preview(_source: Path, folder: Path) -> None:
    from engine import RunSpec, Settings, Supervisor, TrainingTask, preview

    supervisor = Supervisor(Settings(folder.parents[1]))
    dataset = supervisor.dataset(folder.name)
    task = TrainingTask.for_text_classification(text="text", label="label")
    assert len(preview(dataset, task, n=20).records) == 20
    spec = RunSpec(dataset={"id": folder.name}, task=task.to_dict(), framework="spacy", base_model="blank:en")
    assert supervisor.readiness(spec).sizes == (700_000, 100_000, 200_000)
    assert len(dataset) == ROWS


def in_fresh_process(work: Callable[[Path, Path], Any], *arguments: Path) -> tuple[float, float]:
    """(peak resident MB of a spawned process that did `work`, seconds)."""
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(queue, work, arguments))
    process.start()
    result = queue.get()
    process.join()
    return result


def _measured(queue: Any, work: Callable[..., Any], arguments: tuple[Path, ...]) -> None:
    started = time.monotonic()
    work(*arguments)
    seconds = time.monotonic() - started
    status = Path("/proc/self/status").read_text()  # not ru_maxrss: that is inherited from the parent process
    queue.put((int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e3, seconds))
