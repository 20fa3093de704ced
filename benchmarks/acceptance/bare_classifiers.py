"""The same trainings as each library's own documentation writes them, without Annotune: what acceptance compares with.

Rows are {"text": [str], "target": [int] or [[0/1]]}; every function gives predicted targets for `test`, in order.
Knows nothing of the engine.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np

Rows = dict[str, list]


def setfit(splits: dict[str, Rows], classes: list[str], multi_label: bool, base: str, given: dict, folder: Path) -> Any:
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(
        base, local_files_only=True, labels=classes, multi_target_strategy="one-vs-rest" if multi_label else None
    )
    train = Dataset.from_dict({"text": splits["train"]["text"], "label": splits["train"]["target"]})
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"), report_to="none", save_strategy="no", seed=42, **given
    )
    Trainer(model=model, args=arguments, train_dataset=train).train()
    return model.predict(splits["test"]["text"], as_numpy=True, use_labels=False)


def spacy(splits: dict[str, Rows], classes: list[str], multi_label: bool, base: str, given: dict, folder: Path) -> Any:
    import spacy
    from spacy.cli.init_config import init_config
    from spacy.tokens import DocBin
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train

    name = "textcat_multilabel" if multi_label else "textcat"
    nlp = spacy.blank(base.removeprefix("blank:"))
    for split in ("train", "validation"):
        documents = DocBin()
        for text, target in zip(splits[split]["text"], splits[split]["target"], strict=True):
            document = nlp.make_doc(text)
            chosen = target if multi_label else [int(i == target) for i in range(len(classes))]
            document.cats = dict(zip(classes, chosen, strict=True))
            documents.add(document)
        documents.to_disk(folder / f"{split}.spacy")
    config = init_config(lang=nlp.lang, pipeline=[name], optimize="efficiency")
    config["components"][name] = {"factory": name}  # the component's own defaults
    config["paths"] |= {"train": str(folder / "train.spacy"), "dev": str(folder / "validation.spacy")}
    config["system"]["seed"] = 42
    # The component's own weight (AUC for several labels) would count half beside the figure that ours watches.
    watched = "cats_macro_f" if multi_label else "cats_micro_f"
    config["training"] |= given | {"score_weights": {"cats_score": 0.0, watched: 1.0}}
    config["initialize"]["components"] = {name: {"labels": classes}}
    nlp = init_nlp(config)
    (folder / "out").mkdir()
    train(nlp, folder / "out")
    best = spacy.load(folder / "out" / "model-best")
    scores = [[document.cats[label] for label in classes] for document in best.pipe(splits["test"]["text"])]
    return (np.array(scores) >= 0.5).astype(int) if multi_label else np.array(scores).argmax(axis=1)


def transformers(
    splits: dict[str, Rows], classes: list[str], multi_label: bool, base: str, given: dict, folder: Path
) -> Any:
    return _with_trainer(splits, classes, multi_label, base, given, folder, lora=None)


def peft(splits: dict[str, Rows], classes: list[str], multi_label: bool, base: str, given: dict, folder: Path) -> Any:
    lora = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.1, "target_modules": "all-linear"}
    lora |= {name: given[name] for name in lora if name in given}
    given = {name: value for name, value in given.items() if name not in lora}
    return _with_trainer(splits, classes, multi_label, base, given, folder, lora=lora)


def _with_trainer(
    splits: dict[str, Rows],
    classes: list[str],
    multi_label: bool,
    base: str,
    given: dict,
    folder: Path,
    lora: dict[str, Any] | None,
) -> Any:
    from datasets import Dataset
    from sklearn.metrics import accuracy_score, f1_score
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(42)
    tokenizer = AutoTokenizer.from_pretrained(base)
    problem = "multi_label_classification" if multi_label else "single_label_classification"
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(classes), problem_type=problem)
    if lora:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", **lora))

    def encode(rows: Rows) -> Dataset:
        labels = [[float(value) for value in target] for target in rows["target"]] if multi_label else rows["target"]
        dataset = Dataset.from_dict({"text": rows["text"], "labels": labels})
        return dataset.map(
            lambda batch: tokenizer(batch["text"], truncation=True, padding=False),
            batched=True,
            remove_columns=["text"],
        )

    def figures(output: Any) -> dict[str, float]:
        if not multi_label:
            return {"score": accuracy_score(output.label_ids, output.predictions.argmax(axis=1))}
        return {"score": f1_score(output.label_ids, output.predictions >= 0, average="macro", zero_division=0.0)}

    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        report_to="none",
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="score",
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
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=figures,
    )
    trainer.train()
    logits = trainer.predict(encode(splits["test"])).predictions
    return (logits >= 0).astype(int) if multi_label else logits.argmax(axis=1)


def seed_everything() -> None:
    """What a run before this one left in the generators must not matter."""
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


TRAINERS = {"setfit": setfit, "spacy": spacy, "transformers": transformers, "peft": peft}
