"""Rows of token classification from every kind of source, with an account of every record; figures; containers."""

from typing import Any

import pyarrow as pa
import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.questions import LabelQuestion, SpanQuestion
from engine.errors import UserError
from engine.registry import TASKS
from engine.tasks.task import Rows, TaskData
from engine.tasks.training_task import TrainingTask
from tests.annotated import annotated, plain

TASK = TASKS["token-classification"]
NAMES = SpanQuestion(name="names", field="text", labels=["PLACE", "PERSON"])
TEXT = "Ann Lee lives in Rome."
ANN, LEE, ANN_LEE, ROME = (0, 3, "PERSON"), (4, 7, "PERSON"), (0, 7, "PERSON"), (17, 21, "PLACE")
WORDS, TAGS = ["Ann", "Lee", "lives", "in", "Rome", "."], ["B-PERSON", "I-PERSON", "O", "O", "B-PLACE", "O"]
LOCATED = [{"start": 0, "end": 3}, {"start": 4, "end": 7}, {"start": 8, "end": 13}]


def marked(*spans: tuple) -> list[dict[str, Any]]:
    return [{"start": start, "end": end, "label": label} for start, end, label in spans]


def rows_of(dataset: FeedbackDataset, strategy: str | None = None, **given: Any) -> Rows:
    given = given or {"text": "text", "spans": "names"}
    return TASK.rows(dataset, TrainingTask.define(TASK.name, strategy=strategy, **given))


def pairs(rows: Rows) -> list[tuple]:
    found = zip(rows.table["text"].to_pylist(), rows.table["spans"].to_pylist(), strict=True)
    return [(text, [tuple(span.values()) for span in spans]) for text, spans in found]


def from_items(*items: Any) -> Rows:
    """Rows that a function gives, one item a record."""
    dataset, given = plain({"text": [str(i) for i in range(len(items))]}), list(items)
    task = TrainingTask.for_token_classification(lambda sample: given[int(sample["text"])])
    return TASK.rows(dataset, task)


# ---- a span question ------------------------------------------------------------------------------------------------


def test_rows_have_the_spans_that_a_majority_shares_exactly_and_the_questions_labels():
    answers = [marked(ROME, ANN_LEE), marked(ROME, ANN), marked(ROME, ANN_LEE)]
    rows = rows_of(annotated(NAMES, {TEXT: answers, "Nothing here.": [[]]}))
    assert rows.table.schema == pa.schema(
        [
            ("record_id", pa.string()),
            ("text", pa.string()),
            ("spans", pa.list_(pa.struct({"start": pa.int32(), "end": pa.int32(), "label": pa.string()}))),
        ]
    )
    assert pairs(rows) == [(TEXT, [ANN_LEE, ROME]), ("Nothing here.", [])]
    assert rows.info == {"classes": ["PLACE", "PERSON"], "has_tokens": False}
    assert rows.counts == {"spans without a majority": 1}


def test_two_annotators_must_agree_and_drafts_do_not_vote():
    answers = [marked(ROME), marked(ROME, LEE), ("draft", marked(ANN_LEE)), ("discarded", marked(ANN_LEE))]
    assert pairs(rows_of(annotated(NAMES, {TEXT: answers}))) == [(TEXT, [ROME])]


def test_disagreement_makes_a_row_of_every_different_answer():
    rows = rows_of(annotated(NAMES, {TEXT: [marked(ROME), marked(ANN_LEE), marked(ROME)]}), "disagreement")
    assert pairs(rows) == [(TEXT, [ROME]), (TEXT, [ANN_LEE])]
    assert rows.counts == {"duplicates": 1}


def test_every_record_without_a_row_is_counted_under_its_reason():
    records = [
        (TEXT, [marked(ROME)]),
        (None, [[]]),
        ("silent", []),
        ("later", [("draft", [])]),
        ("Ann or Lee", [marked(ANN), marked((7, 10, "PERSON"))]),
        ("Some say yes", [[], [], marked((0, 4, "PERSON"))]),
    ]
    rows = rows_of(annotated(NAMES, records))
    assert pairs(rows) == [(TEXT, [ROME]), ("Some say yes", [])]
    assert rows.left_out == {
        "empty text": ["r2"],
        "unanswered": ["r3"],
        "only drafts or discarded": ["r4"],
        "no span is shared by a majority of the answers": ["r5"],
    }


def test_a_label_that_the_question_has_not_leaves_the_record_out():
    rows = rows_of(annotated(NAMES, {TEXT: [marked(ROME)], "Gus": [marked((0, 3, "DOG"))]}))
    assert pairs(rows) == [(TEXT, [ROME])]
    assert rows.left_out == {"a span with the label 'DOG', which the question has not": ["r2"]}


# ---- a column of spans ----------------------------------------------------------------------------------------------


def test_a_column_of_spans_gives_rows_and_names_what_cannot_be():
    texts = [TEXT, "Over the end", "Backwards", "Blank  here", "No label", "Not marked"]
    spans = [
        marked(ROME),
        marked((5, 13, "X")),
        marked((3, 3, "X")),
        marked((5, 7, "X")),
        marked((0, 2, None)),
        None,
    ]
    rows = rows_of(plain({"text": texts, "spans": spans}), text="text", spans="spans")
    assert pairs(rows) == [(TEXT, [ROME])]
    assert rows.info == {"classes": ["PLACE"], "has_tokens": False}
    assert rows.left_out == {
        "a span that ends after the text": ["r2"],
        "a span without a character": ["r3", "r4"],
        "a span without start, end or label": ["r5"],
        "no spans given": ["r6"],
    }


def test_spans_are_trimmed_and_of_overlapping_ones_the_longer_is_kept():
    spans = [marked((0, 8, "PERSON"), (4, 7, "PLACE"), (16, 21, "PLACE"), ROME)]
    rows = rows_of(plain({"text": [TEXT], "spans": spans}), text="text", spans="spans")
    assert pairs(rows) == [(TEXT, [ANN_LEE, ROME])]
    assert rows.counts == {"spans trimmed of spaces": 2, "overlapping spans dropped": 1}
    assert rows.left_out == {"in part, because spans overlap (the longer one is kept)": ["r1"]}


def test_words_with_their_places_come_along():
    columns = {"text": [TEXT], "spans": [marked(ANN_LEE)], "tokens": [LOCATED]}
    rows = rows_of(plain(columns), text="text", spans="spans", tokens="tokens")
    assert rows.table["tokens"].to_pylist() == [LOCATED]
    assert rows.info["has_tokens"]
    columns["tokens"] = [["Ann", "Lee", "lives"]]
    assert rows_of(plain(columns), text="text", spans="spans", tokens="tokens").table["tokens"].to_pylist() == [LOCATED]
    columns["tokens"] = [["Ann", "Bo"]]
    with pytest.raises(UserError, match=r"Records left out: words that are not in the text \(1\)"):
        rows_of(plain(columns), text="text", spans="spans", tokens="tokens")


def test_prodigys_tasks_count_when_they_were_accepted():
    columns = {
        "text": [TEXT, "None", "Skipped"],
        "spans": [marked(ROME), None, None],
        "_task_hash": [1, 2, 3],
        "answer": ["accept", "accept", "ignore"],
    }
    rows = rows_of(plain(columns), text="text", spans="spans")
    assert pairs(rows) == [(TEXT, [ROME]), ("None", [])]
    assert rows.left_out == {"not accepted in Prodigy": ["r3"]}
    task = TrainingTask.for_token_classification(text="text", spans="spans")
    code = TASK.starter_code(plain(columns), task)
    assert pairs(TASK.rows(plain(columns), TrainingTask.from_code(TASK.name, code))) == pairs(rows)


# ---- words and tags -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        TAGS,
        ["I-PERSON", "I-PERSON", "O", "O", "I-PLACE", "O"],
        ["B-PERSON", "E-PERSON", "O", "O", "S-PLACE", "O"],
        ["PERSON", "PERSON", "O", "O", "PLACE", None],
    ],
)
def test_words_are_joined_by_spaces_and_tags_of_any_scheme_are_read(tags: list[str]):
    rows = rows_of(plain({"words": [WORDS], "ner": [tags]}), tokens="words", tags="ner")
    assert pairs(rows) == [("Ann Lee lives in Rome .", [(0, 7, "PERSON"), (17, 21, "PLACE")])]
    assert rows.table["tokens"].to_pylist()[0][4:] == [{"start": 17, "end": 21}, {"start": 22, "end": 23}]
    assert rows.info == {"classes": ["PERSON", "PLACE"], "has_tokens": True}


def test_words_are_found_in_a_text_that_is_chosen_too():
    rows = rows_of(plain({"t": [TEXT], "words": [WORDS], "ner": [TAGS]}), text="t", tokens="words", tags="ner")
    assert pairs(rows) == [(TEXT, [ANN_LEE, ROME])]


def test_words_that_do_not_fit_their_tags_are_named():
    columns = {"words": [["a", "b"], ["a"], None, ["", "c"]], "ner": [["O", "X"], ["O", "O"], None, ["X", "X"]]}
    rows = rows_of(plain(columns), tokens="words", tags="ner")
    assert pairs(rows) == [("a b", [(2, 3, "X")]), (" c", [(1, 2, "X")])]
    assert rows.left_out == {"another number of tags than of words": ["r2"], "no words or no tags": ["r3"]}


def test_names_of_classes_keep_the_order_of_the_data():
    import json

    from engine.data.roles import CLASSES

    dataset = plain({"tokens": [WORDS], "tags": [TAGS]})
    place = dataset.table.schema.get_field_index("fields.tags")
    names = json.dumps(["O", "B-PLACE", "I-PLACE", "B-PERSON", "I-PERSON", "B-EVENT", "I-EVENT"])
    field = dataset.table.schema.field(place).with_metadata({CLASSES: names})
    dataset.table = dataset.table.set_column(place, field, dataset.table.column(place))
    assert rows_of(dataset, tokens="tokens", tags="tags").info["classes"] == ["PLACE", "PERSON", "EVENT"]


def test_a_conll_file_trains_with_what_is_suggested(tmp_path):
    lines = [f"{word}\t{tag}" for word, tag in zip(WORDS, TAGS, strict=True)]
    (tmp_path / "two.conll").write_text("\n".join([*lines, "", "Rome\tB-PLACE", ".\tO", ""]), encoding="utf-8")
    dataset = FeedbackDataset.from_file(tmp_path / "two.conll")
    chosen = TASK.suggest(dataset)
    assert chosen == {"tokens": "tokens", "tags": "tags"}
    rows = rows_of(dataset, **chosen)
    assert pairs(rows) == [("Ann Lee lives in Rome .", [ANN_LEE, ROME]), ("Rome .", [(0, 4, "PLACE")])]
    code = TASK.starter_code(dataset, TrainingTask.define(TASK.name, **chosen))
    assert pairs(TASK.rows(dataset, TrainingTask.from_code(TASK.name, code))) == pairs(rows)


# ---- choices --------------------------------------------------------------------------------------------------------


def test_what_is_suggested_fits_the_data():
    assert TASK.suggest(annotated(NAMES, {TEXT: []})) == {"text": "text", "spans": "names"}
    columns = {"id": ["1"], "headline": [TEXT], "spans": [marked(ROME)], "tokens": [LOCATED]}
    assert TASK.suggest(plain(columns)) == {"text": "headline", "spans": "spans", "tokens": "tokens"}
    assert TASK.suggest(plain({"words": [WORDS], "ner_tags": [TAGS], "pos": [TAGS]})) == {
        "tokens": "words",
        "tags": "ner_tags",
    }
    assert TASK.suggest(plain({"text": [TEXT]})) == {}


@pytest.mark.parametrize(
    "given,sentence",
    [
        ({"text": "text"}, "Token classification needs labelled spans in a text, or words and their tags."),
        ({"text": "text", "spans": "spans", "tags": "tags"}, "Spans and tags are both chosen, and either says it all."),
        ({"tags": "tags"}, "Tags are chosen, and no words that they belong to."),
        ({"spans": "spans"}, "Spans are chosen, and no text that they are marked in."),
        ({"text": "text", "spans": "tags"}, "'tags' can't be used as “Spans”."),
        ({"text": "spans", "spans": "spans"}, "'spans' can't be used as “Text”."),
        ({"text": "text", "spans": "other"}, "'other' is no column for “Spans”."),
    ],
)
def test_choices_that_make_no_task_are_refused(given: dict[str, str], sentence: str):
    dataset = plain({"text": [TEXT], "spans": [marked(ROME)], "tokens": [WORDS], "tags": [TAGS]})
    with pytest.raises(UserError) as error:
        rows_of(dataset, **given)
    assert error.value.message == sentence


def test_a_span_question_brings_its_text_and_no_other():
    dataset = annotated(NAMES, {TEXT: [marked(ROME)]})
    assert pairs(rows_of(dataset, spans="names")) == [(TEXT, [ROME])]
    other = NAMES.model_copy(update={"field": "title"})
    dataset.schema = dataset.schema.model_copy(update={"questions": [other]})
    with pytest.raises(UserError) as error:
        rows_of(dataset, text="text", spans="names")
    assert str(error.value) == "The spans of 'names' are marked in 'title', not in 'text'. Choose 'title' as the text."


def test_fields_can_be_given_as_they_are(tmp_path):
    import json

    rows = [{"text": TEXT, "spans": marked(ROME), "tokens": WORDS, "tags": TAGS}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    dataset = FeedbackDataset.from_file(tmp_path / "rows.jsonl")
    field = dataset.field_by_name
    spans = TrainingTask.for_token_classification(text=field("text"), spans=field("spans"))
    assert pairs(TASK.rows(dataset, spans)) == [(TEXT, [ROME])]
    tagged = TrainingTask.for_token_classification(tokens=field("tokens"), tags=field("tags"))
    assert pairs(TASK.rows(dataset, tagged)) == [("Ann Lee lives in Rome .", [ANN_LEE, ROME])]


def test_other_questions_and_strategies_are_refused():
    with pytest.raises(UserError, match="Spans can't be unified by 'mean'. Their strategies: majority, disagreement."):
        rows_of(annotated(NAMES, {TEXT: [marked(ROME)]}), "mean")
    mood = LabelQuestion(name="mood", labels=["good"])
    with pytest.raises(UserError, match="'mood' can't be used as “Spans”"):
        rows_of(annotated(mood, {TEXT: ["good"]}), text="text", spans="mood")


# ---- functions ------------------------------------------------------------------------------------------------------


def test_functions_give_spans_or_words_and_tags():
    rows = from_items((TEXT, [ROME, {"start": 0, "end": 7, "label": "PERSON"}]), (TEXT, []), (WORDS, TAGS), None)
    joined = "Ann Lee lives in Rome ."
    assert pairs(rows) == [(TEXT, [ANN_LEE, ROME]), (TEXT, []), (joined, [ANN_LEE, ROME])]
    assert rows.info == {"classes": ["PERSON", "PLACE"], "has_tokens": False}
    assert rows.left_out == {"the function returned nothing": ["r4"]}
    assert from_items((WORDS, TAGS)).info["has_tokens"]


@pytest.mark.parametrize(
    "item,found",
    [
        ("text", "str"),
        ((TEXT, "PLACE"), "str in second place"),
        ((TEXT, [(17, 21)]), "(17, 21) is no span"),
        ((TEXT, [("17", 21, "PLACE")]), "'17' is no place in a text"),
        ((TEXT, [(17, 99, "PLACE")]), "a span that ends after the text"),
        ((TEXT, [(21, 17, "PLACE")]), "a span without a character"),
        ((WORDS, ["O"]), "6 words and 1 tags"),
        (("  ", []), "empty text"),
    ],
)
def test_what_is_no_row_is_told_with_its_record(item: Any, found: str):
    with pytest.raises(UserError) as error:
        from_items((TEXT, [ROME]), item)
    assert error.value.message.startswith("For record 'r2' the formatting function gave ")
    assert error.value.message.endswith(f" ({found}).")


@pytest.mark.parametrize("strategy", [None, "disagreement"])
def test_the_starter_code_gives_the_rows_of_the_chosen_columns(strategy: str | None):
    dataset = FeedbackDataset.example("town_news")
    chosen = TrainingTask.define(TASK.name, strategy=strategy, **TASK.suggest(dataset))
    code = TrainingTask.from_code(TASK.name, TASK.starter_code(dataset, chosen))
    expected, given = (TASK.rows(dataset, task) for task in (chosen, code))
    assert {str(pair) for pair in pairs(given)} == {str(pair) for pair in pairs(expected)}
    assert len(expected.table) == {None: 101, "disagreement": 139}[strategy]
    assert expected.info["classes"] == ["person", "place", "date", "event"]


# ---- report ---------------------------------------------------------------------------------------------------------


def table(*rows: tuple) -> pa.Table:
    return from_items(*rows).table


def found(*spans: tuple) -> list[dict[str, Any]]:
    return [{"start": a, "end": b, "label": label, "text": "", "score": score} for a, b, label, score in spans]


def test_figures_count_whole_spans():
    held_out = table((TEXT, [ANN_LEE, ROME]), ("Rome again", [(0, 4, "PLACE")]), ("Nothing", []))
    predictions = [found((0, 3, "PERSON", 0.9), (17, 21, "PLACE", 0.8)), [], found((0, 7, "PLACE", None))]
    info = {"classes": ["PLACE", "PERSON", "EVENT"], "has_tokens": False}
    report = TASK.evaluate(predictions, held_out, info, held_out)
    assert report[
        "metrics"
    ] == pytest.approx(  # 1 of 3 predicted, 1 of 3 expected; PLACE 1 of 2 and 1 of 2, PERSON none
        {"f1": 1 / 3, "precision": 1 / 3, "recall": 1 / 3, "f1_macro": 0.25}
    )
    assert report["per_label"] == [
        {"label": "PLACE", "precision": 0.5, "recall": 0.5, "f1": 0.5, "n": 2},
        {"label": "PERSON", "precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 1},
        {"label": "EVENT", "precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 0},
    ]
    assert report["n_mistakes"] == 3
    assert report["mistakes"][0] == {
        "record_id": "r1",
        "text": TEXT,
        "expected": ["Ann Lee → PERSON", "Rome → PLACE"],
        "predicted": ["Ann → PERSON", "Rome → PLACE"],
        "score": 0.9,
    }
    assert report["baseline"] == {
        "name": "Each word's most frequent label",
        "metrics": {"f1": 1.0, "precision": 1.0, "recall": 1.0, "f1_macro": 1.0},
    }


def test_overlapping_predictions_are_wrong_and_no_spans_at_all_are_no_error():
    held_out = table((TEXT, [ANN_LEE]))
    info = {"classes": ["PERSON"], "has_tokens": False}
    figures = TASK.evaluate([found((0, 7, "PERSON", 1.0), (4, 7, "PERSON", 1.0))], held_out, info, held_out)["metrics"]
    assert figures["precision"] == 0.5
    assert figures["recall"] == 1.0
    empty = table(("Nothing", []))
    assert TASK.evaluate([[]], empty, info, held_out)["metrics"]["f1"] == 0.0


def test_labels_with_odd_names_are_counted_apart():
    from engine.evaluation.spans import span_figures

    odd = [marked((0, 1, "-x-"), (1, 2, "x"), (2, 3, "B-y"))]
    rows = span_figures(odd, odd, ["-x-", "x", "B-y"])["per_label"]
    assert [(row["label"], row["f1"], row["n"]) for row in rows] == [("-x-", 1.0, 1), ("x", 1.0, 1), ("B-y", 1.0, 1)]


def test_the_baseline_looks_words_up():
    from engine.evaluation.spans import lookup_baseline

    spans = lookup_baseline([TEXT, "in Rome"], [marked(ANN_LEE, ROME), []], ["Lee Ann in Bonn", "Rome"])
    assert spans == [[{"start": 0, "end": 7, "label": "PERSON", "score": None}], spans[1]]


def test_examples_for_the_predict_tab_come_from_different_labels():
    rows = table((TEXT, [ROME]), ("Also Rome", [(5, 9, "PLACE")]), ("Nothing", []), ("Ann", [ANN]))
    shown = list(TASK.example_inputs(rows, 2))
    assert [row["record_id"] for row in shown] == ["r1", "r4"]
    assert shown[0]["expected"] == [{"start": 17, "end": 21, "label": "PLACE", "text": "Rome"}]
    assert [row["input"] for row in TASK.example_inputs(rows, 4)] == rows["text"].to_pylist()


def test_nothing_to_find_blocks():
    rows = from_items(("one", []), ("two", []))
    assert TASK.blocking(rows, None) == ["None of the 2 rows has a labelled span, so there is nothing to find."]
    some = from_items((TEXT, [ROME]), ("two", []))
    data = TaskData(some.table.slice(1), None, some.table.slice(0, 1), some.info)
    assert TASK.blocking(some, data) == [
        "None of the 1 training rows has a labelled span, so there is nothing to find."
    ]
    assert TASK.blocking(some, None) == []


def test_predictions_of_a_file_are_a_column_of_spans():
    columns = TASK.output_columns([found((0, 3, "PERSON", 0.5)), None, []], {})
    assert columns["prediction"].to_pylist() == [found((0, 3, "PERSON", 0.5)), None, []]


# ---- prepare_for_training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", ["transformers", "peft", "span_marker"])
def test_trainers_of_words_get_tokens_and_class_numbers_in_the_questions_order(framework: str):
    import datasets

    dataset = annotated(NAMES, {TEXT: [marked(ANN_LEE, ROME)]})
    task = TrainingTask.for_token_classification(text="text", spans=dataset.question_by_name("names"))
    prepared = dataset.prepare_for_training(framework, task)
    assert prepared.features["ner_tags"] == datasets.List(
        datasets.ClassLabel(names=["O", "B-PLACE", "I-PLACE", "B-PERSON", "I-PERSON"])
    )
    assert list(prepared) == [{"id": 0, "tokens": WORDS, "ner_tags": [3, 4, 0, 0, 1, 0]}]


def test_the_sources_own_words_are_kept():
    dataset = plain({"words": [["Ann-Lee", "sings"]], "tags": [["B-PERSON", "O"]]})
    task = TrainingTask.for_token_classification(tokens="words", tags="tags")
    prepared = dataset.prepare_for_training("transformers", task)
    assert list(prepared) == [{"id": 0, "tokens": ["Ann-Lee", "sings"], "ner_tags": [1, 0]}]


def test_spacy_gets_documents_with_entities_and_widened_spans_are_told():
    import spacy

    dataset = annotated(NAMES, {TEXT: [marked(ANN_LEE, (17, 20, "PLACE"))]})
    task = TrainingTask.for_token_classification(text="text", spans="names")
    with pytest.warns(UserWarning, match="Of 2 spans 1 begin or end inside a word and became whole words, and 0 are"):
        prepared = dataset.prepare_for_training("spacy", task, lang="en")
    (document,) = prepared.get_docs(spacy.blank("en").vocab)
    assert [(entity.text, entity.label_) for entity in document.ents] == [("Ann Lee", "PERSON"), ("Rome", "PLACE")]
