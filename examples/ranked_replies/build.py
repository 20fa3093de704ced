"""Builds the bundled example from replies.jsonl: argilla.yaml and data/train-00000-of-00001.parquet.

Run by hand after replies.jsonl changed: `python examples/ranked_replies/build.py [FOLDER]` (default: this folder).
The texts were written by a language model for Annotune; three annotators are simulated (seeded). The layout is that of
Argilla 1.29's `FeedbackDataset.push_to_huggingface`. It must not know the engine.
"""

import json
import random
import sys
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).resolve().parent
SEED = 20261122
REPLIES = ("reply_a", "reply_b", "reply_c")
# How far each annotator's view of a reply strays, and how often they look at a record at all.
ANNOTATORS = {"dee": (0.3, 1.0), "eli": (0.6, 0.9), "fay": (0.9, 0.8)}
WORTH = {"good": 2.0, "fair": 1.0, "poor": 0.0}
TIED_BELOW = 0.25  # replies that seem so much alike get the same rank
N_UNANSWERED, N_DISCARDED = 3, 2
GUIDELINES = """\
Somebody asks a household question. Rank the three replies: which one would have helped you most? Give equal ranks where
you see no difference. Discard a record when the question makes no sense to you.
"""


def rows(texts: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Records with the three replies of each question in a drawn order, ranked."""
    rng = random.Random(SEED)
    left_out = rng.sample(range(len(texts)), N_UNANSWERED + N_DISCARDED)
    made = []
    for number, text in enumerate(texts):
        kinds = list(WORTH)
        rng.shuffle(kinds)
        replies = dict(zip(REPLIES, kinds, strict=True))
        answers = [] if number in left_out[:N_UNANSWERED] else responses(replies, rng, number in left_out)
        record = {"prompt": text["prompt"]} | {name: text[kind] for name, kind in replies.items()}
        made.append(
            record
            | {"ranking": answers, "ranking-suggestion": None}
            | {"ranking-suggestion-metadata": {"type": None, "score": None, "agent": None}}
            | {"external_id": f"reply-{number + 1:03}", "metadata": "{}"}
        )
    return made


def responses(replies: dict[str, str], rng: random.Random, discarded: bool) -> list[dict[str, Any]]:
    """What the annotators who looked at a record answered."""
    given = []
    for name, (stray, coverage) in ANNOTATORS.items():
        if given and rng.random() > coverage:
            continue
        seen = {reply: WORTH[kind] + rng.gauss(0, stray) for reply, kind in replies.items()}
        user = str(uuid.uuid5(uuid.NAMESPACE_URL, f"annotune/example/{name}"))
        status = "discarded" if discarded else "submitted"
        given.append({"user_id": user, "value": ranked(seen), "status": status})
    return given


def ranked(seen: dict[str, float]) -> dict[str, list[Any]]:
    """Replies by how good they seem, 1 the best; nearly equal ones share a rank."""
    order = sorted(seen, key=lambda reply: -seen[reply])
    ranks = [1]
    for before, reply in zip(order, order[1:], strict=False):
        ranks.append(ranks[-1] if seen[before] - seen[reply] < TIED_BELOW else len(ranks) + 1)
    return {"rank": ranks, "value": order}


def schema() -> pa.Schema:
    """The columns as Argilla 1.29 writes them."""
    ranking = pa.struct({"rank": pa.list_(pa.uint8()), "value": pa.list_(pa.string())})
    answer = pa.struct({"user_id": pa.string(), "value": ranking, "status": pa.string()})
    about = pa.struct({"type": pa.string(), "score": pa.list_(pa.float32()), "agent": pa.string()})
    columns = {name: pa.string() for name in ("prompt", *REPLIES)}
    columns |= {"ranking": pa.list_(answer), "ranking-suggestion": ranking, "ranking-suggestion-metadata": about}
    return pa.schema(columns | {"external_id": pa.string(), "metadata": pa.string()})


def settings() -> dict[str, Any]:
    """The content of argilla.yaml."""
    titles = {"prompt": "Question"} | {name: f"Reply {name[-1].upper()}" for name in REPLIES}
    rest = {"required": True, "type": "text", "use_markdown": False}
    values = {name: titles[name] for name in REPLIES}
    question = {"name": "ranking", "title": "Which reply helps most?", "description": None, "required": True}
    return {
        "allow_extra_metadata": True,
        "guidelines": GUIDELINES,
        "fields": [{"name": name, "title": title} | rest for name, title in titles.items()],
        "questions": [question | {"type": "ranking", "values": values}],
        "metadata_properties": None,
        "vectors_settings": None,
    }


def main(folder: Path) -> None:
    """Write argilla.yaml and the Parquet file into `folder`."""
    lines = (HERE / "replies.jsonl").read_text(encoding="utf-8").splitlines()
    table = pa.Table.from_pylist(rows([json.loads(line) for line in lines]), schema=schema())
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    described = yaml.safe_dump(settings(), sort_keys=True, allow_unicode=True, width=120)
    (folder / "argilla.yaml").write_text(described, encoding="utf-8")
    print(f"{len(table)} records written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
