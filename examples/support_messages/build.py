"""Builds the bundled example from messages.jsonl: argilla.yaml and data/train-00000-of-00001.parquet.

Run by hand after messages.jsonl changed: `python examples/support_messages/build.py [FOLDER]` (default: this folder).
The texts were written by a language model for Annotune; three annotators are simulated (seeded); keywords suggest.
The layout is that of Argilla 1.29's `FeedbackDataset.push_to_huggingface`. It must not know the engine.
"""

import json
import random
import re
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).resolve().parent
SEED = 20261122
N_UNANSWERED, N_DAYS = 12, 90
LONG = 300  # words; annotators tend to discard what is longer

TOPICS = {
    "billing": "Billing and payment",
    "delivery": "Delivery",
    "returns": "Returns and exchanges",
    "account": "Account and login",
    "product": "The product itself",
}
ASPECTS = {
    "urgent": "Urgent",
    "angry": "Angry",
    "refund_requested": "Asks for money back",
    "praise": "Praise",
    "question": "Asks a question",
}
# Where somebody ends up who misreads a message, per topic.
MISREAD = {
    "billing": ("account", "returns"),
    "delivery": ("product", "account"),
    "returns": ("billing", "delivery"),
    "account": ("billing", "delivery"),
    "product": ("returns", "delivery"),
}

GUIDELINES = """\
Read the message as the person who has to answer it.

**Topic**: which team has to act? Choose one. Money, prices, vouchers and invoices are *billing*; everything on the way
to the customer is *delivery*; sending back and exchanging is *returns*; login, profile and personal data are *account*;
what the article is, does or fails to do is *product*. If two teams fit, choose the one that acts first.

**Aspects**: tick all that apply, or none. *Asks for money back* only if the customer says so.

**Satisfaction**: how content does the customer sound, from 1 (furious) to 5 (delighted)? Take 3 when you can't tell.

Save a draft when you want to come back to a message; discard it when it can't be judged.
"""


@dataclass(frozen=True)
class Annotator:
    """One simulated person. Every number is a probability."""

    name: str
    slip: float  # misreads a plain message
    takes_alternative: float  # takes the second reading of an ambiguous one
    misses_aspect: float
    adds_aspect: float
    rating_off: float  # the rating is one step away
    coverage: float
    swaps_on_refund: float = 0.0  # takes billing for returns, or the reverse, when a refund is mentioned
    skips_empty_aspects: float = 0.0  # gives no answer, instead of an empty one, when no aspect applies
    user_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "user_id", str(uuid.uuid5(uuid.NAMESPACE_URL, f"annotune/example/{self.name}")))


ANNOTATORS = (
    Annotator("ann", 0.02, 0.28, 0.06, 0.02, 0.15, 0.97),
    Annotator("bo", 0.05, 0.42, 0.12, 0.04, 0.25, 0.95, swaps_on_refund=0.45),
    Annotator("chi", 0.05, 0.44, 0.40, 0.01, 0.30, 0.93, skips_empty_aspects=0.5),
)

# ---- the three people ----------------------------------------------------------------------------------------------


def answer(annotator: Annotator, message: dict[str, Any], repeated: bool, rng: random.Random) -> dict[str, Any] | None:
    """{"status", "topic", "aspects"?, "satisfaction"?} as this person gives it; None when they skipped the record."""
    if rng.random() > annotator.coverage:
        return None
    values: dict[str, Any] = {"topic": choose_topic(annotator, message, rng)}
    unclear = len(message["text"].split()) > LONG or repeated
    if rng.random() < (0.35 if unclear else 0.015):
        return {"status": "discarded", **values}
    if rng.random() < 0.03:
        return {"status": "draft", **values}
    aspects = choose_aspects(annotator, message["aspects"], rng)
    if aspects or rng.random() >= annotator.skips_empty_aspects:
        values["aspects"] = aspects
    if rng.random() < 0.97:
        step = rng.choice((-1, 1)) if rng.random() < annotator.rating_off else 0
        values["satisfaction"] = min(5, max(1, message["satisfaction"] + step))
    return {"status": "submitted", **values}


def choose_topic(annotator: Annotator, message: dict[str, Any], rng: random.Random) -> str:
    """The topic this person reads in the message."""
    topic, alternative = message["topic"], message["alternative"]
    refund = topic in ("billing", "returns") and re.search(r"refund|money back|store credit", message["text"].lower())
    if refund and rng.random() < annotator.swaps_on_refund:
        return "returns" if topic == "billing" else "billing"
    if alternative and rng.random() < annotator.takes_alternative:
        return alternative
    return rng.choice(MISREAD[topic]) if rng.random() < annotator.slip else topic


def choose_aspects(annotator: Annotator, intended: list[str], rng: random.Random) -> list[str]:
    """The aspects this person ticks, in the question's order."""
    chosen = []
    for aspect in ASPECTS:
        missed, added = rng.random() < annotator.misses_aspect, rng.random() < annotator.adds_aspect
        if (aspect in intended and not missed) or (aspect not in intended and added):
            chosen.append(aspect)
    return chosen


# ---- the suggestions: agent "rules-v0" -----------------------------------------------------------------------------

AGENT = "rules-v0"
TOPIC_RULES = {  # crude on purpose: a first draft that the annotators are there to correct
    "billing": r"invoice|charge|\bbill|money|refund|\bcard\b|price|code",
    "delivery": r"deliver|courier|driver|parcel|arrived?\b|\bbox\b|\bpost",
    "returns": r"return|exchange|\bback\b|replace",
    "account": r"account|login|password|\bapp\b|\bmail\b|phone",
    "product": r"battery|manual|broke|colou?r|\bfits?\b|\bset\b",
}
ASPECT_RULES = {
    "urgent": (r"urgent|immediately|right now|today|tonight|!!", 0.6),
    "angry": (r"\b[A-Z]{4,}\b|\?\?|seriously|theft|!!!", 0.55),
    "refund_requested": (r"refund|money back", 0.7),
    "praise": (r"thank|\blove|\bbest\b|perfect|amazing", 0.65),
    "question": (r"\?", 0.9),
}


def suggest_topic(text: str) -> tuple[str, float] | None:
    """The topic whose keywords occur most and its share of all hits, smoothed; None when none occurs or two tie."""
    hits = {topic: len(re.findall(rule, text.lower())) for topic, rule in TOPIC_RULES.items()}
    first, second = sorted(hits.values(), reverse=True)[:2]
    if first == second:
        return None
    best = max(hits, key=hits.__getitem__)
    return best, round(first / (sum(hits.values()) + 0.5), 3)


def suggest_aspects(text: str) -> list[tuple[str, float]]:
    """Aspects whose rule matches, each with the rule's fixed score. Case counts for shouting only."""
    found = []
    for aspect, (rule, score) in ASPECT_RULES.items():
        if re.search(rule, text if aspect == "angry" else text.lower()):
            found.append((aspect, score))
    return found


# ---- Argilla 1.x's layout ------------------------------------------------------------------------------------------


def row(message: dict[str, Any], answers: dict[str, dict[str, Any]], day: int) -> dict[str, Any]:
    """One row of the export; `answers` maps user ids to what `answer` gave."""
    topic, aspects = suggest_topic(message["text"]), suggest_aspects(message["text"]) or None
    aspects = aspects if topic else None
    suggestions = {
        "topic": topic,
        "aspects": aspects and ([a for a, _ in aspects], [score for _, score in aspects]),
        "satisfaction": None,
    }
    result: dict[str, Any] = {"text": message["text"], "subject": message["subject"]}
    for question, suggestion in suggestions.items():
        result[question] = [
            {"user_id": user, "value": given[question], "status": given["status"]}
            for user, given in answers.items()
            if question in given
        ]
        value, score = suggestion or (None, None)
        result[f"{question}-suggestion"] = value
        agent, kind = (AGENT, "model") if suggestion else (None, None)
        result[f"{question}-suggestion-metadata"] = {"type": kind, "score": score, "agent": agent}
    result["external_id"] = message["id"]
    result["metadata"] = json.dumps({"channel": message["channel"], "day": day})
    return result


def rows(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rows, in the order of the messages. Each record has its own random stream: an edit changes that one only."""
    plain = [m["id"] for m in messages if m["difficulty"] == "clear"]
    unanswered = set(random.Random(SEED).sample(plain, N_UNANSWERED))
    seen: set[str] = set()
    result = []
    for message in messages:
        answers = {}
        for annotator in ANNOTATORS if message["id"] not in unanswered else ():
            rng = random.Random(f"{SEED} {message['id']} {annotator.name}")
            given = answer(annotator, message, message["text"] in seen, rng)
            if given is not None:
                answers[annotator.user_id] = given
        seen.add(message["text"])
        result.append(row(message, answers, random.Random(f"{SEED} {message['id']}").randint(1, N_DAYS)))
    return result


def features() -> dict[str, Any]:
    """The columns as `datasets` describes them in a Parquet file's metadata, with the ids that Argilla gives."""

    def value(dtype: str, name: str) -> dict[str, Any]:
        return {"dtype": dtype, "id": name, "_type": "Value"}

    def column(dtype: str, name: str, many: bool) -> dict[str, Any]:
        several = {"feature": {"dtype": dtype, "_type": "Value"}, "id": name, "_type": "Sequence"}
        return several if many else value(dtype, name)

    result: dict[str, Any] = {name: value("string", "field") for name in ("text", "subject")}
    questions = (("topic", "string", False), ("aspects", "string", True), ("satisfaction", "int32", False))
    for name, dtype, many in questions:
        text, meta = value("string", "question"), value("string", "suggestion-metadata")
        result[name] = [{"user_id": text, "value": column(dtype, "question", many), "status": text}]
        result[f"{name}-suggestion"] = column(dtype, "suggestion", many)
        score = column("float32", "suggestion-metadata", many)
        result[f"{name}-suggestion-metadata"] = {"type": meta, "score": score, "agent": meta}
    return {**result, "external_id": value("string", "external_id"), "metadata": value("string", "metadata")}


def arrow_schema(described: dict[str, Any]) -> pa.Schema:
    """The Arrow schema of `features`, which it carries as metadata, as `datasets` writes it."""

    def arrow_type(feature: Any) -> pa.DataType:
        if isinstance(feature, list):
            return pa.list_(arrow_type(feature[0]))
        if feature.get("_type") == "Sequence":
            return pa.list_(arrow_type(feature["feature"]))
        if feature.get("_type") == "Value":
            return pa.type_for_alias(feature["dtype"])
        return pa.struct({name: arrow_type(part) for name, part in feature.items()})

    info = json.dumps({"info": {"features": described}})
    return pa.schema({name: arrow_type(feature) for name, feature in described.items()}, {"huggingface": info})


def settings() -> dict[str, Any]:
    """The content of argilla.yaml."""

    def text_field(name: str, required: bool) -> dict[str, Any]:
        title = name.capitalize()
        return {"name": name, "title": title, "required": required, "type": "text", "use_markdown": False}

    def question(name: str, title: str, kind: str, required: bool, **more: Any) -> dict[str, Any]:
        return {"name": name, "title": title, "description": None, "required": required, "type": kind, **more}

    one = {"labels": dict(TOPICS), "visible_labels": None}
    several = {"labels": dict(ASPECTS), "visible_labels": None, "labels_order": "natural"}
    channels, seen = ["email", "chat", "review"], {"visible_for_annotators": True}
    return {
        "allow_extra_metadata": True,
        "guidelines": GUIDELINES,
        "fields": [text_field("text", True), text_field("subject", False)],
        "questions": [
            question("topic", "Which team has to act?", "label_selection", True, **one),
            question("aspects", "What applies?", "multi_label_selection", False, **several),
            question("satisfaction", "How content is the customer?", "rating", False, values=[1, 2, 3, 4, 5]),
        ],
        "metadata_properties": [
            {"name": "channel", "title": "Channel", "type": "terms", "values": channels, **seen},
            {"name": "day", "title": "Day", "type": "integer", "min": 1, "max": N_DAYS, **seen},
        ],
        "vectors_settings": None,
    }


def main(folder: Path) -> None:
    """Write argilla.yaml and the Parquet file into `folder`."""
    lines = (HERE / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    table = pa.Table.from_pylist(rows([json.loads(line) for line in lines]), schema=arrow_schema(features()))
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    described = yaml.safe_dump(settings(), sort_keys=True, allow_unicode=True, width=120)
    (folder / "argilla.yaml").write_text(described, encoding="utf-8")
    print(f"{len(table)} records written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
