"""Reward modelling: a model that gives a text a score, learned from pairs of a better and a worse text.

Canonical columns record_id, chosen, rejected, and where known prompt (read before each text) and margin.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from engine.tasks import turns
from engine.tasks.columns import wordiest
from engine.tasks.preference_code import starter_code
from engine.tasks.preferences import CHOSEN, PROMPT, REJECTED, PreferenceTask, preference_roles
from engine.tasks.sample_task import Account, Row, texts_in
from engine.tasks.task import Metric, Role

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

SHOWN_MISTAKES = 200


class RewardModeling(PreferenceTask):
    """Scores a text: how good it is, in the eyes of those who chose."""

    name: ClassVar[str] = "reward-modeling"
    label: ClassVar[str] = "Reward modelling"
    summary: ClassVar[str] = "Score how good a text is, learned from which of two texts people prefer."
    columns: ClassVar[dict[str, str]] = {
        "record_id": "the record that the row came from",
        "prompt": "what stands before either text, where there is one",
        "chosen": "the better text",
        "rejected": "the worse text",
        "margin": "how much better, as a share of the question's scale, where it is known",
    }
    roles: ClassVar[dict[str, Role]] = preference_roles("What is read before either text: a template.")
    constructor: ClassVar[str] = "for_reward_modeling"
    metrics: ClassVar[dict[str, Metric]] = {
        "accuracy": Metric("Pairs in the right order", "accuracy"),
        "margin": Metric("Mean score difference", "mean_margin", is_share=False),
    }
    pipeline_tag: ClassVar[str] = "text-classification"
    view: ClassVar[str] = "score"
    inputs: ClassVar[dict[str, str]] = {"text": "Text"}
    cell_returns: ClassVar[str] = "(chosen, rejected); a list of them for several rows; None for no row"
    together: ClassVar[tuple[str, ...]] = ("record_id", "prompt", "chosen")
    needs_prompt: ClassVar[bool] = False

    def row_of(self, item: Any, record_id: str) -> Row:
        """(chosen, rejected)."""
        chosen, rejected = texts_in(item, record_id, 2, f"A row is {self.cell_returns.partition(';')[0]}: two texts.")
        return {CHOSEN: chosen, REJECTED: rejected}

    def prompt_columns(self, account: Account, history: list[turns.Turn], prompt: str | None) -> Row:
        """The prompt; a conversation as one text, since the models that score need not have a chat template."""
        if prompt is None:
            return {}
        if history or any(turns.in_turns(account, role) for role in (PROMPT, CHOSEN)):
            prompt = turns.as_text([*history, {"role": "user", "content": prompt}])
        return {PROMPT: prompt}

    def suggested_prompt(self, name: str, dataset: "FeedbackDataset") -> str:
        """The field, and an empty line where its prompts don't end in space: the response follows at once."""
        first = next((value for value in dataset.values(name).slice(0, 100).to_pylist() if value), "")
        return f"{{{name}}}" + ("" if not isinstance(first, str) or first[-1:].isspace() else "\n\n")

    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` that gives the pairs of the chosen columns."""
        return starter_code(dataset, definition.fields or self.suggest(dataset), with_prompt=False)

    def about_model(self, info: dict[str, Any]) -> str:
        """What a score means."""
        return (
            "It gives a text one score, with its prompt before it where it was trained so. Higher is better; only "
            "differences between scores mean something."
        )

    def model_text(self, row: Row) -> str:
        """Prompt and better text."""
        return (row.get(PROMPT) or "") + row.get(CHOSEN, "")

    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """Two inputs for each of the first `n` pairs, the better text first; "expected" says which it is."""
        examples = []
        for row in table.slice(0, n).to_pylist():
            for side in (CHOSEN, REJECTED):
                text = (row.get(PROMPT) or "") + row[side]
                examples.append({"input": text, "expected": side, "record_id": row["record_id"]})
        return examples

    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """`predictions`: the scores of each pair's two texts, as `example_inputs` gives them. A tie is no right order.

        The baseline takes the longer text for the better one (equal lengths: half right); by chance half are right.
        """
        from engine.evaluation.metrics import wilson_interval

        rows = table.to_pylist()
        gaps = [better - worse for better, worse in zip(predictions[::2], predictions[1::2], strict=True)]
        right = sum(gap > 0 for gap in gaps)
        lengths = [len(row[CHOSEN]) - len(row[REJECTED]) for row in rows]
        longer = sum(1.0 if gap > 0 else 0.5 if gap == 0 else 0.0 for gap in lengths) / len(rows)
        mistakes = [
            {
                "record_id": row["record_id"],
                "text": row[REJECTED],
                "expected": row[CHOSEN],
                "predicted": f"{-gap:.3f} above the better text",
                "score": -gap,
            }
            for row, gap in zip(rows, gaps, strict=True)
            if gap <= 0
        ]
        mistakes.sort(key=lambda mistake: -mistake["score"])
        return {
            "metrics": {"accuracy": right / len(rows), "margin": sum(gaps) / len(rows)},
            "intervals": {"accuracy": wilson_interval(right, len(rows))},
            "baseline": {"name": "The longer text (chance: 0.5)", "metrics": {"accuracy": longer}},
            "mistakes": mistakes[:SHOWN_MISTAKES],
            "n_mistakes": len(mistakes),
        }

    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """The column called "text", or else the wordiest one."""
        return {"text": wordiest(table)}

    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """The score."""
        return {"score": pa.array(outputs, pa.float64())}
