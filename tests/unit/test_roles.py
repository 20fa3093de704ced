"""What columns are taken for, and the questions that come of it."""

from typing import Any

import pandas as pd
import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.readers import read_table
from engine.data.roles import derived_for, guess_roles, role_as
from engine.errors import UserError

TEXTS = [f"This is the message number {i}, and it says something." for i in range(40)]


def _roles(**columns: list[Any]) -> dict[str, str]:
    dataset = read_table(pd.DataFrame({"text": TEXTS} | columns))
    return {role.name: role.role for role in guess_roles(dataset)}


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("category", ["a", "b"] * 20, "label"),
        ("whatever", ["a", "b"] * 20, "label"),
        ("whatever", [0, 1, 2, 3] * 10, "label"),
        ("whatever", [1.0, 2.0, float("nan"), 1.0] * 10, "label"),
        ("whatever", [True, False] * 20, "label"),
        ("label", ["only one"] * 40, "label"),
        ("whatever", ["only one"] * 40, "other"),
        ("labels", ["a, b", "a", "b", "b, c"] * 10, "multi-label"),
        ("codes", ["4", "4|27", "27", "3"] * 10, "multi-label"),
        ("tags", [["a"], ["a", "b"], [], ["b"]] * 10, "multi-label"),
        ("stars", [1, 5, 3, 4] * 10, "rating"),
        ("score", [0.5, 1.25, 4.75, 3.0] * 10, "other"),
        ("score", ["0.5", "1.25", "4.75", "3.0"] * 10, "other"),
        ("id", list(range(40)), "id"),
        ("comment", [f"eeb{i}q" for i in range(40)], "id"),
        ("reply", [f"And here is the answer, of the number {i}" for i in range(40)], "text"),
        ("question", [f"这是第{i}个问题吗" for i in range(40)], "text"),
        ("notes", [None] * 40, "other"),
        ("data", [{"a": 1}] * 40, "other"),
    ],
)
def test_role_of_a_column_is_guessed(name: str, values: list[Any], role: str) -> None:
    assert _roles(**{name: values}) == {"text": "text", name: role}


def test_role_of_tags_beside_tokens_is_no_label() -> None:
    tokens = [["Ann", "came"], ["Bob", "left", "now"]] * 20
    tags = [["B-PER", "O"], ["B-PER", "O", "O"]] * 20
    assert _roles(tokens=tokens, tags=tags) == {"text": "text", "tokens": "other", "tags": "other"}


def test_role_text_goes_to_the_longest_column_when_none_looks_like_text() -> None:
    dataset = read_table(pd.DataFrame({"word": [f"w{i:03}ord" for i in range(40)], "label": ["a", "b"] * 20}))
    assert [role.role for role in guess_roles(dataset)] == ["text", "label"]


def test_role_of_a_small_file_with_telling_names_is_guessed() -> None:
    dataset = read_table(pd.DataFrame({"text": ["Good day.", "Bad day."], "label": ["pos", "neg"]}))
    assert [role.role for role in guess_roles(dataset)] == ["text", "label"]


def test_role_says_why_and_shows_examples() -> None:
    role = guess_roles(read_table(pd.DataFrame({"text": TEXTS, "topic": ["b", "a"] * 20})))[1]
    assert (role.reason, role.n_distinct) == ("2 different values, and it is called 'topic'", 2)
    assert (role.examples, role.classes) == (("b", "a"), ("a", "b"))


def test_classes_that_first_stand_in_the_last_rows_are_found() -> None:
    frame = pd.DataFrame({"text": ["some text"] * 30_000, "label": ["a", "b"] * 14_999 + ["c", "d"]})
    assert read_table(frame).question_by_name("label").classes == ("a", "b", "c", "d")


def test_guess_on_a_sample_is_corrected_by_the_other_rows() -> None:
    n = 50_000
    stars = ["1", "2", "3", "4"] * (n // 4)
    stars[7] = "none"
    values = [f"v{i % 5}" if i > 2_000 else f"other{i}" for i in range(n)]
    dataset = read_table(pd.DataFrame({"text": ["some text"] * n, "stars": stars, "label": values}))
    roles = {role.name: role for role in guess_roles(dataset)}
    assert (roles["stars"].role, roles["stars"].classes) == ("label", ("1", "2", "3", "4", "none"))
    assert (roles["label"].role, roles["label"].reason) == ("other", "2,006 different labels")


def test_whole_numbers_written_with_a_point_are_no_rating() -> None:
    assert _roles(stars=["3.0", "4.0"] * 20)["stars"] == "label"


def test_classes_that_are_numbers_are_ordered_by_value() -> None:
    dataset = read_table(pd.DataFrame({"text": TEXTS, "label": [10, 9, 2, 1] * 10}))
    assert dataset.question_by_name("label").classes == ("1", "2", "9", "10")


def test_role_chosen_by_the_owner_becomes_a_question() -> None:
    dataset = read_table(pd.DataFrame({"text": TEXTS, "score": [1, 2, 3, 4] * 10, "x": ["a;b", "b"] * 20}))
    rating = derived_for(role_as(dataset, "score", "label"))
    assert (rating.question.type, rating.question.classes) == ("label_selection", ("1", "2", "3", "4"))
    multi = derived_for(role_as(dataset, "x", "multi-label"))
    assert (multi.separator, multi.question.classes) == (";", ("a", "b"))
    whole = derived_for(role_as(dataset, "x", "multi-label", separator="|"))
    assert whole.question.classes == ("a;b", "b")
    changed = dataset.with_questions_from_fields([multi])
    assert changed.responses("x").to_pylist()[0] == [{"user_id": None, "value": ["a", "b"], "status": "submitted"}]
    assert [f.name for f in changed.fields] == ["text", "score"]


def test_role_that_does_not_fit_is_refused() -> None:
    dataset = read_table(pd.DataFrame({"text": TEXTS, "n": ["many", "few"] * 20, "empty": [None] * 40}))
    with pytest.raises(UserError) as caught:
        derived_for(role_as(dataset, "n", "rating"))
    assert str(caught.value) == (
        "The column 'n' can't be a rating: it holds values such as 'many'. "
        "Ratings are whole numbers. Use the column as a label instead."
    )
    with pytest.raises(UserError, match="The column 'empty' has no values, so it can't be what is learnt."):
        derived_for(role_as(dataset, "empty", "label"))
    with pytest.raises(UserError, match="The data has no column named 'txt'. Its columns: text, n, empty."):
        role_as(dataset, "txt", "text")
    with pytest.raises(UserError, match="There is no role 'target'. Choose one of: text, label,"):
        role_as(dataset, "n", "target")  # type: ignore[arg-type]


def test_label_column_with_missing_values_leaves_records_unanswered() -> None:
    dataset = read_table(pd.DataFrame({"text": TEXTS, "label": ["a", None, " ", "b"] * 10}))
    answers = [len(row) for row in dataset.responses("label").to_pylist()[:4]]
    assert answers == [1, 0, 0, 1]
    assert dataset.question_by_name("label").classes == ("a", "b")


def test_joined_labels_hold_no_empty_label() -> None:
    dataset = read_table(pd.DataFrame({"text": TEXTS, "labels": ["a, b,", "b", ", a", "a,,b"] * 10}))
    values = [row[0]["value"] for row in dataset.responses("labels").to_pylist()[:4]]
    assert values == [["a", "b"], ["b"], ["a"], ["a", "b"]]


def test_roles_of_an_argilla_dataset_without_plain_columns() -> None:
    dataset = FeedbackDataset([], [])
    assert guess_roles(dataset) == []
