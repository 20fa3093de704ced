"""Question answering: SQuAD's questions as XQuAD has them, about the sentence that holds the answer."""

import json
import re
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.acceptance import bare_answers, bare_classifiers
from benchmarks.acceptance.measured import Measured
from engine import FRAMEWORKS, ArgillaTrainer, FeedbackDataset, TrainingTask, locate

TASK = "question-answering"
TRAIN, VALIDATION, TEST = 600, 60, 240
# By upstream's names. all-MiniLM-L6-v2 has never seen a question: large steps, or a few hundred rows teach it nothing.
TRAINER = {"num_train_epochs": 4, "per_device_train_batch_size": 8, "max_length": 128, "doc_stride": 32}
SETTINGS: dict[str, dict[str, Any]] = {
    "transformers": TRAINER | {"learning_rate": 5e-4},
    "peft": TRAINER | {"learning_rate": 1e-3, "r": 64, "lora_alpha": 128},
}
BEATS_CHANCE = 0.05  # of F1, over answering with the whole first sentence


def xquad(data: Path) -> FeedbackDataset:
    """Rows about as many contexts as there are; whole paragraphs would take a CPU core half an hour."""
    rows = [json.loads(line) for line in (data / "xquad" / "en.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for i in range(5) for row in rows[i::5]][: TRAIN + VALIDATION + TEST]
    contexts, answers = [], []
    for row in rows:
        start, text = row["answers"]["answer_start"][0], row["answers"]["text"][0]
        ends = [match.end() for match in re.finditer(r"[.!?]\s+", row["context"])]
        before, after = [end for end in ends if end <= start], [end for end in ends if end >= start + len(text)]
        first, last = max(before, default=0), min(after, default=len(row["context"]))
        contexts.append(row["context"][first:last].strip())
        answers.append({"text": [text], "answer_start": [start - first]})
    questions = [row["question"] for row in rows]
    return FeedbackDataset.from_dataset(pa.table({"question": questions, "context": contexts, "answers": answers}))


def measure(framework: str, folder: Path) -> Measured:
    """One cell: ours, then the bare library on the very rows that ours was given."""
    rows, settings = TRAIN + VALIDATION + TEST, SETTINGS[framework]
    task = TrainingTask.for_question_answering(question="question", context="context", answer="answers")
    with tempfile.TemporaryDirectory(prefix="acceptance-") as scratch:
        shares = {"train_size": TRAIN / rows, "validation_size": VALIDATION / rows}
        trainer = ArgillaTrainer(xquad(folder), task, framework, seed=42, **shares)
        trainer.update_config(**settings)
        started = time.monotonic()
        trainer.train(Path(scratch) / "ours")
        ours_seconds, data = time.monotonic() - started, trainer._prepared.data
        ours, chance = trainer.report["metrics"]["f1"], trainer.report["baseline"]["metrics"]["f1"]
        bare_classifiers.seed_everything()
        (Path(scratch) / "bare").mkdir()
        base = locate(FRAMEWORKS[framework].base_models[TASK][0].id)
        splits = {name: getattr(data, name).to_pylist() for name in ("train", "validation", "test")}
        started = time.monotonic()
        predicted = bare_answers.train(splits, base, settings, Path(scratch) / "bare", lora=framework == "peft")
        bare_seconds = time.monotonic() - started
        bare = bare_answers.f1(predicted, [row["answers"]["text"] for row in splits["test"]])
    seconds = (ours_seconds, bare_seconds)
    learned = bare > chance + BEATS_CHANCE
    name = f"{framework}:xquad"
    return Measured(name, f"{len(data.train)}/{len(data.test)}", "f1", ours, bare, seconds, learned=learned)


CELLS = {f"{framework}:xquad": partial(measure, framework) for framework in SETTINGS}
