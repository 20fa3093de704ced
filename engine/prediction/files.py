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
    text_column: str | None,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Predict every row of `source` and write `target`. Rows without a text get empty predictions and are counted.

    Returns {"path", "rows", "empty", "text_column"}. Raises UserError for a file or a column that can't be read.
    """
    dataset = FeedbackDataset.from_file(source)
    names = [field.name for field in dataset.schema.fields]
    table = pa.table({name: dataset.table[FIELD + name] for name in names})
    column = text_column or TASKS[task].input_column(table)
    if column not in names:
        raise UserError(f"The file has no column named {column!r}.", f"Its columns: {', '.join(names)}.")
    inputs = table[column].cast(pa.string()).to_pylist()
    given = [i for i, value in enumerate(inputs) if value and value.strip()]
    outputs: list[Any] = [None] * len(inputs)
    for start in range(0, len(given), BATCH):
        chosen = given[start : start + BATCH]
        for i, output in zip(chosen, predictor.predict([inputs[i] for i in chosen]), strict=True):
            outputs[i] = output
        progress(min(start + BATCH, len(given)), len(given))
    for name, values in TASKS[task].output_columns(outputs, info).items():
        table = table.append_column(_free(name, table.column_names), values)
    _write(table, target)
    return {"path": str(target), "rows": len(inputs), "empty": len(inputs) - len(given), "text_column": column}


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
