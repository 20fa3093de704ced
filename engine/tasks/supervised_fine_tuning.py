"""Supervised fine-tuning: what a language model is to write. Canonical columns record_id and text; or prompt and
completion; or messages. All rows of one dataset are of one kind, told by info["format"].
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from engine.data.layout import RECORD_ID
from engine.data.questions import Question
from engine.errors import UserError
from engine.tasks import columns, messages
from engine.tasks.generation import GenerationOptions
from engine.tasks.sample_task import Account, Row, SampleTask, as_text, texts_in, wrong_item
from engine.tasks.supervised_fine_tuning_code import starter_code
from engine.tasks.task import Metric, Role, Rows, TaskData
from engine.tasks.text_answers import holds_text, submitted_texts

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

TEXT, PROMPT, MESSAGES = "text", "prompt", "messages"  # the kinds of rows
SCHEMAS = {
    TEXT: pa.schema([(RECORD_ID, pa.string()), ("text", pa.string())]),
    PROMPT: pa.schema([(RECORD_ID, pa.string()), ("prompt", pa.string()), ("completion", pa.string())]),
    MESSAGES: pa.schema([(RECORD_ID, pa.string()), ("messages", messages.TYPE)]),
}
KINDS = {TEXT: "a whole text", PROMPT: "a prompt and its completion", MESSAGES: "messages"}
EXPECTED = 'Let it return a text, (prompt, completion), or a list of {"role": …, "content": …}.'
SHOWN_SAMPLES = 8
INSTRUCTIONS = ("instruction", "prompt", "question", "query", "input")
CONTEXTS = ("context", "input")
ANSWERS = ("completion", "response", "output", "answer", "target", "reply")
PLAIN = "### Instruction:\n{%s}\n\n### Response:\n"
WITH_CONTEXT = "### Instruction:\n{%s}\n\n### Context:\n{%s}\n\n### Response:\n"


class SupervisedFineTuning(SampleTask):
    """Teaches a language model to write what was written for it."""

    name: ClassVar[str] = "supervised-fine-tuning"
    label: ClassVar[str] = "Supervised fine-tuning"
    summary: ClassVar[str] = "Teach a language model to answer prompts as your data does."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "text": "a whole text to learn",
        "prompt": "what the model is given",
        "completion": "what it is to write",
        "messages": "a conversation: a list of role and content",
    }
    roles: ClassVar[dict[str, Role]] = {
        "prompt": Role("template", "Prompt", "What the model is given; end it where the answer begins.", optional=True),
        "completion": Role("column", "Completion", "What it is to write: a text question, or a column.", optional=True),
        "text": Role("template", "Whole text", "Instead of both: one text, learned from its start.", optional=True),
        "messages": Role(
            "field",
            "Messages",
            "Instead of all: a column of conversations, written with the model's chat template.",
            optional=True,
            types=messages.FIELD_TYPES,
        ),
    }
    constructor: ClassVar[str] = "for_supervised_fine_tuning"
    metrics: ClassVar[dict[str, Metric]] = {
        "loss": Metric("Loss", "loss", is_share=False, higher_is_better=False),
        "perplexity": Metric("Perplexity", "perplexity", is_share=False, higher_is_better=False),
        "token_accuracy": Metric("Token accuracy", "accuracy"),
    }
    pipeline_tag: ClassVar[str] = "text-generation"
    view: ClassVar[str] = "text"
    inputs: ClassVar[dict[str, str]] = {"prompt": "Prompt"}
    predict_options: ClassVar[type[BaseModel] | None] = GenerationOptions
    predicted_rows: ClassVar[int | None] = SHOWN_SAMPLES
    model_scores: ClassVar[bool] = True
    together: ClassVar[tuple[str, ...]] = (RECORD_ID, "text", "prompt")
    cell_returns: ClassVar[str] = (
        'a text, (prompt, completion), or a list of {"role", "content"}; a list of texts for several rows; None for '
        "no row"
    )

    # ---- what fits --------------------------------------------------------------------------------------------------

    def fits(self, role: str, field: str, dataset: "FeedbackDataset") -> bool:
        """Messages are conversations; the rest is text or numbers."""
        if role == "messages":
            return messages.can_hold(dataset, field)
        return super().fits(role, field, dataset)

    def accepts(self, role: str, question: Question) -> bool:
        """Annotators' own texts can stand anywhere but for messages."""
        return role != "messages" and holds_text(question)

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """A column of conversations; or columns called like an instruction and its answer, a text question counting
        as the answer; or the only column, when it is called "text" and nothing was asked.
        """
        chats = [field.name for field in dataset.fields if messages.can_hold(dataset, field.name)]
        if chats:
            return {"messages": columns.named(chats, *messages.NAMES) or chats[0]}
        asked = [question.name for question in dataset.questions if holds_text(question)]
        fields = [field.name for field in dataset.fields if columns.mean_length(dataset.values(field.name))]
        answer = columns.named(asked, *ANSWERS) or next(iter(asked), None) or columns.named(fields, *ANSWERS)
        others = [name for name in asked + fields if name != answer]
        prompt = columns.named(others, *INSTRUCTIONS)
        if prompt is None and answer in asked and fields:
            prompt = max(fields, key=lambda name: columns.mean_length(dataset.values(name)))
        if answer is not None and prompt is not None:
            return {"prompt": _template(prompt, [name for name in others if name != prompt]), "completion": answer}
        if fields == ["text"] and not dataset.questions:
            return {"text": "{text}"}
        return {}

    def check_choices(self, account: Account) -> None:
        """One of: a prompt and a completion, a whole text, messages. Raises UserError for none, half, or several."""
        chosen = [role for role in self.roles if account.chosen(role)]
        if chosen not in (["prompt", "completion"], ["text"], ["messages"]):
            given = " and ".join(f"“{self.roles[role].label}”" for role in chosen) or "nothing"
            raise UserError(
                f"{self.label} needs a prompt with its completion, or a whole text, or messages; {given} was chosen.",
                "Choose one of the three.",
            )
        super().check_choices(account)

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """A row for each submitted completion; or the text; or the conversation."""
        if account.chosen("messages"):
            yield from self._conversation(sample, account)
        elif account.chosen("text"):
            yield from self._text(sample, account)
        else:
            prompt = account.value(sample, "prompt")
            if prompt is None or not prompt.strip():
                account.leave_out("the prompt is empty")
                return
            for completion in submitted_texts(sample, "completion", account):
                yield {"prompt": prompt, "completion": completion}

    def _text(self, sample: Row, account: Account) -> Iterator[Row]:
        if account.chosen("text") in account.questions:
            yield from ({"text": text} for text in submitted_texts(sample, "text", account))
            return
        text = account.value(sample, "text")
        if text is None or not text.strip():
            account.leave_out("the text is empty")
        else:
            yield {"text": text}

    def _conversation(self, sample: Row, account: Account) -> Iterator[Row]:
        try:
            said, turned = messages.read(sample.get(account.chosen("messages")))
        except messages.NotMessages as reason:
            account.leave_out(str(reason))
            return
        account.counts["conversations in ShareGPT's form"] += turned
        yield {"messages": said}

    def items_of(self, given: list[Any]) -> list[Any]:
        """Messages that follow each other are one conversation."""
        return messages.conversations(given)

    def row_of(self, item: Any, record_id: str) -> Row:
        """A text (a number is read as one), (prompt, completion), or a conversation."""
        if isinstance(item, dict) and "messages" in item:
            try:
                return {"messages": messages.read(item["messages"])[0]}
            except messages.NotMessages as reason:
                raise wrong_item(item["messages"], record_id, str(reason), EXPECTED) from reason
        if isinstance(item, (tuple, list)):
            prompt, completion = texts_in(item, record_id, 2, EXPECTED)
            return {"prompt": prompt, "completion": completion}
        return {"text": as_text(item, item, record_id, EXPECTED)}

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """The rows; raises UserError when they are of several kinds."""
        first: dict[str, str] = {}
        for row in account.rows:
            first.setdefault(next(kind for kind in SCHEMAS if kind in row), row[RECORD_ID])
        if len(first) > 1:
            found = ", ".join(f"{KINDS[kind]} (first for record {record_id!r})" for kind, record_id in first.items())
            raise UserError(f"The formatting function gave rows of several kinds: {found}.", "Let it give one kind.")
        kind = next(iter(first))
        return pa.Table.from_pylist(account.rows, schema=SCHEMAS[kind]), {"format": kind}

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen columns."""
        return starter_code(dataset, definition.fields or self.suggest(dataset))

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Sentences on texts that are empty, which only a function can give."""
        learned = {TEXT: "text", PROMPT: "completion"}.get(rows.info["format"])
        if learned is None:
            return []
        empty = pc.sum(pc.equal(pc.utf8_trim_whitespace(rows.table[learned]), "")).as_py() or 0
        if not empty:
            return []
        return [f"{empty:,} of the {len(rows.table):,} rows have an empty {learned}; there is nothing to learn there."]

    # ---- after training ---------------------------------------------------------------------------------------------

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """What the model wrote for held-out prompts, beside what stands in the data. The figures are the model's."""
        examples = self.example_inputs(table, len(table))
        return {"samples": [ex | {"predicted": text} for ex, text in zip(examples, predictions, strict=True)]}

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The first rows as {"input", "expected", "record_id"}: the prompt; the messages before the last answer; the
        first half of a whole text.
        """
        return [dict(_asked(row), record_id=row[RECORD_ID]) for row in table.slice(0, n).to_pylist()]

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called like a prompt, or else the wordiest one."""
        return {"prompt": columns.named(table.column_names, *INSTRUCTIONS) or columns.wordiest(table)}

    def as_inputs(self, given: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
        """A list of messages is one input; any other list is many."""
        if messages.is_conversation(given):
            return [list(given)], lambda outputs: outputs[0]
        return super().as_inputs(given)

    def model_text(self, row: dict[str, Any]) -> str:
        if "messages" in row:
            return messages.as_text(row["messages"])
        return row["text"] if "text" in row else row["prompt"] + row["completion"]

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """prediction: the text that was written."""
        return {"prediction": pa.array(outputs, pa.string())}


def _template(prompt: str, others: list[str]) -> str:
    """A prompt that ends where the answer begins. A column called "prompt" is one as it is."""
    if prompt == "prompt":
        return "{prompt}"
    context = columns.named(others, *CONTEXTS)
    return WITH_CONTEXT % (prompt, context) if context else PLAIN % prompt


def _asked(row: Row) -> dict[str, Any]:
    """{"input", "expected"} of one canonical row."""
    if "messages" in row:
        before, answer = messages.prompt_and_answer(row["messages"])
        return {"input": before, "expected": answer}
    if "prompt" in row:
        return {"input": row["prompt"], "expected": row["completion"]}
    words = row["text"].split(" ")
    half = (len(words) + 1) // 2
    return {"input": " ".join(words[:half]), "expected": " ".join(words[half:])}
