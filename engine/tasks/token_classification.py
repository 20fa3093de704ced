"""Token classification: labelled spans in texts. Canonical columns record_id, text, spans, and tokens where known.

The rows are made in token_classification_rows.py. Figures compare whole spans: one that is a character off is wrong.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import UserError
from engine.tasks import columns
from engine.tasks import token_classification_rows as build
from engine.tasks.sample_task import Account, Row, SampleTask
from engine.tasks.task import Metric, Role, Rows, TaskData
from engine.tasks.token_classification_code import starter_code

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.data.questions import Question
    from engine.tasks.training_task import TrainingTask

SHOWN_MISTAKES = 200
LONGEST_SHOWN = 80  # characters of a span among the mistakes
LISTS = ("text", "custom")  # types of fields whose values are lists


class TokenClassification(SampleTask):
    """Finds spans of a text and puts a label on each: names, products, dates.

    A span question that several annotators answered is unified by strategy: "majority" (default) keeps the spans that
    more than half of the submitted answers share exactly; "disagreement" makes a row of every answer.
    """

    name: ClassVar[str] = "token-classification"
    label: ClassVar[str] = "Token classification"
    summary: ClassVar[str] = "Find and label parts of a text: names, places, products, dates."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "text": "the text",
        "spans": "its labelled spans: start, end (in characters) and label",
        "tokens": "start and end of its words, where the source has them",
    }
    roles: ClassVar[dict[str, Role]] = {
        "text": Role("field", "Text", "What the spans are marked in.", optional=True),
        "spans": Role(
            "column", "Spans", "A span question, or a column of start, end and label.", optional=True, types=LISTS
        ),
        "tokens": Role("field", "Words", "A column of words, in place of a text.", optional=True, types=LISTS),
        "tags": Role("field", "Tags", "A tag for each word: IOB, BIOES or plain labels.", optional=True, types=LISTS),
    }
    constructor: ClassVar[str] = "for_token_classification"
    metrics: ClassVar[dict[str, Metric]] = {
        "f1": Metric("F1 of spans", "f1"),
        "precision": Metric("Precision", "precision"),
        "recall": Metric("Recall", "recall"),
        "f1_macro": Metric("Macro F1", "f1"),
    }
    pipeline_tag: ClassVar[str] = "token-classification"
    view: ClassVar[str] = "spans"
    inputs: ClassVar[dict[str, str]] = {"text": "Text"}
    cell_returns: ClassVar[str] = (
        "(text, [(start, end, label), …]) with characters counted from 0, or (words, tags); a list of them for several "
        "rows; None for no row"
    )

    # ---- choices ----------------------------------------------------------------------------------------------------

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """The first span question with its field; or a column of spans with the text; or words and their tags."""
        question = next((q for q in dataset.questions if self.accepts("spans", q)), None)
        if question is not None:
            return {"text": question.field, "spans": question.name}
        can = self.candidates(dataset)
        if can["spans"] and can["text"]:
            texts = {name: columns.mean_length(dataset.values(name)) for name in can["text"]}
            text = "text" if texts.get("text") else max(texts, key=texts.__getitem__)
            chosen = {"text": text, "spans": columns.named(can["spans"], "spans", "entities") or can["spans"][0]}
            located = [name for name in can["tokens"] if build.are_located(dataset.values(name).type)]
            return chosen | ({"tokens": located[0]} if located else {})
        words, tags = build.words_and_tags(dataset, can["tokens"], can["tags"])
        return {"tokens": words, "tags": tags} if words and tags else {}

    def fits(self, role: str, field: str, dataset: "FeedbackDataset") -> bool:
        """By the column's type: text; a list of structs with start, end and label; a list of words; a list of tags."""
        kind = dataset.values(field).type
        if role == "text":
            return pa.types.is_string(kind)
        return build.FITS[role](kind)

    def accepts(self, role: str, question: "Question") -> bool:
        """Whether the question's answers are spans."""
        return role == "spans" and build.is_span_question(question)

    def check_choices(self, account: Account) -> None:
        """Raise UserError unless spans in a text, or words and their tags, are chosen, and the columns can be that."""
        given = {role: account.chosen(role) for role in self.roles if account.chosen(role)}
        if "spans" in given and "tags" in given:
            raise UserError(
                "Spans and tags are both chosen, and either says it all.",
                "Clear one of them: spans, or words and tags.",
            )
        if "spans" not in given and "tags" not in given:
            raise UserError(
                "Token classification needs labelled spans in a text, or words and their tags.",
                "Choose a text and its spans; or a column of words and a column of tags.",
            )
        if "tags" in given and "tokens" not in given:
            raise UserError("Tags are chosen, and no words that they belong to.", "Choose a column of words.")
        build.check_text(account, given)
        super().check_choices(account)
        if account.definition.strategy not in (None, *build.STRATEGIES):
            raise UserError(
                f"Spans can't be unified by {account.definition.strategy!r}.",
                f"Their strategies: {', '.join(build.STRATEGIES)}.",
            )

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen columns."""
        return starter_code(dataset, definition.fields or self.suggest(dataset), definition.strategy)

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """Rows by the chosen columns; a record with a span that can't be is left out, with the reason."""
        return build.rows_of(sample, account)

    def row_of(self, item: Any, record_id: str) -> Row:
        """The row of (text, spans) or (words, tags)."""
        return build.row_of(item, record_id, self.cell_returns)

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """The canonical table. Spans are in order, without outer spaces, and do not overlap: the longer is kept."""
        return build.tabulate(account)

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """A sentence when no row to learn from has a span."""
        train = rows.table if data is None else data.train
        if pc.sum(pc.list_value_length(train["spans"])).as_py():
            return []
        where = "rows" if data is None else "training rows"
        return [f"None of the {len(train):,} {where} has a labelled span, so there is nothing to find."]

    # ---- report and predictions -------------------------------------------------------------------------------------

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """Figures of whole spans, by label too, beside a lookup of the words seen in training; and the mistakes."""
        from engine.evaluation.spans import lookup_baseline, span_figures

        expected, texts = table["spans"].to_pylist(), table["text"].to_pylist()
        figures = span_figures(expected, predictions, info["classes"])
        guessed = lookup_baseline(trained_on["text"].to_pylist(), trained_on["spans"].to_pylist(), texts)
        figures["baseline"] = {
            "name": "Each word's most frequent label",
            "metrics": span_figures(expected, guessed, info["classes"])["metrics"],
        }
        rows = zip(table["record_id"].to_pylist(), texts, expected, predictions, strict=True)
        mistakes = [_mistake(*row) for row in rows if _keys(row[2]) != _keys(row[3])]
        mistakes.sort(key=lambda mistake: -(mistake["score"] or 0.0))
        return figures | {"mistakes": mistakes[:SHOWN_MISTAKES], "n_mistakes": len(mistakes)}

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """Up to `n` rows in their order, first those with sets of labels not seen yet: {"input", "expected",
        "record_id"}, where "expected" is a list of spans with their text.
        """
        texts, spans = table["text"].to_pylist(), table["spans"].to_pylist()
        seen: Counter = Counter()
        turn = []
        for found in spans:
            labels = frozenset(span["label"] for span in found)
            turn.append((seen[labels], not labels))
            seen[labels] += 1
        chosen = sorted(sorted(range(len(texts)), key=lambda row: (turn[row], row))[:n])
        ids = table["record_id"].to_pylist()
        return [
            {"input": texts[row], "expected": _with_text(texts[row], spans[row]), "record_id": ids[row]}
            for row in chosen
        ]

    def about_model(self, info: dict[str, Any]) -> str:
        """The labels that it gives."""
        return "It marks spans of a text and labels each: " + ", ".join(f"“{name}”" for name in info["classes"]) + "."

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called "text", or else the wordiest one."""
        return {"text": columns.wordiest(table)}

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """prediction: the spans of each row, as a list (JSON text where the file has no lists)."""
        return {"prediction": pa.array(outputs, pa.list_(build.PREDICTED_SPAN))}


def _keys(spans: list[dict[str, Any]]) -> set[tuple[int, int, str]]:
    return {(span["start"], span["end"], span["label"]) for span in spans}


def _with_text(text: str, spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span | {"text": text[span["start"] : span["end"]]} for span in spans]


def _mistake(
    record_id: str, text: str, expected: list[dict[str, Any]], predicted: list[dict[str, Any]]
) -> dict[str, Any]:
    """One row of the mistakes; its score is that of the surest wrong span, None where there is no score."""
    right = _keys(expected)
    wrong = [span for span in predicted if (span["start"], span["end"], span["label"]) not in right]
    scores = [span["score"] for span in wrong if span["score"] is not None]
    return {
        "record_id": record_id,
        "text": text,
        "expected": [_named(text, span) for span in expected],
        "predicted": [_named(text, span) for span in predicted],
        "score": max(scores, default=None),
    }


def _named(text: str, span: dict[str, Any]) -> str:
    piece = text[span["start"] : span["end"]]
    return f"{piece[:LONGEST_SHOWN]} → {span['label']}"
