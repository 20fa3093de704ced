"""Sentence similarity: STS Benchmark (English), a bi-encoder and a cross-encoder, both from all-MiniLM-L6-v2."""

import csv
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.acceptance.measured import Measured
from engine import ArgillaTrainer, FeedbackDataset, TrainingTask, locate

BASE = "sentence-transformers/all-MiniLM-L6-v2"
TRAIN, VALIDATION, TEST = 600, 100, 400
SEED, HIGHEST = 42, 5.0  # the labels' own scale; both losses take 0 to 1
# By upstream's names. A cross-encoder's new layer needs larger steps, and more of them.
SETTINGS: dict[bool, dict[str, Any]] = {
    False: {"num_train_epochs": 1, "per_device_train_batch_size": 16, "learning_rate": 5e-5, "warmup_steps": 0.1},
    True: {"num_train_epochs": 4, "per_device_train_batch_size": 16, "learning_rate": 2e-4, "warmup_steps": 0.1},
}
LEARNED = {False: 0.7, True: 0.5}  # the bare library's Spearman correlation shows that something was learned


def stsb(data: Path) -> FeedbackDataset:
    """Rows of the training part, drawn at random: the file is sorted by where the sentences come from."""
    with (data / "stsb_en" / "stsb-en-train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    chosen = random.Random(SEED).sample(rows, TRAIN + VALIDATION + TEST)
    columns = [list(column) for column in zip(*chosen, strict=True)]
    scores = [float(score) for score in columns[2]]
    return FeedbackDataset.from_dataset(pa.table({"sentence1": columns[0], "sentence2": columns[1], "score": scores}))


def measure(cross_encoder: bool, folder: Path) -> Measured:
    """One cell: ours, then the bare library on the very rows that ours was given."""
    dataset = stsb(folder)
    task = TrainingTask.for_sentence_similarity(
        texts=[dataset.field_by_name("sentence1"), dataset.field_by_name("sentence2")],
        label=dataset.field_by_name("score"),
    )
    settings = SETTINGS[cross_encoder]
    rows = TRAIN + VALIDATION + TEST
    with tempfile.TemporaryDirectory(prefix="acceptance-") as scratch:
        trainer = ArgillaTrainer(
            dataset,
            task,
            "sentence-transformers",
            model=BASE,
            train_size=TRAIN / rows,
            validation_size=VALIDATION / rows,
            seed=SEED,
            framework_kwargs={"cross_encoder": cross_encoder},
        )
        trainer.update_config(**settings)
        started = time.monotonic()
        trainer.train(Path(scratch) / "ours")
        ours_seconds, data = time.monotonic() - started, trainer._prepared.data
        parts = {name: _pairs(getattr(data, name)) for name in ("train", "validation", "test")}
        started = time.monotonic()
        scores = (bare_cross_encoder if cross_encoder else bare_bi_encoder)(parts, settings, Path(scratch))
        seconds = (ours_seconds, time.monotonic() - started)
    from scipy.stats import spearmanr

    bare = float(spearmanr(parts["test"]["label"], scores).statistic)
    ours = trainer.report["metrics"]["spearman"]
    sizes = f"{len(data.train)}/{len(data.test)}"
    return Measured(_name(cross_encoder), sizes, "spearman", ours, bare, seconds, learned=bare > LEARNED[cross_encoder])


def _pairs(table: pa.Table) -> dict[str, list]:
    named = {"sentence1": "sentence-1", "sentence2": "sentence-2"}
    columns = {name: table[column].to_pylist() for name, column in named.items()}
    return columns | {"label": [score / HIGHEST for score in table["label"].to_pylist()]}


def bare_bi_encoder(parts: dict[str, dict[str, list]], settings: dict[str, Any], folder: Path) -> np.ndarray:
    """As sbert.net trains on STS Benchmark; → cosines of the test pairs."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
    from transformers import set_seed

    set_seed(SEED)
    model = SentenceTransformer(locate(BASE))
    validation = parts["validation"]
    evaluator = EmbeddingSimilarityEvaluator(validation["sentence1"], validation["sentence2"], validation["label"])
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**_arguments(settings, folder, "eval_spearman_cosine")),
        train_dataset=Dataset.from_dict(parts["train"]),
        eval_dataset=Dataset.from_dict(validation),
        loss=CosineSimilarityLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    vectors = [model.encode(parts["test"][name], convert_to_tensor=True) for name in ("sentence1", "sentence2")]
    return model.similarity_pairwise(*vectors).cpu().numpy()


def bare_cross_encoder(parts: dict[str, dict[str, list]], settings: dict[str, Any], folder: Path) -> np.ndarray:
    """As sbert.net trains a cross-encoder on STS Benchmark; → its scores of the test pairs."""
    from datasets import Dataset
    from sentence_transformers import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.evaluation import CrossEncoderCorrelationEvaluator
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
    from transformers import set_seed

    set_seed(SEED)
    model = CrossEncoder(locate(BASE), num_labels=1)
    pairs = {name: list(zip(part["sentence1"], part["sentence2"], strict=True)) for name, part in parts.items()}
    evaluator = CrossEncoderCorrelationEvaluator(pairs["validation"], parts["validation"]["label"])
    trainer = CrossEncoderTrainer(
        model=model,
        args=CrossEncoderTrainingArguments(**_arguments(settings, folder, "eval_spearman")),
        train_dataset=Dataset.from_dict(parts["train"]),
        eval_dataset=Dataset.from_dict(parts["validation"]),
        loss=BinaryCrossEntropyLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    return model.predict(pairs["test"])


def _arguments(settings: dict[str, Any], folder: Path, best_by: str) -> dict[str, Any]:
    return settings | {
        "output_dir": str(folder / "bare"),
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "load_best_model_at_end": True,
        "metric_for_best_model": best_by,
        "greater_is_better": True,
        "save_total_limit": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
    }


def _name(cross_encoder: bool) -> str:
    return "sentence-transformers:stsb_en" + ("-cross-encoder" if cross_encoder else "")


CELLS: dict[str, Callable[[Path], Measured]] = {_name(kind): partial(measure, kind) for kind in (False, True)}
