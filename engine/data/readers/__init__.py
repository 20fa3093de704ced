"""Sources → FeedbackDataset. The import worker calls `import_source`; scripts come through FeedbackDataset.from_….

A source: {"kind": "file", "path", "name"?, "options"?} | {"kind": "hub", "id", "subset"?, "split"?, "revision"?}
| {"kind": "example"}. A token is an argument, never part of a source.
"""

import tempfile
from pathlib import Path
from typing import Any

from engine.data.examples import example_by_name
from engine.data.feedback_dataset import FeedbackDataset
from engine.data.readers.local import inspect_file, read_local
from engine.data.readers.reading import Reading, in_memory, limit_memory, plain, room, write
from engine.data.readers.tables import stream_of_table
from engine.errors import UserError
from engine.runs.events import Report

__all__ = ["import_source", "inspect_file", "limit_memory", "list_splits", "read_source", "read_table"]


def import_source(
    source: dict[str, Any], folder: Path, *, token: str | None = None, report: Report | None = None
) -> FeedbackDataset:
    """Read `source` into `folder` (records.arrow, schema.json, profile.json) and open it, memory-mapped.

    Rows are converted a batch at a time, so memory does not grow with them. Raises UserError; then nothing is left.
    """
    report = report or Report()
    with room(), tempfile.TemporaryDirectory(prefix="annotune-read-") as scratch:
        return write(_reading(source, Path(scratch), token, report), Path(folder), report)


def read_source(source: dict[str, Any], *, token: str | None = None) -> FeedbackDataset:
    """Read `source` into memory: for scripts and notebooks."""
    with room(), tempfile.TemporaryDirectory(prefix="annotune-read-") as scratch:
        return in_memory(_reading(source, Path(scratch), token, Report()))


def read_table(data: Any, name: str = "dataset") -> FeedbackDataset:
    """A `datasets.Dataset`, a pandas DataFrame or a pyarrow Table: columns become fields, labels questions."""
    return in_memory(plain(stream_of_table(data), name))


def list_splits(repo_id: str, token: str | None = None, revision: str | None = None) -> dict[str, list[str]]:
    """Subset → splits of a dataset on the Hub, for the page's dropdowns. Raises UserError."""
    from engine.data.readers.hub import list_splits

    return list_splits(repo_id, token=token, revision=revision)


def _reading(source: dict[str, Any], scratch: Path, token: str | None, report: Report) -> Reading:
    kind = source.get("kind")
    if kind == "file":
        return read_local(source, scratch)
    if kind == "example":
        example = example_by_name(source.get("name"))
        reading = read_local({"kind": "example", "path": str(example.folder), "name": example.title}, scratch)
        reading.schema.source["name"] = example.name  # it is read again, and named in Python, by this name
        return reading
    if kind == "hub":
        from engine.data.readers.hub import read_hub

        return read_hub(source, scratch, token=token, report=report)
    raise UserError(f"There is no kind of source {kind!r}.", "Use file, hub or example.")
