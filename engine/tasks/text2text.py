"""Text2text: texts and what they are to be turned into. Canonical columns record_id, text, target."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from engine.data.layout import RECORD_ID
from engine.data.questions import Question
from engine.tasks import columns
from engine.tasks.generation import GenerationOptions
from engine.tasks.sample_task import Account, Row, SampleTask, texts_in
from engine.tasks.task import Metric, Role, Rows, TaskData
from engine.tasks.text_answers import field_text, holds_text, submitted_texts

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

SCHEMA = pa.schema([(RECORD_ID, pa.string()), ("text", pa.string()), ("target", pa.string())])
SHOWN, SAMPLES = 200, 20
EXPECTED = "Let it return (text, target)."
SOURCES = ("text", "source", "input", "document", "article", "original")
TARGETS = ("target", "output", "summary", "translation", "rewrite", "correction", "corrected")

_HEAD = """def formatting_func(sample):
    # One record in, rows out: (text, target) each. None leaves the record out.
    text = sample[{text!r}]
"""
_FROM_QUESTION = """    targets = [answer["value"] for answer in sample[{target!r}] if answer["status"] == "submitted"]
    if not text:
        return None
    return [(text, target) for target in dict.fromkeys(targets) if target]
"""
_FROM_FIELD = """    target = sample[{target!r}]
    if not text or not target:
        return None
    return text, target
"""


class Text2Text(SampleTask):
    """Turns one text into another."""

    name: ClassVar[str] = "text2text"
    label: ClassVar[str] = "Text to text"
    summary: ClassVar[str] = "Turn one text into another: correct, shorten, translate."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "text": "the text",
        "target": "what it is to be turned into",
    }
    roles: ClassVar[dict[str, Role]] = {
        "text": Role("field", "Text", "What the model reads."),
        "target": Role("column", "Target", "What it is to write: a text question, or a column."),
    }
    constructor: ClassVar[str] = "for_text2text"
    metrics: ClassVar[dict[str, Metric]] = {
        "chrf": Metric("chrF", "chrf"),
        "exact_match": Metric("Exact match", "exact_match"),
    }
    # The Hub files sequence-to-sequence models under this since transformers 5 has no pipeline of their own.
    pipeline_tag: ClassVar[str] = "text-generation"
    view: ClassVar[str] = "text"
    inputs: ClassVar[dict[str, str]] = {"text": "Text"}
    predict_options: ClassVar[type[BaseModel] | None] = GenerationOptions
    predicted_rows: ClassVar[int | None] = 200
    cell_returns: ClassVar[str] = "(text, target); a list of them for several rows; None for no row"

    # ---- what fits --------------------------------------------------------------------------------------------------

    def accepts(self, role: str, question: Question) -> bool:
        """A target is written by annotators: a text question."""
        return role == "target" and holds_text(question)

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """The first text question, or a column by its name, and the text called so, or the wordiest other one."""
        questions = [question.name for question in dataset.questions if holds_text(question)]
        lengths = {field.name: columns.mean_length(dataset.values(field.name)) for field in dataset.fields}
        fields = [name for name, length in lengths.items() if length]
        target = next(iter(questions), None) or columns.named(fields, *TARGETS)
        fields = [name for name in fields if name != target]
        if target is None or not fields:
            return {}
        text = columns.named(fields, *SOURCES) or max(fields, key=lengths.__getitem__)
        return {"text": text, "target": target}

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """A row for every different submitted target."""
        text = field_text(sample, "text", account)
        if text is None:
            return
        for target in submitted_texts(sample, "target", account):
            yield {"text": text, "target": target}

    def row_of(self, item: Any, record_id: str) -> Row:
        """(text, target)."""
        text, target = texts_in(item, record_id, 2, EXPECTED)
        return {"text": text, "target": target}

    def _from_function(self, account: Account, *, strict: bool = True) -> None:
        super()._from_function(account, strict=strict)
        given, account.rows = account.rows, []
        for row in given:
            account.record_id = row[RECORD_ID]
            empty = [part for part in ("text", "target") if not row[part].strip()]
            if empty:
                account.leave_out(f"{empty[0]} empty")
            else:
                account.rows.append(row)

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        return pa.Table.from_pylist(account.rows, schema=SCHEMA), {}

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen columns."""
        chosen = {"text": "text", "target": "target"} | (definition.fields or self.suggest(dataset))
        asked = {question.name for question in dataset.questions}
        return (_HEAD + (_FROM_QUESTION if chosen["target"] in asked else _FROM_FIELD)).format(**chosen)

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """A sentence when all targets are one: there would be nothing to learn from the texts."""
        train = rows.table if data is None else data.train
        targets = pc.unique(train["target"])
        if len(train) > 1 and len(targets) == 1:
            where = "rows" if data is None else "training rows"
            return [
                f"All {len(train):,} {where} have the same target, “{targets[0].as_py()[:60]}”; there is nothing to "
                "learn from their texts."
            ]
        return []

    # ---- after training ---------------------------------------------------------------------------------------------

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """chrF and exact match, beside giving the text back unchanged; samples, and the mistakes, farthest first."""
        from engine.evaluation import generated
        from engine.evaluation.metrics import wilson_interval

        texts, wanted = table["text"].to_pylist(), table["target"].to_pylist()
        figures = generated.figures(predictions, wanted)
        mistakes = [
            {"record_id": record_id, "text": text, "expected": [right], "predicted": [guess], "score": score}
            for record_id, text, right, guess, score in zip(
                table[RECORD_ID].to_pylist(),
                texts,
                wanted,
                predictions,
                generated.row_chrf(predictions, wanted),
                strict=True,
            )
            if guess.strip() != right.strip()
        ]
        mistakes.sort(key=lambda mistake: mistake["score"])
        rows = list(zip(texts, wanted, predictions, strict=True))[:SAMPLES]
        return {
            "metrics": figures,
            "intervals": {"exact_match": wilson_interval(len(wanted) - len(mistakes), len(wanted))},
            "baseline": {"name": "The text, unchanged", "metrics": generated.figures(texts, wanted)},
            "samples": [{"input": text, "expected": right, "predicted": guess} for text, right, guess in rows],
            "mistakes": mistakes[:SHOWN],
            "n_mistakes": len(mistakes),
        }

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The first rows as {"input", "expected", "record_id"}."""
        part = table.slice(0, n)
        rows = zip(*(part[name].to_pylist() for name in ("text", "target", RECORD_ID)), strict=True)
        return [{"input": text, "expected": target, "record_id": record_id} for text, target, record_id in rows]

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called "text" or alike, or else the wordiest one."""
        return {"text": columns.named(table.column_names, *SOURCES) or columns.wordiest(table)}

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """prediction: the text that was written."""
        return {"prediction": pa.array(outputs, pa.string())}
