"""SpanMarker as its own documentation writes it, run with the overlay's packages. Knows nothing of the engine.

python bare_span_marker.py REQUEST ANSWER: JSON files with {"train", "test", "classes", "base", "given"} and the spans.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

WORD = re.compile(r"\w+|[^\w\s]")


def words_and_tags(text: str, spans: list[list], number: dict[str, int]) -> tuple[list[str], list[int]]:
    """The text's words with the class number of each one's tag."""
    words, tags = [], []
    for match in WORD.finditer(text):
        inside = next((s for s in spans if s[0] < match.end() and match.start() < s[1]), None)
        tag = "O" if inside is None else f"{'B' if match.start() <= inside[0] else 'I'}-{inside[2]}"
        words.append(match.group())
        tags.append(number[tag])
    return words, tags


def main(request: dict[str, Any], folder: Path) -> list[list]:
    """→ spans of each test text as [start, end, label]."""
    from datasets import Dataset
    from span_marker import SpanMarkerModel, Trainer
    from transformers import TrainingArguments, set_seed

    set_seed(42)
    labels = ["O", *(f"{prefix}-{label}" for label in request["classes"] for prefix in "BI")]
    number = {label: i for i, label in enumerate(labels)}
    lengths = {name: value for name, value in request["given"].items() if name.endswith("_max_length")}
    given = {name: value for name, value in request["given"].items() if name not in lengths}
    model = SpanMarkerModel.from_pretrained(request["base"], labels=labels, **lengths)
    rows = [
        words_and_tags(*row, number) for row in zip(request["train"]["text"], request["train"]["spans"], strict=True)
    ]
    train = Dataset.from_dict({"tokens": [row[0] for row in rows], "ner_tags": [row[1] for row in rows]})
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"), report_to="none", save_strategy="no", seed=42, **given
    )
    Trainer(model=model, args=arguments, train_dataset=train).train()
    found = model.predict(request["test"]["text"])
    return [[[e["char_start_index"], e["char_end_index"], e["label"]] for e in entities] for entities in found]


if __name__ == "__main__":
    asked, answer = map(Path, sys.argv[1:])
    answer.write_text(json.dumps(main(json.loads(asked.read_text(encoding="utf-8")), answer.parent)), encoding="utf-8")
