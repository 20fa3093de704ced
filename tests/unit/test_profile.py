"""The numbers shown when a dataset is loaded: each is counted by hand here."""

import json

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.distinct import Distinct, distinct
from engine.data.feedback_dataset import FeedbackDataset
from engine.data.fields import TextField
from engine.data.profile import profile
from engine.data.questions import LabelQuestion, MultiLabelQuestion, RatingQuestion, SpanQuestion
from engine.data.readers import read_table


def _dataset() -> FeedbackDataset:
    questions = [
        LabelQuestion(name="topic", labels=["x", "y", "z"]),
        MultiLabelQuestion(name="tags", labels=["t1", "t2"]),
        RatingQuestion(name="stars", values=[1, 2]),
        SpanQuestion(name="spans", field="text", labels=["P"]),
    ]
    dataset = FeedbackDataset([TextField(name="text"), TextField(name="note", required=False)], questions)

    def answer(user: str | None, status: str = "submitted", **values: object) -> dict:
        return {"user_id": user, "status": status, "values": values}

    rows = [
        ("one two", [answer("u1", topic="x", tags=["t1", "t2"]), answer("u2", topic="x"), answer(None, topic="y")]),
        ("one two", [answer("u1", topic="y", stars=2), answer("u2", "draft", topic="x")]),
        ("three", [answer("u3", topic="other", tags=[], spans=[{"start": 0, "end": 5, "label": "P"}])]),
        ("  ", []),
    ]
    dataset.add_records({"fields": {"text": text}, "responses": responses} for text, responses in rows)
    dataset.add_records({"fields": {"text": "four"}, "suggestions": [{"question_name": "topic", "value": "x"}]})
    return dataset


def test_profile_counts_the_whole_dataset() -> None:
    found = profile(_dataset())
    assert (found["records"], found["annotators"], found["answers"]) == (5, 4, 10)
    assert found["statuses"] == {"submitted": 9, "draft": 1, "discarded": 0}
    assert found["duplicates"] == {"field": "text", "texts": 1, "records": 2}
    assert json.loads(json.dumps(found)) == found


def test_profile_of_a_field_counts_words_and_missing_values() -> None:
    text, note = profile(_dataset())["fields"]
    assert (text["missing"], text["distinct"], text["max_chars"]) == (1, 4, 7)
    assert (text["median_words"], text["median_chars"]) == (1.5, 6.0)
    assert sum(text["length_histogram"]["counts"]) == 4
    assert note["missing"] == 5
    assert note["length_histogram"] is None


def test_profile_of_a_question_counts_submitted_answers_by_class() -> None:
    topic, tags, stars, spans = profile(_dataset())["questions"]
    assert topic["label_counts"] == {"x": 2, "y": 2, "z": 0, "other": 1}
    assert (topic["answered"], topic["unanswered"], topic["suggestions"]) == (3, 2, 1)
    assert topic["responses_per_record"] == {"0": 2, "1": 1, "2": 1, "3": 1}
    assert topic["statuses"] == {"submitted": 5, "draft": 1, "discarded": 0}
    assert topic["agreement"] == 0.3333  # of the three pairs of the first record one is equal
    assert tags["label_counts"] == {"t1": 1, "t2": 1}
    assert (tags["answered"], tags["agreement"]) == (2, None)
    assert stars["label_counts"] == {"1": 0, "2": 1}
    assert spans["label_counts"] == {"P": 1}


def test_profile_of_a_plain_table_counts_its_labels() -> None:
    frame = pd.DataFrame({"text": ["a b c"] * 30 + ["d e"] * 10, "n": range(40), "label": (["x"] * 3 + [None]) * 10})
    found = profile(read_table(frame))
    assert found["questions"][0]["label_counts"] == {"x": 30}
    assert found["questions"][0]["unanswered"] == 10
    assert found["duplicates"] == {"field": "text", "texts": 2, "records": 40}
    assert (found["annotators"], found["fields"][1]["median_words"]) == (1, None)


def test_profile_of_no_records_is_all_zero() -> None:
    found = profile(FeedbackDataset([TextField(name="text")], [LabelQuestion(name="q", labels=["a"])]))
    assert (found["records"], found["annotators"], found["answers"]) == (0, 0, 0)
    assert found["questions"][0]["label_counts"] == {"a": 0}
    assert found["duplicates"] == {"field": None, "texts": 0, "records": 0}


def test_profile_histogram_keeps_a_very_long_text_in_its_last_bin() -> None:
    frame = pd.DataFrame({"text": [("word " * (i % 10 + 1)).strip() for i in range(500)] + ["long " * 5000]})
    histogram = profile(read_table(frame))["fields"][0]["length_histogram"]
    assert sum(histogram["counts"]) == 501
    assert histogram["edges"][-1] == 25_000
    assert len(histogram["counts"]) <= 20


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=40))
def test_distinct_counts_like_a_counter(values: list[str | None]) -> None:
    import pyarrow as pa

    column = pa.chunked_array([pa.array(values[:7], pa.string()), pa.array(values[7:], pa.string())])
    present = [v for v in values if v is not None]
    _, counts = np.unique(np.array(present, object), return_counts=True) if present else (None, np.array([], int))
    assert distinct(column) == Distinct(len(counts), int((counts > 1).sum()), int(counts[counts > 1].sum()))
