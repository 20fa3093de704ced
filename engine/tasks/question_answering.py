"""Question answering: the part of a context that answers a question. Columns record_id, question, context, answers."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from engine.data.layout import RECORD_ID
from engine.data.questions import Question
from engine.tasks import columns
from engine.tasks.question_answering_rows import Given, given_answers, in_context, is_squad, starter_code
from engine.tasks.sample_task import Account, Row, SampleTask, as_text, wrong_item
from engine.tasks.task import Metric, Role, Rows, TaskData
from engine.tasks.text_answers import field_text, holds_text, why_none

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

SCHEMA = pa.schema(
    [
        (RECORD_ID, pa.string()),
        ("question", pa.string()),
        ("context", pa.string()),
        ("answers", pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])),
    ]
)
SHOWN, LOOKED_AT = 200, 50
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])")
EXPECTED = "Let it return (question, context, answer), or a list of answers in place of one."


class QuestionAnswering(SampleTask):
    """Finds the answer to a question in a text.

    Rows of one context may come into different parts of a split: annotators ask several questions about each, and
    keeping them together would leave small datasets without a test part.
    """

    name: ClassVar[str] = "question-answering"
    label: ClassVar[str] = "Question answering"
    summary: ClassVar[str] = "Find the answer to a question in a text."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "question": "the question",
        "context": "the text that answers it",
        "answers": "the answers as they stand in the context, and the characters where they start",
    }
    roles: ClassVar[dict[str, Role]] = {
        "question": Role("field", "Question", "What is asked."),
        "context": Role("field", "Context", "The text that holds the answer."),
        "answer": Role("column", "Answer", "A text question, or a column; copied from the context word by word."),
    }
    constructor: ClassVar[str] = "for_question_answering"
    metrics: ClassVar[dict[str, Metric]] = {
        "f1": Metric("F1", "f1"),
        "exact_match": Metric("Exact match", "exact_match"),
    }
    pipeline_tag: ClassVar[str] = "question-answering"
    view: ClassVar[str] = "answer"
    inputs: ClassVar[dict[str, str]] = {"question": "Question", "context": "Context"}
    cell_returns: ClassVar[str] = (
        "(question, context, answer), or (question, context, [answer, …]) where several answers are right; a list of "
        "them for several rows; None for no row"
    )
    together: ClassVar[tuple[str, ...]] = (RECORD_ID,)

    # ---- what fits --------------------------------------------------------------------------------------------------

    def fits(self, role: str, field: str, dataset: "FeedbackDataset") -> bool:
        """Text or numbers; an answer may also be a column of answers as SQuAD has it, or a list of texts."""
        kind = dataset.values(field).type
        return super().fits(role, field, dataset) or (role == "answer" and is_squad(kind))

    def accepts(self, role: str, question: Question) -> bool:
        """An answer is written by annotators: a text question."""
        return role == "answer" and holds_text(question)

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """Columns by their names, or the one text question and the longest and shortest fields; only when at least
        half of the answers stand in their context.
        """
        can = self.candidates(dataset)
        questions = [q.name for q in dataset.questions if q.name in can["answer"]]
        answer = columns.named(questions, "answer") or next(iter(questions), None)
        answer = answer or columns.named(can["answer"], "answer", "answers")
        fields = [name for name in can["context"] if name != answer]
        lengths = {name: columns.mean_length(dataset.values(name)) for name in fields}
        fields = sorted((name for name in fields if lengths[name]), key=lambda name: lengths[name])
        if answer is None or len(fields) < 2:
            return {}
        context = columns.named(fields, "context", "passage", "paragraph", "article", "document") or fields[-1]
        fields.remove(context)
        question = columns.named(fields, "question", "query") or fields[0]
        chosen = {"question": question, "context": context, "answer": answer}
        return chosen if self._finds_answers(dataset, chosen) else {}

    def _finds_answers(self, dataset: "FeedbackDataset", chosen: dict[str, str]) -> bool:
        asked = {question.name for question in dataset.questions}
        found = total = 0
        for sample in islice(dataset.samples(), LOOKED_AT):
            context = columns.text_of(sample, chosen["context"], asked) or ""
            for answer in given_answers(sample, chosen["answer"], asked):
                total += 1
                found += bool(answer.text.strip()) and answer.text.strip() in context
        return bool(total) and 2 * found >= total

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """One row a record, with every different submitted answer that stands in its context."""
        question, context = field_text(sample, "question", account), field_text(sample, "context", account)
        if question is None or context is None:
            return
        given = given_answers(sample, account.chosen("answer"), account.questions)
        if not given:
            account.leave_out(why_none(sample, "answer", account))
        answers = in_context(given, context, account)
        if answers["text"]:
            yield {"question": question, "context": context, "answers": answers}

    def row_of(self, item: Any, record_id: str) -> Row:
        """(question, context, answer or answers); where they stand in the context is looked for afterwards."""
        if not isinstance(item, (tuple, list)) or len(item) != 3:
            found = f"{type(item).__name__} of {len(item)}" if isinstance(item, (tuple, list)) else type(item).__name__
            raise wrong_item(item, record_id, found, EXPECTED)
        question, context = (as_text(value, item, record_id, EXPECTED) for value in item[:2])
        texts, starts = item[2], None
        if isinstance(texts, dict) and "text" in texts:  # as SQuAD has them
            texts, starts = texts["text"], texts.get("answer_start")
        texts = texts if isinstance(texts, (tuple, list)) else [texts]
        texts = [as_text(answer, item, record_id, EXPECTED) for answer in texts]
        starts = starts if starts and len(starts) == len(texts) else [None] * len(texts)
        return {"question": question, "context": context, "answers": {"text": texts, "answer_start": list(starts)}}

    def _from_function(self, account: Account, *, strict: bool = True) -> None:
        super()._from_function(account, strict=strict)
        rows, account.rows = account.rows, []
        for row in rows:
            account.record_id = row[RECORD_ID]
            empty = [part for part in ("question", "context") if not row[part].strip()]
            if empty:
                account.leave_out(f"{empty[0]} empty")
                continue
            given = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
            answers = in_context([Given(*answer) for answer in given], row["context"], account)
            if answers["text"]:
                account.rows.append(row | {"answers": answers})

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        return pa.Table.from_pylist(account.rows, schema=SCHEMA), {}

    # ---- training and after -----------------------------------------------------------------------------------------

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen columns."""
        chosen = definition.fields or self.suggest(dataset) or {}
        return starter_code(dataset, self._filled(dataset, chosen))

    def _filled(self, dataset: "FeedbackDataset", chosen: dict[str, str]) -> dict[str, str]:
        """`chosen`, with any column that can take a role where none is chosen."""
        filled = dict(chosen)
        for role, names in self.candidates(dataset).items():
            free = [name for name in names if name not in filled.values()]
            filled.setdefault(role, next(iter(free or names), role))
        return filled

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Every row has a question, a context and an answer in it, so nothing stands in the way."""
        return []

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """F1 and exact match against the best of each row's answers, beside the context's first sentence, and the
        mistakes, surest first.
        """
        from engine.evaluation import answers
        from engine.evaluation.metrics import wilson_interval

        rows, guesses = table.to_pylist(), [prediction["answer"] for prediction in predictions]
        right = [row["answers"]["text"] for row in rows]
        mistakes = [
            {
                "record_id": row[RECORD_ID],
                "text": row["question"],
                "expected": row["answers"]["text"],
                "predicted": [prediction["answer"]],
                "score": prediction["score"],
            }
            for row, prediction in zip(rows, predictions, strict=True)
            if not answers.exact_match(prediction["answer"], row["answers"]["text"])
        ]
        mistakes.sort(key=lambda mistake: -mistake["score"])
        first = [first_sentence(row["context"]) for row in rows]
        return {
            "metrics": answers.figures(guesses, right),
            "intervals": {"exact_match": wilson_interval(len(rows) - len(mistakes), len(rows))},
            "baseline": {"name": "The context's first sentence", "metrics": answers.figures(first, right)},
            "mistakes": mistakes[:SHOWN],
            "n_mistakes": len(mistakes),
        }

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The first rows as {"input": {"question", "context"}, "expected": answers, "record_id"}."""
        return [
            {
                "input": {"question": row["question"], "context": row["context"]},
                "expected": row["answers"]["text"],
                "record_id": row[RECORD_ID],
            }
            for row in table.slice(0, n).to_pylist()
        ]

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The columns called "question" and "context", or else the wordiest one as the context."""
        names = table.column_names
        context = columns.named(names, "context", "passage", "paragraph", "article", "document")
        context = context or columns.wordiest(table)
        others = [name for name in names if name != context]
        return {"question": columns.named(others, "question", "query") or next(iter(others), ""), "context": context}

    def model_text(self, row: dict[str, Any]) -> str:
        """Question and context: what a model reads at once, or in several windows."""
        return f"{row.get('question', '')} {row.get('context', '')}"

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """answer, the characters where it starts and ends, and its score."""
        kinds = {"answer": pa.string(), "start": pa.int64(), "end": pa.int64(), "score": pa.float64()}
        names = {"answer": "answer", "start": "answer_start", "end": "answer_end", "score": "score"}
        return {
            names[key]: pa.array([None if output is None else output[key] for output in outputs], kind)
            for key, kind in kinds.items()
        }


def first_sentence(context: str) -> str:
    """Up to the first full stop, question or exclamation mark that a space follows."""
    return SENTENCE_END.split(context.strip(), maxsplit=1)[0]
