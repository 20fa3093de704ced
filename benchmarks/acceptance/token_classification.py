"""Token classification: names in tweets (words and tags), in headlines (Prodigy's spans; an Argilla export)."""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.acceptance import bare_classifiers, bare_taggers
from benchmarks.acceptance.measured import Measured
from engine import FRAMEWORKS, ArgillaTrainer, FeedbackDataset, TrainingTask, locate
from engine.frameworks import overlays
from engine.tasks.task import TaskData

TASK = "token-classification"
WORD = re.compile(r"\w+|[^\w\s]")
TRAINER = {"num_train_epochs": 4, "per_device_train_batch_size": 16}
# Settings by their upstream names, small enough for one CPU core.
SETTINGS: dict[str, dict[str, Any]] = {
    # The last step is one of those that spaCy validates: ours would look at it in any case.
    "spacy": {"max_epochs": 0, "max_steps": 500, "eval_frequency": 100, "dropout": 0.1},
    "span_marker": {
        "num_train_epochs": 8,
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 8,
        "model_max_length": 32,
        "marker_max_length": 24,
        "entity_max_length": 3,
    },
    "transformers": TRAINER | {"learning_rate": 5e-4},
    "peft": TRAINER | {"learning_rate": 5e-3, "r": 16, "lora_alpha": 32},
}
MANY = (1000, 100, 500)
# At most: train, validation (SpanMarker selects nothing), test.
ROWS = {"spacy": MANY, "span_marker": (200, 0, 150), "transformers": MANY, "peft": MANY}
# Characters; what is padded costs as much as what is there.
LONGEST = {"spacy": 1000, "span_marker": 70, "transformers": 1000, "peft": 1000}

# Layers kept of the base, where all of them would take an hour to learn anything.
LAYERS = {"span_marker": 2}


def wnut17(data: Path, framework: str) -> tuple[FeedbackDataset, TrainingTask]:
    """Tweets with names of six kinds, those that have one."""
    dataset = FeedbackDataset.from_file(data / "wnut17" / "wnut17train.conll")
    rows = zip(dataset.values("tags").to_pylist(), dataset.values("text").to_pylist(), strict=True)
    named = [i for i, (tags, text) in enumerate(rows) if set(tags) != {"O"} and len(text) <= LONGEST[framework]]
    return dataset.take(named), TrainingTask.for_token_classification(tokens="tokens", tags="tags")


def headlines(data: Path, framework: str) -> tuple[FeedbackDataset, TrainingTask]:
    """Prodigy's annotations, those in ASCII: one accent that is read otherwise inside a text than alone, as the bare
    library's guide has its words, sends two trainings of so few rows different ways (by 3 points).
    """
    folder = data / "prodigy_annotations"
    dataset = FeedbackDataset.from_file(folder / "annotated_news_headlines-ORG-PERSON-LOCATION-ner.jsonl")
    dataset = dataset.take([i for i, text in enumerate(dataset.values("text").to_pylist()) if text.isascii()])
    return dataset, TrainingTask.for_token_classification(text="text", spans="spans")


def news_spans(data: Path, framework: str) -> tuple[FeedbackDataset, TrainingTask]:
    """An Argilla export with a span question."""
    dataset = FeedbackDataset.from_file(data / "argilla_v1_news_spans")
    return dataset, TrainingTask.for_token_classification(spans=dataset.question_by_name("entities"))


DATASETS: dict[str, Callable[..., tuple[FeedbackDataset, TrainingTask]]] = {
    "wnut17": wnut17,
    "headlines": headlines,
    "news_spans": news_spans,
}


def measure(framework: str, dataset_name: str, folder: Path) -> Measured:
    """One cell: ours, then the bare library on the very rows that ours was given."""
    dataset, task = DATASETS[dataset_name](folder, framework)
    dataset, shares = _shares(dataset, framework)
    overlay = FRAMEWORKS[framework].overlays.get(TASK)
    with tempfile.TemporaryDirectory(prefix="acceptance-") as scratch:
        base = _base(framework, Path(scratch) / "base")
        trainer = ArgillaTrainer(dataset, task, framework, model=base, seed=42, **shares)
        trainer.update_config(**SETTINGS[framework])
        started = time.monotonic()
        trainer.train(Path(scratch) / "ours")
        ours_seconds, data = time.monotonic() - started, trainer._prepared.data
        ours = trainer.report["metrics"]["f1"]
        bare_classifiers.seed_everything()
        (Path(scratch) / "bare").mkdir()
        started, splits = time.monotonic(), dict(_splits(data))
        place = str(overlays.folder(overlay)) if overlay else ""
        given = (splits, data.info["classes"], base, SETTINGS[framework], Path(scratch) / "bare", place)
        predicted = bare_taggers.TRAINERS[framework](*given)
        bare_seconds = time.monotonic() - started
        bare = _micro_f1(splits["test"]["spans"], predicted)
    rows, seconds = f"{len(data.train)}/{len(data.test)}", (ours_seconds, bare_seconds)
    return Measured(f"{framework}:{dataset_name}", rows, "f1", ours, bare, seconds, learned=bool(bare))


def _base(framework: str, folder: Path) -> str:
    """The framework's embedded base model, or a copy of it with its first layers only."""
    base = locate(FRAMEWORKS[framework].base_models[TASK][0].id)
    if framework not in LAYERS:
        return base
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": LAYERS[framework]}), encoding="utf-8")
    return str(folder)


def _shares(dataset: FeedbackDataset, framework: str) -> tuple[FeedbackDataset, dict[str, float]]:
    """As many records as the framework is given here, and their shares."""
    wanted = ROWS[framework]
    dataset = dataset.head(sum(wanted))
    return dataset, {"train_size": wanted[0] / sum(wanted), "validation_size": wanted[1] / sum(wanted)}


def _splits(data: TaskData) -> Iterator[tuple[str, bare_taggers.Rows]]:
    for name in ("train", "validation", "test"):
        table = getattr(data, name)
        if table is not None:
            spans = [[(s["start"], s["end"], s["label"]) for s in row] for row in table["spans"].to_pylist()]
            texts = table["text"].to_pylist()
            if "tokens" in table.column_names:
                words = [[(word["start"], word["end"]) for word in row] for row in table["tokens"].to_pylist()]
            else:
                words = [[match.span() for match in WORD.finditer(text)] for text in texts]
            yield name, {"text": texts, "spans": spans, "words": words}


def _micro_f1(expected: bare_taggers.Spans, predicted: bare_taggers.Spans) -> float:
    """F1 of whole spans, counted here."""
    hits = sum(len(set(right) & set(found)) for right, found in zip(expected, predicted, strict=True))
    total = sum(len(set(row)) for row in (*expected, *predicted))
    return 2 * hits / total if total else 0.0


# News spans are headlines once more; of wnut17's tweets so few are short enough for SpanMarker that it learns nothing.
USED = {
    "spacy": ("wnut17", "headlines", "news_spans"),
    "span_marker": ("headlines",),
    "transformers": ("wnut17", "headlines"),
    "peft": ("wnut17", "headlines"),
}
CELLS = {
    f"{framework}:{dataset}": partial(measure, framework, dataset)
    for framework, datasets in USED.items()
    for dataset in datasets
}
