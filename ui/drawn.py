"""Pieces of HTML for what rows and predictions hold: marked spans, chat turns, sides, heat maps.

Like ui/markup.py it escapes every value that it is given; together they write all tags of the page.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ui.markup import Raw

MARK_COLOURS = 8  # classes mark-0 … of page.css
ELLIPSIS = "…"

Span = dict[str, Any]  # {"start", "end"} in characters, and perhaps "label" and "score"


def marked(text: str, spans: Sequence[Span], colours: dict[str, int] | None = None, limit: int = 0) -> Raw:
    """A text with its spans marked and labelled. One that overlaps an earlier one stands below, by its words.

    `colours`: label → number of its colour; by default in order of appearance. `limit`: characters shown around the
    first span (0: all).
    """
    colours = colours if colours is not None else colours_of(spans)
    first, last = _window(text, spans, limit)
    html, at, below = [], first, []
    for span in sorted(spans, key=lambda span: (span["start"], -span["end"])):
        if span["start"] < at or span["end"] > last:
            below.append(span)
            continue
        html += [escape(text[at : span["start"]]), _mark(text, span, colours)]
        at = span["end"]
    html.append(escape(text[at:last]))
    before, after = ELLIPSIS if first else "", ELLIPSIS if last < len(text) else ""
    rest = "".join(f"<li>{_mark(text, span, colours)}</li>" for span in below)
    return Raw(
        f"<p class='marked'>{before}{''.join(html)}{after}</p>" + (f"<ul class='plain'>{rest}</ul>" * bool(rest))
    )


def colours_of(spans: Iterable[Span]) -> dict[str, int]:
    """A colour for each label, in order of appearance."""
    labels = dict.fromkeys(str(span.get("label") or "") for span in spans)
    return {label: i % MARK_COLOURS for i, label in enumerate(labels)}


def _window(text: str, spans: Sequence[Span], limit: int) -> tuple[int, int]:
    """The part of a text to show: from its start, or around its first span, on whole words."""
    if not limit or len(text) <= limit:
        return 0, len(text)
    start = min((span["start"] for span in spans), default=0)
    first = 0 if start < limit * 3 // 4 else text.rfind(" ", 0, start - limit // 3) + 1
    last = text.rfind(" ", first + limit // 2, first + limit)
    return max(0, first), last if last > first else min(len(text), first + limit)


def _mark(text: str, span: Span, colours: dict[str, int]) -> str:
    label = str(span.get("label") or "")
    score = f" {span['score']:.2f}" if isinstance(span.get("score"), float) else ""
    named = f"<i>{escape(label)}{score}</i>" if label or score else ""
    return f"<mark class='mark-{colours.get(label, 0)}'>{escape(text[span['start'] : span['end']])}{named}</mark>"


def turns(messages: Sequence[dict[str, Any]], limit: int = 0) -> Raw:
    """A conversation: who said what, one turn below the other."""
    items = "".join(_turn(str(m.get("role", "")), clipped(m.get("content"), limit)) for m in messages)
    return Raw(f"<ol class='turns'>{items}</ol>")


def _turn(role: str, words: str) -> str:
    return f"<li class='turn {escape(role, quote=True)}'><b>{escape(role)}</b><span>{escape(words)}</span></li>"


def sides(parts: Sequence[tuple[str, str]]) -> Raw:
    """Things to compare, side by side under their names; one below the other on a phone. The bodies are HTML."""
    cells = "".join(f"<div><b>{escape(name)}</b>{_html(body)}</div>" for name, body in parts)
    return Raw(f"<div class='sides'>{cells}</div>")


def parts(named: Sequence[tuple[str, str]]) -> Raw:
    """The parts of one row, each after its name. The bodies are HTML where they are `Raw`."""
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{_html(body)}</dd></div>" for name, body in named)
    return Raw(f"<dl class='parts'>{lines}</dl>")


def lines(bodies: Sequence[str]) -> Raw:
    """Short things one below the other."""
    return Raw("<br>".join(_html(body) for body in bodies))


def stacked(bodies: Sequence[str]) -> Raw:
    """Several rows of one record, with a line between them."""
    return Raw("<hr>".join(_html(body) for body in bodies))


def heat(names: Sequence[str], matrix: Sequence[Sequence[float | None]], caption: str) -> Raw:
    """A square of figures, each shaded by where it lies between the least and the greatest; None is left blank."""
    known = [value for row in matrix for value in row if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    head = "".join(f"<th scope='col'>{i}</th>" for i in range(1, len(names) + 1))
    body = ""
    for i, (name, row) in enumerate(zip(names, matrix, strict=True), 1):
        cells = "".join(_heat_cell(value, low, high) for value in row)
        body += f"<tr><th scope='row'>{i}. {escape(name)}</th>{cells}</tr>"
    return Raw(
        f"<div class='scroll'><table class='confusion heat'><caption>{escape(caption)}</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _heat_cell(value: float | None, low: float, high: float) -> str:
    if value is None:
        return "<td>·</td>"
    share = (value - low) / (high - low) if high > low else 0.5
    strong = " strong" if share > 0.55 else ""
    return f"<td class='right{strong}' style='--share:{share:.3f}'>{value:.2f}</td>"


def said(words: str) -> Raw:
    """What a model wrote, its lines kept."""
    return Raw(f"<div class='said'>{escape(words)}</div>")


def figure(number: str) -> Raw:
    """One number, large."""
    return Raw(f"<p class='figure'>{escape(number)}</p>")


def insertable(names: Sequence[str], target: str) -> Raw:
    """Columns as buttons; a click puts {name} where the cursor stands in the textbox `target` (see `INSERT`)."""
    buttons = "".join(
        f"<button type='button' class='chip' data-insert='{{{escape(name, quote=True)}}}'>{escape(name)}</button>"
        for name in names
    )
    return Raw(f"<div class='insertable' data-target='{escape(target, quote=True)}'>{buttons}</div>")


INSERT = """element.addEventListener('click', event => {
  const pressed = event.target.closest('[data-insert]');
  if (!pressed) return;
  const box = document.getElementById(pressed.parentElement.dataset.target).querySelector('textarea, input');
  box.setRangeText(pressed.dataset.insert, box.selectionStart, box.selectionEnd, 'end');
  box.dispatchEvent(new Event('input', {bubbles: true}));
  box.focus();
});"""


def clipped(value: Any, limit: int) -> str:
    """A text as it is, cut where it is longer than `limit` characters (0: never)."""
    shown = "" if value is None else str(value)
    return shown if not limit or len(shown) <= limit else shown[: limit - 1] + ELLIPSIS


def _html(body: str) -> str:
    return body if isinstance(body, Raw) else escape(body)
