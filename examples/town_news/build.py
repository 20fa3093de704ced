"""Builds the bundled example from notices.txt: argilla.yaml and data/train-00000-of-00001.parquet.

Run by hand after notices.txt changed: `python examples/town_news/build.py [FOLDER]` (default: this folder).
In notices.txt a span stands as [text|label]. The texts were written by a language model for Annotune; three annotators
are simulated (seeded). The layout is that of an Argilla 1.29 export. It must not know the engine.
"""

import json
import random
import re
import sys
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).resolve().parent
SEED = 20261122
UNANSWERED = 4  # records
LABELS = {"person": "Person", "place": "Place", "date": "Date", "event": "Event"}
GUIDELINES = """\
Mark who, where, when and what in each notice of the town's newsletter.

**Person**: one or several people by name, with their title. **Place**: a place that has a name, without "in" or "at".
**Date**: a day, a month or a stretch of time, with words such as "next" or "on". **Event**: something with a name that
people go to. Mark as little as names it, and nothing twice.
"""
MARK = re.compile(r"\[([^|\]]+)\|(\w+)\]")
USERS = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.town-news.example")) for name in ("ann", "bo", "chi")}

Span = tuple[int, int, str]


def read(line: str) -> tuple[str, list[Span]]:
    """A line with marks → its text and the marked spans."""
    text, spans, place = "", [], 0
    for mark in MARK.finditer(line):
        text += line[place : mark.start()]
        spans.append((len(text), len(text) + len(mark[1]), mark[2]))
        text += mark[1]
        place = mark.end()
    return text + line[place:], spans


def ann(text: str, spans: list[Span], rng: random.Random) -> list[Span]:
    """Careful: misses one span in forty."""
    return [span for span in spans if rng.random() > 0.025]


def bo(text: str, spans: list[Span], rng: random.Random) -> list[Span]:
    """Leaves the first word of a date out when it is a small one, and marks some words before a place along."""
    marked = []
    for start, end, label in ann(text, spans, rng):
        small = re.match(r"(on|in|from|until|after|before) ", text[start:end], re.IGNORECASE)
        if label == "date" and small and rng.random() < 0.5:
            start += small.end()
        if label == "place" and text[:start].endswith(" in ") and rng.random() < 0.15:
            start -= 3
        marked.append((start, end, label))
    return marked


def chi(text: str, spans: list[Span], rng: random.Random) -> list[Span]:
    """Takes some events for places, and overlooks a date in five."""
    marked = []
    for start, end, label in spans:
        if label == "date" and rng.random() < 0.2:
            continue
        marked.append((start, end, "place" if label == "event" and rng.random() < 0.15 else label))
    return marked


HABITS = {"ann": ann, "bo": bo, "chi": chi}


def value(text: str, spans: list[Span]) -> dict[str, list[Any]]:
    """Spans as Argilla 1.x exports them."""
    return {
        "start": [start for start, _, _ in spans],
        "end": [end for _, end, _ in spans],
        "label": [label for _, _, label in spans],
        "text": [text[start:end] for start, end, _ in spans],
    }


def row(number: int, line: str) -> dict[str, Any]:
    """One record with what the annotators answered; each record has its own random stream."""
    text, spans = read(line)
    answers = []
    for name, habit in HABITS.items() if number % (108 // UNANSWERED) != 17 else ():
        rng = random.Random(f"{SEED} {line} {name}")
        if name == "chi" and rng.random() < 0.1:
            continue  # not everybody sees every record
        status = rng.choices(("submitted", "draft", "discarded"), (93, 5, 2))[0]
        answers.append({"user_id": USERS[name], "value": value(text, habit(text, spans, rng)), "status": status})
    return {
        "text": text,
        "entities": answers,
        "entities-suggestion": None,
        "entities-suggestion-metadata": {"type": None, "score": None, "agent": None},
        "external_id": f"notice-{number:03d}",
        "metadata": "{}",
    }


def schema() -> pa.Schema:
    """The columns, with their description as `datasets` puts it into a Parquet file."""
    kinds = {"start": "int32", "end": "int32", "label": "string", "text": "string"}
    many = {name: {"feature": {"dtype": kind, "_type": "Value"}, "_type": "Sequence"} for name, kind in kinds.items()}
    text, score = {"dtype": "string", "_type": "Value"}, {"feature": {"dtype": "float32", "_type": "Value"}}
    described = {
        "text": text,
        "entities": [{"user_id": text, "value": many, "status": text}],
        "entities-suggestion": many,
        "entities-suggestion-metadata": {"type": text, "score": score | {"_type": "Sequence"}, "agent": text},
        "external_id": text,
        "metadata": text,
    }
    spans = pa.struct({name: pa.list_(pa.type_for_alias(kind)) for name, kind in kinds.items()})
    answer = pa.struct({"user_id": pa.string(), "value": spans, "status": pa.string()})
    about = pa.struct({"type": pa.string(), "score": pa.list_(pa.float32()), "agent": pa.string()})
    columns = {"text": pa.string(), "entities": pa.list_(answer), "entities-suggestion": spans}
    columns |= {"entities-suggestion-metadata": about, "external_id": pa.string(), "metadata": pa.string()}
    return pa.schema(columns, {"huggingface": json.dumps({"info": {"features": described}})})


def settings() -> dict[str, Any]:
    """The content of argilla.yaml."""
    options = [{"value": name, "text": title, "description": None} for name, title in LABELS.items()]
    about = {"title": "Who, where, when, what?", "description": None, "required": True, "visible_labels": None}
    field = {"name": "text", "title": "Text", "required": True, "type": "text", "use_markdown": False}
    question = {"name": "entities", "type": "span", "field": "text", "labels": options, "allow_overlapping": False}
    return {
        "allow_extra_metadata": True,
        "guidelines": GUIDELINES,
        "fields": [field],
        "questions": [question | about],
        "metadata_properties": None,
        "vectors_settings": None,
    }


def main(folder: Path) -> None:
    """Write argilla.yaml and the Parquet file into `folder`."""
    lines = (HERE / "notices.txt").read_text(encoding="utf-8").splitlines()
    table = pa.Table.from_pylist([row(number, line) for number, line in enumerate(lines, 1)], schema=schema())
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    described = yaml.safe_dump(settings(), sort_keys=True, allow_unicode=True, width=120)
    (folder / "argilla.yaml").write_text(described, encoding="utf-8")
    print(f"{len(table)} records written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
