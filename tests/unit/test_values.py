"""How cells, rows and answers read, by the shape of their value."""

import pytest

from ui import values

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (0.123456, "0.1235"),
        (["New", "York"], "New · York"),
        (CHAT, "user: Hi assistant: Hello"),
        ([{"start": 0, "end": 3, "label": "person", "text": "Ann"}], "Ann (person)"),
        ({"start": [0], "end": [3], "label": ["person"], "text": ["Ann"]}, "Ann (person)"),
        ({"rank": [2, 1], "value": ["b", "a"]}, "a > b"),
        ({"page": 3, "note": None}, "page: 3"),
    ],
)
def test_values_as_one_line(value: object, said: str) -> None:
    assert values.plain(value) == said


def test_long_values_are_shortened() -> None:
    assert values.shorten("a  b\n" * 3, 6) == "a b a…"


def test_conversation_is_drawn_as_turns() -> None:
    assert values.html(CHAT).count("<li class='turn") == 2


def test_row_of_a_preference_has_its_sides() -> None:
    html = values.row({"prompt": "Say hi", "chosen": "Hi!", "rejected": "No."})
    assert "<dt>Prompt</dt><dd>Say hi</dd>" in html
    assert "<div class='sides'><div><b>Better</b>Hi!</div><div><b>Worse</b>No.</div></div>" in html


def test_answers_of_several_annotators_are_marked_once() -> None:
    row = {
        "question": "Where?",
        "context": "In Rome now",
        "answers": {"text": ["Rome", "In Rome"], "answer_start": [3, 0]},
    }
    html = values.row(row)
    assert html.count("<mark") == 1
    assert "<mark class='mark-0'>In Rome</mark> now" in html


def test_label_that_is_true_or_false_is_said_in_words() -> None:
    assert "unwanted" in values.row({"prompt": "p", "completion": "c", "label": False})


def test_spans_are_marked_only_in_the_text_they_belong_to() -> None:
    spans = [{"start": 0, "end": 3, "label": "person"}]
    assert "<mark" in values.answer(spans, "Ann is here")
    assert values.answer(spans, "A") == "(0, 3) (person)"
