"""Direct preference optimisation: a language model learns to answer more like the better of two answers.

Canonical columns record_id, prompt, chosen, rejected, and where known history (the turns before the prompt) and margin.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from engine.tasks.columns import wordiest
from engine.tasks.generation import GenerationOptions
from engine.tasks.preference_code import starter_code
from engine.tasks.preferences import (
    CHOSEN,
    HISTORY,
    PROMPT,
    PROMPT_HELP,
    REJECTED,
    PreferenceTask,
    preference_roles,
)
from engine.tasks.sample_task import Row, texts_in
from engine.tasks.task import Metric, Role

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

SHOWN_SAMPLES = 8
# The base model is its own reference: every reward is 0, whatever the rows. Of pairs, half are right.
BASE_NAME = "The base model before training (its rewards are 0 by definition)"
BASE_FIGURES = {"reward_accuracy": 0.5, "loss": math.log(2), "reward_margin": 0.0}


class DirectPreferenceOptimization(PreferenceTask):
    """Writes answers that those who chose would prefer."""

    name: ClassVar[str] = "direct-preference-optimization"
    label: ClassVar[str] = "Direct preference optimisation (DPO)"
    summary: ClassVar[str] = "Teach a language model to answer like the better of two answers. Best after fine-tuning."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "prompt": "what is answered",
        "chosen": "the better answer",
        "rejected": "the worse answer",
        "history": "the messages before the prompt, where it is part of a conversation",
        "margin": "how much better, as a share of the question's scale, where it is known",
    }
    roles: ClassVar[dict[str, Role]] = preference_roles(PROMPT_HELP)
    constructor: ClassVar[str] = "for_direct_preference_optimization"
    metrics: ClassVar[dict[str, Metric]] = {
        "reward_accuracy": Metric("Reward accuracy", "accuracy"),
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
    cell_returns: ClassVar[str] = "(prompt, chosen, rejected); a list of them for several rows; None for no row"
    needs_prompt: ClassVar[bool] = True

    def row_of(self, item: Any, record_id: str) -> Row:
        """(prompt, chosen, rejected)."""
        expected = f"A row is {self.cell_returns.partition(';')[0]}: three texts."
        return dict(zip((PROMPT, CHOSEN, REJECTED), texts_in(item, record_id, 3, expected), strict=True))

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the rows of the chosen columns."""
        return starter_code(dataset, definition.fields or self.suggest(dataset), with_prompt=True)

    def model_text(self, row: Row) -> str:
        """Prompt and better answer."""
        return row.get(PROMPT, "") + row.get(CHOSEN, "")

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """The first `n` rows: the prompt (with the turns before it, messages), and the better answer as expected."""
        return prompts_of(table.slice(0, n), CHOSEN)

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """What the trained model answers to the first held-out prompts; its figures are the model's own (`score`)."""
        baseline = {"name": BASE_NAME, "metrics": dict(BASE_FIGURES)}
        samples = samples_of(predictions, table, CHOSEN)
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


def prompts_of(table: pa.Table, expected: str) -> list[dict[str, Any]]:
    """Rows as {"input", "expected", "record_id"}: a prompt, or messages where turns stand before it."""
    examples = []
    for row in table.to_pylist():
        given = (
            [*(row.get(HISTORY) or ()), {"role": "user", "content": row[PROMPT]}] if row.get(HISTORY) else row[PROMPT]
        )
        examples.append({"input": given, "expected": row[expected], "record_id": row["record_id"]})
    return examples


def samples_of(predictions: list[Any], table: pa.Table, expected: str) -> list[dict[str, Any]]:
    """[{"input", "expected", "predicted"}] for the report: what was asked, the better answer, and the model's."""
    rows = zip(table[PROMPT].to_pylist(), table[expected].to_pylist(), predictions, strict=True)
    return [{"input": prompt, "expected": right, "predicted": written} for prompt, right, written in rows]


def as_inputs(given: Any, otherwise: Any) -> Any:
    """(inputs, what makes an answer of their outputs) of what a script passes to predict, a list of messages being one
    input; anything else as `otherwise` has it.
    """
    if isinstance(given, list) and given and all(isinstance(turn, dict) and "role" in turn for turn in given):
        return [given], lambda outputs: outputs[0]
    return otherwise(given)
