"""The same trainings as each library's own documentation writes them, without Annotune: what acceptance compares with.

Rows are {"text": [str], "spans": [[(start, end, label)]], "words": [[(start, end)]]}; every function gives predicted
spans for `test`, in order. Knows nothing of the engine.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.acceptance import bare_token_trainers

Rows = dict[str, list]
Spans = list[list[tuple[int, int, str]]]


def spacy(splits: dict[str, Rows], classes: list[str], base: str, given: dict, folder: Path, overlay: str) -> Spans:
    import spacy
    from spacy.cli.init_config import init_config
    from spacy.tokens import DocBin
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train
    from spacy.util import filter_spans

    nlp = spacy.blank(base.removeprefix("blank:"))
    for split in ("train", "validation"):
        documents = DocBin()
        for text, spans in zip(splits[split]["text"], splits[split]["spans"], strict=True):
            document = nlp.make_doc(text)
            marked = [document.char_span(start, end, label, alignment_mode="expand") for start, end, label in spans]
            document.ents = filter_spans(marked)
            documents.add(document)
        documents.to_disk(folder / f"{split}.spacy")
    config = init_config(lang=nlp.lang, pipeline=["ner"], optimize="efficiency")
    config["nlp"]["pipeline"] = ["ner"]
    config["components"] = {"ner": {"factory": "ner"}}  # the component's own defaults
    config["paths"] |= {"train": str(folder / "train.spacy"), "dev": str(folder / "validation.spacy")}
    config["system"]["seed"] = 42
    config["training"] |= given | {"score_weights": {"ents_f": 1.0}}
    nlp = init_nlp(config)
    (folder / "out").mkdir()
    train(nlp, folder / "out")
    best = spacy.load(folder / "out" / "model-best")
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in best.pipe(splits["test"]["text"])]


def span_marker(
    splits: dict[str, Rows], classes: list[str], base: str, given: dict, folder: Path, overlay: str
) -> Spans:
    """In a process with the packages at `overlay`, which come before this environment's."""
    request, answer = folder / "request.json", folder / "answer.json"
    asked = {"train": splits["train"], "test": splits["test"], "classes": classes, "base": base, "given": given}
    request.write_text(json.dumps(asked), encoding="utf-8")
    script = Path(__file__).parent / "bare_span_marker.py"
    env = os.environ | {"PYTHONPATH": overlay}
    subprocess.run([sys.executable, str(script), str(request), str(answer)], env=env, check=True)
    return [[tuple(span) for span in spans] for spans in json.loads(answer.read_text(encoding="utf-8"))]


TRAINERS: dict[str, Callable[..., Spans]] = {
    "spacy": spacy,
    "span_marker": span_marker,
    "transformers": bare_token_trainers.transformers,
    "peft": bare_token_trainers.peft,
}
