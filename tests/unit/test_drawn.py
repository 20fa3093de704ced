"""Marked spans, turns, sides and heat maps: what they say, and that nothing from data becomes HTML."""

import pytest

from ui import drawn, values

EVIL = "<img src=x onerror=alert(1)>'\""


@pytest.mark.parametrize(
    "html",
    [
        drawn.marked(EVIL, [{"start": 0, "end": 5, "label": EVIL, "score": 0.5}]),
        drawn.turns([{"role": EVIL, "content": EVIL}]),
        drawn.sides([(EVIL, EVIL)]),
        drawn.parts([(EVIL, EVIL)]),
        drawn.lines([EVIL]),
        drawn.stacked([EVIL, EVIL]),
        drawn.heat([EVIL], [[0.5]], EVIL),
        drawn.said(EVIL),
        drawn.figure(EVIL),
        drawn.insertable([EVIL], EVIL),
        values.row({"prompt": EVIL, "chosen": EVIL, "rejected": [{"role": "user", "content": EVIL}]}),
        values.row({"question": EVIL, "context": EVIL, "answers": {"text": [EVIL[:4]], "answer_start": [0]}}),
    ],
)
def test_values_are_escaped(html: str) -> None:
    assert "<img" not in html
    assert "'\"" not in html


def test_spans_are_marked_in_their_text() -> None:
    html = drawn.marked("Ann lives in Rome.", [{"start": 13, "end": 17, "label": "place", "score": 0.8123}])
    assert html == "<p class='marked'>Ann lives in <mark class='mark-0'>Rome<i>place 0.81</i></mark>.</p>"


def test_overlapping_span_stands_below() -> None:
    spans = [{"start": 0, "end": 8, "label": "name"}, {"start": 4, "end": 8, "label": "place"}]
    html = drawn.marked("New York", spans)
    assert html.endswith("<ul class='plain'><li><mark class='mark-1'>York<i>place</i></mark></li></ul>")


def test_long_text_is_shown_around_its_first_span() -> None:
    text = "word " * 100 + "Rome " + "word " * 100
    html = drawn.marked(text, [{"start": 500, "end": 504, "label": "place"}], limit=100)
    assert html.startswith("<p class='marked'>…")
    assert "<mark class='mark-0'>Rome<i>place</i></mark>" in html
    assert len(html) < 250


def test_heat_map_shades_between_least_and_greatest() -> None:
    html = drawn.heat(["a", "b"], [[None, 0.2], [0.8, None]], "each with each")
    assert "<td class='right' style='--share:0.000'>0.20</td>" in html
    assert "<td class='right strong' style='--share:1.000'>0.80</td>" in html
    assert html.count("<td>·</td>") == 2
