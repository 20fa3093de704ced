"""Builds the example from answers.jsonl: data/train-00000-of-00001.parquet, beside the argilla.yaml that says what is
in it.

Run by hand after answers.jsonl changed: `python examples/kitchen_answers/build.py [FOLDER]` (default: this folder).
The layout is that of Argilla 1.29's `FeedbackDataset.push_to_huggingface`. It must not know the engine.
"""

import json
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
IDA, NOOR = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("ida", "noor"))
UNANSWERED, DRAFT, DISCARDED = {17, 44}, {29}, {53}  # numbers of records that are not what a model should learn
ANSWER = pa.list_(pa.struct({"user_id": pa.string(), "value": pa.string(), "status": pa.string()}))
META = pa.struct({"type": pa.string(), "score": pa.float32(), "agent": pa.string()})
SCHEMA = pa.schema(
    {
        "instruction": pa.string(),
        "context": pa.string(),
        "response": ANSWER,
        "response-suggestion": pa.string(),
        "response-suggestion-metadata": META,
        "external_id": pa.string(),
        "metadata": pa.string(),
    }
)


def row(number: int, given: dict[str, Any]) -> dict[str, Any]:
    """One record of the export."""
    status = "draft" if number in DRAFT else "discarded" if number in DISCARDED else "submitted"
    users = (IDA, NOOR) if number % 2 else (NOOR, IDA)
    answers = [] if number in UNANSWERED else given["answers"]
    return {
        "instruction": given["instruction"],
        "context": given["context"],
        "response": [
            {"user_id": user, "value": text, "status": status} for user, text in zip(users, answers, strict=False)
        ],
        "response-suggestion": None,
        "response-suggestion-metadata": {"type": None, "score": None, "agent": None},
        "external_id": given["id"],
        "metadata": "{}",
    }


def main(folder: Path) -> None:
    """Write the Parquet file, and argilla.yaml where it is not yet, into `folder`."""
    lines = (HERE / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row(number, json.loads(line)) for number, line in enumerate(lines, 1)]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "data" / "train-00000-of-00001.parquet")
    if folder != HERE:
        shutil.copyfile(HERE / "argilla.yaml", folder / "argilla.yaml")
    print(f"{len(rows)} records written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
