"""Text classification: texts with one label, or several, each. Canonical columns record_id, text, label or labels."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import UserError
from engine.tasks import text_classification_rows as build
from engine.tasks.columns import mean_length, wordiest
from engine.tasks.task import Metric, Role, Rows, Task, TaskData
from engine.tasks.text_classification_code import starter_code

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

LABEL, LABELS, SEPARATOR = build.LABEL, build.LABELS, build.SEPARATOR
DECISION = 0.5  # a label of several is predicted from this score on
SHOWN_MISTAKES = 200


class TextClassification(Task):
    """Puts one label, or any number of labels, on a text."""

    name: ClassVar[str] = "text-classification"
    label: ClassVar[str] = "Text classification"
    summary: ClassVar[str] = "Put one label, or several, on a text: topic, sentiment, intent."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "text": "the text",
        "label": "its class (one label a row)",
        "labels": "its classes, none to several (several labels a row)",
    }
    roles: ClassVar[dict[str, Role]] = {
        "text": Role("field", "Text", "What the model reads."),
        "label": Role("question", "Label", "A label, multi-label, rating or ranking question."),
    }
    constructor: ClassVar[str] = "for_text_classification"
    metrics: ClassVar[dict[str, Metric]] = {
        "f1_macro": Metric("Macro F1", "f1"),
        "accuracy": Metric("Accuracy", "accuracy"),
        "f1_micro": Metric("Micro F1", "f1"),
    }
    pipeline_tag: ClassVar[str] = "text-classification"
    view: ClassVar[str] = "labels"
    inputs: ClassVar[dict[str, str]] = {"text": "Text"}
    cell_returns: ClassVar[str] = (
        "(text, label), or (text, [label, …]) for several labels; a list of them for several rows; None for no row"
    )

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """The required field called "text", or else the wordiest; the first question with a choice of classes."""
        lengths = {field.name: mean_length(dataset.values(field.name)) for field in dataset.fields}
        required = {f.name: lengths[f.name] for f in dataset.fields if f.required and lengths[f.name]} or lengths
        questions = sorted(
            (q for q in dataset.questions if q.classes and q.classifies), key=lambda q: len(q.classes) < 2
        )
        if not questions or not any(required.values()):
            return {}
        text = "text" if required.get("text") else max(required, key=required.__getitem__)
        return {"text": text, "label": questions[0].name}

    def rows(self, dataset: "FeedbackDataset", definition: "TrainingTask", *, seed: int = 42) -> Rows:
        """The canonical rows of `dataset`, in record order. Raises UserError when there is none, and says why.

        From fields: only submitted answers count, rows with equal text and label stand once (as in Argilla 1.x).
        From a function: every row it gives, as it gives it; any list of labels makes all rows multi-label.
        """
        if not len(dataset):
            raise UserError("The dataset has no records.", "Add records, or load another dataset.")
        rows = self._rows(dataset, definition, seed)
        if not len(rows.table):
            raise UserError(*build.nothing_left(rows))
        return rows

    def outcomes(
        self, dataset: "FeedbackDataset", definition: "TrainingTask", *, seed: int = 42
    ) -> tuple[list[dict[str, Any]], str]:
        """For a preview, per record {"rows": [{"text", "labels"}], "reason": why there is none, "wrong": bool}, and
        what a cell printed.
        """
        if definition.is_formatted:
            return build.formatted_outcomes(dataset, definition)
        return build.outcomes_of(dataset, build.rows_from_fields(dataset, definition, seed)), ""

    def _rows(self, dataset: "FeedbackDataset", definition: "TrainingTask", seed: int) -> Rows:
        if definition.is_formatted:
            return build.rows_from_function(dataset, definition)
        return build.rows_from_fields(dataset, definition, seed)

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen field and question."""
        return starter_code(dataset, definition.fields or self.suggest(dataset))

    def label_column(self, info: dict[str, Any]) -> str | None:
        """The column that a split is stratified by."""
        return LABELS if info["multi_label"] else LABEL

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Sentences on one class only, empty texts, and labels that training would never see."""
        sentences = []
        train = rows.table if data is None else data.train
        distinct = _distinct_sets(train)
        if len(distinct) < 2:
            which = _named(sorted(next(iter(distinct), ())))
            where = "rows" if data is None else "training rows"
            sentences.append(
                f"All {len(train):,} {where} have {which}; a classifier needs rows with at least two different labels."
            )
        empty = pc.sum(pc.equal(pc.utf8_trim_whitespace(rows.table["text"]), "")).as_py() or 0
        if empty:
            sentences.append(f"{empty:,} of the {len(rows.table):,} rows have an empty text; leave those records out.")
        return sentences + ([] if data is None else _unseen_labels(data))

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """Metrics, per-label figures, confusion, the majority baseline, and the mistakes, surest first."""
        from engine.evaluation.metrics import classification_figures, majority_baseline

        expected = label_sets(table)
        predicted = [_predicted(scores, info["multi_label"]) for scores in predictions]
        figures = classification_figures(expected, predicted, info["classes"], info["multi_label"])
        baseline = majority_baseline(label_sets(trained_on), expected, info["classes"])
        figures["baseline"] = {"name": f"Always {_named(baseline['labels'])}", "metrics": baseline["metrics"]}
        mistakes = [
            {
                "record_id": record_id,
                "text": text,
                "expected": right,
                "predicted": guess,
                "score": _sureness(scores, right, info["multi_label"]),
            }
            for record_id, text, right, guess, scores in zip(
                table["record_id"].to_pylist(), table["text"].to_pylist(), expected, predicted, predictions, strict=True
            )
            if set(right) != set(guess)
        ]
        mistakes.sort(key=lambda mistake: -mistake["score"])
        return figures | {"mistakes": mistakes[:SHOWN_MISTAKES], "n_mistakes": len(mistakes)}

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """Up to `n` rows in their order, from as many different labels as there are: {"input", "expected",
        "record_id"}, where "expected" is a list of labels.
        """
        sets = label_sets(table)
        seen: Counter = Counter()
        turn = []  # how many rows with the same labels came before: one row of every kind first, then a second, …
        for labels in sets:
            turn.append(seen[tuple(labels)])
            seen[tuple(labels)] += 1
        chosen = sorted(sorted(range(len(sets)), key=lambda row: (turn[row], row))[:n])
        part = table.take(pa.array(chosen, pa.int64()))
        columns = zip(part["text"].to_pylist(), chosen, part["record_id"].to_pylist(), strict=True)
        return [{"input": text, "expected": sets[row], "record_id": record_id} for text, row, record_id in columns]

    def about_model(self, info: dict[str, Any]) -> str:
        """The labels that it gives."""
        kind = "any number of these labels" if info["multi_label"] else "one of these labels"
        return f"It gives a text {kind}: {_named(info['classes'])}."

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called "text", or else the wordiest one."""
        return {"text": wordiest(table)}

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """prediction (several labels joined by commas), its score, and one score column a label."""
        chosen = [_predicted(output, info["multi_label"]) if output else None for output in outputs]
        by_label = [{entry["label"]: entry["score"] for entry in output or ()} for output in outputs]
        columns = {
            "prediction": pa.array([None if labels is None else ",".join(labels) for labels in chosen], pa.string()),
            "score": pa.array([output[0]["score"] if output else None for output in outputs], pa.float64()),
        }
        for label in info["classes"]:
            columns[f"score_{label}"] = pa.array([scores.get(label) for scores in by_label], pa.float64())
        return columns


def label_sets(table: pa.Table) -> list[list[str]]:
    """The labels of each row as a list; exactly one in each when the task is single-label."""
    if LABELS in table.column_names:
        return table[LABELS].to_pylist()
    return [[label] for label in table[LABEL].to_pylist()]


def _distinct_sets(table: pa.Table) -> set[frozenset[str]]:
    """The different sets of labels that rows have, without a Python object a row."""
    if LABEL in table.column_names:
        return {frozenset([label]) for label in table[LABEL].unique().to_pylist()}
    encoded = pc.binary_join(table[LABELS], SEPARATOR).unique().to_pylist()
    return {frozenset(joined.split(SEPARATOR)) - {""} for joined in encoded}


def _named(labels: Iterable[str]) -> str:
    return ", ".join(f"“{label}”" for label in labels) or "no label"


def _unseen_labels(data: TaskData) -> list[str]:
    seen = frozenset().union(*_distinct_sets(data.train))
    sentences = []
    for split, part in (("validation", data.validation), ("test", data.test)):
        missing = [] if part is None else sorted(frozenset().union(*_distinct_sets(part)) - seen)
        if missing:
            shown = _named(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            sentences.append(
                f"{len(missing)} {'label stands' if len(missing) == 1 else 'labels stand'} in the {split} rows but in "
                f"no training row: {shown}. Annotate more records with it, or give training a larger share."
            )
    return sentences


def _predicted(scores: list[dict[str, Any]], multi_label: bool) -> list[str]:
    """Labels of one prediction, whose entries are best first; none where the best is 0: the answer named no label."""
    if multi_label:
        return [entry["label"] for entry in scores if entry["score"] >= DECISION]
    return [scores[0]["label"]] if scores[0]["score"] else []


def _sureness(scores: list[dict[str, Any]], right: list[str], multi_label: bool) -> float:
    """How sure the model was of its mistake: the score of the wrong label, or of the worst of several decisions."""
    if not multi_label:
        return scores[0]["score"]
    wrong = [1 - e["score"] if e["label"] in right else e["score"] for e in scores]
    sides = [(e["score"] >= DECISION) != (e["label"] in right) for e in scores]
    return max(score for score, side in zip(wrong, sides, strict=True) if side)
