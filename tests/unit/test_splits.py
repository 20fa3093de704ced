"""Splits: exact sizes, seeds, labels in their shares, and rows that must stay together."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.splits import split, split_sizes
from engine.errors import UserError


def _table(
    labels: list, texts: list[str] | None = None, ids: list[str] | None = None, column: str = "label"
) -> pa.Table:
    texts = texts or [f"text {i}" for i in range(len(labels))]
    ids = ids or [f"r{i}" for i in range(len(labels))]
    return pa.table({"record_id": ids, "text": texts, column: labels})


def _sizes(parts: dict[str, pa.Table]) -> dict[str, int]:
    return {name: len(table) for name, table in parts.items()}


@pytest.mark.parametrize(
    ("n", "shares", "sizes"),
    [
        (10, (0.7, 0, 0.3), (7, 0, 3)),
        (100, (0.99, 0, 0.01), (99, 0, 1)),
        (10, (0.33, 0, 0.67), (3, 0, 7)),
        (2, (0.8, 0, 0.2), (1, 0, 1)),
        (7, (0.8, 0, 0.2), (5, 0, 2)),
        (10, (1, 0, 0), (10, 0, 0)),
        (310, (0.8, 0.1, 0.1), (248, 31, 31)),
        (5, (0.8, 0.1, 0.1), (3, 1, 1)),
        (3, (0.98, 0.01, 0.01), (1, 1, 1)),
        (1000, (1 / 3, 1 / 3, 1 / 3), (333, 333, 334)),
    ],
)
def test_split_sizes_are_whole_rows_that_sum_to_n(n, shares, sizes):
    assert split_sizes(n, shares) == sizes


@given(n=st.integers(3, 5000), a=st.integers(1, 98), b=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_split_sizes_hold_for_any_shares(n, a, b):
    b = min(b, 99 - a)
    shares = (a / 100, b / 100, (100 - a - b) / 100)
    sizes = split_sizes(n, shares)
    assert sum(sizes) == n
    assert all((size > 0) == (share > 0) for size, share in zip(sizes, shares, strict=True))


def test_split_sizes_refuse_a_part_that_would_be_empty():
    with pytest.raises(UserError) as error:
        split_sizes(1, (0.8, 0, 0.2))
    assert error.value.message == "1 row can't be split into 2 parts: one of them would be empty."
    assert error.value.hint == "Annotate more records, or set the share of a part to 0."


def test_split_sizes_refuse_shares_that_do_not_sum_to_one():
    with pytest.raises(UserError) as error:
        split_sizes(10, (0.5, 0, 0.2))
    assert error.value.message == "The shares of the parts must be 0 or more and sum to 1; they are 0.5, 0, 0.2."


def test_split_sizes_refuse_an_empty_training_part():
    with pytest.raises(UserError) as error:
        split_sizes(10, (0, 0, 1))
    assert error.value.message == "The share for training is 0, so there would be nothing to learn from."


def test_split_keeps_labels_in_their_shares():
    table = _table(["a"] * 700 + ["b"] * 200 + ["c"] * 100)
    parts = split(table, (0.8, 0.1, 0.1), seed=1, label_column="label")
    assert _sizes(parts) == {"train": 800, "validation": 100, "test": 100}
    assert Counter(parts["train"]["label"].to_pylist()) == {"a": 560, "b": 160, "c": 80}
    assert Counter(parts["test"]["label"].to_pylist()) == {"a": 70, "b": 20, "c": 10}


def test_split_keeps_several_labels_in_their_shares():
    sets = [["a"], ["a", "b"], ["b", "c"], [], ["c", "d"], ["d"]]
    rows = [sets[i % 6] if i % 7 else ["a", "d"] for i in range(420)]
    parts = split(_table(rows, column="labels"), (0.5, 0, 0.5), seed=3, label_column="labels")
    assert _sizes(parts) == {"train": 210, "test": 210}
    counts = [Counter(label for row in part["labels"].to_pylist() for label in row) for part in parts.values()]
    assert all(abs(counts[0][label] - counts[1][label]) <= 1 for label in "abcd")


def test_split_gives_a_rare_label_to_training_first():
    labels = ["a"] * 10 + ["b"] * 10 + ["rare"]
    for seed in range(5):
        parts = split(_table(labels), (0.3, 0.3, 0.4), seed=seed, label_column="label")
        assert "rare" in parts["train"]["label"].to_pylist()


def test_split_keeps_equal_texts_and_records_together_and_sizes_exact():
    texts = [f"t{i % 40}" if i < 80 else f"u{i}" for i in range(400)]
    ids = [f"r{i - 1}" if i % 50 == 1 else f"r{i}" for i in range(400)]
    parts = split(_table(["a", "b"] * 200, texts, ids), (0.8, 0.1, 0.1), seed=5, label_column="label")
    assert _sizes(parts) == {"train": 320, "validation": 40, "test": 40}
    for column in ("text", "record_id"):
        seen = [set(part[column].to_pylist()) for part in parts.values()]
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_split_joins_records_and_texts_through_each_other():
    table = _table(["a"] * 6, ["x", "x", "y", "y", "z", "w"], ["1", "2", "2", "3", "3", "4"])
    parts = split(table, (0.8, 0, 0.2), seed=0)
    assert parts["test"]["text"].to_pylist() == ["w"]


def test_split_comes_as_near_as_equal_texts_allow():
    parts = split(_table(["a"] * 10, ["same"] * 5 + ["other"] * 5), (0.8, 0, 0.2), seed=0, label_column="label")
    assert _sizes(parts) == {"train": 5, "test": 5}


def test_split_refuses_fewer_texts_than_parts():
    with pytest.raises(UserError) as error:
        split(_table(["a", "b"] * 5, ["same"] * 10), (0.8, 0, 0.2), seed=0, label_column="label")
    assert error.value.message == (
        "The 10 rows hold 1 different text, and equal texts stay together: they can't be split into 2 parts."
    )


def test_split_is_the_same_for_a_seed_and_another_for_another():
    table = _table(["a", "b", "c", "a"] * 25)
    first, again, other = (split(table, (0.6, 0.2, 0.2), seed=s, label_column="label") for s in (7, 7, 8))
    assert first == again
    assert first["test"] != other["test"]


def test_split_keeps_the_original_order_and_gives_no_part_for_a_share_of_nothing():
    parts = split(_table(["a", "b"] * 10), (1, 0, 0), seed=0, label_column="label")
    assert list(parts) == ["train"]
    assert parts["train"]["record_id"].to_pylist() == [f"r{i}" for i in range(20)]


def test_split_reads_tables_in_many_chunks():
    table = _table(["a", "b"] * 50)
    chunked = pa.concat_tables([table.slice(i * 10, 10) for i in range(10)])
    assert split(chunked, (0.8, 0, 0.2), seed=2, label_column="label") == split(
        table, (0.8, 0, 0.2), seed=2, label_column="label"
    )


@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["a", "b", "c"])), min_size=3, max_size=120),
    seed=st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_split_puts_every_row_into_exactly_one_part(rows, seed):
    texts = [f"t{t}" for t, _ in rows]
    if len(set(texts)) < 3:
        return
    table = _table([label for _, label in rows], texts)
    parts = split(table, (0.6, 0.2, 0.2), seed=seed, label_column="label")
    ids = [i for part in parts.values() for i in part["record_id"].to_pylist()]
    assert sorted(ids) == sorted(table["record_id"].to_pylist())
    assert all(len(part) for part in parts.values())
    assert sum(len(set(part["text"].to_pylist())) for part in parts.values()) == len(set(texts))
