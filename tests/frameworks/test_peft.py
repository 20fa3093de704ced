"""PEFT, really trained on tiny data: quality, its own loader, the base model's public name, stopping, refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.frameworks import base_models
from engine.registry import FRAMEWORKS
from tests.frameworks.topics import TASK, Told, held_out_accuracy, scores_of, topic_data, train

pytestmark = pytest.mark.slow

QUICK = {"num_train_epochs": 4, "learning_rate": 5e-3}
PROBE = "The striker missed a penalty."


def hub_cache(folder: Path) -> Path:
    """A Hub cache that holds the embedded base model under its public name."""
    cache = folder / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    snapshot = cache / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("0" * 40)
    for path in Path(base_models.locate(base_models.EMBEDDED_ID)).iterdir():
        (snapshot / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_learns_and_loads_with_peft_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multi_label: bool) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    data, told = topic_data(multi_label=multi_label), Told()
    model_dir = train("peft", QUICK, data, tmp_path, told)
    assert held_out_accuracy("peft", model_dir, data) >= (0.5 if multi_label else 0.8)
    adapter = json.loads((model_dir / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert adapter["task_type"] == "SEQ_CLS"
    assert sum(path.stat().st_size for path in model_dir.glob("*.safetensors")) < 3_000_000
    assert any("weights (" in note for note in told.notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwd", "model"]
    assert list((tmp_path / "cwd").iterdir()) == []

    usage = FRAMEWORKS["peft"].usage(str(model_dir), TASK).replace("A text to classify.", PROBE)
    env = os.environ | {"HF_HOME": str(hub_cache(tmp_path / "cache")), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", usage], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = eval(done.stdout.strip().splitlines()[-1])  # the list that the snippet printed
    rows = theirs[0] if isinstance(theirs[0], list) else theirs
    expected = scores_of("peft", model_dir, PROBE)
    assert {row["label"]: row["score"] for row in rows} == pytest.approx(expected, abs=1e-4)


def test_stop_keeps_an_adapter_that_works(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    model_dir = train("peft", QUICK, topic_data(), tmp_path, told)
    assert told.steps[-1] == (2, 32)
    assert "Stopped by its owner after step 2 of 32." in told.notes
    assert set(scores_of("peft", model_dir, PROBE)) == {"weather", "cooking", "football"}


def test_early_stopping_ends_training_and_the_best_checkpoint_is_kept(tmp_path: Path) -> None:
    told = Told()
    train(
        "peft",
        {"num_train_epochs": 30, "learning_rate": 1e-9, "early_stopping_patience": 1},
        topic_data(),
        tmp_path,
        told,
    )
    assert told.steps[-1] == (16, 240)
    assert "Stopped early after step 16 of 240: no gain on validation rows." in told.notes
    assert any(note.startswith("Kept the checkpoint of step 8: validation accuracy ") for note in told.notes)


def test_settings_of_the_adapter_reach_peft(tmp_path: Path) -> None:
    config = {
        "r": 4,
        "lora_alpha": 12,
        "target_modules": ["query"],
        "bias": "lora_only",
        "use_rslora": True,
        "max_steps": 1,
    }
    more = {"lora_arguments": {"layers_to_transform": [0, 1]}, "modules_to_save": ["pooler"]}
    model_dir = train("peft", config | more, topic_data(validation=0), tmp_path)
    adapter = json.loads((model_dir / "adapter_config.json").read_text())
    expected = {"r": 4, "lora_alpha": 12, "target_modules": ["query"], "bias": "lora_only", "use_rslora": True}
    assert {name: adapter[name] for name in expected} == expected
    assert adapter["layers_to_transform"] == [0, 1]
    assert {"pooler", "classifier"} <= set(adapter["modules_to_save"])


@pytest.mark.parametrize(
    "config,sentence",
    [
        (
            {"lora_arguments": {"layer_to_transform": 1}},
            "LoraConfig has no argument named 'layer_to_transform'. Did you mean 'layers_to_transform'?",
        ),
        ({"lora_arguments": {"r": 1}}, "'r' stands among the settings already."),
        ({"lora_arguments": {"task_type": "CAUSAL_LM"}}, "'task_type' can't be set:"),
        ({"target_modules": ["no_such_layer"]}, "PEFT refuses this adapter:"),
        ({"extra_arguments": {"warm_up": 1}}, "TrainingArguments has no argument named 'warm_up'."),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path: Path, config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        train("peft", config, topic_data(), tmp_path)
    assert caught.value.message.startswith(sentence)
