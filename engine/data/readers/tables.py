"""Tables in memory → a Stream: `datasets.Dataset`, pandas DataFrame, pyarrow Table. For `from_dataset`."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from engine.data.readers.arrow_columns import Columns
from engine.data.readers.json_files import MIXED_NOTE
from engine.data.readers.stream import BATCH_ROWS, Stream
from engine.errors import UserError


def stream_of_table(data: Any) -> Stream:
    """The columns of a table. Raises UserError for anything else, and for a DatasetDict (which split?)."""
    notes: list[str] = []
    table = _as_arrow(data, notes)
    columns = Columns(table.schema, notes)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            yield columns.convert(batch, stream)

    stream = Stream(columns.schema, batches, len(table), {"format": type(data).__name__}, notes)
    return stream


def _as_arrow(data: Any, notes: list[str]) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    module = type(data).__module__.split(".")[0]
    if module == "datasets" and hasattr(data, "features") and hasattr(data, "with_format"):
        table = data.with_format("arrow")[:]
        return table.replace_schema_metadata(data.features.arrow_schema.metadata)
    if module == "datasets" and isinstance(data, dict):
        splits = ", ".join(map(str, data))
        raise UserError(
            f"This is a DatasetDict with the splits {splits}; one of them is needed.",
            f"Pass one split, for example dataset[{next(iter(data), 'train')!r}].",
        )
    if module == "pandas" and hasattr(data, "columns"):
        return _from_pandas(data, notes)
    raise UserError(
        f"A dataset can't be read from {type(data).__name__}.",
        "Pass a datasets.Dataset, a pandas DataFrame or a pyarrow Table.",
    )


def _from_pandas(frame: Any, notes: list[str]) -> pa.Table:
    arrays = []
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        try:
            arrays.append(pa.Array.from_pandas(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            notes.append(MIXED_NOTE.format(name=name))
            arrays.append(pa.array([None if v is None or v != v else str(v) for v in values.tolist()], pa.string()))
    flat = [a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in arrays]
    return pa.Table.from_arrays(flat, names=[str(name) for name in frame.columns])
