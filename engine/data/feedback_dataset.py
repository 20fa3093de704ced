"""FeedbackDataset: records with fields, questions, responses and suggestions, over one (memory-mapped) Arrow table.

Used by the page, the workers and scripts alike. Layout of the table: engine/data/layout.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from pydantic import Field as PydanticField

from engine.data import filters, samples
from engine.data.derived import DerivedQuestion, responses_from_field
from engine.data.fields import Field
from engine.data.layout import FIELD, RESPONSES, SUGGESTION, schema_of
from engine.data.questions import AnyQuestion, Question, suggestion_type
from engine.data.record_rows import record_from_row, rows_from_records
from engine.data.records import FeedbackRecord
from engine.errors import UserError

if TYPE_CHECKING:
    import datasets

TABLE_FILE, SCHEMA_FILE = "records.arrow", "schema.json"


class DatasetSchema(BaseModel):
    """Everything about a dataset but its rows; stored beside them as schema.json.

    `source` says where it came from (kind, id or file name, subset, split, revision, content hash).
    `notes` are sentences for the owner about how the source was read. `derived` are questions made from a field.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = "dataset"
    fields: list[Field] = PydanticField(default_factory=list)
    questions: list[AnyQuestion] = PydanticField(default_factory=list)
    derived: list[DerivedQuestion] = PydanticField(default_factory=list)
    guidelines: str | None = None
    metadata_properties: list[dict[str, Any]] = PydanticField(default_factory=list)
    vectors_settings: list[dict[str, Any]] = PydanticField(default_factory=list)
    source: dict[str, Any] = PydanticField(default_factory=dict)
    notes: list[str] = PydanticField(default_factory=list)


class FeedbackDataset:
    """Records to learn from. Immutable but for `add_records`; `filter_by`, `sort_by`, `take` give new datasets."""

    def __init__(
        self,
        fields: Iterable[Field],
        questions: Iterable[Question],
        *,
        guidelines: str | None = None,
        metadata_properties: list[Any] | None = None,
        vectors_settings: list[Any] | None = None,
        allow_extra_metadata: bool = True,
    ) -> None:
        dump = [p if isinstance(p, dict) else p.model_dump() for p in metadata_properties or []]
        vectors = [v if isinstance(v, dict) else v.model_dump() for v in vectors_settings or []]
        fields, questions = list(fields), list(questions)
        schema = DatasetSchema(
            fields=[Field(**f.model_dump()) for f in fields],
            questions=[q.model_dump() for q in questions],
            guidelines=guidelines,
            metadata_properties=dump,
            vectors_settings=vectors,
        )
        _refuse_equal_names(schema)
        empty = schema_of({f.name: pa.string() for f in fields}, schema.questions, [v["name"] for v in vectors])
        self._set(schema, empty.empty_table())

    @classmethod
    def from_arrow(cls, schema: DatasetSchema, table: pa.Table) -> "FeedbackDataset":
        """A dataset over an existing table in our layout; derived questions are computed from their fields."""
        self = cls.__new__(cls)
        for derived in schema.derived:
            question = derived.question
            column = responses_from_field(table[FIELD + derived.field], derived)
            nothing = pa.nulls(len(table), suggestion_type(question))
            table = table.append_column(RESPONSES + question.name, column)
            table = table.append_column(SUGGESTION + question.name, pa.chunked_array([nothing]))
        self._set(schema, table)
        return self

    def _set(self, schema: DatasetSchema, table: pa.Table) -> None:
        self.schema = schema
        self.table = table
        self._unified: dict[str, list[list[dict[str, Any]]]] = {}

    # ---- what it is -------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.schema.name

    @property
    def guidelines(self) -> str | None:
        return self.schema.guidelines

    @property
    def fields(self) -> list[Field]:
        """The inputs. A field from which a question was derived is that question now, and not listed here."""
        taken = {d.field for d in self.schema.derived}
        return [f for f in self.schema.fields if f.name not in taken]

    @property
    def questions(self) -> list[Question]:
        return [*self.schema.questions, *(d.question for d in self.schema.derived)]

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return (
            f"FeedbackDataset({self.name!r}, {len(self):,} records, "
            f"fields={[f.name for f in self.fields]}, questions={[q.name for q in self.questions]})"
        )

    def field_by_name(self, name: str) -> Field:
        return _by_name("field", name, self.fields)

    def question_by_name(self, name: str) -> Question:
        return _by_name("question", name, self.questions)

    @property
    def records(self) -> "Records":
        """All records as a lazy sequence; each is built when it is asked for."""
        return Records(self)

    def values(self, field: str) -> pa.ChunkedArray:
        """The column of a field."""
        return self.table[FIELD + self.field_by_name(field).name]

    def responses(self, question: str) -> pa.ChunkedArray:
        """The responses to a question: list<struct{user_id, value, status}> per record."""
        return self.table[RESPONSES + self.question_by_name(question).name]

    # ---- changing what is looked at -----------------------------------------------------------------------------

    def add_records(self, records: FeedbackRecord | dict | Iterable[FeedbackRecord | dict], **_ignored: Any) -> None:
        """Append records. Raises UserError that names the record and the field or question that does not fit."""
        batch = [records] if isinstance(records, (FeedbackRecord, dict)) else list(records)
        rows = rows_from_records(self, batch, len(self))
        addition = pa.Table.from_pylist(rows, schema=self.table.schema)
        self.table = pa.concat_tables([self.table, addition])
        self._unified = {}

    def take(self, indices: Any) -> "FeedbackDataset":
        """The records at `indices` (0-based), in that order."""
        return self._with_table(self.table.take(pa.array(indices, pa.int64())))

    def head(self, n: int | None) -> "FeedbackDataset":
        return self if n is None or n >= len(self) else self._with_table(self.table.slice(0, n))

    def filter_by(self, *, response_status: Any = None, metadata_filters: Any = None) -> "FeedbackDataset":
        """Records that have a response of these statuses ("missing": none at all) and match the metadata filters."""
        return self.take(filters.matching(self, response_status, metadata_filters))

    def sort_by(self, sort: Any) -> "FeedbackDataset":
        """Records ordered by `metadata.<name>`, a field or `external_id`; "-name" or order="desc" for descending."""
        return self.take(filters.ordered(self, sort))

    def with_questions_from_fields(self, derived: list[DerivedQuestion]) -> "FeedbackDataset":
        """The same rows with exactly these questions derived from fields (replacing earlier derived ones)."""
        drop = [p + d.question.name for d in self.schema.derived for p in (RESPONSES, SUGGESTION)]
        schema = self.schema.model_copy(update={"derived": list(derived)})
        _refuse_equal_names(schema)
        return FeedbackDataset.from_arrow(schema, self.table.drop_columns(drop) if drop else self.table)

    def _with_table(self, table: pa.Table) -> "FeedbackDataset":
        dataset = FeedbackDataset.__new__(FeedbackDataset)
        dataset._set(self.schema, table)
        return dataset

    # ---- what others read ---------------------------------------------------------------------------------------

    def samples(self, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
        """Rows as a formatting_func gets them (see `format_as`), from Arrow, a batch at a time."""
        return samples.iterate(self, start, len(self) if stop is None else stop)

    def sample_batches(self) -> Iterator[pa.RecordBatch]:
        """All samples as Arrow record batches, each row a sample."""
        return samples.batches(self, 0, len(self))

    def format_as(self, format: str = "datasets") -> "datasets.Dataset":  # noqa: A002 - Argilla's argument name
        """The samples as a `datasets.Dataset`, with Argilla 1.x's columns: fields, questions, suggestions, metadata."""
        if format != "datasets":
            raise UserError(f"format_as knows the format 'datasets', not {format!r}.", "Use format_as('datasets').")
        import datasets

        return datasets.Dataset(samples.as_table(self))

    def compute_unified_responses(self, question: str | Question, strategy: Any = None) -> "FeedbackDataset":
        """Set `record.unified_responses[question]`, replacing earlier results for it; returns this dataset."""
        from engine.data.unification import unify

        name = question if isinstance(question, str) else question.name
        self._unified[name] = unify(self, self.question_by_name(name), strategy).as_unified()
        return self

    def prepare_for_training(
        self,
        framework: str,
        task: Any,
        train_size: float | None = 1,
        test_size: float | None = None,
        seed: int | None = None,
        lang: Any = None,
    ) -> Any:
        """The rows of `task` in the container that `framework` takes; a pair or DatasetDict when train_size < 1."""
        from engine.trainer_data import prepare_for_training

        return prepare_for_training(
            self, framework, task, train_size=train_size, test_size=test_size, seed=seed, lang=lang
        )

    # ---- disk and sources ---------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write records.arrow and schema.json into `folder`. Derived columns are not stored: they are recomputed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        derived = [p + d.question.name for d in self.schema.derived for p in (RESPONSES, SUGGESTION)]
        table = self.table.drop_columns(derived) if derived else self.table
        with pa.OSFile(str(folder / TABLE_FILE), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=65_536)
        self.save_schema(folder)

    def save_schema(self, folder: Path) -> None:
        """Write schema.json alone: enough after a change of roles, which never touches the rows."""
        path = Path(folder) / SCHEMA_FILE
        temporary = path.with_suffix(".tmp")
        temporary.write_text(self.schema.model_dump_json(indent=1), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def load(cls, folder: Path) -> "FeedbackDataset":
        """Open a saved dataset; the rows stay on disk, memory-mapped."""
        folder = Path(folder)
        if not (folder / SCHEMA_FILE).is_file():
            raise UserError(f"There is no dataset in {folder}.", "Load the data again.")
        schema = DatasetSchema.model_validate_json((folder / SCHEMA_FILE).read_text(encoding="utf-8"))
        table = pa.ipc.open_file(pa.memory_map(str(folder / TABLE_FILE))).read_all()
        return cls.from_arrow(schema, table)

    @classmethod
    def from_huggingface(cls, repo_id: str, *, split: str | None = None, **options: Any) -> "FeedbackDataset":
        """Read a dataset from the Hub: an Argilla 1.x or 2.x export, or any dataset in a plain file format.

        Options: subset, revision, token (default: the one stored on this machine, or HF_TOKEN; False for none).
        Raises UserError when it does not exist, is gated, or can't be reached.
        """
        from huggingface_hub import get_token

        from engine.data.readers import read_source

        token = options.pop("token", None)
        token = get_token() if token is None else token or None
        return read_source({"kind": "hub", "id": repo_id, "split": split, **options}, token=token)

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> "FeedbackDataset":
        """Read CSV, TSV, JSON, JSONL, Parquet, CoNLL, or a folder with an Argilla export."""
        from engine.data.readers import read_source

        return read_source({"kind": "file", "path": str(path), "options": options})

    @classmethod
    def example(cls, name: str | None = None) -> "FeedbackDataset":
        """A bundled example (engine.EXAMPLES); without a name 400 support messages with three annotators."""
        from engine.data.readers import read_source

        return read_source({"kind": "example"} | ({"name": name} if name else {}))

    @classmethod
    def from_dataset(cls, dataset: Any, name: str = "dataset") -> "FeedbackDataset":
        """Read a `datasets.Dataset`, a pandas DataFrame or a pyarrow Table: columns become fields, labels questions."""
        from engine.data.readers import read_table

        return read_table(dataset, name=name)


class Records(Sequence):
    """`dataset.records`: builds a FeedbackRecord when one is asked for."""

    def __init__(self, dataset: FeedbackDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return self._build(index, self._dataset.table.slice(index, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[FeedbackRecord]:
        index = 0
        for batch in self._dataset.table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                yield self._build(index, row)
                index += 1

    def _build(self, index: int, row: dict[str, Any]) -> FeedbackRecord:
        record = record_from_row(self._dataset, row)
        unified = {name: values[index] for name, values in self._dataset._unified.items()}
        record._unified_responses = {name: values for name, values in unified.items() if values is not None}
        return record


def _by_name(kind: str, name: str, items: list[Any]) -> Any:
    for item in items:
        if item.name == name:
            return item
    names = ", ".join(item.name for item in items) or "none"
    raise UserError(f"The dataset has no {kind} named {name!r}.", f"Its {kind}s: {names}.")


def _refuse_equal_names(schema: DatasetSchema) -> None:
    taken = {d.field for d in schema.derived}
    names = [f.name for f in schema.fields if f.name not in taken]
    names += [q.name for q in schema.questions] + [d.question.name for d in schema.derived]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"Two fields or questions are called {name!r}.", "Rename one of them: each name may stand once."
            )
