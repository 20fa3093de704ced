"""Preview of a task on the first records: what goes in, which rows come out, and what the model will see of them.

Called by the page. Everything task-specific is behind the task's `outcomes`; no model is loaded, only a tokenizer file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data.layout import FIELD, RECORD_ID
from engine.registry import TASKS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

CUT_START, CUT_END = "⟦", "⟧"  # around the part of a text that is longer than the model reads


@dataclass(frozen=True)
class Preview:
    """`records`: list of {"record_id", "input": {field: value}, "rows": [row of the task], "reason": why none,
    "model_input": what the model reads of the first row (`Task.model_text`), with what is cut off in ⟦ ⟧, "tokens": its
    length or None, "cut_at": character where the model stops reading or None}. `counts`: {"returned", "none",
    "several", "wrong type"} in records. `stdout`: what a formatting cell printed.
    """

    records: list[dict[str, Any]]
    counts: dict[str, int]
    stdout: str = ""


def preview(
    dataset: "FeedbackDataset",
    definition: "TrainingTask",
    *,
    n: int = 20,
    tokenizer_file: Path | None = None,
    max_length: int | None = None,
    seed: int = 42,
) -> Preview:
    """The first `n` records as `definition` makes rows of them; duplicates are told among these records only.

    `tokenizer_file` is a tokenizer.json, `max_length` the tokens that the model reads, special tokens included.
    Raises UserError for an unknown field or question, or a formatting function that fails.
    """
    head = dataset.head(n)
    task = TASKS[definition.task]
    outcomes, stdout = task.outcomes(head, definition, seed=seed)
    tokenizer = None if tokenizer_file is None else _load(tokenizer_file)
    records = []
    for row, outcome in zip(head.table.to_pylist(), outcomes, strict=True):
        text = task.model_text(outcome["rows"][0]) if outcome["rows"] else ""
        seen = _seen(text, tokenizer, max_length)
        fields = {field.name: row[FIELD + field.name] for field in head.fields}
        shown = {"record_id": row[RECORD_ID], "input": fields, "rows": outcome["rows"], "reason": outcome["reason"]}
        records.append(shown | seen)
    return Preview(records, _counts(outcomes), stdout)


def _counts(outcomes: list[dict[str, Any]]) -> dict[str, int]:
    right = [outcome for outcome in outcomes if not outcome["wrong"]]
    return {
        "returned": sum(bool(outcome["rows"]) for outcome in right),
        "none": sum(not outcome["rows"] for outcome in right),
        "several": sum(len(outcome["rows"]) > 1 for outcome in right),
        "wrong type": len(outcomes) - len(right),
    }


def _load(tokenizer_file: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _seen(text: str, tokenizer: "Tokenizer | None", max_length: int | None) -> dict[str, Any]:
    """{"model_input", "tokens", "cut_at"} of one text."""
    if tokenizer is None or not text:
        return {"model_input": text, "tokens": None, "cut_at": None}
    encoding = tokenizer.encode(text)
    ends = [
        end for (_, end), special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True) if not special
    ]
    tokens = len(encoding.ids)
    if max_length is None or tokens <= max_length:
        return {"model_input": text, "tokens": tokens, "cut_at": None}
    kept = max(0, max_length - (tokens - len(ends)))
    cut = ends[kept - 1] if kept else 0
    return {"model_input": f"{text[:cut]}{CUT_START}{text[cut:]}{CUT_END}", "tokens": tokens, "cut_at": cut}
