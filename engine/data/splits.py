"""Splits canonical rows into train, validation and test: exact sizes, seeded, stratified, equal texts kept together.

Called by engine/tasks/preparation.py and prepare_for_training; knows no task. Rows that belong together (one record,
or one text) form a unit, and a unit goes to one part. Units that look alike (same size, same labels) are shared out in
bulk by their numbers; the few that remain go one by one by iterative stratification (Sechidis, Tsoumakas, Vlahavas,
2011), which also serves rows with several labels.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import UserError

PARTS = ("train", "validation", "test")
TOGETHER = ("record_id", "text")  # by default, rows that agree in one of these columns stay in one part
_NOISE = 1e-9  # float noise in a share: 0.7 of 10 is 7 rows


def split_sizes(n: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Rows of each part for `n` rows: train rounds down, test up, validation takes the rest; their sum is `n`.

    A part with a share above 0 gets at least one row. Raises UserError for shares that are negative or do not sum
    to 1, for a train share of 0, and when there are fewer rows than parts asked for.
    """
    _check_shares(shares)
    asked = sum(share > 0 for share in shares)
    if n < asked:
        raise UserError(
            f"{n} {'row' if n == 1 else 'rows'} can't be split into {asked} parts: one of them would be empty.",
            "Annotate more records, or set the share of a part to 0.",
        )
    train, *held_out = shares
    sizes = [min(n, math.floor(n * train + _NOISE))]
    left, weight = n - sizes[0], sum(held_out)
    for share in reversed(held_out):
        size = min(left, math.ceil((n - sizes[0]) * share / weight - _NOISE)) if weight else 0
        sizes.insert(1, size)
        left -= size
    for part, share in enumerate(shares):
        if share > 0 and sizes[part] == 0:
            sizes[sizes.index(max(sizes))] -= 1
            sizes[part] = 1
    return tuple(sizes)


def _check_shares(shares: Sequence[float]) -> None:
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise UserError(
            f"The shares of the parts must be 0 or more and sum to 1; they are {', '.join(f'{s:g}' for s in shares)}.",
            "Change one of them.",
        )
    if shares[0] == 0:
        raise UserError("The share for training is 0, so there would be nothing to learn from.", "Give it a share.")


def split(
    table: pa.Table,
    shares: Sequence[float],
    *,
    seed: int,
    label_column: str | None = None,
    together: Sequence[str] = TOGETHER,
) -> dict[str, pa.Table]:
    """`shares` (train, validation, test) of `table` as name → rows in their original order; a share of 0 gives no key.

    Sizes are those of `split_sizes`; where rows that must stay together make that impossible, as near as can be.
    `label_column` (string or list<string>) is stratified by. Raises UserError when a part would be empty.
    """
    sizes = np.array(split_sizes(len(table), shares), np.int64)
    unit = _units(table, together)
    n_units = int(unit.max()) + 1
    asked = np.flatnonzero(np.array(shares) > 0)
    if n_units < len(asked):
        raise UserError(
            f"The {len(table):,} rows hold {n_units} different {'text' if n_units == 1 else 'texts'}, and equal texts "
            f"stay together: they can't be split into {len(asked)} parts.",
            "Annotate more records, or set the share of a part to 0.",
        )
    part = _Assignment(unit, n_units, _labels(table, label_column), sizes, asked, seed).parts()
    return {PARTS[p]: table.filter(pa.array(part[unit] == p)) for p in asked}


def _units(table: pa.Table, together: Sequence[str]) -> np.ndarray:
    """(n_rows,) unit number of each row, 0 to the number of units − 1: connected by equal values of a column."""
    columns = [row_codes(table[name]) for name in together if name in table.column_names]
    unit = columns[0] if columns else np.arange(len(table))
    if len(columns) > 1:
        while True:  # the smallest unit number spreads over each connected set, a column at a time
            before = unit
            for codes in columns:
                smallest = np.full(int(codes.max()) + 1, len(table), np.int64)
                np.minimum.at(smallest, codes, unit)
                unit = smallest[codes]
            if np.array_equal(before, unit):
                break
    return np.unique(unit, return_inverse=True)[1]


def row_codes(column: pa.ChunkedArray) -> np.ndarray:
    """(n_rows,) number of each row's value among the distinct values, in order of first appearance."""
    encoded = pc.dictionary_encode(column, null_encoding="encode").unify_dictionaries()
    return np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks]).astype(np.int64)


def _labels(table: pa.Table, label_column: str | None) -> tuple[np.ndarray, np.ndarray]:
    """(row, label code) of every label in the table."""
    if label_column is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    column = table[label_column].combine_chunks()
    row = np.arange(len(table), dtype=np.int64)
    if pa.types.is_list(column.type):
        row = np.repeat(row, pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False))
        column = column.flatten()
    return row, row_codes(pa.chunked_array([column]))


class _Assignment:
    """One split in the making: the part of each unit, what room each part has, and which labels it still wants."""

    def __init__(
        self,
        unit: np.ndarray,
        n_units: int,
        labels: tuple[np.ndarray, np.ndarray],
        sizes: np.ndarray,
        asked: np.ndarray,
        seed: int,
    ) -> None:
        row, code = labels
        self.rng = np.random.default_rng(seed)
        self.asked = asked
        self.size = np.bincount(unit, minlength=n_units)
        self.part = np.full(n_units, -1, np.int64)
        self.room = sizes.copy()
        self.label_unit, self.label = unit[row], code
        self.n_labels = int(code.max()) + 1 if len(code) else 0
        total = np.bincount(code, minlength=self.n_labels)
        self.wanted = np.outer(total, sizes / sizes.sum())  # (labels, parts), falls as units are placed
        self.in_train = np.zeros(self.n_labels, bool)  # a label that training never sees can't be learned

    def parts(self) -> np.ndarray:
        """(n_units,) part of each unit. Big units first, while there is room; single rows then fill what is left."""
        big, single = np.flatnonzero(self.size > 1), np.flatnonzero(self.size == 1)
        self._in_bulk(big)
        self._biggest_first(big[self.part[big] < 0])
        self._in_bulk(single)
        self._rarest_label_first(single[self.part[single] < 0])
        self._fill_empty_parts()
        return self.part

    def _in_bulk(self, units: np.ndarray) -> None:
        """Share out each set of alike units by numbers, rounded down in whole-number arithmetic."""
        room = np.maximum(self.room, 0)
        if not len(units) or not room.sum():
            return
        alike = self._likeness(units)
        order = self.rng.permutation(len(units))
        order = order[np.argsort(alike[order], kind="stable")]
        counts = np.bincount(alike)
        place = np.arange(len(units)) - np.repeat(np.cumsum(counts) - counts, counts)
        ends = np.cumsum(counts[:, None] * room[None, :] // room.sum(), axis=1)
        part = (place[:, None] >= ends[alike[order]]).sum(axis=1)
        placed = part < len(room)
        self.part[units[order[placed]]] = part[placed]
        self._account(units[order[placed]])

    def _likeness(self, units: np.ndarray) -> np.ndarray:
        """(n,) number of the set each unit falls in: same size, same labels. By a sum of one random word per label.

        Two different sets that collide (one in 2^64) would only be stratified as one.
        """
        words = np.random.default_rng(0).integers(1, 2**63, self.n_labels + 1, dtype=np.uint64)
        signature = self.size.astype(np.uint64) * words[-1]
        if self.n_labels:
            np.add.at(signature, self.label_unit, words[self.label])
        return np.unique(signature[units], return_inverse=True)[1]

    def _account(self, units: np.ndarray) -> None:
        """Take the rows and labels of `units`, just placed, off what their parts have room for and want."""
        part, size = self.part[units], self.size[units]
        self.room -= np.bincount(part, weights=size, minlength=len(self.room)).astype(np.int64)
        just_placed = np.zeros(len(self.part), bool)
        just_placed[units] = True
        of = just_placed[self.label_unit]
        label, part = self.label[of], self.part[self.label_unit[of]]
        np.subtract.at(self.wanted, (label, part), 1)
        self.in_train[label[part == 0]] = True

    def _biggest_first(self, units: np.ndarray) -> None:
        labels_of = self._labels_of(units)
        shuffled = self.rng.permutation(units)
        frequency = np.bincount(self.label, minlength=self.n_labels)
        for unit in shuffled[np.argsort(-self.size[shuffled], kind="stable")].tolist():
            self._place(
                unit, min(labels_of[unit], key=lambda label: (frequency[label], label), default=None), labels_of
            )

    def _rarest_label_first(self, units: np.ndarray) -> None:
        """Iterative stratification: the label with the fewest units left, each to the part that wants it most."""
        labels_of = self._labels_of(units)
        waiting = dict.fromkeys(self.rng.permutation(units).tolist())
        units_with: dict[int, list[int]] = defaultdict(list)
        for unit in waiting:
            for label in labels_of[unit]:
                units_with[label].append(unit)
        left = {label: len(members) for label, members in units_with.items()}
        while left:
            rarest = min(left, key=lambda label: (left[label], label))
            for unit in units_with[rarest]:
                if unit in waiting:
                    self._place(unit, rarest, labels_of)
                    del waiting[unit]
                    for label in labels_of[unit]:
                        if label in left:
                            left[label] -= 1
            del left[rarest]
        for unit in waiting:
            self._place(unit, None, labels_of)

    def _labels_of(self, units: np.ndarray) -> dict[int, set[int]]:
        among = np.zeros(len(self.part), bool)
        among[units] = True
        of = among[self.label_unit]
        labels_of: dict[int, set[int]] = defaultdict(set)
        for unit, label in zip(self.label_unit[of].tolist(), self.label[of].tolist(), strict=True):
            labels_of[unit].add(label)
        return labels_of

    def _place(self, unit: int, label: int | None, labels_of: dict[int, set[int]]) -> None:
        """Put `unit` into the part with room for it that wants `label` most; without room anywhere, the roomiest."""
        size = int(self.size[unit])
        fits = [p for p in self.asked if self.room[p] >= size]
        if not fits:
            part = max(self.asked, key=lambda p: self.room[p])
        elif label is None:
            part = max(fits, key=lambda p: self.room[p])
        else:
            part = max(fits, key=lambda p: (p == 0 and not self.in_train[label], self.wanted[label, p], self.room[p]))
        self.part[unit] = part
        self.room[part] -= size
        for name in labels_of[unit]:
            self.wanted[name, part] -= 1
            self.in_train[name] |= part == 0

    def _fill_empty_parts(self) -> None:
        """Give a part that got nothing (one unit was too big for it) the smallest unit of a part that has several."""
        for part in self.asked:
            if not (self.part == part).any():
                several = np.bincount(self.part, minlength=len(self.room))[self.part] > 1
                movable = np.flatnonzero(several)
                self.part[movable[np.argmin(self.size[movable])]] = part
