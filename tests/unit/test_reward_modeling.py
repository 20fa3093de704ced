"""Pairs from columns, rankings and ratings, their refusals, and the figures of a reward model."""

from typing import Any

import pyarrow as pa
import pytest

from engine import FeedbackDataset, TrainingTask, UserError
from engine.data.fields import TextField
from engine.data.questions import Question, RankingQuestion, RatingQuestion, TextQuestion
from engine.registry import TASKS
from engine.runs.run_directory import SplitSpec
from engine.tasks.preparation import divide
from tests.annotated import plain, ranking

TASK = TASKS["reward-modeling"]


def records(fields: list[str], question: Question, rows: list[tuple[list[str | None], list[Any]]]) -> FeedbackDataset:
    """A dataset with text fields and one question; an answer is a value, or (status, value)."""
    dataset = FeedbackDataset([TextField(name=name, required=False) for name in fields], [question])
    made = []
    for texts, answers in rows:
        given = [answer if isinstance(answer, tuple) else ("submitted", answer) for answer in answers]
        responses = [
            {"user_id": f"a{i}", "status": status, "values": {question.name: {"value": value}}}
            for i, (status, value) in enumerate(given)
        ]
        made.append({"fields": dict(zip(fields, texts, strict=True)), "responses": responses})
    dataset.add_records(made)
    return dataset


def ranked(*rows: tuple[list[str | None], list[Any]]) -> FeedbackDataset:
    return records(["prompt", "a", "b", "c"], RankingQuestion(name="order", values=["a", "b", "c"]), list(rows))


def rated(*rows: tuple[list[str | None], list[Any]]) -> FeedbackDataset:
    return records(["prompt", "response"], RatingQuestion(name="quality", values=[1, 2, 3, 4, 5]), list(rows))


def pairs(table: pa.Table) -> list[tuple]:
    names = [name for name in ("prompt", "chosen", "rejected", "margin") if name in table.column_names]
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def order(*ranks: int) -> list[dict[str, Any]]:
    return ranking("a", "b", "c", ranks=list(ranks))


def test_two_columns_are_a_pair_a_record() -> None:
    dataset = plain({"chosen": ["good", "same", "", "good", None], "rejected": ["bad", "same", "bad", "bad", "x"]})
    assert TASK.suggest(dataset) == {"chosen": "chosen", "rejected": "rejected"}
    rows = TASK.rows(dataset, TrainingTask.for_reward_modeling(chosen="chosen", rejected="rejected"))
    assert pairs(rows.table) == [("good", "bad")]
    assert rows.left_out == {
        "chosen equal to rejected": ["r2"],
        "no chosen text": ["r3", "r5"],
        "duplicate row": ["r4"],
    }
    assert rows.info == {"margin": False, "chat": False}


def test_what_annotators_wrote_can_be_the_better_text() -> None:
    question = TextQuestion(name="new")
    dataset = records(["old"], question, [(["old text"], ["first", ("discarded", "no"), "second"])])
    task = TrainingTask.for_reward_modeling(chosen=question, rejected=dataset.field_by_name("old"))
    assert pairs(TASK.rows(dataset, task).table) == [("first", "old text"), ("second", "old text")]


def test_a_ranking_gives_a_pair_for_every_two_fields_that_differ_with_its_margin() -> None:
    dataset = ranked(
        (["P", "A", "B", "C"], [order(1, 2, 3), order(1, 3, 2)]), (["Q", "D", "E", None], [order(1, 1, 2)])
    )
    assert TASK.suggest(dataset) == {"prompt": "{prompt}\n\n", "preference": "order"}
    rows = TASK.rows(dataset, TrainingTask.for_reward_modeling(prompt="{prompt}: ", preference="order"))
    # B and C are tied on average; nobody ranked an empty field.
    assert pairs(rows.table) == [("P: ", "A", "B", 0.75), ("P: ", "A", "C", 0.75)]
    assert rows.counts == {"ties": 2}
    assert rows.left_out == {"no response better than another": ["r2"]}


def test_annotators_who_order_a_pair_otherwise_are_counted() -> None:
    dataset = ranked((["P", "A", "B", "C"], [order(1, 2, 3), order(1, 2, 3), order(2, 1, 3)]))
    rows = TASK.rows(dataset, TrainingTask.for_reward_modeling(preference="order"))
    assert rows.table["margin"].to_pylist() == pytest.approx([1 / 6, 5 / 6, 2 / 3], abs=1e-6)
    assert rows.counts == {"pairs on which annotators disagree": 1}


def test_items_may_be_called_as_the_fields_titles_are() -> None:
    question = RankingQuestion(name="order", values={"1": "Reply one", "2": "Reply two"})
    fields = [TextField(name="x", title="Reply one"), TextField(name="y", title="Reply Two")]
    dataset = FeedbackDataset(fields, [question])
    value = [{"value": "1", "rank": 2}, {"value": "2", "rank": 1}]
    dataset.add_records([{"fields": {"x": "X", "y": "Y"}, "responses": [{"values": {"order": {"value": value}}}]}])
    rows = TASK.rows(dataset, TrainingTask.for_reward_modeling(preference="order"))
    assert pairs(rows.table) == [("Y", "X", 1.0)]


def test_a_ranking_of_other_things_is_refused() -> None:
    dataset = records(["text"], RankingQuestion(name="order", values=["x", "y"]), [(["t"], [])])
    assert TASK.suggest(dataset) == {}
    with pytest.raises(UserError) as caught:
        TASK.rows(dataset, TrainingTask.for_reward_modeling(preference="order"))
    assert str(caught.value) == ("'order' can't be used as “Preference”. Columns that can: none of this dataset.")


def test_ratings_pair_the_responses_to_one_prompt() -> None:
    dataset = rated(
        (["P", "A"], [5, 4]), (["P", "B"], [1]), (["P", "C"], [3]), (["Q", "D"], [3]), (["P", "A"], [("draft", 1)]),
        (["R", "E"], [2]), (["R", "E"], [4]), (["R", "F"], [3]),
    )  # fmt: skip
    chosen = TASK.suggest(dataset)
    assert chosen == {"prompt": "{prompt}\n\n", "response": "response", "preference": "quality"}
    rows = TASK.rows(dataset, TrainingTask("reward-modeling", chosen))
    assert pairs(rows.table) == [
        ("P\n\n", "A", "B", 0.875), ("P\n\n", "A", "C", 0.375), ("P\n\n", "C", "B", 0.5),
    ]  # fmt: skip
    assert rows.counts == {"ties": 1}
    assert rows.left_out == {
        "only drafts or discarded": ["r5"],
        "no other rated response to the same prompt": ["r4"],
        "no response better than another": ["r7", "r8"],
    }


def test_too_many_responses_to_one_prompt_are_refused() -> None:
    dataset = rated(*[(["P", f"text {i}"], [1 + i % 5]) for i in range(201)])
    with pytest.raises(UserError) as caught:
        TASK.rows(
            dataset, TrainingTask.for_reward_modeling(prompt="{prompt}", response="response", preference="quality")
        )
    assert caught.value.message == "201 rated responses stand beside one prompt ('P'), which would make 20,100 pairs."


@pytest.mark.parametrize(
    "chosen,message",
    [
        ({}, "Reward modelling needs a better and a worse text, or a preference; chosen: none."),
        ({"chosen": "a"}, "Reward modelling needs a better and a worse text, or a preference; chosen: chosen."),
        (
            {"chosen": "a", "rejected": "b", "preference": "order"},
            "Reward modelling needs a better and a worse text, or a preference; chosen: chosen, rejected, preference.",
        ),
        ({"chosen": "a", "rejected": "d"}, "'d' is no column for “Worse text”."),
        ({"prompt": "{promt}", "preference": "order"}, "The template of “Prompt” names {promt}, and there is no such "),
    ],
)
def test_choices_that_make_no_pairs_are_refused(chosen: dict[str, str], message: str) -> None:
    dataset = ranked((["P", "A", "B", "C"], [order(1, 2, 3)]))
    with pytest.raises(UserError) as caught:
        TASK.rows(dataset, TrainingTask("reward-modeling", chosen))
    assert caught.value.message.startswith(message)


def test_ratings_without_a_response_or_a_prompt_are_refused() -> None:
    dataset = rated((["P", "A"], [5]))
    for chosen, message in (
        ({"preference": "quality"}, "The ratings of 'quality' are about a text, and none is chosen."),
        (
            {"preference": "quality", "response": "response"},
            "Reward modelling needs a prompt here, and none is chosen. "
            "Ratings make pairs of responses to the same prompt.",
        ),
    ):
        with pytest.raises(UserError) as caught:
            TASK.rows(dataset, TrainingTask("reward-modeling", chosen))
        assert caught.value.message == message


def test_when_nothing_is_left_the_reasons_are_told() -> None:
    dataset = plain({"chosen": ["a", "b"], "rejected": ["a", ""]})
    with pytest.raises(UserError) as caught:
        TASK.rows(dataset, TrainingTask.for_reward_modeling(chosen="chosen", rejected="rejected"))
    assert caught.value.message == (
        "No rows are left to learn from. Records left out: chosen equal to rejected (1), no rejected text (1)."
    )


def test_a_function_gives_pairs_as_it_gives_them_but_equal_ones_block_training() -> None:
    dataset = plain({"text": ["one", "two"]})
    rows = TASK.rows(dataset, TrainingTask.for_reward_modeling(lambda sample: [("a", "a"), (sample["text"], " ")]))
    assert pairs(rows.table) == [("a", "a"), ("one", " "), ("a", "a"), ("two", " ")]
    assert TASK.blocking(rows, None) == [
        "2 of the 4 pairs have an empty rejected text (the first: record 'r1'); leave them out.",
        "2 of the 4 pairs have a chosen text equal to the rejected one (the first: record 'r1'); leave them out.",
    ]


@pytest.mark.parametrize(
    "item,found", [("ab", "str"), (("a", ["b"]), "list where a text belongs"), (("a",), "tuple of 1")]
)
def test_what_is_no_pair_is_refused_with_its_record(item: Any, found: str) -> None:
    with pytest.raises(UserError) as caught:
        TASK.rows(plain({"text": ["one"]}), TrainingTask.for_reward_modeling(lambda sample: item))
    assert caught.value.message == f"For record 'r1' the formatting function gave {item!r} ({found})."


def test_one_pair_is_too_few() -> None:
    rows = TASK.rows(plain({"text": ["one"]}), TrainingTask.for_reward_modeling(lambda sample: ("a", "b")))
    assert TASK.blocking(rows, None) == ["There is only one pair to learn from; a preference is learned from many."]


def test_pairs_of_one_prompt_stay_in_one_part() -> None:
    dataset = ranked(*[([f"P{i % 20}", f"A{i}", f"B{i}", f"C{i}"], [order(1, 2, 3)]) for i in range(40)])
    rows = TASK.rows(dataset, TrainingTask("reward-modeling", TASK.suggest(dataset)))
    data = divide("reward-modeling", rows, SplitSpec(train=0.7, validation=0.15, test=0.15))
    parts = [set(part["prompt"].to_pylist()) for part in (data.train, data.validation, data.test)]
    assert len(parts[0] | parts[1] | parts[2]) == sum(map(len, parts)) == 20


def test_the_starter_code_gives_the_same_pairs() -> None:
    for dataset in (
        ranked((["P", "A", "B", "C"], [order(1, 2, 3), order(1, 3, 2)]), (["Q", "D", "E", "F"], [order(3, 1, 2)])),
        rated((["P", "A"], [5]), (["P", "B"], [1, 2]), (["Q", "C"], [1])),
        plain({"prompt": ["p ", "q "], "chosen": ["a", "b"], "rejected": ["c", "d"]}),
    ):
        task = TrainingTask("reward-modeling", TASK.suggest(dataset))
        names: dict[str, Any] = {}
        exec(TASK.starter_code(dataset, task), names)
        ours = {(p + c, p + r) for p, c, r, *_ in pairs(TASK.rows(dataset, task).table)}
        theirs = TASK.rows(dataset, TrainingTask.for_reward_modeling(names["formatting_func"])).table
        assert set(pairs(theirs)) == ours


def test_conversations_become_one_text() -> None:
    said = [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}, {"from": "human", "value": "Well?"}]
    better, worse = {"from": "gpt", "value": "Good."}, {"from": "gpt", "value": "Bad."}
    dataset = plain({"conversations": [said, said[:1]], "chosen": [better, better], "rejected": [worse, worse]})
    rows = TASK.rows(dataset, TrainingTask("reward-modeling", TASK.suggest(dataset)))
    assert pairs(rows.table) == [
        ("User: Hello?\n\nAssistant: Hi.\n\nUser: Well?\n\nAssistant: ", "Good.", "Bad."),
        ("Hello?\n\n", "Good.", "Bad."),
    ]


def test_figures_beside_the_longer_text() -> None:
    table = pa.table(
        {
            "record_id": ["r1", "r2", "r3", "r4"],
            "chosen": ["long text", "a", "bb", "cc"],
            "rejected": ["x", "yyy", "zz", "d"],
        }
    )
    inputs = list(TASK.example_inputs(table, 4))
    assert [example["input"] for example in inputs[:4]] == ["long text", "x", "a", "yyy"]
    report = TASK.evaluate([2.0, 1.0, 0.5, 2.5, 1.0, 1.0, 3.0, 0.0], table, {}, table)
    assert report["metrics"] == {"accuracy": 0.5, "margin": 0.5}
    assert report["baseline"] == {"name": "The longer text (chance: 0.5)", "metrics": {"accuracy": 2.5 / 4}}
    assert report["intervals"]["accuracy"] == pytest.approx([0.1500, 0.8500], abs=1e-4)
    assert [(m["record_id"], m["score"]) for m in report["mistakes"]] == [("r2", 2.0), ("r3", 0.0)]


def test_prepare_for_training_gives_chosen_and_rejected() -> None:
    dataset = ranked((["P", "A", "B", "C"], [order(1, 2, 3)]))
    prepared = dataset.prepare_for_training("trl", TrainingTask.for_reward_modeling(lambda sample: ("good", "bad")))
    assert prepared.to_list() == [{"chosen": "good", "rejected": "bad"}]
    chosen = TrainingTask.for_reward_modeling(prompt="{prompt}", preference="order")
    prepared = dataset.prepare_for_training("trl", chosen, train_size=1)
    assert prepared[1] == {"prompt": "P", "chosen": "A", "rejected": "C", "margin": 1.0}


def test_the_example_fills_the_choices() -> None:
    dataset = FeedbackDataset.example("ranked_replies")
    rows = TASK.rows(dataset, TrainingTask("reward-modeling", TASK.suggest(dataset)))
    assert (len(rows.table), rows.counts["ties"]) == (156, 9)
    assert {reason: len(ids) for reason, ids in rows.left_out.items()} == {
        "unanswered": 3,
        "only drafts or discarded": 2,
    }
