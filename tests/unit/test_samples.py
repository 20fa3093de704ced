"""Samples: the rows a formatting_func gets. Keys, order and value shapes are those of Argilla 1.x."""

from engine.data.derived import DerivedQuestion
from engine.data.feedback_dataset import FeedbackDataset
from engine.data.fields import TextField
from engine.data.questions import LabelQuestion, RankingQuestion, RatingQuestion, SpanQuestion

NOTHING = {"type": None, "score": None, "agent": None}


def _dataset(vectors: bool = False) -> FeedbackDataset:
    questions = [
        LabelQuestion(name="topic", labels=["x", "y"]),
        RankingQuestion(name="order", values=["a", "b"]),
        SpanQuestion(name="spans", field="text", labels=["P"]),
    ]
    settings = [{"name": "v", "dimensions": 2}] if vectors else None
    return FeedbackDataset([TextField(name="text")], questions, vectors_settings=settings)


def _answered() -> dict:
    return {
        "fields": {"text": "hello world"},
        "responses": [
            {
                "user_id": "u1",
                "values": {
                    "topic": "x",
                    "order": [{"value": "b", "rank": 1}, {"value": "a", "rank": 2}],
                    "spans": [{"start": 0, "end": 5, "label": "P"}],
                },
            },
            {"user_id": None, "status": "discarded", "values": {}},
        ],
        "suggestions": [
            {"question_name": "topic", "value": "y", "score": 0.5, "type": "model", "agent": "bot"},
            {"question_name": "spans", "value": [{"start": 6, "end": 11, "label": "P", "score": 0.25}]},
        ],
        "metadata": {"n": 3},
        "external_id": "e",
        "vectors": {"v": [0.5, 1.0]},
    }


def test_sample_has_the_ancestors_keys_and_values() -> None:
    dataset = _dataset(vectors=True)
    dataset.add_records(_answered())
    (row,) = dataset.format_as("datasets").to_list()
    assert row == {
        "text": "hello world",
        "topic": [{"user_id": "u1", "value": "x", "status": "submitted"}],
        "topic-suggestion": "y",
        "topic-suggestion-metadata": {"type": "model", "score": 0.5, "agent": "bot"},
        "order": [{"user_id": "u1", "value": {"rank": [1, 2], "value": ["b", "a"]}, "status": "submitted"}],
        "order-suggestion": None,
        "order-suggestion-metadata": NOTHING,
        "spans": [
            {
                "user_id": "u1",
                "value": {"start": [0], "end": [5], "label": ["P"], "text": ["hello"]},
                "status": "submitted",
            }
        ],
        "spans-suggestion": {"start": [6], "end": [11], "label": ["P"], "text": ["world"], "score": [0.25]},
        "spans-suggestion-metadata": NOTHING,
        "external_id": "e",
        "metadata": '{"n": 3}',
        "vectors": {"v": [0.5, 1.0]},
    }
    assert list(row) == [
        "text",
        *(
            f"{name}{end}"
            for name in ("topic", "order", "spans")
            for end in ("", "-suggestion", "-suggestion-metadata")
        ),
        "external_id",
        "metadata",
        "vectors",
    ]


def test_sample_of_unanswered_record_is_empty_not_missing() -> None:
    dataset = _dataset()
    dataset.add_records({"fields": {"text": "a"}})
    (row,) = dataset.samples()
    assert (row["topic"], row["topic-suggestion"], row["topic-suggestion-metadata"]) == ([], None, NOTHING)
    assert (row["metadata"], row["external_id"]) == ("{}", None)
    assert "vectors" not in row


def test_samples_of_a_part_are_the_rows_of_the_whole() -> None:
    dataset = _dataset()
    for start in range(0, 3000, 1500):  # two chunks, and more than one batch in each
        dataset.add_records({"fields": {"text": f"t{i}"}} for i in range(start, start + 1500))
    whole = dataset.format_as("datasets")
    assert [row["text"] for row in dataset.samples(1400, 2600)] == whole["text"][1400:2600]
    assert list(dataset.samples(2990, 5000)) == whole.to_list()[2990:]
    assert list(dataset.samples(5, 2)) == []


def test_sample_of_dataset_without_records_has_its_columns() -> None:
    assert _dataset().format_as("datasets").column_names[0] == "text"
    assert len(_dataset().format_as("datasets")) == 0


def test_sample_of_derived_question_has_its_answer_in_place_of_the_field() -> None:
    plain = FeedbackDataset([TextField(name="text"), TextField(name="stars", required=False)], [])
    plain.add_records([{"fields": {"text": "a", "stars": "4"}}, {"fields": {"text": "b"}}])
    dataset = plain.with_questions_from_fields(
        [DerivedQuestion(field="stars", question=RatingQuestion(name="stars", values=[1, 4]))]
    )
    first, second = dataset.samples()
    assert first["stars"] == [{"user_id": None, "value": 4, "status": "submitted"}]
    assert second["stars"] == []


def test_sample_shows_a_source_column_called_metadata_itself() -> None:
    dataset = FeedbackDataset([TextField(name="metadata")], [LabelQuestion(name="q", labels=["x"])])
    dataset.add_records({"fields": {"metadata": "mine"}, "metadata": {"n": 1}})
    assert next(dataset.samples())["metadata"] == "mine"
