"""Several annotators' answers as one value: every question type and strategy, ties, drafts, and values that are off."""

import numpy as np
import pyarrow as pa
import pytest

from engine.data.feedback_dataset import DatasetSchema, FeedbackDataset
from engine.data.fields import TextField
from engine.data.questions import (
    LabelQuestion,
    MultiLabelQuestion,
    Question,
    RankingQuestion,
    RatingQuestion,
    SpanQuestion,
    TextQuestion,
    suggestion_type,
)
from engine.data.strategies import (
    LabelQuestionStrategy,
    LabelQuestionUnification,
    MultiLabelQuestionStrategy,
    RankingQuestionStrategy,
    RatingQuestionStrategy,
    RatingQuestionUnification,
    TextQuestionStrategy,
)
from engine.data.unification import unify
from engine.errors import UserError
from tests.annotated import annotated, ranking

MOOD = LabelQuestion(name="mood", labels=["bad", "so-so", "good"])
TAGS = MultiLabelQuestion(name="tags", labels=["price", "taste", "service"])
STARS = RatingQuestion(name="stars", values=[1, 2, 3, 4, 5])
ORDER = RankingQuestion(name="order", values=["a", "b", "c"])
NOTE = TextQuestion(name="note")


def values(question: Question, answers: list, strategy: str | None = None, seed: int = 42) -> list:
    """The unified values of one record with these answers."""
    unified = unify(annotated(question, {"text": answers}), question, strategy, seed=seed)
    return unified.values.to_pylist()


def test_label_majority_is_the_most_frequent_submitted_answer():
    unified = unify(
        annotated(
            MOOD,
            {
                "unanimous": ["good", "good"],
                "two to one": ["bad", "good", "bad"],
                "outvoted by drafts": ["good", ("draft", "bad"), ("discarded", "bad")],
            },
        ),
        "mood",
    )
    assert unified.strategy == "majority"
    assert unified.values.to_pylist() == ["good", "bad", "good"]
    assert unified.ties == 0


def test_records_without_a_submitted_answer_have_no_value_and_are_told_apart():
    dataset = annotated(MOOD, {"a": ["good"], "b": [], "c": [("draft", "good")], "d": [("discarded", "bad")]})
    unified = unify(dataset, MOOD)
    assert unified.index.tolist() == [0]
    assert unified.unanswered == 1
    assert {reason: list(where) for reason, where in unified.left_out.items()} == {
        "unanswered": [1],
        "only drafts or discarded": [2, 3],
    }
    assert unified.as_unified() == [[{"value": "good", "strategy": "majority"}], None, None, None]


def test_a_tie_is_drawn_with_the_seed_and_counted():
    dataset = annotated(MOOD, {f"text {i}": ["good", "bad"] for i in range(200)})
    first, again, other = (unify(dataset, MOOD, seed=seed).values.to_pylist() for seed in (1, 1, 2))
    assert first == again != other
    assert 60 < first.count("good") < 140
    assert unify(dataset, MOOD).ties == 200


def test_a_tie_falls_the_same_way_in_the_first_records_alone():
    for question, answers in ((MOOD, ["good", "bad", "so-so"]), (TAGS, [["price"], ["taste"], ["service"]])):
        dataset = annotated(question, {f"text {i}": answers for i in range(50)})
        whole = unify(dataset, question).values.to_pylist()
        assert unify(dataset.head(20), question).values.to_pylist() == whole[:20]


def test_label_disagreement_gives_every_submitted_answer_in_order():
    assert values(MOOD, ["bad", ("draft", "so-so"), "good", "bad"], "disagreement") == ["bad", "good", "bad"]


def test_an_answer_outside_the_labels_names_record_value_and_labels():
    dataset = annotated(MOOD, {"fine": ["good"], "off": ["great"], "off too": ["great"]})
    for strategy in MOOD.strategies:
        with pytest.raises(UserError) as error:
            unify(dataset, MOOD, strategy)
        assert error.value.message == (
            "Record 'r2' was answered with 'great', which is not among the values of the question 'mood'. "
            "1 more record has such an answer."
        )
        assert error.value.hint == (
            "Its values: bad, so-so, good. Correct the answer, or add the value to the question."
        )


def test_an_answer_outside_the_labels_that_was_discarded_does_no_harm():
    assert values(MOOD, ["good", ("discarded", "great")]) == ["good"]


@pytest.mark.parametrize("question", [MOOD, TAGS, STARS, ORDER, NOTE])
def test_a_strategy_of_another_question_type_is_refused(question):
    with pytest.raises(UserError) as error:
        unify(annotated(question, {"text": []}), question, "median")
    assert error.value.message == f"The question {question.name!r} has no strategy named 'median'."
    assert error.value.hint == f"Its strategies: {', '.join(question.strategies)}."


def test_spans_are_refused():
    question = SpanQuestion(name="parts", field="text", labels=["x"])
    with pytest.raises(UserError, match="The answers to the span question 'parts' can't be unified into one value."):
        unify(annotated(question, {"text": []}), question)


@pytest.mark.parametrize("question", [MOOD, TAGS, STARS, ORDER, NOTE])
def test_nothing_answered_gives_no_values(question):
    for strategy in question.strategies:
        unified = unify(annotated(question, {"a": [], "b": []}), question, strategy)
        assert (len(unified.values), unified.unanswered, unified.ties) == (0, 2, 0)


def test_multi_label_majority_takes_labels_of_more_than_half_in_order_of_appearance():
    assert values(TAGS, [["taste", "price"], ["price", "taste"]]) == [["taste", "price"]]
    assert values(TAGS, [["price", "service"], ["price"], ["taste"]]) == [["price"]]
    assert values(TAGS, [["price"], ("draft", ["taste"]), ("discarded", ["taste"])]) == [["price"]]


def test_multi_label_majority_draws_one_label_when_none_has_more_than_half():
    answers = [["price", "taste"], ["price"], ["service"], ["service", "taste"]]  # each has two of four
    drawn = {tuple(values(TAGS, answers, seed=seed)[0]) for seed in range(20)}
    assert drawn == {("price",), ("taste",), ("service",)}
    assert unify(annotated(TAGS, {"text": answers}), TAGS).ties == 1


def test_an_empty_multi_label_answer_is_an_annotated_record_without_labels():
    unified = unify(annotated(TAGS, {"none apply": [[]], "most say none": [[], [], ["price"]], "nobody": []}), TAGS)
    assert unified.values.to_pylist() == [[], []]
    assert (unified.no_labels, unified.unanswered, unified.ties) == (2, 1, 0)


def test_a_label_named_twice_in_one_answer_is_one_vote():
    assert values(TAGS, [["price", "price"], ["taste"], ["taste"]]) == [["taste"]]


def test_multi_label_disagreement_gives_each_answer_as_it_is():
    assert values(TAGS, [["taste", "price"], [], ["price"]], "disagreement") == [["taste", "price"], [], ["price"]]


def test_multi_label_answers_outside_the_labels_are_refused():
    with pytest.raises(UserError, match="Record 'r1' was answered with 'smell', which is not among the values"):
        values(TAGS, [["price"], ["taste", "smell"]])


@pytest.mark.parametrize(
    ("strategy", "answers", "value"),
    [
        ("mean", [2, 3, 3], 2),
        ("mean", [4, 5, 5], 4),
        ("mean", [1, 1, 2], 1),
        ("mean", [1, 2], 1),
        ("majority", [2, 3, 3], 3),
        ("min", [3, 2, ("discarded", 1)], 2),
        ("max", [3, 2, ("draft", 5)], 3),
    ],
)
def test_rating_strategies(strategy, answers, value):
    assert values(STARS, answers, strategy) == [value]


def test_rating_mean_is_the_default_and_rounds_down_to_an_allowed_value():
    even = RatingQuestion(name="stars", values=[2, 4, 6])
    assert even.strategies[0] == "mean"
    assert values(even, [4, 6, 6]) == [4]
    assert values(even, [2, 2, 4]) == [2]


def test_rating_disagreement_gives_every_answer():
    assert values(STARS, [2, 5, 2], "disagreement") == [2, 5, 2]


def test_unified_ratings_are_typed_as_argilla_types_them():
    dataset = annotated(STARS, {"text": [2, 3, 3]})
    assert unify(dataset, STARS, "min").as_unified() == [[{"value": "2", "strategy": "min"}]]
    assert unify(dataset, STARS, "majority").as_unified() == [[{"value": 3, "strategy": "majority"}]]


def test_a_rating_outside_the_values_is_refused_by_every_strategy():
    for strategy in STARS.strategies:
        with pytest.raises(UserError, match="Record 'r1' was answered with 9, which is not among the values"):
            values(STARS, [3, 9], strategy)


def test_ranking_majority_compares_items_and_ranks_not_the_order_they_are_listed_in():
    listed_backwards = ranking("c", "b", "a", ranks=[3, 2, 1])
    assert values(ORDER, [ranking("b", "a", "c"), ranking("a", "b", "c"), listed_backwards]) == [ranking("a", "b", "c")]


def test_ranking_majority_tie_is_drawn_and_counted():
    answers = [ranking("a", "b", "c"), ranking("b", "a", "c")]
    drawn = {values(ORDER, answers, seed=seed)[0][0]["value"] for seed in range(20)}
    assert drawn == {"a", "b"}
    assert unify(annotated(ORDER, {"text": answers}), ORDER).ties == 1


def test_ranking_mean_rounds_each_items_ranks_and_sorts():
    answers = [ranking("a", "b", "c", ranks=[1, 1, 3]), ranking("a", "b", "c", ranks=[2, 1, 3])]
    assert values(ORDER, answers, "mean") == [ranking("b", "a", "c")]


def test_ranking_min_and_max_and_disagreement():
    answers = [ranking("a", "b", "c"), ranking("c", "b", "a")]
    assert values(ORDER, answers, "min") == [ranking("a", "b", "c")]
    assert values(ORDER, answers, "max") == [ranking("c", "b", "a")]
    assert values(ORDER, answers, "disagreement") == answers


def test_a_ranking_with_only_discarded_answers_has_no_value():
    dataset = annotated(ORDER, {"a": [ranking("a", "b", "c")], "b": [("discarded", ranking("a", "b", "c"))]})
    assert unify(dataset, ORDER, "mean").as_unified()[1] is None


def test_ranking_items_outside_the_values_are_refused():
    with pytest.raises(UserError, match="Record 'r1' was answered with 'z', which is not among the values"):
        values(ORDER, [ranking("a", "z", "c")])


def test_text_disagreement_keeps_every_submitted_text():
    assert values(NOTE, ["first", ("draft", "half"), "second"]) == ["first", "second"]


def test_compute_unified_responses_replaces_earlier_results():
    dataset = annotated(MOOD, {"text": ["bad", "good", "bad"]})
    dataset.compute_unified_responses("mood", "majority")
    dataset.compute_unified_responses(MOOD, LabelQuestionStrategy.DISAGREEMENT)
    assert dataset.records[0].unified_responses == {
        "mood": [{"value": value, "strategy": "disagreement"} for value in ("bad", "good", "bad")]
    }


def test_unification_classes_hold_the_default_or_a_checked_strategy():
    assert LabelQuestionUnification(question=MOOD).strategy == "majority"
    assert RatingQuestionUnification(question=STARS, strategy="max").strategy == "max"
    with pytest.raises(UserError, match="The question 'mood' has no strategy named 'mean'."):
        LabelQuestionUnification(question=MOOD, strategy="mean")


@pytest.mark.parametrize(
    ("question", "strategies"),
    [
        (LabelQuestion, LabelQuestionStrategy),
        (MultiLabelQuestion, MultiLabelQuestionStrategy),
        (RatingQuestion, RatingQuestionStrategy),
        (RankingQuestion, RankingQuestionStrategy),
        (TextQuestion, TextQuestionStrategy),
    ],
)
def test_strategy_names_are_those_of_the_question(question, strategies):
    assert [strategy.value for strategy in strategies] == list(question.strategies)


def test_labels_in_many_chunks_unify_as_in_one():
    one = annotated(MOOD, {f"text {i}": ["good", "bad"][: i % 3] for i in range(30)})
    many = one._with_table(pa.concat_tables([one.table.slice(i, 7) for i in range(0, 30, 7)]))
    assert many.table["responses.mood"].num_chunks == 5
    assert unify(many, MOOD).as_unified() == unify(one, MOOD).as_unified()


def test_a_hundred_thousand_answers_agree_with_counting_them_one_by_one():
    rng, n = np.random.default_rng(0), 20_000
    sizes = rng.integers(0, 8, n)
    given = rng.integers(1, 6, int(sizes.sum()))
    dataset = _rated(sizes, given)
    unified = unify(dataset, "stars", "majority")
    majority = dict(zip(unified.index.tolist(), unified.values.to_pylist(), strict=True))
    means = unify(dataset, "stars", "mean").values.to_pylist()
    at, tied = 0, 0
    for record, size in enumerate(sizes):
        answers = given[at : at + size].tolist()
        at += size
        if size:
            most = max(answers.count(value) for value in answers)
            best = {value for value in answers if answers.count(value) == most}
            tied += len(best) > 1
            assert majority[record] in best
            assert means.pop(0) == sum(answers) // size
    assert (unified.ties, unified.unanswered) == (tied, int((sizes == 0).sum()))


def _rated(sizes: np.ndarray, given: np.ndarray) -> FeedbackDataset:
    offsets, m = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)), len(given)
    answers = pa.StructArray.from_arrays(
        [pa.nulls(m, pa.string()), pa.array(given, pa.int32()), pa.repeat(pa.scalar("submitted"), m)],
        names=["user_id", "value", "status"],
    )
    n = len(sizes)
    table = pa.table(
        {
            "record_id": [f"r{i}" for i in range(n)],
            "fields.text": [f"text {i}" for i in range(n)],
            "responses.stars": pa.ListArray.from_arrays(offsets, answers),
            "suggestions.stars": pa.nulls(n, suggestion_type(STARS)),
            "external_id": pa.nulls(n, pa.string()),
            "metadata": pa.nulls(n, pa.string()),
        }
    )
    return FeedbackDataset.from_arrow(
        DatasetSchema(fields=[TextField(name="text")], questions=[STARS.model_dump()]), table
    )
