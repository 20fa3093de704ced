"""Nothing that comes from data reaches the page as HTML."""

import pytest

from ui import markup

EVIL = "<img src=x onerror=alert(1)>'\""


@pytest.mark.parametrize(
    "html",
    [
        markup.tiles([(EVIL, EVIL)]),
        markup.problem(EVIL, EVIL),
        markup.notes([EVIL]),
        markup.heading(EVIL, EVIL),
        markup.table([EVIL], [[EVIL]], caption=EVIL),
        markup.table(["a"], [[markup.link(EVIL, EVIL)], [markup.button(EVIL, EVIL)], [markup.chips([EVIL])]]),
        markup.working(EVIL, EVIL, 0.5),
        markup.confusion([EVIL], [[1]], rows=EVIL, columns=EVIL),
        markup.log([EVIL]),
        markup.details(EVIL, [EVIL]),
        markup.published(EVIL, "javascript:alert(1)//" + EVIL),
        markup.split_bar([1], [EVIL]),
    ],
)
def test_values_are_escaped(html: str) -> None:
    assert "<img" not in html
    assert "href='javascript" not in html


def test_cell_of_a_confusion_matrix_is_shaded_by_its_share_of_the_row() -> None:
    html = markup.confusion(["a", "b"], [[3, 1], [0, 4]], rows="annotators said", columns="model said")
    assert "<td class='right strong' style='--share:0.750'>3</td>" in html
    assert "<td class='wrong' style='--share:0.250'>1</td>" in html
    assert "<td class='wrong' style='--share:0.000'>·</td>" in html


def test_bar_without_a_known_share_says_no_value() -> None:
    assert "aria-valuenow" not in markup.bar(None, "Loading")
    assert "aria-valuenow='25'" in markup.bar(0.25, "Loading")
