"""Question answering by PEFT, really trained: quality, peft's own loader in a fresh process, stopping."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.registry import FRAMEWORKS
from tests.frameworks.prices import LONG, TASK, held_out_f1, price_data, train
from tests.frameworks.test_peft import hub_cache
from tests.frameworks.topics import Told

pytestmark = pytest.mark.slow

QUICK = {"num_train_epochs": 2, "learning_rate": 5e-3}
QUESTION, CONTEXT = "How much is the piano?", "Somebody paid 315 euros for the piano."


def test_learns_and_answers_with_peft_itself(tmp_path: Path) -> None:
    data, told = price_data(), Told()
    model_dir = train("peft", QUICK, data, tmp_path, told)
    f1, baseline = held_out_f1("peft", model_dir, data)
    assert f1 > 0.6 > baseline
    assert told.values("loss")[-1] < told.values("loss")[0]
    adapter = json.loads((model_dir / "adapter_config.json").read_text())
    assert adapter["task_type"] == "QUESTION_ANS"
    assert "qa_outputs" in adapter["modules_to_save"]
    assert adapter["base_model_name_or_path"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert sum(path.stat().st_size for path in model_dir.glob("*.safetensors")) < 3_000_000

    ours = FRAMEWORKS["peft"].load(model_dir, TASK).predict([{"question": QUESTION, "context": CONTEXT}])[0]
    usage = FRAMEWORKS["peft"].usage(str(model_dir), TASK)
    usage = usage.replace("What is asked?", QUESTION).replace("The text that holds the answer.", CONTEXT)
    env = os.environ | {"HF_HOME": str(hub_cache(tmp_path / "cache")), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", usage], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == ours["answer"]


def test_stop_keeps_an_adapter_that_works_and_settings_are_saved(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    config = {"max_length": 64, "doc_stride": 16, "max_answer_length": 7}
    model_dir = train("peft", config, price_data(), tmp_path, told)
    assert told.steps[-1] == (2, 60)
    predictor = FRAMEWORKS["peft"].load(model_dir, TASK)
    assert (predictor.longest, predictor.stride) == (7, 16)
    assert predictor.predict([{"question": QUESTION, "context": LONG}])[0]["answer"] in LONG
