"""Token classification by transformers' Trainer (a Cell of _hf.py): labelled spans of characters in a text.

A text is a row of words, each with the tag of its first token, as transformers' own guide has it. Long texts are read
in windows that overlap, in training and in predicting, so nothing is cut off.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from engine.frameworks import _classification as classification
from engine.frameworks import _hf
from engine.frameworks._hf_config import HfTokensConfig
from engine.frameworks._spans import Losses, note_losses, span_rows, spans_of, tag_names, tags_of
from engine.runs.events import Report
from engine.tasks.task import TaskData

MODEL, ADAPTER = "AutoModelForTokenClassification", "AutoPeftModelForTokenClassification"
PEFT_TYPE, TRAINER = "TOKEN_CLS", ""
WRITES_BEFORE = False
NEW_LAYERS: tuple[str, ...] = ("classifier", "score")
TASK = "Token classification"
IGNORED = -100  # the label of a token that takes no part in the loss
GIVEN_WORDS = "given_words"  # in the saved config: whether the words came with the training data
BATCH = 500
# A run of letters and digits, or any other sign; Chinese and Japanese characters stand alone.
WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]|(?:(?![぀-ヿ㐀-䶿一-鿿豈-﫿])\w)+|[^\w\s]")
# What annotated corpora have as words: what stands between spaces, without the punctuation around it.
SPACED = re.compile(r"\S+")
OPENING, CLOSING = "([{\"'“‘«¿¡", ".,;:!?)]}\"'”’»…"

Words = list[tuple[int, int]]  # start and end of each word, in characters


@dataclass(frozen=True)
class Window:
    """A part of a text as the model reads it. `words[i]`: the word that token i begins, −1: none."""

    row: int
    inputs: dict[str, list[int]]
    words: list[int]


def check_base(base: str) -> None:
    """Encoders only."""
    _hf.check_encoder(base, TASK)


def new_model(base: str, tokenizer: Any, info: dict[str, Any]) -> Any:
    """The base model with a new layer, one output a tag: O, and B- and I- of every class."""
    _hf.check_offsets(tokenizer, TASK)
    tags = tag_names(info["classes"])
    model = _hf.load_base(
        MODEL,
        base,
        tokenizer,
        num_labels=len(tags),
        id2label=dict(enumerate(tags)),
        label2id={tag: i for i, tag in enumerate(tags)},
        ignore_mismatched_sizes=True,  # a base that knew another number of tags gets a new layer
    )
    setattr(model.config, GIVEN_WORDS, bool(info.get("has_tokens")))
    return model


def info_of(config: Any) -> dict[str, Any]:
    """{"classes", "has_tokens"} of a trained model."""
    tags = [config.id2label[i] for i in range(config.num_labels)]
    classes = [tag.removeprefix("B-") for tag in tags if tag.startswith("B-")]
    return {"classes": classes, "has_tokens": getattr(config, GIVEN_WORDS, False)}


def best_by(config: HfTokensConfig, info: dict[str, Any]) -> str:
    """F1 of whole spans, unless something else was asked for."""
    return config.metric_for_best_model or "f1"


def arguments(config: HfTokensConfig) -> dict[str, Any]:
    """Nothing beside the hyperparameters."""
    return {}


def learning(model: Any, tokenizer: Any, config: HfTokensConfig, data: TaskData, report: Report) -> _hf.Learning:
    """Windows of token ids with the tag of each word on its first token; what spans lose is told."""
    from transformers import DataCollatorForTokenClassification

    max_length = _hf.longest(tokenizer, model.config, config.max_length)
    tokenizer.model_max_length = max_length  # saved with the model: windows in predicting are those of training
    tags = tag_names(data.info["classes"])
    splits = []
    for name, table in (("training", data.train), ("validation", data.validation)):
        splits.append(None if table is None else _tagged(table, tags, tokenizer, report, name))
    return _hf.Learning(
        *splits,
        DataCollatorForTokenClassification(tokenizer),
        figures=lambda output: figures(output.label_ids, output.predictions, tags),
        shrink=lambda logits, labels: (logits[0] if isinstance(logits, tuple) else logits).argmax(dim=-1),
    )


def _tagged(table: pa.Table, tags: list[str], tokenizer: Any, report: Report, split: str) -> Any:
    """Canonical rows as a dataset of windows."""
    from datasets import Dataset

    rows, losses = span_rows(table), Losses()
    words = [given if given is not None else units(text) for text, _, given in rows]
    number = {tag: i for i, tag in enumerate(tags)}
    labels = []
    for (_, spans, _), offsets in zip(rows, words, strict=True):
        found, alignment = tags_of(spans, offsets)
        losses.add(alignment)
        labels.append([number[tag] for tag in found])
    note_losses(report, split, losses)
    columns: dict[str, list[Any]] = {}
    for window in windows(tokenizer, [text for text, _, _ in rows], words):
        of = labels[window.row]
        for name, values in window.inputs.items():
            columns.setdefault(name, []).append(values)
        columns.setdefault("labels", []).append([IGNORED if word < 0 else of[word] for word in window.words])
    return Dataset(pa.table({name: pa.array(values, pa.list_(pa.int32())) for name, values in columns.items()}))


def units(text: str, given_words: bool = False) -> Words:
    """Words of a text: the smallest ones, so that spans end where words do; with `given_words` larger ones, like the
    words that came with the training data.
    """
    if not given_words:
        return [match.span() for match in WORD.finditer(text)]
    found: Words = []
    for match in SPACED.finditer(text):
        start, end = match.span()
        first, last = start, end
        while first < last - 1 and text[first] in OPENING:
            first += 1
        while last > first + 1 and text[last - 1] in CLOSING and not _abbreviates(text[first:last]):
            last -= 1
        found += [(i, i + 1) for i in range(start, first)]
        found += [(first, last), *((i, i + 1) for i in range(last, end))]
    return found


def _abbreviates(word: str) -> bool:
    """Whether the full stop at the end belongs to the word, as in U.S. and e.g."""
    return word.endswith(".") and "." in word[1:-1] and word[-2].isalnum()


def windows(tokenizer: Any, texts: Sequence[str], words: Sequence[Words]) -> Iterator[Window]:
    """The texts in windows of the tokenizer's `model_max_length`; neighbours share a quarter."""
    length = tokenizer.model_max_length
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[start : start + BATCH]),
            truncation=True,
            max_length=length,
            stride=length // 4,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=False,
        )
        row_of, offsets = batch.pop("overflow_to_sample_mapping"), batch.pop("offset_mapping")
        for row, group in groupby(range(len(row_of)), key=row_of.__getitem__):
            parts, text = list(group), texts[start + row]
            word_at = _first_tokens([offsets[i] for i in parts], text, words[start + row])
            for i in parts:
                begins = [word_at.get(a, -1) if b > a else -1 for a, b in _starts(offsets[i], text)]
                yield Window(start + row, {name: values[i] for name, values in batch.items()}, begins)


def _starts(offsets: Sequence[tuple[int, int]], text: str) -> Iterator[tuple[int, int]]:
    """Offsets that begin at a letter, where some tokenizers count the space before a word to its token."""
    for start, end in offsets:
        while start < end and text[start].isspace():
            start += 1
        yield start, end


def _first_tokens(parts: Sequence[Sequence[tuple[int, int]]], text: str, words: Words) -> dict[int, int]:
    """Start of a token → the word that it is the first token of. A word may have none: a token may hold two signs."""
    starts = sorted({start for offsets in parts for start, end in _starts(offsets, text) if end > start})
    found: dict[int, int] = {}
    position = 0
    for word, (begin, end) in enumerate(words):
        while position < len(starts) and starts[position] < begin:
            position += 1
        if position < len(starts) and starts[position] < end:
            found[starts[position]] = word
    return found


def figures(labels: np.ndarray, predicted: np.ndarray, tags: list[str]) -> dict[str, float]:
    """Precision, recall and F1 of whole spans by seqeval, as in transformers' guide, and accuracy of tags."""
    from seqeval.metrics import f1_score, precision_score, recall_score

    truth = [[tags[tag] for tag in row[row != IGNORED]] for row in labels]
    guess = [[tags[tag] for tag in guessed[row != IGNORED]] for row, guessed in zip(labels, predicted, strict=True)]
    right = sum(a == b for rows in zip(truth, guess, strict=True) for a, b in zip(*rows, strict=True))
    return {
        "f1": float(f1_score(truth, guess, zero_division=0)),
        "precision": float(precision_score(truth, guess, zero_division=0)),
        "recall": float(recall_score(truth, guess, zero_division=0)),
        "tag_accuracy": right / max(1, sum(len(row) for row in truth)),
    }


def predictor(model: Any, tokenizer: Any) -> "SpanFinder":
    """A trained model, ready to predict."""
    return SpanFinder(model, tokenizer)


class SpanFinder:
    """A loaded token classifier. `predict`: texts → their spans as {"start", "end", "label", "text", "score"}."""

    def __init__(self, model: Any, tokenizer: Any, batch_size: int = 16) -> None:
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size
        self.tags = [model.config.id2label[i] for i in range(model.config.num_labels)]
        self.given_words = getattr(model.config, GIVEN_WORDS, False)

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        texts = classification.checked_inputs(inputs)
        words = [units(text, self.given_words) for text in texts]
        tags = [["O"] * len(found) for found in words]
        scores = [[1.0] * len(found) for found in words]
        depth = [[-1] * len(found) for found in words]  # how far from its window's edge the chosen token stood
        parts = sorted(windows(self.tokenizer, texts, words), key=lambda part: len(part.words))
        for start in range(0, len(parts), self.batch_size):
            batch = parts[start : start + self.batch_size]
            for part, rows in zip(batch, self._probabilities(batch), strict=True):
                for i, word in enumerate(part.words):
                    inside = min(i, len(part.words) - 1 - i)
                    if word >= 0 and inside > depth[part.row][word]:
                        best = int(rows[i].argmax())
                        depth[part.row][word] = inside
                        tags[part.row][word], scores[part.row][word] = self.tags[best], float(rows[i][best])
        for row, found in enumerate(tags):
            for word in range(1, len(found)):
                if depth[row][word] < 0:  # its letters are in a token of the word before it
                    found[word], scores[row][word] = found[word - 1].replace("B-", "I-", 1), scores[row][word - 1]
        return [spans_of(*found) for found in zip(tags, words, scores, texts, strict=True)]

    def _probabilities(self, batch: list[Window]) -> np.ndarray:
        """(windows, longest, tags)."""
        import torch

        columns = {name: [part.inputs[name] for part in batch] for name in batch[0].inputs}
        padded = self.tokenizer.pad(columns, padding_side="right", return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            return self.model(**padded).logits.float().softmax(dim=-1).cpu().numpy()


def usage(repo_id: str) -> str:
    """The library's own pipeline."""
    return (
        "from transformers import pipeline\n"
        "\n"
        f'find = pipeline("token-classification", model="{repo_id}", aggregation_strategy="first")\n'
        'print(find("A text with a name in it."))\n'
    )


def adapter_usage(repo_id: str) -> str:
    """The same, of an adapter: its config has no place for the tags."""
    return (
        f"from peft import {ADAPTER} as AutoModel\n"
        "from transformers import AutoConfig, AutoTokenizer, pipeline\n"
        "\n"
        f'repo = "{repo_id}"\n'
        "model = AutoModel.from_pretrained(repo, id2label=AutoConfig.from_pretrained(repo).id2label)\n"
        "tokenizer = AutoTokenizer.from_pretrained(repo)\n"
        'find = pipeline("token-classification", model, tokenizer=tokenizer, aggregation_strategy="first")\n'
        'print(find("A text with a name in it."))\n'
    )
