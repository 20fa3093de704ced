"""A trained model, pushed to the test Hub, loads back with its own library from there and predicts the same."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine import trust
from engine.frameworks import base_models
from engine.publishing.hub import publish
from engine.registry import FRAMEWORKS
from engine.runs.events import Report
from engine.runs.run_directory import RunDirectory, RunSpec
from engine.tasks.task import TaskData
from tests.hub_server import HubServer

pytestmark = pytest.mark.slow

TASK = "text-classification"
TEXTS = {
    "billing": ["My invoice is wrong", "I was charged twice", "The refund has not arrived", "Where is my receipt?"],
    "delivery": ["My parcel is late", "The courier never came", "The box was damaged", "Where is my package?"],
}
PROBE = "I paid two times for one order"
QUICK = {
    "setfit": {"num_iterations": 1},
    "spacy": {"max_epochs": 5},
    "transformers": {"num_train_epochs": 1},
    "peft": {"num_train_epochs": 1},
}
# How a user of each library scores PROBE with the published model, as {label: score}.
NATIVE = {
    "setfit": """
from setfit import SetFitModel
model = SetFitModel.from_pretrained(REPO)
scores = dict(zip(model.labels, [float(p) for p in model.predict_proba([PROBE])[0]]))
""",
    "spacy": """
import spacy
from huggingface_hub import snapshot_download
scores = spacy.load(snapshot_download(REPO))(PROBE).cats
""",
    "transformers": """
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
model, tokenizer = AutoModelForSequenceClassification.from_pretrained(REPO), AutoTokenizer.from_pretrained(REPO)
found = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)([PROBE])[0]
scores = {row["label"]: row["score"] for row in found}
""",
    "peft": """
from peft import AutoPeftModelForSequenceClassification
from transformers import AutoConfig, AutoTokenizer, pipeline
config = AutoConfig.from_pretrained(REPO)
model = AutoPeftModelForSequenceClassification.from_pretrained(
    REPO, num_labels=config.num_labels, id2label=config.id2label, problem_type=config.problem_type
)
tokenizer = AutoTokenizer.from_pretrained(REPO)
found = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)([PROBE])[0]
scores = {row["label"]: row["score"] for row in found}
""",
}


def rows(multi_label: bool) -> TaskData:
    texts = [(text, label) for label, some in TEXTS.items() for text in some]
    columns: dict[str, Any] = {
        "record_id": [f"r{i}" for i in range(len(texts))],
        "text": [text for text, _ in texts],
    }
    columns["labels" if multi_label else "label"] = [[label] if multi_label else label for _, label in texts]
    return TaskData(pa.table(columns), None, None, {"classes": list(TEXTS), "multi_label": multi_label})


def trained(framework: str, multi_label: bool, folder: Path) -> RunDirectory:
    base_model = FRAMEWORKS[framework].base_models[TASK][0].id
    spec = RunSpec(
        dataset={"source": {"kind": "file", "name": "messages.csv", "path": str(folder / "messages.csv")}},
        task={"task": TASK, "fields": {"text": "text", "label": "topic"}},
        framework=framework,
        base_model=base_model,
        config=QUICK[framework],
    )
    run_dir = RunDirectory.create(folder / "runs", spec)
    config = FRAMEWORKS[framework].configs[TASK](**QUICK[framework])
    base = base_models.locate(base_model)
    FRAMEWORKS[framework].train(config, TASK, rows(multi_label), base, run_dir.model_dir, Report())
    trust.vouch(run_dir.model_dir)  # as the worker does
    run_dir.write_report({"n": {"train": 8, "validation": 0, "test": 0}, "metrics": None, "classes": list(TEXTS)})
    return run_dir


def add_base_model(hub: HubServer) -> None:
    """An adapter needs its base model: the embedded files, under their public name."""
    folder = Path(base_models.locate(base_models.EMBEDDED_ID))
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hub.add_repo("model", base_models.EMBEDDED_ID, files)


def run_python(code: str, hub: HubServer, home: Path) -> str:
    """The output of a fresh interpreter that knows nothing of Annotune and is signed in as alice."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS") if name in os.environ}
    env = kept | hub.env(home) | {"HF_TOKEN": "hf_alice"}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=home, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
@pytest.mark.parametrize("framework", list(QUICK))
def test_published_model_loads_with_its_own_library_and_predicts_the_same(
    hub: HubServer, tmp_path: Path, framework: str, multi_label: bool
) -> None:
    run_dir = trained(framework, multi_label, tmp_path)
    publish(run_dir, "alice/topics", token="hf_alice", report=Report())
    add_base_model(hub)
    ours = FRAMEWORKS[framework].load(run_dir.model_dir, TASK).predict([PROBE])[0]
    (tmp_path / "home").mkdir()
    begin, end = f"REPO, PROBE = 'alice/topics', {PROBE!r}\n", "\nimport json; print('RESULT', json.dumps(scores))"
    printed = run_python(begin + NATIVE[framework] + end, hub, tmp_path / "home")
    theirs = json.loads(printed.rpartition("RESULT ")[2])
    assert theirs == pytest.approx({row["label"]: row["score"] for row in ours}, abs=1e-4)
    files = hub.files("model", "alice/topics")
    usage = re.search(r"```python\n(.*?)```", files["README.md"].decode(), re.DOTALL).group(1)
    assert all(label in run_python(usage, hub, tmp_path / "home") for label in TEXTS)
    for name, content in files.items():
        for place in (tmp_path, Path(sys.prefix), Path.home()):
            assert str(place).encode() not in content, f"{name} names a path of this machine"
