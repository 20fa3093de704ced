"""Sentence Transformers, really trained on tiny data: every format, its own loaders, selection, stopping, refusals."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine import ArgillaTrainer, FeedbackDataset, TrainingTask
from engine.errors import UserError
from engine.frameworks import base_models
from engine.registry import FRAMEWORKS
from engine.tasks.task import TaskData
from tests.frameworks.topics import FRAMES, WORDS, Told
from tests.models import tiny_llm

pytestmark = pytest.mark.slow

TASK = "sentence-similarity"
FRAMEWORK = FRAMEWORKS["sentence-transformers"]
QUICK = {"num_train_epochs": 2, "learning_rate": 1e-4, "per_device_train_batch_size": 8}
PROBES = [["Nothing but rain this week.", "We talked about snow again."], ["A goal!", "Garlic, butter and bread."]]
# Run by an interpreter that knows nothing of the engine.
OUTSIDE = """
import json, sys
from sentence_transformers import {kind}
model, pairs = {kind}(sys.argv[1]), json.loads(sys.argv[2])
print(json.dumps([float(score) for score in {scores}]))
"""
SCORES = {
    "SentenceTransformer": "model.similarity_pairwise(*(model.encode(list(side)) for side in zip(*pairs)))",
    "CrossEncoder": "model.predict(pairs)",
}


def rows(kind: str, n: int, seed: int) -> pa.Table:
    """`n` canonical rows in a format: sentences are alike when they are about one topic."""
    rng, topics, found = random.Random(seed), list(WORDS), []

    def sentence(topic: str) -> str:
        return rng.choice(FRAMES).format(a=rng.choice(WORDS[topic]), b=rng.choice(WORDS[topic]))

    for i in range(n):
        here, there = rng.sample(topics, 2)
        if kind == "sentences with a class":
            found.append({"sentence": sentence(topics[i % 3]), "label": i % 3})
            continue
        alike = i % 2 == 0 or kind in ("pairs", "triplets", "triplets with a label")
        row = {"sentence-1": sentence(here), "sentence-2": sentence(here if alike else there)}
        if kind.startswith("triplets"):
            row["sentence-3"] = sentence(there)
        if kind.startswith("graded"):
            row["label"] = rng.uniform(3, 5) if alike else rng.uniform(0, 2)
        elif kind.endswith("label"):
            row["label"] = int(alike)
        found.append(row)
    return pa.table({"record_id": [f"r{i}" for i in range(n)]} | {key: [row[key] for row in found] for key in found[0]})


def data_of(kind: str, *, train: int = 48, validation: int = 16) -> TaskData:
    """Rows to train on, to validate and 24 held out. “graded pairs”: pairs with a label from 0 to 5."""
    parts = [rows(kind, n, seed) if n else None for n, seed in ((train, 1), (validation, 2), (24, 3))]
    label = None if kind in ("pairs", "triplets") else "float" if kind.startswith("graded") else "int"
    values = sorted(set(parts[0]["label"].to_pylist())) if label == "int" else None
    named = "pairs with a label" if kind.startswith("graded") else kind
    return TaskData(*parts, {"format": named, "label": label, "values": values, "range": None, "names": None})


def train(config: dict[str, Any], data: TaskData, folder: Path, told: Told | None = None, base: str = "") -> Path:
    """→ the model's folder."""
    base = base or base_models.locate(base_models.EMBEDDED_ID)
    FRAMEWORK.train(FRAMEWORK.configs[TASK](**config), TASK, data, base, folder / "model", told or Told())
    return folder / "model"


def outside(model_dir: Path, kind: str) -> list[float]:
    """Scores of PROBES by the library itself, in a process of its own."""
    code = OUTSIDE.format(kind=kind, scores=SCORES[kind])
    command = [sys.executable, "-c", code, str(model_dir), json.dumps(PROBES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "kind,config,figure",
    [
        ("graded pairs", QUICK, "spearman"),
        ("pairs with a label", QUICK, "average_precision"),
        ("pairs", QUICK, "mrr"),
        ("triplets", QUICK, "triplet_accuracy"),
        ("triplets with a label", QUICK | {"loss": "MarginMSELoss"}, "triplet_accuracy"),
        ("sentences with a class", QUICK, "triplet_accuracy"),
    ],
)
def test_every_format_teaches_a_bi_encoder(tmp_path: Path, kind: str, config: dict[str, Any], figure: str) -> None:
    data, told = data_of(kind), Told()
    model_dir = train(config, data, tmp_path, told)
    after = FRAMEWORK.load(model_dir, TASK).score(data.test)
    before = FRAMEWORK.load_base(base_models.locate(base_models.EMBEDDED_ID), TASK).score(data.test)
    assert next(iter(after)) == figure
    assert after[figure] > before[figure] or after[figure] > 0.95
    assert after[figure] >= (0.3 if figure == "mrr" else 0.7)
    assert told.stages == ["loading", "training", "saving"]
    assert told.notes[1].startswith(f"Learning from {data.info['format']} by ")
    assert len(told.values(f"validation_{figure}")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    assert not (model_dir / "README.md").exists()


@pytest.mark.parametrize("kind", ["graded pairs", "pairs with a label", "pairs"])
def test_cross_encoder_learns_pairs(tmp_path: Path, kind: str) -> None:
    data, told = data_of(kind, train=96), Told()
    config = QUICK | {"cross_encoder": True, "learning_rate": 5e-4, "num_train_epochs": 4, "logging_steps": 4}
    scored = FRAMEWORK.load(train(config, data, tmp_path, told), TASK).score(data.test)
    figure = next(iter(scored))
    assert scored[figure] >= (0.2 if kind == "pairs" else 0.6)
    losses = told.values("loss")
    assert sum(losses[-3:]) < sum(losses[:3])


@pytest.mark.parametrize("kind", ["SentenceTransformer", "CrossEncoder"])
def test_library_loads_the_model_and_says_the_same(tmp_path: Path, kind: str) -> None:
    config = QUICK | {"cross_encoder": kind == "CrossEncoder", "max_steps": 3}
    model_dir = train(config, data_of("pairs with a label", validation=0), tmp_path)
    ours = FRAMEWORK.load(model_dir, TASK).predict(PROBES)
    assert ours == pytest.approx(outside(model_dir, kind), abs=1e-5)
    usage = FRAMEWORK.usage_of(str(model_dir), TASK, config)
    assert f"import {kind}\n" in usage
    exec(usage, {})


def test_scores_without_a_squashing_are_kept_so(tmp_path: Path) -> None:
    config = QUICK | {"cross_encoder": True, "loss": "MSELoss", "num_train_epochs": 3, "learning_rate": 5e-4}
    data = data_of("graded pairs", train=96, validation=0)
    model_dir = train(config, data, tmp_path)
    ours = FRAMEWORK.load(model_dir, TASK).predict(PROBES)
    assert max(ours) > 1  # on the labels' scale, 0 to 5
    assert ours == pytest.approx(outside(model_dir, "CrossEncoder"), abs=1e-5)


def test_threshold_comes_from_validation_and_gives_the_accuracy(tmp_path: Path) -> None:
    data, told = data_of("pairs with a label"), Told()
    model_dir = train(QUICK, data, tmp_path, told)
    threshold = json.loads((model_dir / "similarity.json").read_text())["threshold"]
    note = f"A pair counts as alike from a similarity of {threshold:.3f} on: the best on the validation rows."
    assert note in told.notes
    predictor = FRAMEWORK.load(model_dir, TASK)
    pairs = [
        list(pair)
        for pair in zip(data.test["sentence-1"].to_pylist(), data.test["sentence-2"].to_pylist(), strict=True)
    ]
    right = [
        (score >= threshold) == bool(label)
        for score, label in zip(predictor.predict(pairs), data.test["label"].to_pylist(), strict=True)
    ]
    assert predictor.score(data.test)["accuracy"] == pytest.approx(sum(right) / len(right))


def test_best_checkpoint_is_kept(tmp_path: Path) -> None:
    told, data = Told(), data_of("graded pairs")
    # Steps far too large: it only gets worse.
    config = {"learning_rate": 0.02, "num_train_epochs": 30, "early_stopping_patience": 2, "warmup_steps": 0}
    model_dir = train(config | {"eval_strategy": "steps", "eval_steps": 1}, data, tmp_path, told)
    figures = told.values("validation_spearman")
    kept = FRAMEWORK.load(model_dir, TASK).score(data.validation)["spearman"]
    assert kept == pytest.approx(max(figures), abs=1e-6)
    assert any(note.startswith("Stopped early after step ") for note in told.notes)
    assert any(note.startswith("Kept the checkpoint of step ") for note in told.notes)


def test_stop_keeps_a_model_that_works(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    model_dir = train(QUICK | {"num_train_epochs": 10}, data_of("pairs"), tmp_path, told)
    assert told.steps[-1] == (2, 60)
    assert "Stopped by its owner after step 2 of 60." in told.notes
    assert len(FRAMEWORK.load(model_dir, TASK).predict(PROBES)) == 2


@pytest.mark.parametrize(
    "config,kind",
    [
        ({"loss": "SoftmaxLoss"}, "pairs with a label"),
        ({"loss": "AnglELoss", "scale": 10.0}, "graded pairs"),
        ({"loss": "CachedMultipleNegativesRankingLoss", "mini_batch_size": 4}, "pairs"),
        ({"loss": "TripletLoss", "margin": 0.5, "max_length": 32}, "triplets"),
        ({"loss": "CachedMultipleNegativesRankingLoss", "cross_encoder": True}, "pairs"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["loss"],
)
def test_other_losses_run(tmp_path: Path, config: dict[str, Any], kind: str) -> None:
    told = Told()
    train(config | {"max_steps": 2, "logging_steps": 1}, data_of(kind, validation=0), tmp_path, told)
    assert len(told.values("loss")) == 2
    assert f"by {config['loss']} (chosen by you)" in told.notes[1]


def test_long_texts_are_counted(tmp_path: Path) -> None:
    for cross_encoder, note in (
        (False, "48 of 96 training texts are longer than 16 tokens; the rest is not seen."),
        (True, "48 of 48 training pairs are longer than 16 tokens; the rest is not seen."),
    ):
        data, told = data_of("pairs", validation=0), Told()
        long = pa.array(["rain and snow " * 10] * 48)
        data.train = data.train.set_column(1, "sentence-1", long)
        short = pa.array([f"fog {i}" for i in range(48)])
        data.train = data.train.set_column(2, "sentence-2", short)
        config = {"max_length": 16, "max_steps": 1, "cross_encoder": cross_encoder}
        train(config, data, tmp_path / str(cross_encoder), told)
        assert note in told.notes


def test_wrong_bases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="writes text; sentences are compared by an encoder."):
        FRAMEWORK.check_base(tiny_llm(), TASK)
    base = str(train({"cross_encoder": True, "max_steps": 1}, data_of("pairs", validation=0), tmp_path))
    FRAMEWORK.check_base(base, TASK)
    with pytest.raises(UserError, match="is a cross-encoder: it reads two sentences together"):
        train({}, data_of("pairs"), tmp_path / "again", base=base)
    with pytest.raises(UserError, match="Best by: mrr is not measured on triplets such as these."):
        train({"metric_for_best_model": "mrr"}, data_of("triplets"), tmp_path / "again")
    with pytest.raises(UserError, match="Longest text: 1000 tokens is more than the 256"):
        train({"max_length": 1000}, data_of("triplets"), tmp_path / "again")


def test_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    config = {"cross_encoder": True, "max_steps": 2}
    one, other = (
        FRAMEWORK.load(train(config, data_of("pairs", validation=0), tmp_path / name), TASK).predict(PROBES)
        for name in "ab"
    )
    assert one == pytest.approx(other, abs=1e-6)


def test_guides_calls_work(tmp_path: Path) -> None:
    dataset = FeedbackDataset.example("question_pairs")
    task = TrainingTask.for_sentence_similarity(
        texts=[dataset.field_by_name("question1"), dataset.field_by_name("question2")],
        label=dataset.field_by_name("similarity"),
    )
    trainer = ArgillaTrainer(
        dataset, task, "sentence-transformers", train_size=0.8, framework_kwargs={"cross_encoder": True}
    )
    trainer.update_config(max_steps=2)
    trainer.train(tmp_path / "model")
    assert list(trainer.report["metrics"]) == ["spearman", "pearson"]
    assert trainer.report["baseline"]["metrics"]["spearman"] > 0.3
    first, second, third = "Are you open on Sundays?", "Can I come in at the weekend?", "Can I print from my phone?"
    scores = trainer.predict([first, [second, third]])
    assert scores == pytest.approx(trainer.predict([[first, second], [first, third]]), abs=1e-6)
    assert trainer.predict([second, third]) == pytest.approx(trainer.predict([[second, third]])[0], abs=1e-6)
    card = (tmp_path / "model" / ".annotune" / "README.md").read_text(encoding="utf-8")
    assert "from sentence_transformers import CrossEncoder" in card
    assert "pipeline_tag: sentence-similarity" in card
