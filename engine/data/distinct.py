"""How many different values a column has, and how many stand more than once, in little memory. For profile and roles.

Arrow's own count keeps every distinct text in a hash table; here each text is 8 bytes, its hash.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Distinct:
    """`values`: different ones, missing left out. `repeated`: of these, how many stand more than once, in `records`."""

    values: int
    repeated: int
    records: int


def distinct(column: pa.ChunkedArray) -> Distinct:
    """Counts over a column of plain values. Two texts of a million are taken for one with a chance of 1 in 10⁷."""
    parts = (chunk.slice(i, BATCH_ROWS) for chunk in column.chunks for i in range(0, len(chunk), BATCH_ROWS))
    numbers = [_numbers(part) for part in parts]
    if not numbers:
        return Distinct(0, 0, 0)
    _, counts = np.unique(np.concatenate(numbers), return_counts=True)
    again = counts[counts > 1]
    return Distinct(len(counts), len(again), int(again.sum()))


def _numbers(array: pa.Array) -> np.ndarray:
    array = array.drop_null()
    if pa.types.is_boolean(array.type):
        return array.cast(pa.int8()).to_numpy().astype(np.int64)
    if pa.types.is_integer(array.type):
        return array.to_numpy().astype(np.int64)
    if pa.types.is_floating(array.type):
        return array.filter(pc.invert(pc.is_nan(array))).cast(pa.float64()).to_numpy().view(np.int64)
    return np.fromiter(map(hash, array.to_pylist()), np.int64, len(array))
