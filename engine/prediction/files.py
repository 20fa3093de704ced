"""A file in → the same file with predictions out: every row, in order, in the format it came in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.layout import FIELD
from engine.errors import UserError
from engine.registry import TASKS

BATCH = 64


def predict_file(
    predictor: Any,
    task: str,
    info: dict[str, Any],
    source: Path,
    target: Path,
    columns: dict[str, str],
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Predict every row of `source` and write `target`. Rows without an input get empty predictions and are counted.

    `columns`: part of an input → column of the file; the rest is guessed. Returns {"path", "rows", "empty", "columns"}.
    Raises UserError for a file or a column that can't be read.
    """
    dataset = FeedbackDataset.from_file(source)
    names = [field.name for field in dataset.schema.fields]
    table = pa.table({name: dataset.table[FIELD + name] for name in names})
    inputs, columns = _inputs(table, task, columns)
    given = [i for i, value in enumerate(inputs) if value is not None]
    outputs: list[Any] = [None] * len(inputs)
    for start in range(0, len(given), BATCH):
        chosen = given[start : start + BATCH]
        for i, output in zip(chosen, predictor.predict([inputs[i] for i in chosen]), strict=True):
            outputs[i] = output
        progress(min(start + BATCH, len(given)), len(given))
    for name, values in TASKS[task].output_columns(outputs, info).items():
        table = table.append_column(_free(name, table.column_names), values)
    _write(table, target)
    return {"path": str(target), "rows": len(inputs), "empty": len(inputs) - len(given), "columns": columns}


def _inputs(table: pa.Table, task: str, columns: dict[str, str]) -> tuple[list[Any], dict[str, str]]:
    """An input per row (None where a part of it is empty), and the columns that they came from."""
    about = TASKS[task]
    guessed = {} if columns.keys() >= about.inputs.keys() else about.input_columns(table)
    chosen = {part: columns.get(part) or guessed.get(part, part) for part in about.inputs}
    for part, column in chosen.items():
        if column not in table.column_names:
            raise UserError(
                f"The file has no column named {column!r}"
                + ("." if columns.get(part) else f" for “{about.inputs[part]}”."),
                f"Its columns: {', '.join(table.column_names)}.",
            )
    rows = zip(*(table[column].cast(pa.string()).to_pylist() for column in chosen.values()), strict=True)
    whole = [values if all(value and value.strip() for value in values) else None for values in rows]
    parts = [None if values is None else dict(zip(chosen, values, strict=True)) for values in whole]
    return [None if part is None else about.as_input(part) for part in parts], chosen


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _write(table: pa.Table, target: Path) -> None:
    """Write a table as the file's ending says; nested columns become JSON text where the format has none."""
    ending = target.suffix.lower()
    if ending == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, target)
    elif ending in (".json", ".jsonl", ".ndjson"):
        import orjson

        rows = table.to_pylist()
        lines = b"\n".join(orjson.dumps(row, default=str) for row in rows) + b"\n"
        target.write_bytes(orjson.dumps(rows, default=str) if ending == ".json" else lines)
    else:
        import pyarrow.csv as csv

        options = csv.WriteOptions(delimiter="\t" if ending == ".tsv" else ",")
        csv.write_csv(_flat(table), target, options)


def _flat(table: pa.Table) -> pa.Table:
    import orjson

    for i, column in enumerate(table.schema):
        if pa.types.is_nested(column.type):
            texts = [None if v is None else orjson.dumps(v, default=str).decode() for v in table[i].to_pylist()]
            table = table.set_column(i, column.name, pa.array(texts, pa.string()))
    return table
