"""Builds the bundled example from passages.txt: argilla.yaml and data/train-00000-of-00001.parquet.

Run by hand after passages.txt changed: `python examples/island_guide/build.py [FOLDER]` (default: this folder).
In passages.txt a line is "# title", a passage, or "Q: question | answer | another right answer". The texts were written
by a language model for Annotune; three annotators are simulated (seeded). The layout is that of an Argilla 1.29 export.
It must not know the engine.
"""

import random
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).resolve().parent
SEED = 20261122
UNANSWERED = 3  # records
# Of each annotator: how often they take the second answer, answer in their own words, don't answer, save a draft.
ANNOTATORS = {"ann": (0.1, 0.0, 0.2, 0.02), "bo": (0.8, 0.02, 0.35, 0.0), "chi": (0.3, 0.06, 0.5, 0.04)}
GUIDELINES = """\
Answer the question with words copied from the passage: as few as answer it, in the passage's own spelling. Discard the
record if the passage does not answer the question.
"""


def records() -> Iterator[dict[str, Any]]:
    """Every question with its title, its passage and its right answers."""
    title = context = ""
    for line in (HERE / "passages.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            title = line.removeprefix("# ")
        elif line.startswith("Q: "):
            question, *answers = line.removeprefix("Q: ").split(" | ")
            missing = [answer for answer in answers if answer not in context]
            assert not missing, f"{title}: {missing} not in the passage"
            yield {"question": question, "context": context, "title": title, "answers": answers}
        elif line:
            context = line


def response(name: str, answers: list[str], rng: random.Random) -> dict[str, str] | None:
    """What one annotator gives, or None."""
    second, own_words, nothing, draft = ANNOTATORS[name]
    if rng.random() < nothing:
        return None
    text = answers[-1] if rng.random() < second else answers[0]
    if rng.random() < own_words:
        text = f"{text} (I think)"
    status = "draft" if rng.random() < draft else "submitted"
    return {"user_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"annotune/{name}")), "value": text, "status": status}


def rows() -> list[dict[str, Any]]:
    """Every record as a row of the export."""
    rng, made = random.Random(SEED), list(records())
    silent = set(rng.sample(range(len(made)), UNANSWERED))
    found = []
    for i, record in enumerate(made):
        given = [] if i in silent else [response(name, record["answers"], rng) for name in ANNOTATORS]
        found.append(
            {
                "question": record["question"],
                "context": record["context"],
                "answer": [one for one in given if one is not None],
                "answer-suggestion": None,
                "answer-suggestion-metadata": {"type": None, "score": None, "agent": None},
                "external_id": f"island-{i + 1}",
                "metadata": f'{{"passage": "{record["title"]}"}}',
            }
        )
    return found


def schema() -> pa.Schema:
    """The export's columns."""
    text = pa.string()
    about = pa.struct([("type", text), ("score", pa.float32()), ("agent", text)])
    return pa.schema(
        [
            ("question", text),
            ("context", text),
            ("answer", pa.list_(pa.struct([("user_id", text), ("value", text), ("status", text)]))),
            ("answer-suggestion", text),
            ("answer-suggestion-metadata", about),
            ("external_id", text),
            ("metadata", text),
        ]
    )


def settings() -> dict[str, Any]:
    """The content of argilla.yaml."""
    field = {"required": True, "type": "text", "use_markdown": False}
    titles = sorted({record["title"] for record in records()})
    return {
        "allow_extra_metadata": True,
        "guidelines": GUIDELINES,
        "fields": [
            {"name": "question", "title": "Question", **field},
            {"name": "context", "title": "Passage", **field},
        ],
        "questions": [
            {
                "name": "answer",
                "title": "Which words of the passage answer it?",
                "description": None,
                "required": True,
                "type": "text",
                "use_markdown": False,
            }
        ],
        "metadata_properties": [
            {"name": "passage", "title": "Passage", "type": "terms", "values": titles, "visible_for_annotators": True}
        ],
        "vectors_settings": None,
    }


def main(folder: Path) -> None:
    """Write argilla.yaml and the Parquet file into `folder`."""
    table = pa.Table.from_pylist(rows(), schema=schema())
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    described = yaml.safe_dump(settings(), sort_keys=True, allow_unicode=True, width=120)
    (folder / "argilla.yaml").write_text(described, encoding="utf-8")
    print(f"{len(table)} records written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
