"""spaCy, really trained on tiny data: quality, its own loader, stopping, selection, trained base pipelines."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from tests.frameworks.topics import Told, held_out_accuracy, scores_of, sentences, topic_data, train

pytestmark = pytest.mark.slow

QUICK = {"max_epochs": 20}
PROBE = "The striker missed a penalty."


@pytest.fixture(scope="module")
def tagger_pipeline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trained pipeline: a tok2vec and a tagger that listens to it."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    nlp.add_pipe(
        "tok2vec",
        config={
            "model": {
                "@architectures": "spacy.HashEmbedCNN.v2",
                "pretrained_vectors": None,
                "width": 48,
                "depth": 2,
                "embed_size": 500,
                "window_size": 1,
                "maxout_pieces": 3,
                "subword_features": True,
            }
        },
    )
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 48, "upstream": "tok2vec"}
    model = {"@architectures": "spacy.Tagger.v2", "nO": None, "normalize": False, "tok2vec": listener}
    nlp.add_pipe("tagger", config={"model": model})
    examples = [
        Example.from_dict(nlp.make_doc(text), {"tags": ["PRON", "VERB", "NOUN"]})
        for text in ("I like cats", "You love dogs")
    ]
    nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples)
    folder = tmp_path_factory.mktemp("pipeline")
    nlp.to_disk(folder)
    return str(folder)


def tags(model_dir: Path | str) -> list[str]:
    import spacy

    return [token.tag_ for token in spacy.load(model_dir)("I love cats")]


def train_on(base: str, config: dict[str, Any], folder: Path) -> Path:
    from engine.registry import FRAMEWORKS

    spacy_framework = FRAMEWORKS["spacy"]
    config_class = spacy_framework.configs["text-classification"]
    spacy_framework.train(config_class(**config), "text-classification", topic_data(), base, folder / "model", Told())
    return folder / "model"


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
@pytest.mark.parametrize("architecture", ["bow", "cnn", "ensemble"])
def test_learns_and_loads_with_spacy_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, multi_label: bool
) -> None:
    import spacy

    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    data, told = topic_data(multi_label=multi_label), Told()
    config = {"architecture": architecture, "learn_rate": 0.01 if architecture == "bow" else 0.001}
    model_dir = train("spacy", QUICK | config, data, tmp_path, told)
    assert held_out_accuracy("spacy", model_dir, data) >= (0.5 if multi_label else 0.7)
    nlp = spacy.load(model_dir)
    assert nlp(PROBE).cats == pytest.approx(scores_of("spacy", model_dir, PROBE), abs=1e-6)
    assert list(nlp.get_pipe(nlp.pipe_names[-1]).labels) == data.info["classes"]
    assert told.values("loss")[-1] < told.values("loss")[0]
    assert told.values("validation_f1_macro" if multi_label else "validation_accuracy")[-1] > 0.5
    assert told.steps[-1][0] == told.steps[-1][1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwd", "model"]
    assert list((tmp_path / "cwd").iterdir()) == []


def test_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    first = train("spacy", QUICK | {"seed": 3}, topic_data(), tmp_path / "a")
    second = train("spacy", QUICK | {"seed": 3}, topic_data(), tmp_path / "b")
    assert scores_of("spacy", first, PROBE) == scores_of("spacy", second, PROBE)


def test_stop_keeps_a_model_that_works(tmp_path: Path) -> None:
    told = Told(stop_after=4)
    model_dir = train("spacy", QUICK, topic_data(), tmp_path, told)
    assert "Stopped by its owner after step 3." in told.notes
    assert set(scores_of("spacy", model_dir, PROBE)) == {"weather", "cooking", "football"}


def test_patience_ends_training_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    told = Told()
    config = {"learn_rate": 1e-9, "max_epochs": 500, "patience": 12, "eval_frequency": 4}
    train("spacy", config, topic_data(), tmp_path, told)
    assert told.steps[-1][0] < 100
    assert any(note.startswith("Kept the weights of step ") for note in told.notes)


def test_without_validation_rows_nothing_is_selected(tmp_path: Path) -> None:
    told = Told()
    model_dir = train("spacy", QUICK | {"patience": 1}, topic_data(validation=0), tmp_path, told)
    assert told.steps[-1][0] > 20
    assert told.notes == ["Training on the CPU."]
    assert held_out_accuracy("spacy", model_dir, topic_data()) >= 0.7


def test_components_of_the_base_pipeline_stay_as_they_are(tmp_path: Path, tagger_pipeline: str) -> None:
    model_dir = train_on(tagger_pipeline, {"max_epochs": 3}, tmp_path)
    assert tags(model_dir) == tags(tagger_pipeline) == ["PRON", "VERB", "NOUN"]
    assert scores_of("spacy", model_dir, PROBE)


@pytest.mark.parametrize("freeze", [True, False], ids=["frozen", "trained"])
def test_tok2vec_of_the_base_pipeline_can_be_used(tmp_path: Path, tagger_pipeline: str, freeze: bool) -> None:
    import spacy

    def weights(folder: Path | str) -> bytes:
        return spacy.load(folder).get_pipe("tok2vec").model.to_bytes()

    config = {"max_epochs": 3, "architecture": "cnn", "use_pipeline_tok2vec": True, "freeze_tok2vec": freeze}
    model_dir = train_on(tagger_pipeline, config, tmp_path)
    assert (weights(model_dir) == weights(tagger_pipeline)) is freeze
    assert tags(model_dir) == ["PRON", "VERB", "NOUN"]
    cats = spacy.load(model_dir)(PROBE).cats
    assert cats == pytest.approx(scores_of("spacy", model_dir, PROBE), abs=1e-6)


def test_a_pipeline_that_has_a_categorizer_gets_a_new_one(tmp_path: Path) -> None:
    first = train("spacy", {"max_epochs": 1}, topic_data(), tmp_path / "first")
    second = train_on(str(first), QUICK, tmp_path / "second")
    assert held_out_accuracy("spacy", second, topic_data()) >= 0.7


def test_texts_without_a_word_are_counted(tmp_path: Path) -> None:
    import pyarrow as pa

    data, told = topic_data(), Told()
    empty = pa.table({"record_id": ["e"], "text": [""], "label": ["weather"]})
    data.train = pa.concat_tables([sentences(30, multi_label=False), empty])
    train("spacy", {"max_epochs": 1}, data, tmp_path, told)
    assert "1 training texts hold no word and were left out." in told.notes


@pytest.mark.parametrize(
    "base,config,sentence",
    [
        (
            "blank:en",
            {"extra_arguments": {"training.optimiser.eps": 1}},
            "The spaCy config has no setting named 'training.optimiser.eps'. Did you mean 'training.optimizer.eps'?",
        ),
        (
            "blank:en",
            {"extra_arguments": {"nlp.lang": "de"}},
            "'nlp.lang' is no setting that can be changed here.",
        ),
        (
            "blank:en",
            {"use_pipeline_tok2vec": True},
            "“Use the pipeline's tok2vec” is on, and the base pipeline has no",
        ),
        ("blank:en", {"include_static_vectors": True}, "“Use the pipeline's vectors” is on, and the base pipeline has"),
        ("blank:qq", {}, "spaCy has no pipeline for the language 'qq' here:"),
        ("no_such_pipeline", {}, "no_such_pipeline can't be loaded as a spaCy pipeline:"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path: Path, base: str, config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        train_on(base, {"max_epochs": 1} | config, tmp_path)
    assert caught.value.message.startswith(sentence)


def test_more_arguments_reach_spacys_config(tmp_path: Path) -> None:
    import spacy

    extra = {"training.optimizer.beta1": 0.5, "components.textcat.model.tok2vec.encode.maxout_pieces": 2}
    model_dir = train(
        "spacy", {"max_epochs": 1, "architecture": "cnn", "extra_arguments": extra}, topic_data(), tmp_path
    )
    saved = spacy.load(model_dir).config
    assert saved["training"]["optimizer"]["beta1"] == 0.5
    assert saved["components"]["textcat"]["model"]["tok2vec"]["encode"]["maxout_pieces"] == 2
