"""Records to rows and back: every question type, anonymous and named annotators, and what does not fit."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.derived import DerivedQuestion
from engine.data.feedback_dataset import FeedbackDataset
from engine.data.fields import TextField
from engine.data.questions import (
    LabelQuestion,
    MultiLabelQuestion,
    RankingQuestion,
    RatingQuestion,
    SpanQuestion,
    TextQuestion,
)
from engine.data.records import FeedbackRecord
from engine.errors import UserError

ANN = uuid.uuid5(uuid.NAMESPACE_DNS, "ann")


def _dataset() -> FeedbackDataset:
    questions = [
        TextQuestion(name="answer", required=False),
        LabelQuestion(name="topic", labels=["x", "y"]),
        MultiLabelQuestion(name="tags", labels=["t1", "t2", "t3"]),
        RatingQuestion(name="stars", values=[1, 2, 3, 4, 5]),
        RankingQuestion(name="order", values=["a", "b"]),
        SpanQuestion(name="spans", field="text", labels=["P", "Q"]),
    ]
    fields = [TextField(name="text"), TextField(name="note", required=False)]
    return FeedbackDataset(fields, questions, vectors_settings=[{"name": "v", "dimensions": 2}])


def _full_record() -> dict[str, Any]:
    return {
        "fields": {"text": "hello world", "note": "seen"},
        "responses": [
            {
                "user_id": str(ANN),
                "status": "submitted",
                "values": {
                    "answer": {"value": "better"},
                    "topic": {"value": "x"},
                    "tags": {"value": ["t1", "t3"]},
                    "stars": {"value": 4},
                    "order": {"value": [{"value": "b", "rank": 1}, {"value": "a", "rank": 2}]},
                    "spans": {"value": [{"start": 0, "end": 5, "label": "P"}]},
                },
            }
        ],
        "suggestions": [
            {"question_name": "tags", "value": ["t2", "t1"], "score": 0.5, "type": "model", "agent": "bot"},
            {"question_name": "spans", "value": [{"start": 6, "end": 11, "label": "Q", "score": 0.25}]},
        ],
        "metadata": {"source": "web", "n": 3},
        "vectors": {"v": [0.5, 1.0]},
        "external_id": "e-1",
    }


def _answers(record: FeedbackRecord, question: str) -> list[tuple[str | None, Any, str]]:
    return [(r.user_id, r.values[question].value, r.status) for r in record.responses if question in r.values]


def _refused(dataset: FeedbackDataset, record: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        dataset.add_records([{"fields": {"text": "fine"}}, record])
    assert len(dataset) == 0
    return str(caught.value)


def test_record_of_every_question_type_comes_back_the_same() -> None:
    dataset = _dataset()
    dataset.add_records(_full_record())
    expected = FeedbackRecord.model_validate(_full_record())
    expected.suggestions[0].score = [0.5, 0.5]  # one score for two labels is the score of both
    assert dataset.records[0] == expected


def test_record_keeps_every_answer_of_anonymous_and_named_annotators() -> None:
    dataset = _dataset()
    answers = [(None, "x", "submitted"), (ANN, "y", "submitted"), (None, "y", "draft"), (None, "y", "submitted")]
    responses = [{"user_id": u, "values": {"topic": v, "stars": 2}, "status": s} for u, v, s in answers]
    dataset.add_records({"fields": {"text": "a"}, "responses": responses})
    record = dataset.records[0]
    assert sorted(map(str, _answers(record, "topic"))) == sorted(str((u and str(u), v, s)) for u, v, s in answers)
    assert all(response.values["stars"].value == 2 for response in record.responses)
    assert len(record.responses) == 4


def test_record_without_optional_field_holds_none() -> None:
    dataset = _dataset()
    dataset.add_records({"fields": {"text": "a"}})
    assert dataset.records[0].fields == {"text": "a", "note": None}


def test_record_id_is_the_external_id_when_no_other_record_has_it() -> None:
    dataset = _dataset()
    dataset.add_records([{"fields": {"text": "a"}, "external_id": x} for x in ("e1", None, "e1", "r5", None)])
    assert dataset.table["record_id"].to_pylist() == ["e1", "r2", "r3", "r5", "r5-2"]
    dataset.add_records({"fields": {"text": "b"}, "external_id": "e1"})
    assert dataset.table["record_id"].to_pylist()[-1] == "r6"
    assert dataset.table["external_id"].to_pylist() == ["e1", None, "e1", "r5", None, "e1"]


def test_record_accepts_a_label_outside_the_classes() -> None:
    dataset = _dataset()
    dataset.add_records({"fields": {"text": "a"}, "responses": {"values": {"topic": "unheard of"}}})
    assert _answers(dataset.records[0], "topic") == [(None, "unheard of", "submitted")]


def test_record_with_unknown_field_is_refused() -> None:
    assert _refused(_dataset(), {"fields": {"txt": "a"}}) == (
        "Record 2 has a field 'txt', which the dataset does not have. Its fields: text, note."
    )


def test_record_without_required_field_is_refused() -> None:
    assert _refused(_dataset(), {"fields": {"note": "a"}}) == (
        "Record 2 has no value for the field 'text', which every record must have. "
        "Give it a value, or declare the field with required=False."
    )


def test_record_with_unknown_question_is_refused() -> None:
    record = {"fields": {"text": "a"}, "responses": [{"values": {"topics": "x"}}]}
    assert _refused(_dataset(), record) == (
        "Record 2 has a question 'topics', which the dataset does not have. "
        "Its questions: answer, topic, tags, stars, order, spans."
    )


def test_record_with_list_in_text_field_is_refused() -> None:
    assert _refused(_dataset(), {"fields": {"text": ["a"]}}) == (
        "Record 2: the field 'text' holds text, not list (['a']). Give a value of that type for 'text'."
    )


@pytest.mark.parametrize(
    ("question", "value", "sentence"),
    [
        ("stars", "many", "the question 'stars' takes a whole number, not str ('many')"),
        ("tags", "t1", "the question 'tags' takes a list of labels, not str ('t1')"),
        ("topic", ["x"], "the question 'topic' takes one label, not list (['x'])"),
        ("order", ["a", "b"], "the question 'order' takes a list of {\"value\", \"rank\"}, not list (['a', 'b'])"),
    ],
)
def test_record_with_wrong_value_is_refused(question: str, value: Any, sentence: str) -> None:
    message = _refused(_dataset(), {"fields": {"text": "a"}, "responses": [{"values": {question: value}}]})
    assert message.startswith(f"Record 2: {sentence}.")


def test_record_with_span_outside_the_text_is_refused() -> None:
    values = {"spans": [{"start": 0, "end": 9, "label": "P"}]}
    assert _refused(_dataset(), {"fields": {"text": "short"}, "responses": [{"values": values}]}) == (
        "Record 2: the question 'spans' marks characters 0 to 9, but the field 'text' has 5 characters. "
        "Spans count characters from 0; the end is one after the last character."
    )


def test_record_with_two_suggestions_for_a_question_is_refused() -> None:
    suggestions = [{"question_name": "topic", "value": label} for label in "xy"]
    assert _refused(_dataset(), {"fields": {"text": "a"}, "suggestions": suggestions}) == (
        "Record 2 has 2 suggestions for the question 'topic'; a record has at most one. Keep one of them."
    )


def test_record_with_wrong_vector_length_is_refused() -> None:
    assert _refused(_dataset(), {"fields": {"text": "a"}, "vectors": {"v": [1.0]}}) == (
        "Record 2: the vector 'v' has 1 dimensions, not 2. Give 2 numbers, as the dataset's settings say."
    )


def test_record_with_unknown_key_is_refused() -> None:
    assert _refused(_dataset(), {"fields": {"text": "a"}, "lables": []}).startswith(
        "Record 2 is not a record: lables: Extra inputs are not permitted."
    )


def test_record_added_to_derived_question_is_stored_in_its_field(tmp_path: Any) -> None:
    plain = FeedbackDataset([TextField(name="text"), TextField(name="labels", required=False)], [])
    plain.add_records({"fields": {"text": "a", "labels": "x, y"}})
    derived = DerivedQuestion(
        field="labels", question=MultiLabelQuestion(name="labels", labels=["x", "y"]), separator=","
    )
    dataset = plain.with_questions_from_fields([derived])
    dataset.add_records({"fields": {"text": "b"}, "responses": {"values": {"labels": ["y"]}}})
    dataset.save(tmp_path)
    again = FeedbackDataset.load(tmp_path)
    assert [_answers(record, "labels") for record in again.records] == [
        [(None, ["x", "y"], "submitted")],
        [(None, ["y"], "submitted")],
    ]


_VALUES = {"topic": st.sampled_from(["x", "y", "other"]), "stars": st.integers(-5, 9), "tags": st.lists(st.text())}
_RESPONSES = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from([None, str(ANN), "u2"]),
            "status": st.sampled_from(["submitted", "draft", "discarded"]),
            "values": st.fixed_dictionaries({}, optional=_VALUES),
        }
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(responses=_RESPONSES, text=st.text(), metadata=st.dictionaries(st.text(), st.integers()))
def test_record_round_trip_loses_no_answer(responses: list, text: str, metadata: dict) -> None:
    dataset = _dataset()
    dataset.add_records({"fields": {"text": text}, "responses": responses, "metadata": metadata})
    record = dataset.records[0]
    assert (record.fields["text"], record.metadata) == (text, metadata)
    for question in _VALUES:
        asked = [(r["user_id"], r["values"][question], r["status"]) for r in responses if question in r["values"]]
        assert sorted(map(json.dumps, asked)) == sorted(map(json.dumps, _answers(record, question)))
