"""A source on its way to disk: a dataset's schema and its rows in our layout, a batch at a time.

`plain` makes one from columns without questions; the Argilla readers make theirs. `write` stores it, all or nothing.
"""

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from engine.data.feedback_dataset import SCHEMA_FILE, TABLE_FILE, DatasetSchema, FeedbackDataset
from engine.data.fields import Field
from engine.data.layout import EXTERNAL_ID, FIELD, METADATA, RECORD_ID
from engine.data.profile import PROFILE_FILE, profile
from engine.data.readers.stream import Stream, check_rows
from engine.data.roles import derived_for, guess_roles
from engine.errors import UserError
from engine.runs.events import Report

MAX_NOTES = 30
MEMORY = 6 * 1024**3  # of a worker that imports: ten times what a million rows take
MAX_BYTES = 8 * 1024**3  # of rows, as they are stored
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass
class Reading:
    """What a reader found: `schema` (its notes are complete after the last batch), rows in `arrow_schema`."""

    schema: DatasetSchema
    arrow_schema: pa.Schema
    open: Callable[[], Iterator[pa.RecordBatch]]
    stream: Stream
    derive: bool = False  # guess which columns are labels, and make questions of them


def plain(stream: Stream, name: str) -> Reading:
    """Every column a field. Records are called r1, r2, … in the order of the source."""
    fields = [Field(name=f.name, required=False, type="text" if _is_value(f.type) else "custom") for f in stream.schema]
    columns = [pa.field(FIELD + f.name, f.type, metadata=f.metadata) for f in stream.schema]
    ours = [pa.field(EXTERNAL_ID, pa.string()), pa.field(METADATA, pa.string())]
    arrow_schema = pa.schema([pa.field(RECORD_ID, pa.string()), *columns, *ours])

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in stream.open():
            n = len(batch)
            nothing = pa.nulls(n, pa.string())
            yield pa.RecordBatch.from_arrays(
                [record_ids(start, n), *batch.columns, nothing, nothing], schema=arrow_schema
            )
            start += n

    return Reading(DatasetSchema(name=name, fields=fields), arrow_schema, batches, stream, derive=True)


def record_ids(start: int, n: int) -> pa.Array:
    """r<start + 1>, r<start + 2>, …"""
    return pa.array([f"r{number}" for number in range(start + 1, start + n + 1)], pa.string())


def _is_value(kind: pa.DataType) -> bool:
    return not pa.types.is_nested(kind)


def limit_memory(most: int = MEMORY) -> None:
    """For a process that only imports: what it allocates beyond this fails and is told, and the machine lives on."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


@contextmanager
def room() -> Iterator[None]:
    """A full disk, met while downloading, unpacking or writing, or too little memory, as a sentence."""
    try:
        yield
    except MemoryError as error:
        raise UserError(
            "Reading this dataset takes more memory than there is.",
            "Save it as JSON Lines or Parquet with smaller rows, or load a smaller part of the data.",
        ) from error
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise UserError(
            "There is no room left on the disk for this dataset.",
            "Delete datasets or runs that are no longer needed, or load a smaller part of the data.",
        ) from error


def in_memory(reading: Reading) -> FeedbackDataset:
    """The dataset, held in memory. Raises UserError when there is no row."""
    table = pa.Table.from_batches(_counted(reading), schema=reading.arrow_schema)
    return _described(reading, table)


def _counted(reading: Reading) -> Iterator[pa.RecordBatch]:
    """The batches. Raises UserError when they are more than a machine should hold: a short file may unfold to much."""
    check_rows(reading.stream.rows or 0)
    rows = size = 0
    for batch in reading.open():
        rows, size = rows + len(batch), size + batch.nbytes
        check_rows(rows)
        if size > MAX_BYTES:
            raise UserError(f"The data unpacks to more than {MAX_BYTES // 1024**3} GB.", "Load a smaller part of it.")
        yield batch


def write(reading: Reading, folder: Path, report: Report) -> FeedbackDataset:
    """Store the rows batch by batch with schema.json and profile.json, and open them memory-mapped.

    Everything is written under other names and renamed at the end: an import that fails leaves nothing behind.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in (TABLE_FILE, PROFILE_FILE, SCHEMA_FILE)]  # schema last: it makes a dataset of it
    unfinished = {path: path.with_name(path.name + ".part") for path in files}
    try:
        table_file, profile_file, schema_file = unfinished.values()
        _write_rows(reading, table_file, report)
        report.stage("profiling")
        dataset = _described(reading, pa.ipc.open_file(pa.memory_map(str(table_file))).read_all())
        profile_file.write_text(json.dumps(profile(dataset), ensure_ascii=False), encoding="utf-8")
        schema_file.write_text(dataset.schema.model_dump_json(indent=1), encoding="utf-8")
        for path, part in unfinished.items():
            part.replace(path)
    finally:
        for part in unfinished.values():
            part.unlink(missing_ok=True)
    for note in dataset.schema.notes:
        report.note(note)
    del dataset  # its derived columns are made again below
    return FeedbackDataset.load(folder)


def _write_rows(reading: Reading, path: Path, report: Report) -> None:
    report.stage("reading")
    done = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reading.arrow_schema) as writer:
        for batch in _counted(reading):
            writer.write_batch(batch)
            done += len(batch)
            report.progress(done, reading.stream.rows)


def _few(notes: list[str]) -> list[str]:
    left = len(notes) - MAX_NOTES
    return notes if left <= 1 else [*notes[:MAX_NOTES], f"There are {left:,} more notes like these."]


def _described(reading: Reading, table: pa.Table) -> FeedbackDataset:
    if not len(table):
        raise UserError(
            "The data has no rows.", f"Its columns are: {', '.join(reading.stream.schema.names) or 'none':.500}."
        )
    schema = reading.schema
    if reading.derive:
        roles = guess_roles(FeedbackDataset.from_arrow(schema, table))
        schema.derived = [derived_for(role) for role in roles if role.is_target]
    schema.notes = _few(list(dict.fromkeys([*schema.notes, *reading.stream.all_notes()])))
    return FeedbackDataset.from_arrow(schema, table)
