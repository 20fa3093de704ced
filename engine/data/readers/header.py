"""Does the first row of a table without types hold column names, or is it data? Looks at a sample of rows."""

import re

NAME_WORDS = frozenset(
    "id text texts label labels category categories class intent topic tags tag title body content message comment "
    "sentence sentence1 sentence2 question answer context target score rating stars sentiment emotion emotions input "
    "output prompt completion instruction response review name date url source split language lang index key".split()
)
LONGEST_NAME = 40
MOST_WORDS = 4


def looks_like_header(rows: list[list[str]]) -> bool:
    """True when the first row reads like column names: no numbers above numbers, short, and not repeated below."""
    if not rows:
        return False
    first, rest = rows[0], rows[1:]
    if not rest:
        return all(_is_name(cell) for cell in first)
    columns = [[row[i].strip() for row in rest if i < len(row)] for i in range(len(first))]
    if any(_is_number(cell) for cell in first):
        return False
    if any(cell.strip().lower() in NAME_WORDS for cell in first):
        return True
    if any(_numeric(column) for column in columns):
        return True  # a word above a column of numbers
    if any(cell.strip() in column for cell, column in zip(first, columns, strict=True) if cell.strip()):
        return False  # it is a value like those below
    return all(_is_name(cell) for cell in first)


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+([.,]\d+)*", cell.strip()))


def _numeric(column: list[str]) -> bool:
    filled = [cell for cell in column if cell]
    return bool(filled) and sum(map(_is_number, filled)) >= 0.9 * len(filled)


def _is_name(cell: str) -> bool:
    cell = cell.strip()
    return len(cell) <= LONGEST_NAME and len(cell.split()) <= MOST_WORDS and not cell.endswith((".", "!", "?", ","))
