"""Parquet files, batch by batch. What is decoded at once is bounded: a short file may repeat a long text at will."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.data.readers.arrow_columns import Columns
from engine.data.readers.stream import BATCH_ROWS, Stream
from engine.errors import UserError

DECODED_BYTES = 64 * 1024**2  # of a batch
MAX_ROW = 256 * 1024**2
LOOKED_AT = 1000  # first rows of a row group


def read_parquet(path: Path, name: str) -> Stream:
    """The columns of a Parquet file. Raises UserError when it is cut short or is not one."""
    try:
        file = pq.ParquetFile(path, memory_map=True)
        schema, rows = file.schema_arrow, file.metadata.num_rows
        notes: list[str] = []
        columns = Columns(schema, notes)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise _damaged(name, error) from error

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in pq.ParquetFile(path, memory_map=True).iter_batches(_batch_rows(path, name)):
                batch.validate(full=True)  # texts that are not UTF-8 would only break later, in someone else's hands
                yield columns.convert(batch, stream)
        except MemoryError:  # Arrow's own is an ArrowException too
            raise
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise _damaged(name, error) from error

    stream = Stream(columns.schema, batches, rows, {"format": "parquet"}, notes)
    return stream


def _batch_rows(path: Path, name: str) -> int:
    """How many rows may be decoded at once. Raises UserError when not even one may."""
    plain = pq.ParquetFile(path, memory_map=True)
    leaves = [plain.schema.column(i).path for i in range(len(plain.schema))]
    file = pq.ParquetFile(path, memory_map=True, read_dictionary=leaves)
    heaviest = max((_row_bytes(file, group) for group in range(file.num_row_groups)), default=0)
    if heaviest > MAX_ROW:
        raise UserError(
            f"“{name}”: a row of it may unpack to {heaviest // 1024**2:,} MB, which is too much to be read.",
            "Save the data again with less in each row.",
        )
    return max(1, min(BATCH_ROWS, DECODED_BYTES // max(1, heaviest)))


def _row_bytes(file: pq.ParquetFile, number: int) -> int:
    """The most that a row of this row group is likely to take: a value of a dictionary may stand in every row."""
    group = file.metadata.row_group(number)
    rows = max(1, group.num_rows)
    first = next(file.iter_batches(LOOKED_AT, row_groups=[number], use_threads=False), None)
    longest = [_longest(leaf) for column in (first.columns if first else ()) for leaf in _leaves(column)]
    size = group.total_byte_size // rows
    for i, longest_value in zip(range(group.num_columns), longest, strict=False):
        chunk = group.column(i)
        if "DELTA_BYTE_ARRAY" in chunk.encodings:  # each text may repeat the whole one before it
            longest_value = chunk.total_uncompressed_size
        size += longest_value * -(-chunk.num_values // rows)
    return size


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    """The columns of the file that a column is made of, in their order."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if isinstance(array, pa.MapArray):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif pa.types.is_struct(array.type):
        for child in array.flatten():
            yield from _leaves(child)
    elif pa.types.is_nested(array.type) and hasattr(array, "values"):
        yield from _leaves(array.values)
    else:
        yield array


def _longest(leaf: pa.Array) -> int:
    """Bytes of the longest text of a column that is read as a dictionary; 0 for numbers."""
    if not pa.types.is_dictionary(leaf.type):
        return 0
    return pc.max(pc.binary_length(leaf.dictionary)).as_py() or 0


def _damaged(name: str, error: Exception) -> UserError:
    return UserError(
        f"“{name}” can't be read as Parquet: {str(error).splitlines()[0].rstrip('.'):.300}.",
        "The file may have been cut short while it was copied or written: make it again, or download it again.",
    )
