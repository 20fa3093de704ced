"""Text2text: a small byte T5 with random weights learns twenty answers by heart, since no small trained sequence-to-
sequence model comes in a package.
"""

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.acceptance import bare_classifiers
from benchmarks.acceptance.measured import Measured
from engine import ArgillaTrainer, FeedbackDataset, TrainingTask

PAIRS, LONGEST = 20, 12  # characters of an answer
SETTINGS: dict[str, Any] = {
    "num_train_epochs": 240,
    "per_device_train_batch_size": 4,
    "learning_rate": 1e-2,
    "max_target_length": 16,
}
LEARNED = 0.8  # chrF of the bare library


def trivia(data: Path) -> FeedbackDataset:
    """Short questions of XQuAD about different paragraphs, and their answers."""
    lines = (data / "xquad" / "en.jsonl").read_text(encoding="utf-8").splitlines()
    first = {row["context"]: row for row in map(json.loads, lines) if len(row["answers"]["text"][0]) <= LONGEST}
    pairs = [(row["question"], row["answers"]["text"][0]) for row in first.values()][:PAIRS]
    questions, answers = zip(*pairs, strict=True)
    return FeedbackDataset.from_dataset(pa.table({"question": questions, "answer": answers}))


def tiny_t5(folder: Path) -> str:
    """A random T5 over bytes."""
    import torch
    from transformers import ByT5Tokenizer, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    sizes = {"d_model": 96, "d_kv": 24, "d_ff": 192, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
    config = T5Config(vocab_size=384, dropout_rate=0.0, decoder_start_token_id=0, tie_word_embeddings=False, **sizes)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    ByT5Tokenizer().save_pretrained(folder)
    return str(folder)


def measure(framework: str, folder: Path) -> Measured:
    """Ours, then the bare library on the same pairs, both asked for what they were taught."""
    from sacrebleu.metrics import CHRF

    task = TrainingTask.for_text2text(text="question", target="answer")
    with tempfile.TemporaryDirectory(prefix="acceptance-") as scratch:
        base = tiny_t5(Path(scratch) / "base")
        trainer = ArgillaTrainer(trivia(folder), task, framework, model=base, train_size=1, seed=42)
        trainer.update_config(**SETTINGS)
        pairs = trainer._prepared.data.train
        texts, targets = pairs["text"].to_pylist(), pairs["target"].to_pylist()
        started = time.monotonic()
        trainer.train(Path(scratch) / "ours")
        written = trainer.predict(texts)
        ours_seconds, started = time.monotonic() - started, time.monotonic()
        bare_classifiers.seed_everything()
        bare = _bare(texts, targets, base, dict(SETTINGS), Path(scratch) / "bare")
        bare_seconds = time.monotonic() - started
    ours, bare_figure = (CHRF().corpus_score(found, [targets]).score / 100 for found in (written, bare))
    seconds, rows = (ours_seconds, bare_seconds), f"{len(texts)}/{len(texts)}"
    learned = bare_figure > LEARNED
    return Measured(f"{framework}:trivia", rows, "chrf", ours, bare_figure, seconds, learned=learned)


def _bare(texts: list[str], targets: list[str], base: str, given: dict[str, Any], folder: Path) -> list[str]:
    """The same training as transformers' guide on translation writes it."""
    from datasets import Dataset
    from transformers import (
        AutoModelForSeq2SeqLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        set_seed,
    )

    set_seed(42)
    longest = given.pop("max_target_length")
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForSeq2SeqLM.from_pretrained(base)
    rows = dict(tokenizer(texts, max_length=512, truncation=True))
    rows["labels"] = tokenizer(text_target=targets, max_length=longest, truncation=True)["input_ids"]
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder), report_to="none", save_strategy="no", disable_tqdm=True, seed=42, **given
    )
    trainer = Seq2SeqTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(rows),
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
    )
    trainer.train()
    batch = tokenizer(texts, padding=True, return_tensors="pt").to(model.device)
    return tokenizer.batch_decode(model.generate(**batch, max_new_tokens=longest), skip_special_tokens=True)


CELLS = {f"{framework}:trivia": partial(measure, framework) for framework in ("transformers",)}
