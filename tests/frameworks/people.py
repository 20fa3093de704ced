"""Sentences with names of people and places in them, as canonical rows of token classification."""

import random
from typing import Any

import pyarrow as pa

from engine.tasks.task import TaskData
from engine.tasks.token_classification_rows import SPAN

FIRST = ("Ann", "Bo", "Chi", "Dara", "Emil", "Fatou", "Gus", "Hana", "Ivo", "June")
LAST = ("Abbot", "Berg", "Costa", "Diaz", "Engel", "Fox", "Grant", "Hill", "Ito", "Jansen")
UNSEEN = ("Kim", "Lund", "Moss", "Nash", "Owens", "Park")  # last names of the test rows
PLACES = ("Berlin", "Lima", "New York", "Oslo", "Paris", "Quito", "Rome", "San Juan", "Tokyo", "Vienna")
FRAMES = (
    "{person} lives in {place}.",
    "Yesterday {person} flew from {place} to {other}.",
    "The train to {place} is late, says {person}.",
    "Nobody in {place} has seen it.",
    "{person} called twice.",
    "It rained all day, and nothing came of it.",
)


def sentence(rng: random.Random, last_names: tuple[str, ...] = LAST) -> dict[str, Any]:
    """One text with its spans."""
    names = {
        "person": (f"{rng.choice(FIRST)} {rng.choice(last_names)}", "PERSON"),
        "place": (rng.choice(PLACES), "PLACE"),
        "other": (rng.choice(PLACES), "PLACE"),
    }
    text, spans, rest = "", [], rng.choice(FRAMES)
    while "{" in rest:
        before, _, rest = rest.partition("{")
        key, _, rest = rest.partition("}")
        name, label = names[key]
        text += before
        spans.append({"start": len(text), "end": len(text) + len(name), "label": label})
        text += name
    return {"text": text + rest, "spans": spans}


def rows(n: int, seed: int, last_names: tuple[str, ...] = LAST) -> pa.Table:
    """`n` canonical rows without words."""
    rng = random.Random(seed)
    made = [{"record_id": f"r{i}"} | sentence(rng, last_names) for i in range(n)]
    schema = pa.schema([("record_id", pa.string()), ("text", pa.string()), ("spans", pa.list_(SPAN))])
    return pa.Table.from_pylist(made, schema=schema)


def span_data(*, train: int = 120, validation: int = 24, test: int = 30) -> TaskData:
    """Rows of three parts, the last with names that training has not. The classes are not in alphabetical order."""
    return TaskData(
        rows(train, 1),
        rows(validation, 2) if validation else None,
        rows(test, 3, UNSEEN),
        {"classes": ["PLACE", "PERSON"], "has_tokens": False},
    )
