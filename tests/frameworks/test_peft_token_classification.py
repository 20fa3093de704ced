"""Token classification by PEFT, really trained: quality, peft's own loader in a fresh process, stopping."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.frameworks import base_models
from engine.registry import FRAMEWORKS, TASKS
from engine.tasks.task import TaskData
from tests.frameworks.people import span_data
from tests.frameworks.test_peft import hub_cache
from tests.frameworks.topics import Told

pytestmark = pytest.mark.slow

TASK = "token-classification"
QUICK = {"num_train_epochs": 4, "learning_rate": 5e-3}
PROBE = "Hana Grant took the night train from New York to Oslo."


def train(config: dict, data: TaskData, folder: Path, report: Told) -> Path:
    """Train on the embedded base model. → the adapter's folder."""
    chosen = FRAMEWORKS["peft"]
    base = base_models.locate(base_models.EMBEDDED_ID)
    chosen.train(chosen.configs[TASK](**config), TASK, data, base, folder / "model", report)
    return folder / "model"


def test_learns_and_loads_with_peft_itself(tmp_path: Path) -> None:
    data, told = span_data(), Told()
    model_dir = train(QUICK, data, tmp_path, told)
    predictor = FRAMEWORKS["peft"].load(model_dir, TASK)
    report = TASKS[TASK].evaluate(predictor.predict(data.test["text"].to_pylist()), data.test, data.info, data.train)
    assert report["metrics"]["f1"] > 0.7
    adapter = json.loads((model_dir / "adapter_config.json").read_text())
    assert told.values("loss")[-1] < told.values("loss")[0] / 2
    assert adapter["task_type"] == "TOKEN_CLS"
    assert "classifier" in adapter["modules_to_save"]
    assert adapter["base_model_name_or_path"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert sum(path.stat().st_size for path in model_dir.glob("*.safetensors")) < 3_000_000

    usage = FRAMEWORKS["peft"].usage(str(model_dir), TASK).replace("A text with a name in it.", PROBE)
    usage = usage.replace("print(find(", "print([(s['start'], s['end'], s['entity_group']) for s in find(")
    env = os.environ | {"HF_HOME": str(hub_cache(tmp_path / "cache")), "HF_HUB_OFFLINE": "1"}
    code = usage.replace('"))', '")])')
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    ours = [(span["start"], span["end"], span["label"]) for span in predictor.predict([PROBE])[0]]
    assert eval(done.stdout.strip().splitlines()[-1]) == ours  # the list that the snippet printed


def test_stop_keeps_an_adapter_that_works(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    model_dir = train(QUICK, span_data(), tmp_path, told)
    assert told.steps[-1] == (2, 60)
    assert "Stopped by its owner after step 2 of 60." in told.notes
    assert isinstance(FRAMEWORKS["peft"].load(model_dir, TASK).predict([PROBE])[0], list)
