"""Character spans ↔ tags of tokens: schemes, boundaries, what is counted."""

import pytest

from engine.frameworks._spans import Losses, note_losses, spans_of, tags_of, tightened
from engine.tasks.tag_schemes import chunks_of, tag_names
from tests.frameworks.topics import Told

TEXT = "Ann Lee lives in New York."
OFFSETS = [(0, 0), (0, 3), (4, 7), (8, 13), (14, 16), (17, 20), (21, 25), (25, 26), (0, 0)]


def span(start: int, end: int, label: str = "PER") -> dict:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize(
    "tags",
    [
        ["B-PER", "I-PER", "O", "B-LOC"],
        ["I-PER", "I-PER", "O", "I-LOC"],
        ["B-PER", "E-PER", "O", "S-LOC"],
        ["B-PER", "L-PER", "O", "U-LOC"],
        ["PER", "PER", "O", "LOC"],
        ["PER", "PER", "", "LOC"],
    ],
)
def test_every_scheme_marks_the_same_chunks(tags: list[str]) -> None:
    assert chunks_of(tags) == [(0, 2, "PER"), (3, 4, "LOC")]


def test_neighbours_of_one_label_are_told_apart_where_the_scheme_can() -> None:
    assert chunks_of(["B-PER", "B-PER"]) == [(0, 1, "PER"), (1, 2, "PER")]
    assert chunks_of(["I-PER", "B-PER", "I-PER"]) == [(0, 1, "PER"), (1, 3, "PER")]
    assert chunks_of(["S-PER", "S-PER"]) == chunks_of(["E-PER", "E-PER"]) == [(0, 1, "PER"), (1, 2, "PER")]
    assert chunks_of(["B-PER", "I-LOC"]) == [(0, 1, "PER"), (1, 2, "LOC")]
    assert tag_names(["PER", "LOC"]) == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def test_spans_become_tags_and_come_back() -> None:
    spans = [span(17, 25, "LOC"), span(0, 7)]
    tags, found = tags_of(spans, OFFSETS)
    assert tags == ["O", "B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O", "O"]
    assert found.widened == found.lost == []
    scores = [1.0, 0.9, 0.7, 1.0, 1.0, 0.6, 0.8, 1.0, 1.0]
    assert spans_of(tags, OFFSETS, scores, TEXT) == [
        {"start": 0, "end": 7, "label": "PER", "text": "Ann Lee", "score": pytest.approx(0.8)},
        {"start": 17, "end": 25, "label": "LOC", "text": "New York", "score": pytest.approx(0.7)},
    ]
    assert spans_of(tags, OFFSETS, None, TEXT)[0]["score"] is None


def test_spans_inside_tokens_are_widened_and_lost_ones_are_told() -> None:
    told, losses = Told(), Losses()
    tags, found = tags_of([span(0, 2), span(2, 3), span(30, 33), span(17, 25, "LOC")], OFFSETS)
    assert tags[1] == "B-PER"
    assert found.widened == [span(0, 2)]
    assert found.lost == [span(2, 3), span(30, 33)]
    losses.add(found)
    note_losses(told, "training", losses)
    assert told.notes == [
        "1 of 4 training spans begin or end inside a token; they are learned as whole tokens.",
        "2 of 4 training spans are not learned: their text was cut off, or another span has their tokens.",
    ]


def test_spaces_that_a_tokenizer_counts_to_a_token_are_not_part_of_it() -> None:
    assert tightened([(0, 3), (3, 7), (7, 7)], "Ann Lee") == [(0, 3), (4, 7), (7, 7)]
