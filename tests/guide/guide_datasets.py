"""The datasets that the guide loads from the Hub, as small Argilla exports with the same fields and questions."""

import io
import random
from typing import Any

import pyarrow.parquet as pq
import yaml

from engine import FeedbackDataset, LabelQuestion, TextField, TextQuestion
from engine.data import samples
from tests.hub_server import HubServer


def add_to(hub: HubServer) -> None:
    """Put every dataset of the guide on the loopback Hub."""
    for name, dataset in DATASETS.items():
        hub.add_repo("dataset", name, export(dataset()))


def export(dataset: FeedbackDataset) -> dict[str, bytes]:
    """The files of an Argilla 1.29 export: argilla.yaml and the samples as Parquet."""
    settings = {
        "fields": [{"name": f.name, "title": f.name, "required": f.required, "type": "text"} for f in dataset.fields],
        "questions": [question.model_dump() for question in dataset.questions],
        "guidelines": None,
        "allow_extra_metadata": True,
        "metadata_properties": [],
    }
    sink = io.BytesIO()
    pq.write_table(samples.as_table(dataset), sink)
    return {
        "argilla.yaml": yaml.safe_dump(settings).encode(),
        "data/train-00000-of-00001.parquet": sink.getvalue(),
        "README.md": b"---\ntags:\n- rlfh\n- argilla\n- human-feedback\n---\n",
    }


def emotion() -> FeedbackDataset:
    """Texts with one of three emotions, three annotators each, who do not always agree."""
    words = {"joy": "so happy and glad", "anger": "so angry and furious", "fear": "so afraid and scared"}
    dataset = FeedbackDataset([TextField(name="text")], [LabelQuestion(name="label", labels=list(words))])
    rng, labels, records = random.Random(1), list(words), []
    for i in range(48):
        label = labels[i % 3]
        answers = [label, label, rng.choice(labels)]
        records.append(_record({"text": f"Today, on day {i}, I felt {words[label]}."}, {"label": answers}))
    dataset.add_records(records)
    return dataset


def squad() -> FeedbackDataset:
    """Questions on who lives where, the answer in the context."""
    dataset = FeedbackDataset([TextField(name="question"), TextField(name="context")], [TextQuestion(name="answer")])
    people, places = ("Merve", "Ann", "Bo", "Chi"), ("Ankara", "Bergen", "Cork", "Dakar", "Essen")
    records = []
    for i, place in enumerate(places * 4):
        person = people[i % 4]
        context = f"The office was busy. {person} lives in {place} and works as a teacher, said note {i}."
        records.append(_record({"question": f"Where does {person} live?", "context": context}, {"answer": [place]}))
    dataset.add_records(records)
    return dataset


def snli() -> FeedbackDataset:
    """Premise and hypothesis with the label as a digit: 0 entailment, 1 neutral, 2 contradiction."""
    fields = [TextField(name="premise"), TextField(name="hypothesis")]
    dataset = FeedbackDataset(fields, [LabelQuestion(name="label", labels=["0", "1", "2"])])
    second = ("An animal is outside.", "The animal is hungry.", "Nothing is outside.")
    animals = ("dog", "cat", "horse", "goat", "duck", "cow")
    records = [
        _record({"premise": f"A {animal} runs over the field.", "hypothesis": second[label]}, {"label": [str(label)]})
        for animal in animals
        for label in range(3)
    ]
    dataset.add_records(records)
    return dataset


def dolly() -> FeedbackDataset:
    """Instructions with an original response and an annotator's better one."""
    names = ("instruction", "context", "response")
    fields = [TextField(name=f"original-{name}", required=name != "context") for name in names]
    dataset = FeedbackDataset(fields, [TextQuestion(name=f"new-{name}") for name in names])
    records = []
    for i in range(24):
        instruction = f"What is {i} plus {i + 1}?"
        given = {"instruction": instruction, "context": "Numbers are whole." if i % 2 else "", "response": "A number."}
        better = given | {"response": f"It is {2 * i + 1}."}
        fields_of = {f"original-{name}": text for name, text in given.items()}
        records.append(_record(fields_of, {f"new-{name}": [text] for name, text in better.items()}))
    dataset.add_records(records)
    return dataset


def customer_assistant() -> FeedbackDataset:
    """A user's message, context and the response that an annotator wrote."""
    fields = [TextField(name="user-message"), TextField(name="context")]
    dataset = FeedbackDataset(fields, [TextQuestion(name="response")])
    records = [
        _record(
            {"user-message": f"How do I open project {i}?", "context": f"Projects open with button {i}."},
            {"response": [f"Press button {i}, and you are in."]},
        )
        for i in range(16)
    ]
    dataset.add_records(records)
    return dataset


def _record(fields: dict[str, str], answers: dict[str, list[Any]]) -> dict[str, Any]:
    """A record whose n-th annotator gave the n-th answer to every question."""
    annotators = max(map(len, answers.values()))
    responses = [
        {
            "user_id": f"00000000-0000-4000-8000-00000000000{n}",
            "status": "submitted",
            "values": {name: {"value": given[n]} for name, given in answers.items()},
        }
        for n in range(annotators)
    ]
    return {"fields": fields, "responses": responses}


DATASETS = {
    "argilla/emotion": emotion,
    "argilla/squad": squad,
    "plaguss/snli-small": snli,
    "argilla/databricks-dolly-15k-curated-en": dolly,
    "argilla/customer_assistant": customer_assistant,
}
