"""prepare_for_training: the containers of each library, split or whole, and what it refuses."""

import datasets
import pytest
import spacy
from spacy.tokens import DocBin

from engine.data.questions import LabelQuestion, MultiLabelQuestion, RatingQuestion
from engine.errors import UserError
from engine.tasks.training_task import TrainingTask
from tests.annotated import annotated

MOOD = LabelQuestion(name="mood", labels=["bad", "so-so", "good"])
TAGS = MultiLabelQuestion(name="tags", labels=["price", "taste", "service", "other"])
STARS = RatingQuestion(name="stars", values=[1, 2, 3])
MOODS = {"unanimous": ["good", "good"], "two to one": ["bad", "good", "bad"], "none": []}
TAGGED = {"both": [["taste", "price"]], "none apply": [[]]}


def prepare(question, records, framework, **options):
    task = TrainingTask.for_text_classification(text="text", label=question)
    return annotated(question, records).prepare_for_training(framework, task, **options)


def docs(doc_bin: DocBin) -> list[spacy.tokens.Doc]:
    return list(doc_bin.get_docs(spacy.blank("en").vocab))


@pytest.mark.parametrize("framework", ["transformers", "setfit", "peft"])
def test_one_label_gives_a_dataset_with_class_ids_in_the_questions_order(framework):
    prepared = prepare(MOOD, MOODS, framework)
    assert prepared.features == datasets.Features(
        id=datasets.Value("int32"),
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["bad", "so-so", "good"]),
    )
    assert list(prepared) == [
        {"id": 0, "text": "unanimous", "label": 2},
        {"id": 1, "text": "two to one", "label": 0},
    ]


def test_several_labels_give_ids_in_their_order_and_a_vector_as_wide_as_the_question():
    prepared = prepare(TAGS, TAGGED, "transformers")
    assert list(prepared) == [
        {"id": 0, "text": "both", "label": [1, 0], "binarized_label": [1, 1, 0, 0]},
        {"id": 1, "text": "none apply", "label": [], "binarized_label": [0, 0, 0, 0]},
    ]
    assert prepared.features["binarized_label"].feature.names == ["price", "taste", "service", "other"]


def test_ratings_are_classes_named_by_their_values():
    task = TrainingTask.for_text_classification(text="text", label=STARS, label_strategy="majority")
    prepared = annotated(STARS, {"a": [3], "b": [1]}).prepare_for_training("transformers", task)
    assert prepared.features["label"].names == ["1", "2", "3"]
    assert prepared["label"][:] == [2, 0]


@pytest.mark.parametrize("framework", ["spacy", "spacy-transformers"])
def test_spacy_gets_docs_with_a_category_for_every_class(framework):
    first, second = docs(prepare(MOOD, MOODS, framework))
    assert [token.text for token in second] == ["two", "to", "one"]
    assert first.cats == {"bad": 0, "so-so": 0, "good": 1}
    assert docs(prepare(TAGS, TAGGED, framework))[0].cats == {"price": 1, "taste": 1, "service": 0, "other": 0}


def test_spacy_tokenises_with_a_language_code_or_a_pipeline():
    records = {"don't": ["good"]}
    assert [t.text for t in docs(prepare(MOOD, records, "spacy", lang="en"))[0]] == ["do", "n't"]
    assert [t.text for t in docs(prepare(MOOD, records, "spacy", lang="xx"))[0]] == ["don't"]
    assert [t.text for t in docs(prepare(MOOD, records, "spacy", lang=spacy.blank("xx")))[0]] == ["don't"]
    with pytest.raises(UserError) as error:
        prepare(MOOD, records, "spacy", lang="no_such_pipeline")
    assert error.value.message == "spaCy knows no language and no installed pipeline named 'no_such_pipeline'."


def test_openai_gets_prompts_and_class_numbers():
    assert prepare(MOOD, MOODS, "openai") == [
        {"prompt": "unanimous\n\n###\n\n", "completion": " 2"},
        {"prompt": "two to one\n\n###\n\n", "completion": " 0"},
    ]
    assert [row["completion"] for row in prepare(TAGS, TAGGED, "openai")] == [" 1 0", " "]


def test_spark_nlp_gets_a_frame_with_the_labels_names():
    assert prepare(TAGS, TAGGED, "spark-nlp").to_dict("records") == [
        {"text": "both", "labels": ["taste", "price"]},
        {"text": "none apply", "labels": []},
    ]


def test_a_train_size_below_one_splits_in_two():
    records = {f"t{i}": [MOOD.labels[i % 3]] for i in range(10)}
    parts = prepare(MOOD, records, "transformers", train_size=0.7, seed=1)
    assert isinstance(parts, datasets.DatasetDict)
    assert (len(parts["train"]), len(parts["test"])) == (7, 3)
    assert sorted([*parts["train"]["id"], *parts["test"]["id"]]) == list(range(10))
    train, test = prepare(MOOD, records, "spacy", train_size=0.8, test_size=0.2)
    assert (len(docs(train)), len(docs(test))) == (8, 2)
    train, test = prepare(MOOD, records, "openai", train_size=0.5)
    assert (len(train), len(test)) == (5, 5)


def test_a_train_size_of_none_is_everything():
    assert len(prepare(MOOD, MOODS, "transformers", train_size=None)) == 2


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train_size": 1.2}, "test_size is -0.2; it must be 0 or more."),
        ({"train_size": -0.1}, "train_size is -0.1; it must be 0 or more."),
        ({"train_size": 0.5, "test_size": 0.2}, "train_size and test_size must sum to 1; 0.5 and 0.2 sum to 0.7."),
        ({"train_size": 0}, "train_size is 0, so there would be nothing to learn from."),
    ],
)
def test_sizes_that_make_no_sense_are_refused(sizes, message):
    with pytest.raises(UserError) as error:
        prepare(MOOD, MOODS, "transformers", **sizes)
    assert error.value.message == message


def test_a_framework_without_a_format_for_the_task_lists_those_that_have_one():
    with pytest.raises(UserError) as error:
        prepare(MOOD, MOODS, "trl")
    assert error.value.message == "prepare_for_training has no format for 'trl' with the task 'text-classification'."
    assert error.value.hint == (
        "Choose one of: transformers, setfit, peft, spacy, spacy-transformers, openai, spark-nlp."
    )


def test_one_class_only_from_a_function_is_refused():
    dataset = annotated(MOOD, MOODS)
    for label, shown in (("same", "the label 'same'"), ([], "no label")):
        task = TrainingTask.for_text_classification(lambda sample, label=label: (sample["text"], label))
        with pytest.raises(UserError) as error:
            dataset.prepare_for_training("transformers", task)
        assert error.value.message == f"All rows have {shown}; a classifier needs at least two different labels."


def test_preparing_again_with_another_strategy_starts_afresh():
    dataset = annotated(MOOD, {"split": ["bad", "good", "bad"]})
    labels = []
    for strategy in ("majority", "disagreement", "majority"):
        task = TrainingTask.for_text_classification(text="text", label=MOOD, label_strategy=strategy)
        labels.append(dataset.prepare_for_training("transformers", task)["label"][:])
    assert labels == [[0], [0, 2], [0]]
