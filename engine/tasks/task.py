"""The interface of a task: what it needs from a dataset, and the canonical columns it promises to every framework."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import BaseModel

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.data.questions import Question
    from engine.tasks.training_task import TrainingTask

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Role:
    """One choice that defines a task. `kind`: a field, a question, a column (either of them), or a template: text in
    which {name} stands for the value of the field or question of that name. `types`: of fields that can take it.
    """

    kind: Literal["field", "question", "column", "template"]
    label: str
    help: str = ""
    optional: bool = False
    types: tuple[str, ...] = ("text",)


@dataclass(frozen=True)
class Metric:
    """A figure of the report: its name for people, the Hub's name, whether it is a share (0 to 1) or a plain number."""

    label: str
    hub: str
    is_share: bool = True
    higher_is_better: bool = True


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
    roles: ClassVar[dict[str, Role]]  # what has to be chosen: keyword of the constructor → how
    constructor: ClassVar[str]  # TrainingTask's classmethod for it: "for_text_classification"
    metrics: ClassVar[dict[str, Metric]]  # key of report["metrics"] → what it is, the figure runs are compared by first
    cell_returns: ClassVar[str]  # what the formatting cell must return, in words
    pipeline_tag: ClassVar[str]  # the Hub's name for what the trained model does
    view: ClassVar[str]  # how the page shows a prediction: labels, spans, answer, similarity, text, score, chat
    inputs: ClassVar[dict[str, str]]  # parts of one input to predict → their labels: {"text": "Text"}
    predict_options: ClassVar[type[BaseModel] | None] = None  # keywords of Predictor.predict that a person may set
    predicted_rows: ClassVar[int | None] = None  # held-out rows that the report predicts; None: all of them
    model_scores: ClassVar[bool] = False  # Predictor.score gives figures (held-out loss) beside or instead of outputs
    together: ClassVar[tuple[str, ...]] = ("record_id", "text")  # rows equal in one of these stay in one part

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
        """Role → names of the fields or questions that can take it (for a template: stand in it), in their order."""
        found = {}
        for role, about in self.roles.items():
            fields = [f.name for f in dataset.fields if about.kind != "question" and self.fits(role, f.name, dataset)]
            asked = [q.name for q in dataset.questions if about.kind != "field" and self.accepts(role, q)]
            found[role] = fields + asked
        return found

    def fits(self, role: str, field: str, dataset: "FeedbackDataset") -> bool:
        """Whether the field's values can take the role: by default, when they are text or numbers."""
        kind = dataset.values(field).type
        return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def accepts(self, role: str, question: "Question") -> bool:
        """Whether the answers to `question` can take the role: by default, when one class can be unified from them."""
        return bool(question.classes and question.strategies)

    def python_arguments(self, chosen: dict[str, str], dataset: dict[str, str]) -> list[str]:
        """The constructor's arguments as Python source; `dataset`: name → "field" or "question"."""
        lines = []
        for role, about in self.roles.items():
            if role in chosen and about.kind == "template":
                lines.append(f"{role}={chosen[role]!r}")
            elif role in chosen:
                kind = dataset.get(chosen[role], "question" if about.kind == "question" else "field")
                lines.append(f"{role}=dataset.{kind}_by_name({chosen[role]!r})")
        return lines

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
    def input_columns(self, table: pa.Table) -> dict[str, str]:
        """Part of an input → the column of a person's file that holds it, when they named none."""

    def as_input(self, parts: dict[str, str]) -> Any:
        """One input of predict from its parts. By default the text itself of the only part, else the parts."""
        return next(iter(parts.values())) if len(self.inputs) == 1 else dict(parts)

    def as_inputs(self, given: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
        """What a script passes to `predict`, as a list of inputs, and what makes its answer of their outputs.

        By default a list is many inputs and gets a list; anything else is one input and gets its output.
        """
        if isinstance(given, (list, tuple)):
            return list(given), list
        return [given], lambda outputs: outputs[0]

    def about_model(self, info: dict[str, Any]) -> str:
        """A sentence for the model card on what the trained model gives; empty when there is nothing to add."""
        return ""

    def model_text(self, row: dict[str, Any]) -> str:
        """The text that a model reads of a row of the preview, to count its tokens."""
        return row.get("text", "")

    @abstractmethod
    def output_columns(self, outputs: list[Any], info: dict[str, Any]) -> dict[str, pa.Array]:
        """Predictions of a file's rows (None: the row had no input) as columns to put beside the file's own."""
