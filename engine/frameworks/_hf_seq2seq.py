"""Text2text by transformers' Seq2SeqTrainer (a Cell of _hf.py): an encoder reads a text, a decoder writes another."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import UserError
from engine.frameworks import _classification as classification
from engine.frameworks import _hf
from engine.frameworks._hf_config import HfSeq2SeqConfig
from engine.runs.events import Report
from engine.tasks.generation import GenerationOptions
from engine.tasks.task import TaskData

MODEL, TRAINER = "AutoModelForSeq2SeqLM", "Seq2Seq"
WRITES_BEFORE = True
BATCH = 1000


def check_base(base: str) -> None:
    """Raise UserError unless config.json says that the model has an encoder and a decoder."""
    config = json.loads((Path(base) / "config.json").read_text(encoding="utf-8"))
    if not config.get("is_encoder_decoder"):
        named = ", ".join(config.get("architectures") or [config.get("model_type", "of an unknown kind")])
        raise UserError(
            f"The base model ({named}) is not a sequence-to-sequence model: it can't read one text and write another.",
            "Choose one such as google-t5/t5-small or google/flan-t5-base; a model that only writes learns the task "
            "supervised-fine-tuning.",
        )


def new_model(base: str, tokenizer: Any, info: dict[str, Any]) -> Any:
    """The base model as it is: what writes is there already."""
    return _hf.load_base(MODEL, base, tokenizer)


def best_by(config: HfSeq2SeqConfig, info: dict[str, Any]) -> str:
    """The loss, or chrF where validation rows are written out, unless something else was asked for."""
    best = config.metric_for_best_model or ("chrf" if config.predict_with_generate else "loss")
    if best != "loss" and not config.predict_with_generate:
        raise UserError(
            f"The best checkpoint can't be chosen by {best}: validation rows are not written out.",
            "Switch “Write when validating” on, or choose by loss.",
        )
    return best


def arguments(config: HfSeq2SeqConfig) -> dict[str, Any]:
    """How long validation texts may become. T5's numbers overflow in 16 bits other than bf16."""
    more = {"generation_max_length": config.max_target_length}
    return more | ({"fp16": False} if config.precision == "auto" else {})


def learning(model: Any, tokenizer: Any, config: HfSeq2SeqConfig, data: TaskData, report: Report) -> _hf.Learning:
    """Texts and targets as token ids, cut at their longest; the padding of targets takes no part in the loss."""
    from transformers import DataCollatorForSeq2Seq

    longest = _hf.longest(tokenizer, model.config, config.max_length)
    tokenizer.model_max_length = longest  # saved with the model: whoever loads it cuts texts as in training
    model.generation_config.max_length = None  # or the two limits would quarrel
    model.generation_config.max_new_tokens = config.max_target_length
    model.generation_config.num_beams = config.generation_num_beams or 1
    splits = []
    for name, table in (("training", data.train), ("validation", data.validation)):
        splits.append(None if table is None else _pairs(table, tokenizer, config.max_target_length, report, name))
    return _hf.Learning(
        *splits,
        DataCollatorForSeq2Seq(tokenizer, model=model),
        figures=(lambda output: _figures(output, tokenizer)) if config.predict_with_generate else None,
    )


def _pairs(table: pa.Table, tokenizer: Any, longest_target: int, report: Report, split: str) -> Any:
    """Canonical rows as a dataset of token ids, without padding; how many were cut is told."""
    from datasets import Dataset

    texts, targets = table["text"].to_pylist(), table["target"].to_pylist()
    columns: dict[str, list[list[int]]] = {}
    cut = {"texts": 0, "targets": 0}
    for start in range(0, len(texts), BATCH):
        part, wanted = texts[start : start + BATCH], targets[start : start + BATCH]
        batch = tokenizer(part, truncation=True, max_length=tokenizer.model_max_length, padding=False)
        labels = tokenizer(text_target=wanted, truncation=True, max_length=longest_target, padding=False)
        cut["texts"] += _hf.count_truncated(tokenizer, batch, part, tokenizer.model_max_length)
        cut["targets"] += _hf.count_truncated(tokenizer, labels, wanted, longest_target)
        for name, values in {**batch, "labels": labels["input_ids"]}.items():
            columns.setdefault(name, []).extend(values)
    for what, longest in (("texts", tokenizer.model_max_length), ("targets", longest_target)):
        if cut[what]:
            report.note(f"{cut[what]} of {len(texts)} {split} {what} are longer than {longest} tokens and were cut.")
    return Dataset(pa.table({name: pa.array(values, pa.list_(pa.int32())) for name, values in columns.items()}))


def _figures(output: Any, tokenizer: Any) -> dict[str, float]:
    """chrF and exact match of the texts that the Trainer let the model write."""
    from engine.evaluation import generated

    written, wanted = (
        tokenizer.batch_decode(np.where(ids < 0, tokenizer.pad_token_id, ids), skip_special_tokens=True)
        for ids in (output.predictions, output.label_ids)
    )
    return generated.figures(written, wanted)


def predictor(model: Any, tokenizer: Any) -> "Rewriter":
    """A trained model, ready to predict."""
    return Rewriter(model, tokenizer)


class Rewriter:
    """A loaded sequence-to-sequence model. `predict`: texts → texts."""

    def __init__(self, model: Any, tokenizer: Any, batch_size: int = 16) -> None:
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size

    def predict(self, inputs: Sequence[str], **options: Any) -> list[str]:
        """One text each, in order. `options`: fields of GenerationOptions; a text becomes at most as long as the
        longest target in training unless max_new_tokens says otherwise.
        """
        texts, chosen = classification.checked_inputs(inputs), GenerationOptions(**options)
        trained = getattr(self.model.generation_config, "max_new_tokens", None)  # None: a base model's
        longest = chosen.max_new_tokens if "max_new_tokens" in options else trained
        written: list[str] = [""] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of one length waste no padding
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            found = self._write([texts[i] for i in batch], chosen, longest or chosen.max_new_tokens)
            for i, text in zip(batch, found, strict=True):
                written[i] = text
        return written

    def _write(self, texts: list[str], options: GenerationOptions, longest: int) -> list[str]:
        import torch

        batch = self.tokenizer(texts, truncation=True, padding=True, return_tensors="pt").to(self.model.device)
        sampling: dict[str, Any] = {"do_sample": False}
        if options.temperature > 0:
            sampling = {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p, "top_k": 0}
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(options.seed)
            written = self.model.generate(**batch, max_new_tokens=longest, **sampling)
        return self.tokenizer.batch_decode(written, skip_special_tokens=True)


def usage(repo_id: str) -> str:
    """Model and tokenizer, and the text that they make of another."""
    return (
        f"from transformers import {MODEL}, AutoTokenizer\n"
        "\n"
        f'model, tokenizer = (kind.from_pretrained("{repo_id}") for kind in ({MODEL}, AutoTokenizer))\n'
        'inputs = tokenizer("A text to rewrite.", return_tensors="pt")\n'
        "print(tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True))\n"
    )
