"""Token classification as transformers' and peft's guides write it, without Annotune: what acceptance compares with.

Rows are {"text", "spans", "words"}; a word is its (start, end). Knows nothing of the engine.
"""

from pathlib import Path
from typing import Any

import numpy as np

LORA = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.1, "target_modules": "all-linear"}


def transformers(splits: dict[str, dict], classes: list[str], base: str, given: dict, folder: Path, _: str) -> list:
    return _with_trainer(splits, classes, base, given, folder, lora=None)


def peft(splits: dict[str, dict], classes: list[str], base: str, given: dict, folder: Path, _: str) -> list:
    lora = LORA | {name: given[name] for name in LORA if name in given}
    given = {name: value for name, value in given.items() if name not in lora}
    return _with_trainer(splits, classes, base, given, folder, lora=lora)


def _with_trainer(
    splits: dict[str, dict], classes: list[str], base: str, given: dict, folder: Path, lora: dict[str, Any] | None
) -> list:
    """→ spans of each test text."""
    from datasets import Dataset
    from seqeval.metrics import f1_score
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(42)
    tags = ["O", *(f"{prefix}-{label}" for label in classes for prefix in "BI")]
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForTokenClassification.from_pretrained(base, num_labels=len(tags))
    if lora:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(task_type="TOKEN_CLS", exclude_modules=["classifier"], **lora))

    def encode(rows: dict, seen: list | None = None) -> Dataset:
        words = [[text[a:b] for a, b in of] for text, of in zip(rows["text"], rows["words"], strict=True)]
        batch = tokenizer(words, truncation=True, is_split_into_words=True)
        labels = []
        for i, (of, spans) in enumerate(zip(rows["words"], rows["spans"], strict=True)):
            ids, before = batch.word_ids(i), [None, *batch.word_ids(i)]
            if seen is not None:
                seen.append([of[word] for word in sorted(set(ids) - {None})])
            row = [_tag(of, spans, word) for word in range(len(of))]
            labels.append(
                [
                    -100 if word is None or word == last else tags.index(row[word])
                    for word, last in zip(ids, before, strict=False)
                ]
            )
        return Dataset.from_dict({**batch, "labels": labels})

    def figures(output: Any) -> dict[str, float]:
        guess, truth = _read(output.predictions.argmax(axis=2), output.label_ids, tags)
        return {"f1": f1_score(truth, guess)}

    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        report_to="none",
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        greater_is_better=True,
        save_total_limit=1,
        disable_tqdm=True,
        seed=42,
        **given,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=encode(splits["train"]),
        eval_dataset=encode(splits["validation"]),
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        compute_metrics=figures,
    )
    trainer.train()
    seen: list = []
    output = trainer.predict(encode(splits["test"], seen))
    guess, _ = _read(output.predictions.argmax(axis=2), output.label_ids, tags)
    return [_spans(found, words) for found, words in zip(guess, seen, strict=True)]


def _tag(words: list, spans: list, number: int) -> str:
    start, end = words[number]
    inside = next((span for span in spans if span[0] < end and start < span[1]), None)
    if inside is None:
        return "O"
    return f"{'B' if start <= inside[0] else 'I'}-{inside[2]}"


def _read(predicted: np.ndarray, labels: np.ndarray, tags: list[str]) -> tuple[list, list]:
    """Predicted and right tags of the words' first tokens."""
    pairs = [(guess[truth != -100], truth[truth != -100]) for guess, truth in zip(predicted, labels, strict=True)]
    return [[tags[i] for i in guess] for guess, _ in pairs], [[tags[i] for i in truth] for _, truth in pairs]


def _spans(tags: list[str], words: list) -> list:
    """Runs of tags with one label, a B or another label beginning the next; as characters."""
    found: list = []
    last = "O"
    for tag, (start, end) in zip(tags, words, strict=True):
        if tag != "O" and (tag[0] == "B" or last[2:] != tag[2:]):
            found.append([start, end, tag[2:]])
        elif tag != "O":
            found[-1][1] = end
        last = tag
    return [tuple(span) for span in found]
