"""Starter code for roles that are columns or templates: Python that gives the text which the role would give.

Called by the task files' starter_code.
"""

from collections.abc import Iterable

from engine.tasks.columns import PLACEHOLDER, placeholders

TEXT_OF = """def text_of(value):
    # A field's text, or the first submitted answer to a question.
    if isinstance(value, list):
        value = next((answer["value"] for answer in value if answer["status"] == "submitted"), None)
    return "" if value is None else str(value)


"""
TEXTS_OF = """def texts_of(value):
    # A field's text, or every submitted answer to a question.
    if isinstance(value, list):
        return [str(answer["value"]) for answer in value if answer["status"] == "submitted"]
    return [] if value is None else [str(value)]


"""


def text_source(chosen: str, columns: Iterable[str]) -> str:
    """An expression over `sample` for a column's name or a template; it uses text_of."""
    if chosen in columns:
        return f"text_of(sample[{chosen!r}])"
    names = placeholders(chosen)
    source, end = "", 0
    for match in PLACEHOLDER.finditer(chosen):
        source += _escaped(chosen[end : match.start()])
        end = match.end()
        if match.group() in ("{{", "}}"):
            source += match.group()
        elif match.group(1) in names:
            source += f"{{{names.index(match.group(1))}}}"
        else:
            source += _escaped(match.group())
    values = ", ".join(f"text_of(sample[{name!r}])" for name in names)
    return f"{source + _escaped(chosen[end:])!r}.format({values})"


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def any_source(chosen: str, columns: Iterable[str]) -> str:
    """A condition over `sample`: one of the columns that a role reads has a text."""
    names = [chosen] if chosen in columns else placeholders(chosen)
    return " or ".join(f"text_of(sample[{name!r}]).strip()" for name in names)
