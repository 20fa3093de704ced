"""Text classification by transformers' Trainer (a Cell of _hf.py): one label a text, or any number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import UserError
from engine.frameworks import _classification as classification
from engine.frameworks import _hf
from engine.frameworks._hf_config import HfTrainingConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

MODEL, ADAPTER = "AutoModelForSequenceClassification", "AutoPeftModelForSequenceClassification"
PEFT_TYPE, TRAINER = "SEQ_CLS", ""
WRITES_BEFORE = False
NEW_LAYERS: tuple[str, ...] = ()


def check_base(base: str) -> None:
    """Any model that transformers loads can learn to classify."""


def new_model(base: str, tokenizer: Any, info: dict[str, Any]) -> Any:
    """The base model with a new classification layer, one output a class in the question's order."""
    classes = info["classes"]
    return _hf.load_base(
        MODEL,
        base,
        tokenizer,
        num_labels=len(classes),
        id2label=dict(enumerate(classes)),
        label2id={label: i for i, label in enumerate(classes)},
        problem_type="multi_label_classification" if info["multi_label"] else "single_label_classification",
        ignore_mismatched_sizes=True,  # a base that classified into another number of labels gets a new layer
    )


def info_of(config: Any) -> dict[str, Any]:
    """{"classes", "multi_label"} of a trained classifier."""
    classes = [config.id2label[i] for i in range(config.num_labels)]
    return {"classes": classes, "multi_label": config.problem_type == "multi_label_classification"}


def best_by(config: HfTrainingConfig, info: dict[str, Any]) -> str:
    """Accuracy, or macro F1 when rows have several labels, unless something else was asked for."""
    return config.metric_for_best_model or classification.primary_metric(info)


def arguments(config: HfTrainingConfig) -> dict[str, Any]:
    """Nothing beside the hyperparameters."""
    return {}


def learning(model: Any, tokenizer: Any, config: HfTrainingConfig, data: TaskData, report: Report) -> _hf.Learning:
    """Rows as token ids, cut at what the model reads."""
    from transformers import DataCollatorWithPadding

    if data.info["multi_label"] and config.label_smoothing_factor:
        raise UserError(
            "Label smoothing is for one label a row, and these rows may have several.", "Set label smoothing to 0."
        )
    max_length = _hf.longest(tokenizer, model.config, config.max_length)
    tokenizer.model_max_length = max_length  # saved with the model: whoever loads it cuts texts as in training
    return _hf.Learning(
        *tokenised_splits(data, tokenizer, max_length, report),
        DataCollatorWithPadding(tokenizer),
        figures=lambda output: evaluate(output, data.info),
        loss=weighted_loss(data, config.label_smoothing_factor) if config.class_weights == "balanced" else None,
    )


def predictor(model: Any, tokenizer: Any) -> "SequenceClassifier":
    """A trained classifier, ready to predict."""
    return SequenceClassifier(model, tokenizer)


def usage(repo_id: str) -> str:
    """The library's own pipeline."""
    return (
        "from transformers import pipeline\n"
        "\n"
        f'classify = pipeline("text-classification", model="{repo_id}", top_k=None)\n'
        'print(classify("A text to classify."))\n'
    )


def adapter_usage(repo_id: str) -> str:
    """The same, of an adapter: its config has no place for the class names."""
    return (
        f"from peft import {ADAPTER} as AutoModel\n"
        "from transformers import AutoConfig, AutoTokenizer, pipeline\n"
        "\n"
        f'repo = "{repo_id}"\n'
        "config = AutoConfig.from_pretrained(repo)\n"
        "model = AutoModel.from_pretrained(repo, id2label=config.id2label, problem_type=config.problem_type)\n"
        'print(pipeline("text-classification", model, tokenizer=AutoTokenizer.from_pretrained(repo), top_k=None)'
        '("A text to classify."))\n'
    )


def tokenise(table: pa.Table, info: dict[str, Any], tokenizer: Any, max_length: int) -> tuple[Any, int]:
    """Canonical rows as a dataset of token ids and labels, without padding, and the number of texts cut."""
    from datasets import Dataset

    texts, columns, truncated = classification.texts(table), {}, 0
    for start in range(0, len(texts), 1000):
        batch = tokenizer(texts[start : start + 1000], truncation=True, max_length=max_length, padding=False)
        truncated += _hf.count_truncated(tokenizer, batch, texts[start : start + 1000], max_length)
        for name, values in batch.items():
            columns.setdefault(name, []).extend(values)
    arrays = {name: pa.array(values, pa.list_(pa.int32())) for name, values in columns.items()}
    targets = classification.targets(table, info)
    arrays["labels"] = pa.array(targets, pa.list_(pa.float32()) if info["multi_label"] else pa.int64())
    return Dataset(pa.table(arrays)), truncated


def tokenised_splits(data: TaskData, tokenizer: Any, max_length: int, report: Report) -> tuple[Any, Any]:
    """Training and validation rows as token ids; how many texts were cut is told."""
    splits = []
    for name, table in (("training", data.train), ("validation", data.validation)):
        if table is None:
            splits.append(None)
            continue
        dataset, truncated = tokenise(table, data.info, tokenizer, max_length)
        classification.note_truncated(report, name, truncated, len(table), max_length)
        splits.append(dataset)
    return splits[0], splits[1]


def weighted_loss(data: TaskData, label_smoothing: float) -> Any:
    """A loss in which rare labels count more: weight n / (classes · n of the label), as scikit-learn's “balanced”."""
    import torch
    from torch.nn import functional

    targets = np.asarray(classification.targets(data.train, data.info))
    multi_label, width = data.info["multi_label"], len(data.info["classes"])
    counts = targets.sum(axis=0) if multi_label else np.bincount(targets, minlength=width)
    rare = (len(targets) - counts) if multi_label else np.full(width, len(targets) / width)
    weights = torch.tensor(rare / np.maximum(counts, 1), dtype=torch.float32)

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        weight = weights.to(outputs.logits.device)
        if multi_label:
            total = functional.binary_cross_entropy_with_logits(
                outputs.logits, labels, pos_weight=weight, reduction="sum"
            )
        else:
            total = functional.cross_entropy(
                outputs.logits, labels, weight=weight, reduction="sum", label_smoothing=label_smoothing
            )
        return total / (labels.numel() if num_items_in_batch is None else num_items_in_batch)

    return loss


def evaluate(output: Any, info: dict[str, Any]) -> dict[str, float]:
    """accuracy and F1 of the Trainer's logits (n_rows, n_classes)."""
    logits = output.predictions[0] if isinstance(output.predictions, tuple) else output.predictions
    predicted = (logits >= 0).astype(int) if info["multi_label"] else logits.argmax(axis=-1)
    return classification.scores(output.label_ids, predicted, info)


class SequenceClassifier:
    """A loaded classifier. `predict`: texts → every class as {"label", "score"}, best first."""

    def __init__(self, model: Any, tokenizer: Any, batch_size: int = 32) -> None:
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size
        config = model.config
        self.classes = [config.id2label[i] for i in range(config.num_labels)]
        self.multi_label = config.problem_type == "multi_label_classification"

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        texts = classification.checked_inputs(inputs)
        outputs: list[Any] = [None] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of one length waste no padding
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            for i, row in zip(chosen, self._probabilities([texts[i] for i in chosen]), strict=True):
                outputs[i] = classification.ranked(self.classes, row)
        return outputs

    def _probabilities(self, texts: list[str]) -> list[list[float]]:
        import torch

        batch = self.tokenizer(texts, truncation=True, padding=True, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            logits = self.model(**batch).logits.float()
        return (logits.sigmoid() if self.multi_label else logits.softmax(dim=-1)).tolist()
