"""KTO: a language model learns from answers that are each good or bad, without pairs (Ethayarajh 2024).

Canonical columns record_id, prompt, completion, label (bool), and where known history (the turns before the prompt).
From a rating: above the middle of the scale is good, below it bad, the middle itself is left out and counted.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from engine.data.layout import RECORD_ID
from engine.data.questions import Question
from engine.errors import UserError
from engine.tasks import turns
from engine.tasks.columns import named, wordiest
from engine.tasks.direct_preference_optimization import BASE_NAME, SHOWN_SAMPLES, as_inputs, prompts_of, samples_of
from engine.tasks.generation import GenerationOptions
from engine.tasks.kto_code import starter_code
from engine.tasks.kto_labels import good_class, verdicts_of
from engine.tasks.preferences import (
    CHOSEN,
    CHOSEN_NAMES,
    EQUAL,
    HISTORY,
    NO_CHOSEN,
    NO_PROMPT,
    NO_REJECTED,
    NO_RESPONSE,
    PROMPT,
    PROMPT_HELP,
    PROMPT_NAMES,
    REJECTED,
    REJECTED_NAMES,
    RESPONSE_NAMES,
    TEXT_OR_CHAT,
    TURN,
)
from engine.tasks.sample_task import Account, Row, SampleTask, as_text, wrong_item
from engine.tasks.task import Metric, Role, Rows, TaskData

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

COMPLETION, LABEL = "completion", "label"
BASE_FIGURES = {"loss": 0.5, "reward_margin": 0.0}  # of rewards that are all 0
MIDDLE = "rated in the middle of the scale"


class Kto(SampleTask):
    """Writes more of what was called good, and less of what was called bad."""

    name: ClassVar[str] = "kto"
    label: ClassVar[str] = "KTO"
    summary: ClassVar[str] = "Teach a language model from answers that are each good or bad: thumbs up, thumbs down."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "prompt": "what is answered",
        "completion": "an answer",
        "label": "whether the answer is good",
        "history": "the messages before the prompt, where it is part of a conversation",
    }
    roles: ClassVar[dict[str, Role]] = {
        "prompt": Role("template", "Prompt", PROMPT_HELP, optional=True, types=TEXT_OR_CHAT),
        "completion": Role(
            "column", "Answer", "The text that was judged; of a conversation its last turn.", True, TEXT_OR_CHAT
        ),
        "label": Role(
            "question",
            "Good or bad",
            "A label of two classes, or a rating: above the middle is good, below it bad, the middle is left out.",
            optional=True,
        ),
        "chosen": Role(
            "column", "Better text", "Instead of answer and label: each pair gives a good row.", True, TEXT_OR_CHAT
        ),
        "rejected": Role("column", "Worse text", "And a bad one.", True, TEXT_OR_CHAT),
    }
    constructor: ClassVar[str] = "for_kto"
    metrics: ClassVar[dict[str, Metric]] = {
        "loss": Metric("Held-out loss", "loss", is_share=False, higher_is_better=False),
        "reward_margin": Metric("Reward margin", "reward_margin", is_share=False),
    }
    pipeline_tag: ClassVar[str] = "text-generation"
    view: ClassVar[str] = "text"
    inputs: ClassVar[dict[str, str]] = {"prompt": "Prompt"}
    predict_options: ClassVar[type[GenerationOptions]] = GenerationOptions
    predicted_rows: ClassVar[int | None] = SHOWN_SAMPLES
    model_scores: ClassVar[bool] = True
    together: ClassVar[tuple[str, ...]] = ("record_id", "prompt")
    cell_returns: ClassVar[str] = (
        "(prompt, completion, True or False); a list of them for several rows; None for no row"
    )

    # ---- what can be chosen -----------------------------------------------------------------------------------------

    def fits(self, role: str, field: str, dataset: "FeedbackDataset") -> bool:
        """Text and numbers, and conversations."""
        return super().fits(role, field, dataset) or turns.holds_turns(dataset.values(field).type)

    def accepts(self, role: str, question: Question) -> bool:
        """A rating or two classes as the label; for the rest, what annotators wrote."""
        if role == LABEL:
            two = len(question.classes) == 2 and not question.is_multi_label and pa.types.is_string(question.value_type)
            return two or pa.types.is_integer(question.value_type)
        return not question.classes and pa.types.is_string(question.value_type)

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """An answer with a rating or two-class label; else columns called chosen and rejected. With their prompt."""
        found = self.candidates(dataset)
        completion = named(found[COMPLETION], *RESPONSE_NAMES, "messages", "conversations")
        labels = [name for name in found[LABEL] if good_class(dataset.question_by_name(name)) is not None]
        chosen, rejected = named(found[CHOSEN], *CHOSEN_NAMES), named(found[REJECTED], *REJECTED_NAMES)
        if completion and labels:
            choice = {COMPLETION: completion, LABEL: labels[0]}
        elif chosen and rejected:
            choice = {CHOSEN: chosen, REJECTED: rejected}
        else:
            return {}
        fields = {f.name for f in dataset.fields}
        free = [name for name in found[PROMPT] if name in fields and name not in choice.values()]
        prompt = named(free, *PROMPT_NAMES) or (free[0] if len(free) == 1 else None)
        if prompt is not None:
            return {PROMPT: f"{{{prompt}}}"} | choice
        holds_prompt = next(iter(choice.values()))
        holds_prompt = holds_prompt in fields and pa.types.is_list(dataset.values(holds_prompt).type)
        return choice if holds_prompt else {}

    def check_choices(self, account: Account) -> None:
        """Raise UserError unless there is an answer with its label, or a better and a worse text; and a prompt."""
        super().check_choices(account)
        given = [role for role in self.roles if account.chosen(role)]
        sets = [{COMPLETION, LABEL}, {CHOSEN, REJECTED}]
        if set(given) - {PROMPT} not in sets:
            raise UserError(
                "KTO needs an answer and its label, or a better and a worse text; "
                f"chosen: {', '.join(given) or 'none'}.",
                "Choose completion and label, or chosen and rejected.",
            )
        text = COMPLETION if COMPLETION in given else CHOSEN
        if PROMPT not in given and not turns.in_turns(account, text):
            raise UserError("KTO needs a prompt, and none is chosen.", "Choose the column with the prompts.")
        if LABEL in given:
            question = account.questions[account.chosen(LABEL)]
            if good_class(question) is None:
                raise UserError(
                    f"Which class of {question.name!r} is the good one can't be told: {', '.join(question.classes)}.",
                    "Name the classes true and false, yes and no, or good and bad; or write a formatting_func.",
                )
            account.memory[LABEL] = verdicts_of(account, question)

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """One row an answer and label; of a better and a worse text, a good and a bad row."""
        if account.chosen(CHOSEN):
            yield from self._from_pair(sample, account)
            return
        verdicts = self._verdicts(account)
        before, texts = turns.last_turns(sample, account, COMPLETION)
        history, prompt = turns.prompt_of(sample, account, before)
        if not verdicts:
            return
        if not texts or prompt is None:
            account.leave_out(NO_PROMPT if texts else NO_RESPONSE)
            return
        for text in texts:
            for good in verdicts:
                yield _row(history, prompt, text, good)

    def _verdicts(self, account: Account) -> list[bool]:
        """Whether the record's answer is good, as its annotators say: none to several; `account` is told why none."""
        given, why_none = account.memory[LABEL]
        verdicts = given.get(account.index, [])
        if not verdicts or None in verdicts:
            account.leave_out(MIDDLE if verdicts else why_none[account.index])
        return [verdict for verdict in verdicts if verdict is not None]

    def _from_pair(self, sample: Row, account: Account) -> Iterator[Row]:
        before, better = turns.last_turns(sample, account, CHOSEN)
        _, worse = turns.last_turns(sample, account, REJECTED)
        history, prompt = turns.prompt_of(sample, account, before)
        if not better or not worse:
            account.leave_out(NO_REJECTED if better else NO_CHOSEN)
        elif prompt is None:
            account.leave_out(NO_PROMPT)
        elif set(better) & set(worse):
            account.leave_out(EQUAL)
        else:
            yield from (_row(history, prompt, text, True) for text in better)
            yield from (_row(history, prompt, text, False) for text in worse)

    def row_of(self, item: Any, record_id: str) -> Row:
        """(prompt, completion, True or False)."""
        expected = f"A row is {self.cell_returns.partition(';')[0]}."
        if not isinstance(item, (tuple, list)) or len(item) != 3:
            raise wrong_item(item, record_id, type(item).__name__, expected)
        prompt, completion = (as_text(value, item, record_id, expected) for value in item[:2])
        if not isinstance(item[2], bool):
            raise wrong_item(item, record_id, f"{type(item[2]).__name__} where True or False belongs", expected)
        return _row([], prompt, completion, item[2])

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """The rows; info has the number of good and bad ones, and whether prompts come from conversations."""
        kinds = {RECORD_ID: pa.string(), PROMPT: pa.string(), COMPLETION: pa.string(), LABEL: pa.bool_()}
        if any(row.get(HISTORY) for row in account.rows):
            kinds[HISTORY] = pa.list_(TURN)
        table = pa.table({name: pa.array([r.get(name) for r in account.rows], kinds[name]) for name in kinds})
        good = pc.sum(table[LABEL]).as_py()
        chat = any(turns.in_turns(account, role) for role in (PROMPT, COMPLETION, CHOSEN))
        account.counts |= {"good": good, "bad": len(table) - good}
        return table, {"good": good, "bad": len(table) - good, "chat": chat}

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Sentences on one label only, and on empty texts (a function may give such)."""
        table = rows.table if data is None else data.train
        where = "rows" if data is None else "training rows"
        sentences = []
        if len(table[LABEL].unique()) < 2:
            only = "good" if table[LABEL][0].as_py() else "bad"
            sentences.append(f"All {len(table):,} {where} are {only}; KTO learns from good and bad answers.")
        for name in (PROMPT, COMPLETION):
            empty = rows.table.filter(pc.equal(pc.utf8_trim_whitespace(rows.table[name]), ""))
            if len(empty):
                sentences.append(
                    f"{len(empty):,} of the {len(rows.table):,} rows have an empty {name} (the first: record "
                    f"{empty[RECORD_ID][0].as_py()!r}); leave them out."
                )
        return sentences

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen columns."""
        chosen = definition.fields or self.suggest(dataset)
        question = {q.name: q for q in dataset.questions}.get(chosen.get(LABEL, ""))
        return starter_code(dataset, chosen, None if question is None else good_class(question))

    # ---- figures ----------------------------------------------------------------------------------------------------

    def model_text(self, row: Row) -> str:
        """Prompt and answer."""
        return row.get(PROMPT, "") + row.get(COMPLETION, "")

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The first `n` rows: the prompt (with the turns before it, messages), and the answer that was judged."""
        return prompts_of(judged(table.slice(0, n)), COMPLETION)

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """What the trained model answers to the first held-out prompts; its figures are the model's own (`score`)."""
        baseline = {"name": BASE_NAME, "metrics": dict(BASE_FIGURES)}
        samples = samples_of(predictions, judged(table), COMPLETION)
        return {"samples": samples, "baseline": baseline, "mistakes": [], "n_mistakes": 0}

    def as_inputs(self, given: Any) -> Any:
        """As every task, but a list of messages is one input."""
        return as_inputs(given, super().as_inputs)

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called "prompt", or else the wordiest one."""
        return {PROMPT: PROMPT if PROMPT in table.column_names else wordiest(table)}

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """The answer."""
        return {"answer": pa.array(outputs, pa.string())}


def _row(history: list[turns.Turn], prompt: str, completion: str, good: bool) -> Row:
    row = {PROMPT: prompt, COMPLETION: completion, LABEL: good}
    return row | ({HISTORY: history} if history else {})


def judged(table: pa.Table) -> pa.Table:
    """The rows with how an answer was judged before its text, as a person is shown them."""
    rows = zip(table[COMPLETION].to_pylist(), table[LABEL].to_pylist(), strict=True)
    texts = pa.array([f"{'Good' if good else 'Bad'}: {text}" for text, good in rows], pa.string())
    return table.set_column(table.schema.get_field_index(COMPLETION), COMPLETION, texts)
