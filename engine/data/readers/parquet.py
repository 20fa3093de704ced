"""Parquet files, batch by batch."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.readers.arrow_columns import Columns
from engine.data.readers.stream import BATCH_ROWS, Stream
from engine.errors import UserError


def read_parquet(path: Path, name: str) -> Stream:
    """The columns of a Parquet file. Raises UserError when it is cut short or is not one."""
    try:
        file = pq.ParquetFile(path, memory_map=True)
        schema = file.schema_arrow
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise _damaged(name, error) from error
    notes: list[str] = []
    columns = Columns(schema, notes)

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in pq.ParquetFile(path, memory_map=True).iter_batches(BATCH_ROWS):
                batch.validate(full=True)  # texts that are not UTF-8 would only break later, in someone else's hands
                yield columns.convert(batch, stream)
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(name, error) from error

    stream = Stream(columns.schema, batches, file.metadata.num_rows, {"format": "parquet"}, notes)
    return stream


def _damaged(name: str, error: Exception) -> UserError:
    return UserError(
        f"“{name}” can't be read as Parquet: {str(error).splitlines()[0]}",
        "The file may have been cut short while it was copied or written: make it again, or download it again.",
    )
