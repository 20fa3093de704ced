"""What a dataset is like, in numbers, for the page's first look. Arrow and numpy only; a million rows take seconds."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.distinct import distinct
from engine.data.layout import FIELD, RESPONSES, SUGGESTION
from engine.data.questions import Question

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

PROFILE_FILE = "profile.json"
BINS = 20
MAX_OTHERS = 100  # labels that no class of the question has: an export may hold any
LONGEST_LABEL = 200
BATCH_ROWS = 65_536
STATUSES = ("submitted", "draft", "discarded")


def profile(dataset: "FeedbackDataset") -> dict[str, Any]:
    """Counts and histograms as JSON values.

    Keys: records, annotators (all anonymous ones count as one), answers, fields, questions, statuses (of answers), and
    duplicates: how many texts of the main field (the one called text, or with the most different texts) stand more
    than once, and in how many records. "agreement" is the share of pairs of submitted answers to one record that are
    equal; None without pairs.
    """
    fields = [_field(f.name, dataset.table[FIELD + f.name]) for f in dataset.fields]
    questions = [_Answers(q, dataset) for q in dataset.questions]
    users: dict[str | None, None] = {}
    for question in questions:
        users.update(dict.fromkeys(question.users))
    return {
        "records": len(dataset),
        "annotators": len(users),
        "answers": sum(len(question.rows) for question in questions),
        "fields": fields,
        "questions": [question.profile() for question in questions],
        "duplicates": _duplicates(dataset, fields),
        "statuses": {status: sum(question.statuses[status] for question in questions) for status in STATUSES},
    }


# ---- fields -------------------------------------------------------------------------------------------------------


def _field(name: str, column: pa.ChunkedArray) -> dict[str, Any]:
    plain = {"name": name, "type": str(column.type), "missing": column.null_count, "distinct": None}
    plain |= {"median_words": None, "median_chars": None, "max_chars": None, "length_histogram": None}
    if not pa.types.is_nested(column.type):
        plain["distinct"] = distinct(column).values
    if not pa.types.is_string(column.type):
        return plain
    chars, words, blank = _lengths(column)
    plain["missing"] += blank
    if not len(chars):
        return plain
    counts, edges = np.histogram(chars, bins=_edges(chars))
    return plain | {
        "median_words": float(np.median(words)),
        "median_chars": float(np.median(chars)),
        "max_chars": int(chars.max()),
        "length_histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _lengths(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, int]:
    """Characters and words of every text that is not blank, and the number of blank ones."""
    chars, words, blank = [np.empty(0, np.int32)], [np.empty(0, np.int32)], 0
    for chunk in column.chunks:
        for start in range(0, len(chunk), BATCH_ROWS):
            text = chunk.slice(start, BATCH_ROWS).drop_null()
            n = pc.utf8_length(pc.utf8_trim_whitespace(text)).to_numpy()
            blank += int((n == 0).sum())
            chars.append(pc.utf8_length(text).to_numpy()[n > 0])
            words.append(pc.count_substring_regex(text, r"\S+").to_numpy()[n > 0])
    return np.concatenate(chars), np.concatenate(words), blank


def _edges(lengths: np.ndarray) -> np.ndarray:
    """Bins over the bulk of the lengths; the last one also holds the few that are far longer."""
    top = max(1, int(np.percentile(lengths, 99)))
    step = max(1, -(-top // BINS))
    edges = np.arange(0, step * BINS + 1, step)[: -(-top // step) + 1].astype(int)
    edges[-1] = max(edges[-1], int(lengths.max()))
    return edges


def _duplicates(dataset: "FeedbackDataset", fields: list[dict[str, Any]]) -> dict[str, Any]:
    texts = [f for f in fields if f["median_chars"] is not None]
    if not texts:
        return {"field": None, "texts": 0, "records": 0}
    main = max(texts, key=lambda f: (f["name"] == "text", f["median_words"] > 1, f["distinct"], f["median_chars"]))
    name = main["name"]
    column = dataset.table[FIELD + name]
    if main["distinct"] == len(column) - column.null_count:
        return {"field": name, "texts": 0, "records": 0}
    counts = distinct(column)
    return {"field": name, "texts": counts.repeated, "records": counts.records}


# ---- questions ----------------------------------------------------------------------------------------------------


class _Answers:
    """All answers to one question, flat: `rows` is each one's record, `submitted` whether it counts."""

    def __init__(self, question: Question, dataset: "FeedbackDataset") -> None:
        self.question = question
        self.n_records = len(dataset)
        rows, values, statuses, users, start = [np.empty(0, np.int64)], [], [], [], 0
        for chunk in dataset.table[RESPONSES + question.name].chunks:
            rows.append(pc.list_parent_indices(chunk).to_numpy() + start)
            start += len(chunk)
            struct = chunk.flatten()
            values.append(pc.struct_field(struct, "value"))
            statuses.append(pc.struct_field(struct, "status"))
            users.append(pc.struct_field(struct, "user_id"))
        self.rows = np.concatenate(rows)
        self.values = pa.chunked_array(values, question.value_type)
        status = pa.chunked_array(statuses, pa.string())
        self.users = pc.unique(pa.chunked_array(users, pa.string())).to_pylist()
        self.statuses = {s: pc.sum(pc.equal(status, s)).as_py() or 0 for s in STATUSES}
        self.submitted = pc.equal(status, "submitted")
        suggestions = dataset.table[SUGGESTION + question.name]
        self.suggestions = len(suggestions) - suggestions.null_count

    def profile(self) -> dict[str, Any]:
        mask = self.submitted.to_numpy().astype(bool)
        answered = len(np.unique(self.rows[mask]))
        per_record = np.bincount(np.bincount(self.rows, minlength=self.n_records)) if self.n_records else []
        return {
            "name": self.question.name,
            "type": self.question.type,
            "classes": list(self.question.classes),
            "label_counts": self._label_counts(),
            "answered": answered,
            "unanswered": self.n_records - answered,
            "statuses": self.statuses,
            "responses_per_record": {str(n): int(records) for n, records in enumerate(per_record) if records},
            "suggestions": self.suggestions,
            "agreement": self._agreement(mask),
        }

    def _labels(self) -> pa.ChunkedArray | None:
        """The labels of submitted answers as text; None where answers do not choose among classes."""
        if not self.question.classes:
            return None
        values = self.values.filter(self.submitted)
        if pa.types.is_struct(values.type):
            fields = [f.name for f in values.type]
            return pc.list_flatten(pc.struct_field(values, "label")) if "label" in fields else None
        if pa.types.is_list(values.type):
            values = pc.list_flatten(values)
        return values.cast(pa.string())

    def _label_counts(self) -> dict[str, int]:
        labels = self._labels()
        if labels is None:
            return {}
        found = {pair["values"]: pair["counts"] for pair in pc.value_counts(labels).to_pylist()}
        counts = {name: found.pop(name, 0) for name in self.question.classes}
        others = sorted(((n, name) for name, n in found.items() if name is not None), reverse=True)[:MAX_OTHERS]
        return counts | {name[:LONGEST_LABEL]: n for n, name in others}

    def _agreement(self, mask: np.ndarray) -> float | None:
        """Over records with several submitted answers: equal pairs ÷ pairs."""
        if pa.types.is_nested(self.values.type) or not self.question.classes:
            return None
        values = self.values.filter(self.submitted).combine_chunks().dictionary_encode()
        codes, rows = values.indices.to_numpy(zero_copy_only=False), self.rows[mask]
        _, per_record = np.unique(rows, return_counts=True)
        _, per_value = np.unique(rows * (len(values.dictionary) + 1) + codes, return_counts=True)
        pairs = (per_record * (per_record - 1)).sum()
        return round(float((per_value * (per_value - 1)).sum() / pairs), 4) if pairs else None
