"""ArgillaTrainer: the guide's line in a script, on the bundled example and real frameworks."""

import json
from pathlib import Path

import pytest

from engine import ArgillaTrainer, FeedbackDataset, TrainingTask, UserError
from tests.hub_server import HubServer

DATASET = FeedbackDataset.example()
TASK = TrainingTask.for_text_classification(text=DATASET.field_by_name("text"), label=DATASET.question_by_name("topic"))


def trainer(**arguments: object) -> ArgillaTrainer:
    defaults = {"dataset": DATASET, "task": TASK, "framework": "spacy", "train_size": 0.8}
    return ArgillaTrainer(**defaults | arguments)


@pytest.mark.slow
def test_happy_path_of_the_guide(tmp_path: Path) -> None:
    facts = {"license": "cc-by-4.0", "language": "en", "model_description": "Sorts messages."}
    spacy_trainer = trainer(framework_kwargs={"model_card_kwargs": facts})
    spacy_trainer.update_config(max_epochs=3)
    spacy_trainer.train(output_dir=tmp_path / "my_model")
    metrics = spacy_trainer.report["metrics"]
    assert metrics["accuracy"] > spacy_trainer.report["baseline"]["metrics"]["accuracy"] + 0.1
    scores = spacy_trainer.predict("Where is my parcel? It should have been here on Monday.")
    assert [entry["label"] for entry in scores] != []
    assert sum(entry["score"] for entry in scores) == pytest.approx(1, abs=1e-3)
    assert spacy_trainer.predict(["a parcel", "an invoice"])[0] == spacy_trainer.predict("a parcel")

    import spacy

    assert set(spacy.load(tmp_path / "my_model")("a parcel").cats) == set(DATASET.question_by_name("topic").labels)
    assert not list(Path.cwd().glob("*.spacy"))

    again = ArgillaTrainer.load(tmp_path / "my_model")
    assert again.predict("a parcel") == spacy_trainer.predict("a parcel")
    assert again.report["metrics"] == metrics
    again.save(tmp_path / "copy")
    card = (tmp_path / "copy" / "README.md").read_text()
    assert "library_name: spacy" in card
    assert "license: cc-by-4.0" in card
    assert "Sorts messages." in card
    assert (
        spacy.load(tmp_path / "copy")("a parcel").cats.keys()
        == spacy.load(tmp_path / "my_model")("a parcel").cats.keys()
    )


@pytest.mark.slow
def test_formatting_func_runs_in_the_callers_process(tmp_path: Path) -> None:
    seen = []

    def formatting_func(sample: dict) -> tuple[str, str] | None:
        seen.append(sample["external_id"])
        answers = [answer["value"] for answer in sample["topic"] if answer["status"] == "submitted"]
        return (sample["text"], answers[0]) if answers else None

    task = TrainingTask.for_text_classification(formatting_func=formatting_func)
    run = trainer(task=task, max_records=200)
    assert len(seen) == 200
    run.update_config(max_steps=20)
    run.train(output_dir=tmp_path / "model")
    record = json.loads((tmp_path / "model" / ".annotune" / "run.json").read_text())
    assert record["task"] == {"task": "text-classification", "function": formatting_func.__qualname__}


def test_filter_sort_and_limit_choose_the_records() -> None:
    submitted = trainer(filter_by={"response_status": "submitted"}, sort_by=["-external_id"], max_records=50)
    table = submitted._prepared.data.train
    assert 30 < len(table) <= 40
    ids = set(table["record_id"].to_pylist())
    newest = sorted((record.external_id for record in DATASET.records), reverse=True)[:80]
    assert ids <= set(newest)


def test_train_size_splits_in_two() -> None:
    data = trainer(train_size=0.7)._prepared.data
    assert data.validation is None
    assert len(data.train) == int(0.7 * (len(data.train) + len(data.test)))
    whole = trainer(train_size=None)._prepared.data
    assert whole.test is None


def test_predict_before_train_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        trainer().predict("text")
    assert str(caught.value) == "This model has not been trained yet. Call train(output_dir=...) first."


@pytest.mark.parametrize(
    "arguments,sentence",
    [
        ({"framework": "setfitt"}, "There is no framework named 'setfitt'. Did you mean 'setfit'?"),
        ({"train_size": 1.5}, "train_size must be above 0 and, with validation_size, at most 1; got 1.5 and 0.0."),
        ({"gpu_id": 99}, "There is no GPU number 99: this machine has"),
        (
            {"framework_kwargs": {"cross_encoder": True}},
            "framework_kwargs has 'cross_encoder', which spaCy does not know.",
        ),
        ({"filter_by": {"response_status": "sent"}}, "sent"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(arguments: dict, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        trainer(**arguments)
    assert sentence in str(caught.value)


def test_unknown_hyperparameter_changes_nothing() -> None:
    run = trainer()
    before = run.config
    with pytest.raises(UserError, match="There is no hyperparameter 'max_epoch' here. Did you mean 'max_epochs'?"):
        run.update_config(max_epochs=7, max_epoch=3)
    assert run.config == before


def test_upstream_config_objects_are_taken() -> None:
    from peft import LoraConfig

    run = trainer(framework="peft")
    run.update_config(peft_config=LoraConfig(r=4, lora_alpha=8, target_modules=["query"], layers_to_transform=[0]))
    assert (run.config.r, run.config.lora_alpha, run.config.target_modules) == (4, 8, ["query"])
    assert run.config.lora_arguments == {"layers_to_transform": [0]}


def test_model_in_memory_is_no_base_for_an_adapter() -> None:
    class Model:
        def save_pretrained(self, folder: Path) -> None: ...

    with pytest.raises(UserError, match="finds its base model by name, so it can't train a model from memory"):
        trainer(framework="peft", model=Model())


@pytest.mark.slow
def test_loaded_model_and_tokenizer_are_taken(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from engine import locate

    base = locate("sentence-transformers/all-MiniLM-L6-v2")
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=5)
    tokenizer = AutoTokenizer.from_pretrained(base)
    run = trainer(framework="transformers", model=model, tokenizer=tokenizer, max_records=40)
    run.update_config(max_steps=2)
    run.train(output_dir=tmp_path / "model")
    assert len(run.predict("a parcel")) == 5


EXAMPLE = Path(__file__).parents[2] / "examples" / "support_messages"
KEPT = {".yaml", ".parquet", ".md"}


@pytest.mark.slow
def test_guide_as_written_from_a_hub_dataset_to_a_model_on_the_hub(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {str(path.relative_to(EXAMPLE)): path.read_bytes() for path in EXAMPLE.rglob("*") if path.suffix in KEPT}
    hub.add_repo("dataset", "argilla/emotion", files)
    monkeypatch.chdir(tmp_path)
    dataset = FeedbackDataset.from_huggingface(repo_id="argilla/emotion")
    task = TrainingTask.for_text_classification(
        text=dataset.field_by_name("text"),
        label=dataset.question_by_name("topic"),
        label_strategy=None,  # default presets
    )
    setfit_trainer = ArgillaTrainer(dataset=dataset, task=task, framework="setfit", max_records=80)
    setfit_trainer.update_config(num_iterations=1)
    setfit_trainer.train(output_dir="my_setfit_model")
    scores = setfit_trainer.predict("This is awesome!")
    assert {entry["label"] for entry in scores} == set(dataset.question_by_name("topic").labels)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "hf_home") == ["my_setfit_model"]

    from setfit import SetFitModel

    loaded = SetFitModel.from_pretrained("my_setfit_model")
    assert str(loaded.predict(["This is awesome!"])[0]) == scores[0]["label"]

    url = setfit_trainer.push_to_huggingface("ann/emotions", token="hf_ann")
    assert url == f"{hub.url}/ann/emotions"
    assert hub.repo("model", "ann/emotions").private
    assert {"model.safetensors", "model_head.pkl", "README.md"} <= set(hub.files("model", "ann/emotions"))
    card = hub.files("model", "ann/emotions")["README.md"].decode()
    assert "argilla/emotion" in card
    assert "no test rows" in card.lower() or "not tested" in card.lower()
