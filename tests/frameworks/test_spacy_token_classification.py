"""spaCy's entity recognizer, really trained on tiny data: quality, its own loader, stopping, base pipelines."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.evaluation.report import evaluate
from engine.registry import FRAMEWORKS
from engine.tasks.task import TaskData
from tests.frameworks.people import span_data
from tests.frameworks.topics import Told

pytestmark = pytest.mark.slow

TASK = "token-classification"
PROBE = ["Hana Fox lives in Oslo.", "It rained all day.", ""]
SPACY = FRAMEWORKS["spacy"]


def train(
    config: dict[str, Any], folder: Path, told: Told | None = None, data: TaskData | None = None, base: str = "blank:en"
) -> Path:
    model_dir = folder / "model"
    SPACY.train(SPACY.configs[TASK](**config), TASK, data or span_data(), base, model_dir, told or Told())
    return model_dir


def found(model_dir: Path) -> list[list[tuple]]:
    return [[(s["start"], s["end"], s["label"]) for s in row] for row in SPACY.load(model_dir, TASK).predict(PROBE)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    told = Told()
    return train({"max_epochs": 8}, tmp_path_factory.mktemp("trained"), told), told


def test_learns_what_a_lookup_can_not(trained: tuple[Path, Told]) -> None:
    model_dir, told = trained
    report = evaluate("spacy", TASK, span_data(), model_dir, told)
    assert report["metrics"]["f1"] >= 0.7
    assert report["metrics"]["f1"] > report["baseline"]["metrics"]["f1"]
    assert [row["label"] for row in report["per_label"]] == ["PLACE", "PERSON"]
    assert told.values("loss")[-1] < told.values("loss")[0]
    assert told.values("validation_f1")[-1] > 0.5
    assert told.steps[-1][0] == told.steps[-1][1] or told.stages[-1] == "evaluating"
    assert any(note.startswith("Kept the weights of step ") for note in told.notes)


def test_spacy_itself_predicts_the_same_in_a_fresh_process(trained: tuple[Path, Told]) -> None:
    usage = SPACY.usage("ann/names", TASK).replace('snapshot_download("ann/names")', "sys.argv[1]")
    usage = usage.replace("A text with names in it.", PROBE[0]).replace("print(", "print(json.dumps(").rstrip() + ")"
    command = [sys.executable, "-c", "import json, sys\n" + usage, str(trained[0])]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (ours, *_) = SPACY.load(trained[0], TASK).predict(PROBE)
    assert theirs == [[span["text"], span["label"]] for span in ours] == [["Hana Fox", "PERSON"], ["Oslo", "PLACE"]]
    assert ours[0] == {"start": 0, "end": 8, "label": "PERSON", "text": "Hana Fox", "score": None}
    assert found(trained[0])[1:] == [[], []]


def test_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    models = [train({"max_epochs": 2, "seed": 3}, tmp_path / name) for name in "ab"]
    assert (models[0] / "ner" / "model").read_bytes() == (models[1] / "ner" / "model").read_bytes()


def test_stop_keeps_a_model_that_works(tmp_path: Path) -> None:
    told = Told(stop_after=4)
    model_dir = train({}, tmp_path, told)
    assert "Stopped by its owner after step 3." in told.notes
    assert len(found(model_dir)) == 3


def test_spans_that_do_not_fit_the_words_are_told(tmp_path: Path) -> None:
    told, data = Told(), span_data(train=20, validation=0)
    spans = [{"start": 0, "end": 2, "label": "PERSON"}, {"start": 2, "end": 3, "label": "PLACE"}]
    odd = pa.table({"record_id": ["o"], "text": ["Ann sings."], "spans": [spans]}, schema=data.train.schema)
    data.train = pa.concat_tables([data.train, odd])
    n = sum(map(len, data.train["spans"].to_pylist()))
    train({"max_epochs": 1}, tmp_path, told, data)
    assert f"1 of {n} training spans begin or end inside a token; they are learned as whole tokens." in told.notes
    assert told.notes[2] == (
        f"1 of {n} training spans are not learned: their text was cut off, or another span has their tokens."
    )


def test_a_base_pipeline_gets_a_new_recognizer_and_keeps_the_rest(tmp_path: Path) -> None:
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner").add_label("OLD")
    nlp.initialize()
    nlp.to_disk(tmp_path / "base")
    model_dir = train({"max_epochs": 6}, tmp_path, base=str(tmp_path / "base"))
    trained = spacy.load(model_dir)
    assert trained.pipe_names == ["sentencizer", "ner"]
    assert set(trained.get_pipe("ner").labels) == {"PLACE", "PERSON"}
    assert len(list(trained("One. Two.").sents)) == 2
    assert found(model_dir)[0] == [(0, 8, "PERSON"), (18, 22, "PLACE")]


@pytest.mark.parametrize("freeze", [True, False], ids=["frozen", "trained"])
def test_tok2vec_of_the_base_pipeline_can_be_used(tmp_path: Path, freeze: bool) -> None:
    import spacy

    def weights(folder: Path) -> bytes:
        return spacy.load(folder).get_pipe("tok2vec").model.to_bytes()

    nlp = spacy.blank("en")
    layers = {"width": 48, "depth": 2, "embed_size": 500, "window_size": 1, "maxout_pieces": 3}
    model = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "subword_features": True}
    nlp.add_pipe("tok2vec", config={"model": model | layers})
    nlp.initialize()
    nlp.to_disk(tmp_path / "base")
    config = {"max_epochs": 2, "use_pipeline_tok2vec": True, "freeze_tok2vec": freeze}
    model_dir = train(config, tmp_path, base=str(tmp_path / "base"))
    assert (weights(model_dir) == weights(tmp_path / "base")) is freeze
    direct = [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in spacy.load(model_dir).pipe(PROBE)]
    assert found(model_dir) == direct


@pytest.mark.parametrize(
    "config,sentence",
    [
        (
            {"extra_arguments": {"components.ner.model.hidden_with": 8}},
            "The spaCy config has no setting named 'components.ner.model.hidden_with'. Did you mean "
            "'components.ner.model.hidden_width'?",
        ),
        ({"extra_arguments": {"components.textcat.threshold": 1}}, "'components.textcat.threshold' is no setting that"),
        ({"use_pipeline_tok2vec": True}, "“Use the pipeline's tok2vec” is on, and the base pipeline has no"),
        ({"include_static_vectors": True}, "“Use the pipeline's vectors” is on, and the base pipeline has no word"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path: Path, config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        train({"max_epochs": 1} | config, tmp_path, data=span_data(train=8, validation=0))
    assert caught.value.message.startswith(sentence)


def test_the_default_model_is_spacys() -> None:
    from spacy.pipeline.ner import DEFAULT_NER_MODEL

    from engine.frameworks._spacy_ner import _model

    assert _model(SPACY.configs[TASK](), None) == DEFAULT_NER_MODEL
