"""Chat completion: conversations in which an assistant answers. Canonical columns record_id, messages; and chat, the
conversation's name, where a function gave one.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from pydantic import BaseModel

from engine.data.layout import RECORD_ID
from engine.data.questions import Question
from engine.errors import UserError
from engine.tasks import columns, messages
from engine.tasks.chat_completion_code import starter_code
from engine.tasks.generation import GenerationOptions
from engine.tasks.sample_task import Account, Row, SampleTask, texts_in, wrong_item
from engine.tasks.task import Metric, Role, Rows, TaskData
from engine.tasks.text_answers import holds_text, submitted_texts

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

CHAT, TURN = "chat", "turn"
EXPECTED = (
    "Let it return turns (chat, turn, role, content) with a role of system, user or assistant, or a list of "
    '{"role": …, "content": …}.'
)
SHOWN_SAMPLES = 8
QUESTIONS = ("user", "instruction", "question", "prompt", "query", "message", "input")
CONTEXTS = ("context", "input")
ANSWERS = ("assistant", "response", "answer", "completion", "output", "reply")
SYSTEMS = ("system",)


class ChatCompletion(SampleTask):
    """Teaches a chat model to answer as in your conversations."""

    name: ClassVar[str] = "chat-completion"
    label: ClassVar[str] = "Chat completion"
    summary: ClassVar[str] = "Teach a chat model to answer as the assistant does in your conversations."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the (first) record that the conversation came from",
        "messages": "the conversation: a list of role (system, user, assistant) and content",
    }
    roles: ClassVar[dict[str, Role]] = {
        "messages": Role(
            "field",
            "Messages",
            "A column of conversations. Or leave it empty and choose what each role says.",
            optional=True,
            types=messages.FIELD_TYPES,
        ),
        "system": Role("template", "System says", "How the assistant is to behave; may be plain text.", optional=True),
        "user": Role("template", "User says", "What the assistant is to answer.", optional=True),
        "assistant": Role("column", "Assistant says", "The answer: a text question, or a column.", optional=True),
    }
    constructor: ClassVar[str] = "for_chat_completion"
    metrics: ClassVar[dict[str, Metric]] = {
        "loss": Metric("Loss", "loss", is_share=False, higher_is_better=False),
        "perplexity": Metric("Perplexity", "perplexity", is_share=False, higher_is_better=False),
        "token_accuracy": Metric("Token accuracy", "accuracy"),
    }
    pipeline_tag: ClassVar[str] = "text-generation"
    view: ClassVar[str] = "chat"
    inputs: ClassVar[dict[str, str]] = {"message": "Message"}
    predict_options: ClassVar[type[BaseModel] | None] = GenerationOptions
    predicted_rows: ClassVar[int | None] = SHOWN_SAMPLES
    model_scores: ClassVar[bool] = True
    together: ClassVar[tuple[str, ...]] = (RECORD_ID,)
    cell_returns: ClassVar[str] = (
        "turns (chat, turn, role, content), a list of them for a conversation; turns of one chat may come from "
        "several records; None for none"
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
        """A column of conversations; or what a user asks and a text question that answers, by their names."""
        chats = [field.name for field in dataset.fields if messages.can_hold(dataset, field.name)]
        if chats:
            return {"messages": columns.named(chats, *messages.NAMES) or chats[0]}
        asked = [question.name for question in dataset.questions if holds_text(question)]
        fields = [field.name for field in dataset.fields if columns.mean_length(dataset.values(field.name))]
        answer = columns.named(asked, *ANSWERS) or next(iter(asked), None) or columns.named(fields, *ANSWERS)
        system = columns.named(fields, *SYSTEMS)
        others = [name for name in asked + fields if name not in (answer, system)]
        user = columns.named(others, *QUESTIONS)
        if user is None and answer in asked and fields:
            user = max(fields, key=lambda name: columns.mean_length(dataset.values(name)))
        if answer is None or user is None:
            return {}
        context = columns.named([name for name in others if name != user], *CONTEXTS)
        chosen = {"user": f"{{{context}}}\n\n{{{user}}}" if context else f"{{{user}}}", "assistant": answer}
        return chosen | ({"system": f"{{{system}}}"} if system else {})

    def check_choices(self, account: Account) -> None:
        """Messages alone, or a user and an assistant (and a system). Raises UserError for anything else."""
        chosen = [role for role in self.roles if account.chosen(role)]
        if chosen not in (["messages"], ["user", "assistant"], ["system", "user", "assistant"]):
            given = " and ".join(f"“{self.roles[role].label}”" for role in chosen) or "nothing"
            raise UserError(
                f"{self.label} needs a column of messages, or what the user and the assistant say; {given} was chosen.",
                "Choose one of the two.",
            )
        candidates = self.candidates(account.dataset)
        for role in chosen:
            name = account.chosen(role)
            if role == "system" and not columns.placeholders(name):
                continue  # the same words for every row are what a system says
            if role in ("system", "user") and name not in account.columns:
                columns.check_template(name, account.columns, f"The template of “{self.roles[role].label}”")
            elif name not in candidates[role]:
                can = ", ".join(candidates[role]) or "none of this dataset"
                what = "can't be used as" if name in account.columns else "is no column for"
                raise UserError(f"{name!r} {what} “{self.roles[role].label}”.", f"Columns that can: {can}.")

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """The conversation, or one for each submitted answer of the assistant."""
        if account.chosen("messages"):
            try:
                said, turned = messages.read(sample.get(account.chosen("messages")))
            except messages.NotMessages as reason:
                account.leave_out(str(reason))
                return
            account.counts["conversations in ShareGPT's form"] += turned
            yield {"messages": said}
            return
        user = account.value(sample, "user")
        if user is None or not user.strip():
            account.leave_out(messages.EMPTY)
            return
        before = [{"role": "user", "content": user}]
        system = self._system(sample, account)
        if system:
            before.insert(0, {"role": "system", "content": system})
        for answer in submitted_texts(sample, "assistant", account):
            yield {"messages": [*before, {"role": "assistant", "content": answer}]}

    @staticmethod
    def _system(sample: Row, account: Account) -> str:
        chosen = account.chosen("system")
        if chosen and chosen not in account.columns and not columns.placeholders(chosen):
            return chosen.replace("{{", "{").replace("}}", "}").strip()
        return (account.value(sample, "system") or "").strip()

    def items_of(self, given: list[Any]) -> list[Any]:
        """Messages that follow each other are one conversation."""
        return messages.conversations(given)

    def row_of(self, item: Any, record_id: str) -> Row:
        """A turn (chat, turn, role, content), still alone; or a whole conversation."""
        if isinstance(item, dict) and "messages" in item:
            try:
                return {"messages": messages.read(item["messages"])[0]}
            except messages.NotMessages as reason:
                raise wrong_item(item["messages"], record_id, str(reason), EXPECTED) from reason
        chat, turn, role, content = texts_in(item, record_id, 4, EXPECTED)
        if role not in messages.ROLES:
            raise wrong_item(item, record_id, f"the role {role!r}", EXPECTED)
        return {CHAT: chat, TURN: turn, "role": role, "content": content}

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """Conversations in the order of their first turns; turns of one chat stand together, in order."""
        chats = _conversations(account)
        if not chats:
            raise UserError(*self.nothing_left(account))
        types = {RECORD_ID: pa.string(), "messages": messages.TYPE, CHAT: pa.string()}
        if not any(CHAT in chat for chat in chats):
            del types[CHAT]
        return pa.Table.from_pylist(chats, schema=pa.schema(types)), {}

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the conversations of the chosen columns."""
        return starter_code(dataset, definition.fields or self.suggest(dataset))

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        return []  # what can't be learned from was left out, with its reason

    # ---- after training ---------------------------------------------------------------------------------------------

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """What the model answered in held-out conversations, beside the last answer there. The figures are the
        model's.
        """
        examples = self.example_inputs(table, len(table))
        given = [None if message is None else message["content"] for message in predictions]
        return {"samples": [ex | {"predicted": text} for ex, text in zip(examples, given, strict=True)]}

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The first conversations up to their last answer as {"input", "expected", "record_id"}."""
        found = []
        for row in table.slice(0, n).to_pylist():
            before, answer = messages.prompt_and_answer(row["messages"])
            found.append({"input": before, "expected": answer, "record_id": row[RECORD_ID]})
        return found

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called like a question, or else the wordiest one."""
        return {"message": columns.named(table.column_names, *QUESTIONS) or columns.wordiest(table)}

    def as_input(self, parts: dict[str, str]) -> Any:
        return [{"role": "user", "content": parts["message"]}]

    def as_inputs(self, given: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
        """A text is what a user says; a list of messages is one input; a list of either is many."""
        if isinstance(given, str) or messages.is_conversation(given):
            return [_said(given)], lambda outputs: outputs[0]
        inputs, answer = super().as_inputs(given)
        return [_said(one) for one in inputs], answer

    def model_text(self, row: dict[str, Any]) -> str:
        return messages.as_text(row["messages"]) if "messages" in row else row.get("content", "")

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """prediction: what the assistant answered."""
        return {"prediction": pa.array([output and output["content"] for output in outputs], pa.string())}


def _said(given: Any) -> Any:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _conversations(account: Account) -> list[Row]:
    """The account's rows with the turns of each chat put together; why a chat gives none is told to `account`."""
    whole: list[Row] = []
    turns: dict[str, list[Row]] = {}
    for row in account.rows:
        if "messages" in row:
            whole.append(row)
            continue
        if row[CHAT] not in turns:
            whole.append({RECORD_ID: row[RECORD_ID], CHAT: row[CHAT]})
        turns.setdefault(row[CHAT], []).append(row)
    found = []
    for row in whole:
        if "messages" in row:
            found.append(row)
            continue
        account.record_id = row[RECORD_ID]
        said = [{"role": turn["role"], "content": turn["content"]} for turn in _in_order(turns[row[CHAT]])]
        try:
            found.append(row | {"messages": messages.read(said)[0]})
        except messages.NotMessages as reason:
            account.leave_out(str(reason))
    return found


def _in_order(turns: list[Row]) -> list[Row]:
    """By number where every turn is one, else as they were given."""
    try:
        return sorted(turns, key=lambda turn: float(turn[TURN]))
    except ValueError:
        return turns
