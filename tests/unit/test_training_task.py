"""TrainingTask: what may be given, what is refused and how, and the round trip through a run file."""

import json

import pytest

from engine.data.fields import Field, TextField
from engine.data.questions import LabelQuestion, RankingQuestion, RatingQuestion, SpanQuestion, TextQuestion
from engine.data.strategies import LabelQuestionStrategy, LabelQuestionUnification, RatingQuestionUnification
from engine.errors import UserError
from engine.tasks.training_task import TrainingTask

TEXT = TextField(name="body")
TOPIC = LabelQuestion(name="topic", labels=["x", "y"])
STARS = RatingQuestion(name="stars", values=[1, 2, 3])
CODE = "def formatting_func(sample):\n    return sample['body'], 'x'\n"


def by_hand(sample: dict) -> tuple[str, str]:
    return sample["body"], "x"


def refusal(**given) -> UserError:
    with pytest.raises(UserError) as error:
        TrainingTask.for_text_classification(**given)
    return error.value


def test_field_and_question_give_names_and_the_default_strategy():
    task = TrainingTask.for_text_classification(text=TEXT, label=STARS)
    assert task == TrainingTask("text-classification", {"text": "body", "label": "stars"}, "mean")
    assert not task.is_formatted


def test_names_and_a_strategy_are_taken_as_given():
    task = TrainingTask.for_text_classification(text="body", label="topic", label_strategy="disagreement")
    assert task.fields == {"text": "body", "label": "topic"}
    assert task.strategy == "disagreement"


def test_the_function_comes_first_as_in_argilla():
    task = TrainingTask.for_text_classification(by_hand)
    assert task.formatting_func is by_hand
    assert task.is_formatted


def test_a_unification_brings_its_strategy():
    label = LabelQuestionUnification(question=TOPIC, strategy="disagreement")
    assert TrainingTask.for_text_classification(text=TEXT, label=label).strategy == "disagreement"
    enum = TrainingTask.for_text_classification(
        text=TEXT, label=TOPIC, label_strategy=LabelQuestionStrategy.DISAGREEMENT
    )
    assert enum.strategy == "disagreement"


def test_a_unification_and_a_strategy_are_refused():
    error = refusal(text=TEXT, label=RatingQuestionUnification(question=STARS, strategy="max"), label_strategy="min")
    assert error.message == "label_strategy was given, but RatingQuestionUnification already holds the strategy 'max'."
    assert error.hint == "Leave label_strategy out."


def test_a_strategy_that_the_question_has_not_is_refused():
    error = refusal(text=TEXT, label=TOPIC, label_strategy="mean")
    assert error.message == "The question 'topic' has no strategy named 'mean'."
    assert error.hint == "Its strategies: majority, disagreement."


def test_a_function_together_with_fields_is_refused():
    error = refusal(formatting_func=by_hand, text=TEXT, label=TOPIC)
    assert error.message == (
        "A formatting_func was given together with text and label; only one of the two ways can be used."
    )
    assert "together with text;" in refusal(formatting_func=by_hand, text=TEXT).message
    assert "together with label_strategy;" in refusal(formatting_func=by_hand, label_strategy="majority").message


def test_a_missing_label_or_text_is_refused_by_name():
    assert refusal().message == "Text classification needs text=…, and none was given."
    assert refusal(text=TEXT).message == "Text classification needs label=…, and none was given."
    assert refusal(label=TOPIC).hint == "Give text=dataset.field_by_name(…), or a formatting_func."


@pytest.mark.parametrize(
    ("question", "kind"),
    [(TextQuestion(name="note"), "text"), (SpanQuestion(name="note", field="body", labels=["x"]), "span")],
)
def test_a_question_without_classes_is_refused(question, kind):
    error = refusal(text=TEXT, label=question)
    assert error.message == f"The {kind} question 'note' can't be the label of text classification."
    assert error.hint == "A label, multi-label, rating or ranking question. Or write a formatting_func."


def test_a_ranking_question_may_be_the_label():
    task = TrainingTask.for_text_classification(text=TEXT, label=RankingQuestion(name="order", values=["a", "b"]))
    assert task.strategy == "majority"


def test_things_of_another_kind_are_refused_by_their_type():
    assert refusal(text=TEXT, label=TEXT).message == "label must be a question; TextField was given."
    assert refusal(text=TOPIC, label=TOPIC).message == "text must be a text field; LabelQuestion was given."
    assert refusal(text=Field(name="pic", type="image"), label=TOPIC).message == (
        "text must be a text field; a field of type 'image' was given."
    )
    assert refusal(formatting_func="body").message == (
        "formatting_func must be a function that takes a sample; str was given."
    )


@pytest.mark.parametrize(
    "task",
    [
        TrainingTask.for_text_classification(text=TEXT, label=TOPIC),
        TrainingTask.for_text_classification(text="body", label="topic"),
        TrainingTask.from_code("text-classification", CODE),
    ],
)
def test_a_run_file_brings_the_task_back(task):
    assert TrainingTask.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_code_goes_into_the_run_file_with_its_checksum():
    stored = TrainingTask.from_code("text-classification", CODE).to_dict()
    assert set(stored) == {"task", "code", "code_sha256"}
    with pytest.raises(UserError) as error:
        TrainingTask.from_dict(stored | {"code": CODE + "import os\n"})
    assert error.value.message == ("The formatting code in the run file is not the code that its checksum belongs to.")


def test_a_python_function_leaves_only_its_name_in_the_run_file():
    stored = TrainingTask.for_text_classification(by_hand).to_dict()
    assert stored == {"task": "text-classification", "function": "by_hand"}
    assert TrainingTask.from_dict(stored).is_formatted


def test_an_unknown_key_in_a_run_file_is_refused():
    with pytest.raises(UserError) as error:
        TrainingTask.from_dict({"task": "text-classification", "feilds": {}})
    assert error.value.message == "The task of the run file has an unknown key 'feilds'."
