"""The interface of a task: what it needs from a dataset, and the canonical columns it promises to every framework."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.data.questions import Question
    from engine.tasks.training_task import TrainingTask

SPLITS = ("train", "validation", "test")


@dataclass
class Rows:
    """A dataset seen as one task: canonical rows, and an account of every record that gave none.

    `table`: the task's canonical columns with `record_id`. `info`: what frameworks must know beside the rows
    (text-classification: {"classes": [str], "multi_label": bool}). `left_out`: reason → record ids.
    `counts`: other numbers worth showing ("ties", "no labels", "duplicates"), name → number.
    """

    table: pa.Table
    info: dict[str, Any]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    stdout: str = ""  # what a formatting cell printed


@dataclass
class TaskData:
    """What a framework trains on: canonical rows per split, and the task's info. A split that is empty is None."""

    train: pa.Table
    validation: pa.Table | None
    test: pa.Table | None
    info: dict[str, Any]

    def save(self, folder: Path) -> None:
        """One Arrow file a split, `info` in the schema's metadata."""
        import json

        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            table = getattr(self, split)
            if table is not None:
                table = table.replace_schema_metadata({"info": json.dumps(self.info)})
                with pa.OSFile(str(folder / f"{split}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as w:
                    w.write_table(table)

    @classmethod
    def load(cls, folder: Path) -> "TaskData":
        import json

        tables = {}
        for split in SPLITS:
            path = folder / f"{split}.arrow"
            tables[split] = pa.ipc.open_file(pa.memory_map(str(path))).read_all() if path.is_file() else None
        info = json.loads(tables["train"].schema.metadata[b"info"])
        return cls(tables["train"], tables["validation"], tables["test"], info)


class Task(ABC):
    """One task. An instance has no state; everything that varies is in the TrainingTask given to its methods."""

    name: ClassVar[str]  # as on the Hub or in TRL: "text-classification"
    label: ClassVar[str]  # for people
    summary: ClassVar[str]  # one line for its card on the page
    columns: ClassVar[dict[str, str]]  # canonical column → what it holds
    roles: ClassVar[dict[str, str]]  # what has to be chosen on the page: "text" → "field", "label" → "question"
    constructor: ClassVar[str]  # TrainingTask's classmethod for it: "for_text_classification"
    primary_metric: ClassVar[str]  # key of report["metrics"] that early stopping and model selection watch
    cell_returns: ClassVar[str]  # what the formatting cell must return, in words

    @abstractmethod
    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """The fields and questions of `dataset` to begin with, by role; empty when it has none that fit the task."""

    @abstractmethod
    def rows(self, dataset: "FeedbackDataset", definition: "TrainingTask", *, seed: int = 42) -> Rows:
        """The canonical rows of `dataset`. Raises UserError that names the record when one does not fit."""

    @abstractmethod
    def starter_code(self, dataset: "FeedbackDataset", definition: "TrainingTask") -> str:
        """Working source of `formatting_func(sample)` for this dataset's own columns."""

    def candidates(self, dataset: "FeedbackDataset") -> dict[str, list[str]]:
        """Role → names of the fields or questions that can take it, in the dataset's order."""
        fields = [field.name for field in dataset.fields if field.type == "text"]
        questions = [question.name for question in dataset.questions if self.accepts(question)]
        return {role: fields if kind == "field" else questions for role, kind in self.roles.items()}

    def accepts(self, question: "Question") -> bool:
        """Whether the answers to `question` can be learned: by default, when classes can be unified from several."""
        return bool(question.classes and question.strategies)

    @abstractmethod
    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Sentences that say why training can't start on these rows (none: it can)."""

    def label_column(self, info: dict[str, Any]) -> str | None:
        """The canonical column that a split is stratified by; None: it is not."""
        return None

    @abstractmethod
    def evaluate(
        self, predictions: list[Any], table: pa.Table, info: dict[str, Any], trained_on: pa.Table
    ) -> dict[str, Any]:
        """Figures of a report for `predictions` (in the predict shape) on held-out `table`, beside a baseline."""

    @abstractmethod
    def example_inputs(self, table: pa.Table, n: int) -> Iterable[dict[str, Any]]:
        """Up to `n` held-out rows as {"input", "expected", "record_id"} for the predict tab."""

    @abstractmethod
    def input_column(self, table: pa.Table) -> str:
        """The column of a person's file that holds the inputs, when they named none."""

    @abstractmethod
    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """Predictions of a file's rows (None: the row had no input) as columns to put beside the file's own."""
