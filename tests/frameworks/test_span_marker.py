"""SpanMarker, really trained in its overlay: by ArgillaTrainer in a child, reloaded by its own library, stopped."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from engine import ArgillaTrainer, FeedbackDataset, TrainingTask
from engine.errors import UserError
from engine.frameworks.overlays import install, python_path
from engine.registry import FRAMEWORKS
from tests.annotated import plain
from tests.frameworks.people import rows
from tests.models import encoder, tiny_llm

pytestmark = pytest.mark.slow

TASK = "token-classification"
# Few tokens and markers: what is padded costs as much as what is there.
QUICK = {"model_max_length": 24, "marker_max_length": 24, "entity_max_length": 2, "learning_rate": 1e-3}
PROBE = ["Hana Fox lives in Oslo.", "Nobody in Rome has seen it.", "", "Paris"]
# Run by the overlay's interpreter: trains until a stop is asked for, and prints what was told.
STOP = """
import json, sys
from pathlib import Path
from engine.registry import FRAMEWORKS
from tests.frameworks.people import span_data
from tests.frameworks.topics import Told
framework, told = FRAMEWORKS["span_marker"], Told(stop_after=3)
config = framework.configs["token-classification"](**json.loads(sys.argv[3]))
framework.train(config, "token-classification", span_data(train=40, validation=8), sys.argv[1], Path(sys.argv[2]), told)
found = framework.load(Path(sys.argv[2]), "token-classification").predict(["Hana Fox lives in Oslo."])
print(json.dumps(vars(told) | {"n": len(found)}))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """MiniLM's first two layers."""
    install("span_marker")
    folder = tmp_path_factory.mktemp("base") / "two-layers"
    shutil.copytree(encoder(), folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}), encoding="utf-8")
    return str(folder)


def in_overlay(code: str, *arguments: str) -> str:
    """What a script prints that runs with the overlay's packages, offline."""
    env = os.environ | {"PYTHONPATH": python_path("span_marker"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def dataset(n: int) -> FeedbackDataset:
    table = rows(n, 1)
    return plain({"text": table["text"].to_pylist(), "spans": table["spans"].to_pylist()})


def test_trains_in_a_child_and_its_own_library_predicts_the_same(base: str, tmp_path: Path, capfd) -> None:
    task = TrainingTask.for_token_classification(text="text", spans="spans")
    trainer = ArgillaTrainer(dataset(180), task, "span_marker", model=base, train_size=0.7, validation_size=0.1)
    trainer.update_config(**QUICK, num_train_epochs=7)
    model_dir = tmp_path / "model"
    trainer.train(model_dir)
    told = capfd.readouterr().out
    losses = [float(line.split("loss ")[1]) for line in told.splitlines() if "  loss " in line]
    assert losses[-1] < losses[0] / 2
    assert "'validation_f1': " in told
    assert trainer.report["metrics"]["f1"] >= 0.7
    assert {row["label"] for row in trainer.report["per_label"]} == {"PLACE", "PERSON"}
    versions = json.loads((model_dir / ".annotune" / "run.json").read_text(encoding="utf-8"))["versions"]
    assert versions["transformers"] == "4.57.6"
    ours = trainer.predict(PROBE)
    assert ours[2:] == [[], ours[3]]
    assert trainer.predict(PROBE[0]) == ours[0]
    assert [(span["text"], span["label"]) for span in ours[0]] == [("Hana Fox", "PERSON"), ("Oslo", "PLACE")]
    assert ours[0][0]["start"] == 0 and 0.5 < ours[0][0]["score"] <= 1
    usage = FRAMEWORKS["span_marker"].usage("ann/names", TASK).replace("A text with names in it.", PROBE[0])
    usage = usage.replace('snapshot_download("ann/names")', "sys.argv[1]").replace("print(", "print(json.dumps(")
    theirs = json.loads(in_overlay("import json, sys\n" + usage.rstrip() + ")", str(model_dir)))
    assert [(span["span"], span["label"], span["char_start_index"], span["char_end_index"]) for span in theirs] == [
        (span["text"], span["label"], span["start"], span["end"]) for span in ours[0]
    ]
    assert [span["score"] for span in theirs] == pytest.approx([span["score"] for span in ours[0]], abs=1e-5)
    files = {path.name for path in model_dir.rglob("*") if path.is_file()}
    assert "model.safetensors" in files
    assert not {name for name in files if name.endswith((".bin", ".pt", ".pkl"))}
    assert base not in (model_dir / "config.json").read_text(encoding="utf-8")
    assert ArgillaTrainer.load(model_dir).predict(PROBE) == ours


def test_a_stop_keeps_a_model_that_works(base: str, tmp_path: Path) -> None:
    config = json.dumps(QUICK | {"num_train_epochs": 20, "logging_steps": 1, "entity_max_length": 1})
    told = json.loads(in_overlay(STOP, base, str(tmp_path / "model"), config))
    assert told["steps"] == [[1, 100], [2, 100], [3, 100]]
    assert told["stages"] == ["loading", "training", "saving"]
    assert told["n"] == 1
    assert any(note.startswith("Stopped by its owner after step 3") for note in told["notes"])
    assert any("have more than 1 words, which this model never finds" in note for note in told["notes"])
    assert any("validation_f1" in values for _, values in told["points"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_long_texts_are_read_in_parts_and_what_they_cut_is_told() -> None:
    from transformers import AutoTokenizer

    from engine.frameworks._span_marker_rows import windows, words_of
    from tests.frameworks.topics import Told

    tokenizer, told = AutoTokenizer.from_pretrained(encoder()), Told()
    text = "Ann Abbot met Bo Berg. " * 4
    parts = list(windows(text, tokenizer, 6))
    assert [text[part.start : part.end] for part in parts][:2] == ["Ann Abbot met Bo Berg.", "Ann Abbot met Bo Berg."]
    assert [text[start:end] for start, end in parts[0].words] == ["Ann", "Abbot", "met", "Bo", "Berg", "."]
    assert list(windows("", tokenizer, 6)) == []
    table = pa.table({"text": [text], "spans": [[{"start": 14, "end": 32, "label": "X"}]]})
    words = words_of(table, tokenizer, 6, 3, "training", told)
    assert len(words.tokens) == 4
    assert words.spans == [[], [], [], []]
    assert told.notes == [
        "1 of 1 training spans are not learned: their text was cut off, or another span has their tokens.",
        "1 of 1 training texts are longer than 6 tokens; they are read in parts.",
        "1 of 1 training spans have more than 3 words, which this model never finds; raise “Longest span”.",
    ]


def test_bases_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    framework = FRAMEWORKS["span_marker"]
    framework.check_base(encoder(), TASK)
    with pytest.raises(UserError, match="is a decoder"):
        framework.check_base(tiny_llm(), TASK)
    (tmp_path / "config.json").write_text('{"model_type": "distilbert", "architectures": ["DistilBertModel"]}')
    with pytest.raises(UserError) as error:
        framework.check_base(str(tmp_path), TASK)
    assert error.value.message == "The base model is of the type 'distilbert', which SpanMarker can't put markers into."
    with pytest.raises(UserError, match="is not a Transformers model, so SpanMarker can't train it"):
        framework.check_base(str(tmp_path / "no"), TASK)
