"""Small pieces of HTML for gr.HTML. Every value given is escaped here; nothing else in ui/ writes tags."""

from collections.abc import Sequence
from html import escape
from typing import Any


def tiles(figures: Sequence[tuple[str, str]]) -> str:
    """A row of figures: (figure, what it counts)."""
    cells = "".join(
        f"<div class='tile'><b>{escape(str(n))}</b><span>{escape(what)}</span></div>" for n, what in figures
    )
    return f"<div class='tiles'>{cells}</div>"


def problem(message: str, hint: str = "") -> str:
    """An error, where its cause is: what happened, and what to do next."""
    next_step = f"<span>{escape(hint)}</span>" if hint else ""
    return f"<div class='problem' role='alert'><b>{escape(message)}</b>{next_step}</div>"


def ready(sentence: str) -> str:
    return f"<div class='ready' role='status'>{escape(sentence)}</div>"


def notice(sentence: str) -> str:
    """What a person should know before choosing; nothing is wrong."""
    return f"<div class='notice' role='note'>{escape(sentence)}</div>"


def notes(sentences: Sequence[str]) -> str:
    """Sentences one below the other, in small type; empty when there are none."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<ul class='notes'>{items}</ul>" if items else ""


def line(sentence: str, *, subdued: bool = False) -> str:
    return f"<p class='{'quiet' if subdued else 'plain'}'>{escape(sentence)}</p>"


def heading(title: str, below: str = "") -> str:
    small = f"<p class='quiet'>{escape(below)}</p>" if below else ""
    return f"<div class='heading'><h2>{escape(title)}</h2>{small}</div>"


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    numbers: Sequence[int] = (),
    caption: str = "",
    stack: bool = False,
) -> str:
    """A table that alone may scroll sideways. `numbers`: columns set flush right in tabular figures.

    `stack`: on a phone each row becomes a block of labelled lines; for rows with much text.
    """
    head = "".join(f"<th scope='col'{_number(i, numbers)}>{escape(name)}</th>" for i, name in enumerate(headers))
    body = "".join(
        "<tr>"
        + "".join(
            f"<td data-label='{escape(headers[i], quote=True)}'{_number(i, numbers)}>{cell(value)}</td>"
            for i, value in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    inside = f"{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f"<div class='scroll'><table class='data{' stack' if stack else ''}'>{inside}</table></div>"


class Raw(str):
    """HTML made by this module, to be put into a table as it is."""


def cell(value: Any) -> str:
    return value if isinstance(value, Raw) else escape("" if value is None else str(value))


def _number(column: int, numbers: Sequence[int]) -> str:
    return " class='number'" if column in numbers else ""


def link(label: str, href: str) -> Raw:
    return Raw(f"<a href='{escape(href, quote=True)}'>{escape(label)}</a>")


def button(label: str, value: str) -> Raw:
    """A small button whose click gr.HTML reports with `value` (see `REPORT_CLICKS`)."""
    return Raw(f"<button type='button' class='small' data-value='{escape(value, quote=True)}'>{escape(label)}</button>")


REPORT_CLICKS = """element.addEventListener('click', event => {
  const pressed = event.target.closest('[data-value]');
  if (pressed) trigger('click', {value: pressed.dataset.value});
});"""


def state(word: str, kind: str) -> Raw:
    """A state as a word with a dot; the word alone says it, so that colour is not needed."""
    return Raw(f"<span class='state {escape(kind)}'>{escape(word)}</span>")


def bar(fraction: float | None, label: str) -> str:
    """A progress bar; without a fraction it moves to and fro."""
    done = "" if fraction is None else f" aria-valuenow='{fraction * 100:.0f}'"
    style = "" if fraction is None else f" style='width:{max(0.0, min(1.0, fraction)) * 100:.1f}%'"
    kind = "bar unknown" if fraction is None else "bar"
    return (
        f"<div class='{kind}' role='progressbar' aria-valuemin='0' aria-valuemax='100'{done} "
        f"aria-label='{escape(label, quote=True)}'><i{style}></i></div>"
    )


def working(headline: str, detail: str, fraction: float | None) -> str:
    """What is happening right now: a headline, a bar and one line of detail."""
    return (
        f"<div class='working'><p class='headline'>{escape(headline)}</p>{bar(fraction, headline)}"
        f"<p class='quiet'>{escape(detail)}&nbsp;</p></div>"
    )


def confusion(labels: Sequence[str], matrix: Sequence[Sequence[int]], *, rows: str, columns: str) -> str:
    """A confusion matrix as a table with shaded cells; a cell's shade is its share of its row."""
    head = "".join(f"<th scope='col'><span>{escape(label)}</span></th>" for label in labels)
    body = ""
    for i, (label, counts) in enumerate(zip(labels, matrix, strict=True)):
        total = sum(counts) or 1
        cells = "".join(_shaded(n, n / total, right=i == j) for j, n in enumerate(counts))
        body += f"<tr><th scope='row'>{escape(label)}</th>{cells}</tr>"
    return (
        f"<div class='scroll'><table class='confusion'><caption>{escape(columns)} →&emsp;{escape(rows)} ↓</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _shaded(count: int, share: float, *, right: bool) -> str:
    kind = "right" if right else "wrong"
    strong = " strong" if share > 0.55 else ""
    return f"<td class='{kind}{strong}' style='--share:{share:.3f}'>{count if count else '·'}</td>"


def log(lines: Sequence[str]) -> str:
    return f"<pre class='log' tabindex='0'>{escape(chr(10).join(lines))}</pre>"


def chips(words: Sequence[str]) -> Raw:
    return Raw(" ".join(f"<span class='chip'>{escape(word)}</span>" for word in words))


def brand(name: str, tagline: str) -> str:
    below = f"<p>{escape(tagline)}</p>" if tagline else ""
    return f"<div class='brand'><h1>{escape(name)}</h1>{below}</div>"


def split_bar(sizes: Sequence[int], names: Sequence[str]) -> str:
    """How the rows are divided, to scale."""
    parts = "".join(
        f"<li style='flex-grow:{n}' class='part-{i}'><b>{n:,}</b> {escape(name)}</li>"
        for i, (n, name) in enumerate(zip(sizes, names, strict=True))
        if n
    )
    return f"<ul class='split'>{parts}</ul>"


def headline(sentence: str) -> str:
    """The one sentence that matters most on a screen."""
    return f"<p class='verdict'>{escape(sentence)}</p>"


def reason(words: str) -> Raw:
    return Raw(f"<em class='quiet'>{escape(words)}</em>")


def details(summary: str, sentences: Sequence[str]) -> str:
    """A line that opens to more; nothing when there is no more."""
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<details><summary>{escape(summary)}</summary><ul class='notes'>{items}</ul></details>"


def published(sentence: str, url: str) -> str:
    """The link to what was pushed; only web addresses become links."""
    shown = link(url, url) if url.startswith(("https://", "http://")) else escape(url)
    return f"<div class='ready' role='status'>{escape(sentence)} {shown}</div>"


def empty(sentence: str, label: str, href: str) -> str:
    return f"<div class='empty'><p>{escape(sentence)}</p>{link(label, href)}</div>"
