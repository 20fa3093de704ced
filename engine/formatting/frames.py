"""What goes to the confined side, in frames that are neither many nor heavy: samples, or the columns of record batches.

Columns are sent as Arrow has them and made into samples over there, where the other core works: half of the time here
went into making a dict for every answer of every record.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

MOST_SAMPLES, FRAME_BYTES = 1024, 32 * 1024  # of one frame, as far as the one before it tells: what caches hold
HEAVY_BYTES = 8 * 1024**2  # a frame of more than one sample that would crowd the other side's memory
FASTER = 8  # how many times as many samples a frame may have as the one before: the first, of one, comes soon


class Frame(NamedTuple):
    """`size` samples; `data`: as they travel; `record(i)`: the i-th of them."""

    size: int
    data: bytes
    record: Callable[[int], dict[str, Any]]


def packed(message: Any) -> bytes:
    """A message as it goes to the confined side. It is ours, so it may be a pickle, and keeps dates and bytes."""
    return pickle.dumps(message, protocol=5)


def of_samples(samples: Iterable[dict[str, Any]]) -> Iterator[Frame]:
    """Frames of samples that are dicts already."""
    remaining = iter(samples)
    yield from _frames(
        take=lambda n: list(islice(remaining, n)),
        part=lambda taken, i: taken[i : i + 1],
        pack=lambda taken: {"samples": taken},
        first=lambda taken: taken[0],
    )


def of_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[Frame]:
    """Frames of the rows of record batches, each a sample."""
    yield from _frames(
        take=_Rows(batches).take,
        part=lambda taken, i: taken.slice(i, 1),
        pack=lambda taken: {"columns": (taken.num_rows, taken.schema.names, [_plain(c) for c in taken.columns])},
        first=lambda taken: taken.slice(0, 1).to_pylist()[0],
    )


def _frames(
    take: Callable[[int], Any],
    part: Callable[[Any, int], Any],
    pack: Callable[[Any], dict[str, Any]],
    first: Callable[[Any], dict[str, Any]],
) -> Iterator[Frame]:
    size = 1
    while n := len(taken := take(size)):
        data = packed(pack(taken))
        if len(data) > HEAVY_BYTES and n > 1:
            for i in range(n):
                alone = part(taken, i)
                yield Frame(1, packed(pack(alone)), lambda _, alone=alone: first(alone))
        else:
            yield Frame(n, data, lambda i, taken=taken: first(part(taken, i)))
        size = max(1, min(n * FRAME_BYTES // len(data), MOST_SAMPLES, FASTER * n))


class _Rows:
    """The rows of several batches, taken a few at a time."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self._batch: pa.RecordBatch | None = None

    def take(self, n: int) -> Any:
        """The next rows, at most `n`, of one batch; [] after the last."""
        while self._batch is None or not self._batch.num_rows:
            self._batch = next(self._batches, None)
            if self._batch is None:
                return []
        taken, self._batch = self._batch.slice(0, n), self._batch.slice(n)
        return taken


def _plain(array: pa.Array) -> tuple:
    """A column as plain lists: ("values", list), ("lists", lengths, column), ("dicts", valid, names, columns)."""
    kind = array.type
    if pa.types.is_struct(kind) and kind.num_fields:
        valid = array.is_valid().to_pylist() if array.null_count else None
        return "dicts", valid, [field.name for field in kind], [_plain(child) for child in array.flatten()]
    if pa.types.is_list(kind):
        return "lists", pc.list_value_length(array).to_pylist(), _plain(array.flatten())
    return "values", array.to_pylist()
