"""Sentence similarity: how alike two sentences are.

Canonical columns record_id, sentence-1, sentence-2, sentence-3?, label?; or record_id, sentence, label (its class).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from engine.data.layout import RECORD_ID
from engine.errors import UserError
from engine.evaluation.similarity import examples_of, mistakes_of, triplets_of
from engine.tasks import sentence_similarity_rows as build
from engine.tasks.columns import mean_length
from engine.tasks.sample_task import Account, Row, SampleTask
from engine.tasks.sentence_similarity_code import is_number_column, starter_code, suggestion
from engine.tasks.sentence_similarity_rows import CLASSES, LABEL, LABELLED_PAIRS, PAIRS, SENTENCES, THIRD
from engine.tasks.task import Metric, Role, Rows, TaskData

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.data.questions import Question
    from engine.tasks.training_task import TrainingTask

SHOWN_MISTAKES = 200
INPUTS_HINT = "Give [a, b], [a, [b, c, …]], or a list of pairs [[a, b], [c, d], …], all of texts."


class SentenceSimilarity(SampleTask):
    """Scores how alike two sentences are: by their meaning, or by whatever the pairs that it learns from show."""

    name: ClassVar[str] = "sentence-similarity"
    label: ClassVar[str] = "Sentence similarity"
    summary: ClassVar[str] = "Score how alike two sentences are: search, duplicates, matching."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "sentence-1": "a sentence",
        "sentence-2": "the sentence to compare with it; of a triplet, the one that is like it",
        "sentence-3": "of a triplet, the one that is not like it",
        "label": "how alike the first two are (whole number or decimal); beside “sentence”, its class",
        "sentence": "a sentence with a class, instead of the three above (from a formatting function)",
    }
    roles: ClassVar[dict[str, Role]] = {
        "sentence-1": Role("field", "First sentence", "Of a triplet: the one to compare with."),
        "sentence-2": Role("field", "Second sentence", "Of a triplet, or without a label: one that is like the first."),
        "sentence-3": Role("field", "Third sentence", "For triplets: one that is not like the first.", optional=True),
        "label": Role(
            "column",
            "Similarity",
            "A label, rating or ranking question whose answers are numbers, or a column of numbers; a higher one is "
            "more alike. Without one all pairs count as alike.",
            optional=True,
        ),
    }
    constructor: ClassVar[str] = "for_sentence_similarity"
    metrics: ClassVar[dict[str, Metric]] = {
        "spearman": Metric("Spearman correlation", "spearmanr", is_share=False),
        "average_precision": Metric("Average precision", "average_precision"),
        "triplet_accuracy": Metric("Triplet accuracy", "accuracy"),
        "mrr": Metric("Mean reciprocal rank", "mrr", is_share=False),
        "accuracy": Metric("Accuracy", "accuracy"),
        "recall_at_1": Metric("Recall@1", "recall"),
        "pearson": Metric("Pearson correlation", "pearsonr", is_share=False),
    }
    pipeline_tag: ClassVar[str] = "sentence-similarity"
    view: ClassVar[str] = "similarity"
    inputs: ClassVar[dict[str, str]] = {"sentence-1": "First sentence", "sentence-2": "Second sentence"}
    predicted_rows: ClassVar[int | None] = 1000
    model_scores: ClassVar[bool] = True
    together: ClassVar[tuple[str, ...]] = (RECORD_ID, "sentence-1", "sentence")
    cell_returns: ClassVar[str] = (
        '{"sentence-1": …, "sentence-2": …}, perhaps with "sentence-3" and a number as "label"; or {"sentence": …, '
        '"label": its class}; a list of them for several rows; None for no row'
    )

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """Fields called sentence1 and sentence2, premise and hypothesis or alike, and a label of numbers."""
        return suggestion(dataset, self.candidates(dataset)[LABEL])

    def fits(self, role: str, field: str, dataset: "FeedbackDataset") -> bool:
        """Sentences are texts (numbers are read as texts); a label is a number."""
        if role == LABEL:
            return is_number_column(dataset.values(field))
        return super().fits(role, field, dataset)

    def accepts(self, role: str, question: "Question") -> bool:
        """A label, rating or ranking question."""
        return super().accepts(role, question) and not question.is_multi_label

    def python_arguments(self, chosen: dict[str, str], dataset: dict[str, str]) -> list[str]:
        """texts=[…] and label=…, as Argilla's constructor takes them."""
        texts = ", ".join(f"dataset.field_by_name({chosen[role]!r})" for role in SENTENCES if role in chosen)
        lines = [f"texts=[{texts}]"]
        if LABEL in chosen:
            kind = dataset.get(chosen[LABEL], "question")
            lines.append(f"label=dataset.{kind}_by_name({chosen[LABEL]!r})")
        return lines

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen columns."""
        return starter_code(dataset, definition.fields or self.suggest(dataset))

    def label_column(self, info: dict[str, Any]) -> str | None:
        """Whole-number labels are spread evenly over the parts."""
        return LABEL if info["label"] == "int" else None

    # ---- rows -------------------------------------------------------------------------------------------------------

    def check_choices(self, account: Account) -> None:
        """Besides: every sentence stands in a column of its own."""
        super().check_choices(account)
        chosen = [account.chosen(role) for role in SENTENCES if account.chosen(role)]
        twice = next((name for name in chosen if chosen.count(name) > 1), None)
        if twice:
            raise UserError(f"{twice!r} is chosen for two sentences.", "Choose a column of its own for each.")

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """The sentences with each label of a record; none when a sentence or the label is missing or empty."""
        row = {}
        for role in (role for role in SENTENCES if account.chosen(role)):
            row[role] = account.value(sample, role)
            if not (row[role] or "").strip():
                account.leave_out(f"“{account.chosen(role)}” {'missing' if row[role] is None else 'empty'}")
                return
        if THIRD in row and row[THIRD] == row["sentence-2"]:
            account.leave_out(build.SAME)
        elif account.chosen(LABEL):
            yield from (row | {LABEL: label} for label in build.labels_of(sample, account))
        else:
            yield row

    def row_of(self, item: Any, record_id: str) -> Row:
        """A dict of sentences, perhaps with a label. Raises WrongItem."""
        return build.item_row(item, record_id)

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """See `sentence_similarity_rows.table_of`."""
        return build.table_of(account)

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Sentences on empty texts, labels that are all the same, and classes without a second sentence."""
        parts = {"": rows.table} if data is None else {
            name: part
            for name, part in (("training ", data.train), ("validation ", data.validation), ("test ", data.test))
            if part is not None
        }  # fmt: skip
        sentences = [told for name, part in parts.items() for told in _nothing_to_tell(name, part, rows.info["format"])]
        empty = [pc.equal(pc.utf8_trim_whitespace(rows.table[name]), "") for name in _columns(rows.table)]
        n = sum(pc.sum(column).as_py() or 0 for column in empty)
        if n:
            sentences.append(
                f"{n:,} of the sentences in the {len(rows.table):,} rows {'is' if n == 1 else 'are'} empty; "
                "leave those records out."
            )
        return sentences

    # ---- evaluation and prediction ----------------------------------------------------------------------------------

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """The mistakes, worst first; the figures come from the predictor (engine/evaluation/similarity.py)."""
        ids = table[RECORD_ID].to_pylist()
        found = mistakes_of(table, predictions)
        mistakes = [{"record_id": ids[one.pop("row")]} | one | {"score": None} for one in found]
        return {"mistakes": mistakes[:SHOWN_MISTAKES], "n_mistakes": len(mistakes)}

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The pairs of the first `n` rows (two pairs of a triplet) and what is expected: a label, or words."""
        ids = table[RECORD_ID].to_pylist()
        examples = examples_of(table)
        return [
            {"input": list(pair), "expected": expected, "record_id": ids[row]}
            for row, pair, expected in examples
            if row < n
        ]

    def about_model(self, info: dict[str, Any]) -> str:
        """What its number means."""
        return "It gives two sentences a similarity: the higher, the more alike they are."

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The columns whose names belong together (sentence1 and sentence2), or else the two wordiest."""
        names = build.named_together(table.column_names)
        if not names:
            names = sorted(table.column_names, key=lambda name: -mean_length(table[name]))
        return dict(zip(self.inputs, names, strict=False))

    def as_input(self, parts: dict[str, str]) -> list[str]:
        """The pair [sentence-1, sentence-2]."""
        return [parts[part] for part in self.inputs]

    def as_inputs(self, given: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
        """`[a, b]` is one pair and gets its score; `[a, [b, c]]` compares one with several, `[[a, b], [c, d]]` is
        several pairs: both get a list of scores.
        """
        if not isinstance(given, (list, tuple)) or isinstance(given, str):
            raise UserError(f"A {type(given).__name__} is no pair of sentences.", INPUTS_HINT)
        if len(given) == 2 and isinstance(given[0], str):
            if isinstance(given[1], str):
                return [list(given)], lambda outputs: outputs[0]
            return [[given[0], other] for other in given[1]], list
        return [list(pair) if isinstance(pair, (list, tuple)) else pair for pair in given], list

    def model_text(self, row: dict[str, Any]) -> str:
        """The longest sentence: each is read on its own."""
        return max((row[name] for name in _columns(row)), key=len, default="")

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """similarity."""
        return {"similarity": pa.array(outputs, pa.float64())}


def _columns(names: Iterable[str] | pa.Table) -> list[str]:
    return build.sentence_columns(names.column_names if isinstance(names, pa.Table) else names)


def _nothing_to_tell(name: str, part: pa.Table, kind: str) -> list[str]:
    """Why nothing can be learned from, or measured on, one part of the rows."""
    n = f"All {len(part):,} {name}rows have" if len(part) > 1 else f"The only {name}row has"
    more = f"Annotate more records, or give {name.strip()} a larger share." if name else "Annotate more records."
    if kind == LABELLED_PAIRS and pc.count_distinct(part[LABEL]).as_py() < 2:
        return [f"{n} the label {part[LABEL][0].as_py():g}; it takes two different labels to tell pairs apart. {more}"]
    if kind == PAIRS and min(pc.count_distinct(part[side]).as_py() for side in (build.FIRST, build.SECOND)) < 2:
        return [f"{n} one sentence to be found; it takes pairs of two different sentences to tell them apart. {more}"]
    if kind == CLASSES:
        counts = sorted(pc.value_counts(part[LABEL]).field("counts").to_pylist())
        learns = name in ("", "training ")
        if not triplets_of(part) or (learns and counts[-2] < 2):
            classes = f"{len(counts)} {'class' if len(counts) == 1 else 'classes'}"
            needed = "two classes with two different sentences each" if learns else "two classes, one of two sentences,"
            return [f"The {name}rows have {classes}, and it takes {needed} to tell them apart. {more}"]
    return []
