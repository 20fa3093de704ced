"""Proximal policy optimisation: prompts that a model answers and is rewarded for. Canonical column: query."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from engine.data.layout import RECORD_ID
from engine.errors import UserError
from engine.tasks import columns, template_code
from engine.tasks.generation import GenerationOptions
from engine.tasks.sample_task import Account, Row, SampleTask, as_text
from engine.tasks.task import Metric, Role, Rows, TaskData

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

QUERY = "query"
NO_PROMPT = "no prompt"
SHOWN_SAMPLES = 8
# Names that a column of prompts goes by, and one of what is asked about.
PROMPTS = ("prompt", "query", "instruction", "question", "input", "request")
CONTEXTS = ("context", "background", "passage")

_FUNCTION = """{head}def formatting_func(sample):
    # One record in, one prompt out. None leaves the record out; a list gives several prompts.
    if not ({any}):
        return None
    return {prompt}
"""


class ProximalPolicyOptimization(SampleTask):
    """A language model answers prompts, a reward model scores the answers, and better scored ones become likelier."""

    name: ClassVar[str] = "proximal-policy-optimization"
    label: ClassVar[str] = "Proximal policy optimisation"
    summary: ClassVar[str] = "Let a language model answer prompts, and learn from the scores a reward model gives."
    columns: ClassVar[dict[str, str]] = {"record_id": "the record that the row came from", QUERY: "the prompt"}
    roles: ClassVar[dict[str, Role]] = {
        "prompt": Role("template", "Prompt", "What the model is asked; {column} stands for a record's value.")
    }
    constructor: ClassVar[str] = "for_proximal_policy_optimization"
    metrics: ClassVar[dict[str, Metric]] = {"reward": Metric("Mean reward", "reward", is_share=False)}
    pipeline_tag: ClassVar[str] = "text-generation"
    view: ClassVar[str] = "text"
    inputs: ClassVar[dict[str, str]] = {"prompt": "Prompt"}
    predict_options: ClassVar[type[GenerationOptions]] = GenerationOptions
    predicted_rows: ClassVar[int | None] = SHOWN_SAMPLES
    model_scores: ClassVar[bool] = True
    together: ClassVar[tuple[str, ...]] = ("record_id", QUERY)
    cell_returns: ClassVar[str] = "a prompt (text); a list of them for several rows; None for no row"

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """A field called prompt, instruction or alike, with its context below; else the only text field."""
        texts = [field.name for field in dataset.fields if columns.mean_length(dataset.values(field.name))]
        prompt = columns.named(texts, *PROMPTS)
        if prompt is None:
            return {"prompt": f"{{{texts[0]}}}"} if len(texts) == 1 else {}
        context = columns.named([name for name in texts if name != prompt], *CONTEXTS)
        return {"prompt": f"{{{prompt}}}" if context is None else f"{{{prompt}}}\n\n{{{context}}}"}

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Source of `formatting_func(sample)` that gives the prompts of the chosen column or template."""
        given = [field.name for field in dataset.fields] + [question.name for question in dataset.questions]
        chosen = (definition.fields or self.suggest(dataset)).get("prompt") or (given[0] if given else "prompt")
        asked, prompt = template_code.any_source(chosen, given), template_code.text_source(chosen, given)
        return _FUNCTION.format(head=template_code.TEXT_OF, any=asked, prompt=prompt)

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        prompt = account.value(sample, "prompt")
        if prompt is None or not prompt.strip():
            account.leave_out(NO_PROMPT)
        else:
            yield {QUERY: prompt}

    def row_of(self, item: Any, record_id: str) -> Row:
        return {QUERY: as_text(item, item, record_id, f"Let it return {self.cell_returns}.")}

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """Prompts of a function that hold nothing are left out, and counted."""
        rows = []
        for row in account.rows:
            if row[QUERY].strip():
                rows.append(row)
            else:
                account.record_id = row[RECORD_ID]
                account.leave_out(NO_PROMPT)
        if not rows:
            raise UserError(*self.nothing_left(account))
        kinds = {RECORD_ID: pa.string(), QUERY: pa.string()}
        return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()}), {}

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Nothing: prompts without text are left out, and one prompt is enough."""
        return []

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """Samples of what the trained model answers; the reward is the framework's to give."""
        answered = zip(table[RECORD_ID].to_pylist(), table[QUERY].to_pylist(), predictions, strict=True)
        samples = [
            {"record_id": record_id, "input": query, "expected": None, "predicted": text}
            for record_id, query, text in answered
        ]
        return {"samples": samples}

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The first `n` prompts."""
        part = table.slice(0, n)
        return [
            {"input": query, "expected": None, "record_id": record_id}
            for query, record_id in zip(part[QUERY].to_pylist(), part[RECORD_ID].to_pylist(), strict=True)
        ]

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called prompt, instruction or alike, or else the wordiest one."""
        return {"prompt": columns.named(table.column_names, *PROMPTS) or columns.wordiest(table)}

    def model_text(self, row: dict[str, Any]) -> str:
        return row.get(QUERY, "")

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """`prediction`: the generated text."""
        return {"prediction": pa.array(outputs, pa.string())}
