"""filter_by and sort_by on local data: what each keeps, in which order, and what it says about unknown names."""

from typing import Any

import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.fields import TextField
from engine.data.filters import FloatMetadataFilter, IntegerMetadataFilter, SortBy, TermsMetadataFilter
from engine.data.questions import LabelQuestion
from engine.errors import UserError


def _dataset() -> FeedbackDataset:
    dataset = FeedbackDataset(
        [TextField(name="text")], [LabelQuestion(name=n, labels=["x"]) for n in ("topic", "tone")]
    )
    rows = [
        ("d", ["submitted"], {"source": "web", "n": 3}),
        ("b", ["draft", "submitted"], {"source": ["book", "web"], "n": 1}),
        ("a", [], {"source": "book", "n": 2.5}),
        ("c", ["discarded"], {}),
    ]
    for text, statuses, metadata in rows:  # one chunk each: row numbers must count across chunks
        responses = [{"user_id": "u", "values": {"tone": "x"}, "status": s} for s in statuses]
        dataset.add_records({"fields": {"text": text}, "responses": responses, "metadata": metadata})
    return dataset


def _texts(dataset: FeedbackDataset) -> str:
    return "".join(dataset.values("text").to_pylist())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("submitted", "db"),
        (["draft", "discarded"], "bc"),
        ("missing", "a"),
        (["pending", "draft"], "ba"),
        ([], ""),
    ],
)
def test_filter_by_status_keeps_records_with_such_a_response(status: Any, expected: str) -> None:
    assert _texts(_dataset().filter_by(response_status=status)) == expected


def test_filter_by_status_counts_rows_of_a_slice_from_its_start() -> None:
    dataset = _dataset()
    tail = dataset._with_table(dataset.table.combine_chunks().slice(1))
    assert _texts(tail.filter_by(response_status="submitted")) == "b"
    assert _texts(tail.filter_by(response_status="missing")) == "a"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TermsMetadataFilter(name="source", values=["web"]), "db"),
        (IntegerMetadataFilter(name="n", ge=2, le=3), "da"),
        (FloatMetadataFilter(name="n", le=2.5), "ba"),
        ({"name": "source", "values": ["book"]}, "ba"),
        ([{"name": "source", "values": ["book"]}, {"name": "n", "ge": 2}], "a"),
        ({"type": "integer", "name": "n", "ge": 3}, "d"),
    ],
)
def test_filter_by_metadata_keeps_records_that_match_all(wanted: Any, expected: str) -> None:
    assert _texts(_dataset().filter_by(metadata_filters=wanted)) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("text", "abcd"),
        ("-text", "dcba"),
        ("-metadata.n", "dabc"),
        (SortBy(field="metadata.n"), "badc"),
        ({"field": "text", "order": "desc"}, "dcba"),
        (["metadata.missing_is_last", "text"], None),
    ],
)
def test_sort_by_orders_records_with_missing_values_last(sort: Any, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(UserError, match="no metadata named 'missing_is_last'. Their metadata: source, n."):
            _dataset().sort_by(sort)
    else:
        assert _texts(_dataset().sort_by(sort)) == expected


def test_sort_by_several_keys_takes_the_first_as_most_important() -> None:
    dataset = FeedbackDataset([TextField(name="text"), TextField(name="group")], [])
    dataset.add_records([{"fields": {"text": t, "group": g}} for t, g in ("ax", "by", "cx", "dy")])
    assert _texts(dataset.sort_by(["-group", "text"])) == "bdac"
    assert _texts(dataset.sort_by(["group", "-text"])) == "cadb"


def test_filter_by_unknown_status_names_the_known_ones() -> None:
    with pytest.raises(UserError) as caught:
        _dataset().filter_by(response_status="done")
    assert str(caught.value) == (
        "There is no response status 'done'. Choose among: submitted, draft, discarded, missing, pending."
    )


def test_filter_by_unknown_metadata_names_the_known_ones() -> None:
    with pytest.raises(UserError) as caught:
        _dataset().filter_by(metadata_filters=TermsMetadataFilter(name="origin", values=["web"]))
    assert str(caught.value) == "The records have no metadata named 'origin'. Their metadata: source, n."


def test_filter_by_metadata_without_bounds_is_refused() -> None:
    with pytest.raises(UserError, match="give ge, le, or both"):
        _dataset().filter_by(metadata_filters={"name": "n"})


def test_sort_by_unknown_name_lists_what_can_be_sorted() -> None:
    with pytest.raises(UserError) as caught:
        _dataset().sort_by("inserted_at")
    assert str(caught.value) == (
        "Records can't be sorted by 'inserted_at'. Sort by one of: text, external_id, metadata.source, metadata.n."
    )
