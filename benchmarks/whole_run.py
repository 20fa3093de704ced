"""A whole run (worker start, preparing, training, evaluation, report) ÷ a bare library script of the same work."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.data.feedback_dataset import FeedbackDataset
from engine.runs import job
from engine.runs.run_directory import RunDirectory, RunSpec, SplitSpec
from engine.tasks.task import TaskData

ROOT = Path(__file__).parents[1]
PAIRS = 3
ITERATIONS = 2  # pairs per row and kind, in both
# The same training as SetFit's own documentation writes it: same rows, pairs, epochs, batch, then accuracy on test.
BARE = """
import json, sys
import pyarrow as pa
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments
job = json.load(open(sys.argv[1]))
def rows(name):
    table = pa.ipc.open_file(job[name]).read_all()
    labels = [job["classes"].index(label) for label in table["label"].to_pylist()]
    return Dataset.from_dict({"text": table["text"].to_pylist(), "label": labels})
train, test = rows("train"), rows("test")
model = SetFitModel.from_pretrained(job["base"], local_files_only=True)
arguments = TrainingArguments(output_dir=job["out"] + "/checkpoints", report_to="none", save_strategy="no",
    num_epochs=1, batch_size=16, num_iterations=job["num_iterations"], seed=42)
Trainer(model=model, args=arguments, train_dataset=train).train()
model.save_pretrained(job["out"] + "/model")
loaded = SetFitModel.from_pretrained(job["out"] + "/model", local_files_only=True)
predicted = loaded.predict(test["text"], as_numpy=True)
print(sum(int(p) == y for p, y in zip(predicted, test["label"])) / len(test))
"""


def measure() -> list[tuple[str, float, float, str]]:
    from engine.frameworks.base_models import locate

    ratios = []
    with tempfile.TemporaryDirectory() as home:
        spec = _spec(Path(home))
        for i in range(PAIRS):
            ours, run_dir = _ours(Path(home), spec)
            data = TaskData.load(run_dir.data_dir)
            request = {name: str(run_dir.data_dir / f"{name}.arrow") for name in ("train", "test")}
            request |= {"classes": data.info["classes"], "base": locate(spec.base_model), "num_iterations": ITERATIONS}
            bare, accuracy = _bare(request | {"out": str(Path(home) / f"bare{i}")}, Path(home))
            ours_accuracy = run_dir.report["metrics"]["accuracy"]
            print(f"  ours {ours:.1f} s, accuracy {ours_accuracy:.3f}   bare {bare:.1f} s, {accuracy:.3f}", flush=True)
            ratios.append(ours / bare)
    return [(f"whole SetFit run ÷ bare script, median of {PAIRS}", statistics.median(ratios), 1.15, "×")]


def _spec(home: Path) -> RunSpec:
    dataset = FeedbackDataset.example()
    dataset.save(home / "datasets" / "example")
    (home / "runs").mkdir()
    return RunSpec(
        dataset={"id": "example", "name": dataset.name, "source": dataset.schema.source},
        task={"task": "text-classification", "fields": {"text": "text", "label": "topic"}, "strategy": "majority"},
        framework="setfit",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        config={"num_iterations": ITERATIONS, "max_pairs": None},
        split=SplitSpec(train=0.8, validation=0, test=0.2),
    )


def _ours(home: Path, spec: RunSpec) -> tuple[float, RunDirectory]:
    started = time.monotonic()
    run_dir = RunDirectory.create(home / "runs", spec)
    job.spawn("train", run_dir.path, offline=True)
    while job.status(run_dir.path).live:
        time.sleep(0.1)
    seconds = time.monotonic() - started
    status = job.status(run_dir.path)
    if status.state != "finished":
        raise RuntimeError(f"{status.state}: {status.message}\n{run_dir.log_file.read_text()}")
    return seconds, run_dir


def _bare(request: dict, home: Path) -> tuple[float, float]:
    (home / "request.json").write_text(json.dumps(request))
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(home / "request.json")],
        capture_output=True,
        text=True,
        cwd=home,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return time.monotonic() - started, float(done.stdout.split()[-1])
