"""Question answering as transformers' guide and run_qa.py write it, without Annotune: what acceptance compares with.

Rows are {"question", "context", "answers": {"text", "answer_start"}}. Knows nothing of the engine.
"""

import re
import string
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

N_BEST, LONGEST_ANSWER = 20, 30


def train(splits: dict[str, list[dict]], base: str, given: dict, folder: Path, *, lora: bool) -> list[str]:
    """→ an answer to each test row."""
    from transformers import (
        AutoModelForQuestionAnswering,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(42)
    given = dict(given)
    length, stride = given.pop("max_length"), given.pop("doc_stride")
    adapter = {name: given.pop(name) for name in ("r", "lora_alpha") if name in given}
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForQuestionAnswering.from_pretrained(base)
    if lora:
        from peft import LoraConfig, get_peft_model

        settings = {"target_modules": "all-linear", "exclude_modules": ["qa_outputs"], "lora_dropout": 0.1} | adapter
        model = get_peft_model(model, LoraConfig(task_type="QUESTION_ANS", **settings))

    encoded = {name: _encode(rows, tokenizer, length, stride) for name, rows in splits.items()}
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
        label_names=["start_positions", "end_positions"],
        **given,
    )

    def figures(output: Any) -> dict[str, float]:
        answers = _answers(splits["validation"], encoded["validation"], output.predictions)
        return {"f1": f1(answers, [row["answers"]["text"] for row in splits["validation"]])}

    kept = [name for name in encoded["train"].column_names if name not in ("offset_mapping", "row")]
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=encoded["train"].select_columns(kept),
        eval_dataset=encoded["validation"].select_columns(kept),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=figures,
    )
    trainer.train()
    trainer.compute_metrics = None  # it measures the validation rows
    predictions = trainer.predict(encoded["test"].select_columns(kept)).predictions
    return _answers(splits["test"], encoded["test"], predictions)


def _encode(rows: list[dict], tokenizer: Any, length: int, stride: int) -> Any:
    """Features; offsets outside the context are None."""
    from datasets import Dataset

    batch = tokenizer(
        [row["question"].lstrip() for row in rows],
        [row["context"] for row in rows],
        truncation="only_second",
        max_length=length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    of = batch.pop("overflow_to_sample_mapping")
    starts, ends, offsets = [], [], []
    for i, row in enumerate(of):
        answer, sides = rows[row]["answers"], batch.sequence_ids(i)
        begin = answer["answer_start"][0]
        stop = begin + len(answer["text"][0])
        mapping = batch["offset_mapping"][i]
        inside = [k for k, side in enumerate(sides) if side == 1]
        if mapping[inside[0]][0] > begin or mapping[inside[-1]][1] < stop:
            first = last = batch["input_ids"][i].index(tokenizer.cls_token_id)
        else:
            first = max(k for k in inside if mapping[k][0] <= begin)
            last = min(k for k in inside if mapping[k][1] >= stop)
        starts.append(first)
        ends.append(last)
        offsets.append([list(at) if side == 1 else None for at, side in zip(mapping, sides, strict=True)])
    columns = {name: values for name, values in batch.items() if name != "offset_mapping"}
    columns |= {"offset_mapping": offsets, "row": of, "start_positions": starts, "end_positions": ends}
    return Dataset.from_dict(columns)


def _answers(rows: list[dict], features: Any, predictions: Any) -> list[str]:
    """Of each row, the text with the highest sum of logits among the twenty best starts and ends of its features."""
    best = [(-np.inf, "")] * len(rows)
    parts = zip(features["row"], features["offset_mapping"], *predictions[:2], strict=True)
    for row, offsets, starts, ends in parts:
        here = len(offsets)  # what follows is padding
        for first in np.argsort(starts[:here])[: -N_BEST - 1 : -1]:
            for last in np.argsort(ends[:here])[: -N_BEST - 1 : -1]:
                inside = offsets[first] is not None and offsets[last] is not None
                if inside and first <= last < first + LONGEST_ANSWER and starts[first] + ends[last] > best[row][0]:
                    text = rows[row]["context"][offsets[first][0] : offsets[last][1]]
                    best[row] = (starts[first] + ends[last], text)
    return [text for _, text in best]


def f1(answers: list[str], right: list[list[str]]) -> float:
    """Mean of the best overlap in words, as the SQuAD paper defines it."""

    def words(text: str) -> list[str]:
        bare = "".join(sign for sign in text.lower() if sign not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", bare).split()

    def overlap(guess: list[str], truth: list[str]) -> float:
        same = sum((Counter(guess) & Counter(truth)).values())
        return 2 * same / (len(guess) + len(truth)) if same else float(guess == truth)

    pairs = zip(answers, right, strict=True)
    return float(np.mean([max(overlap(words(answer), words(one)) for one in ones) for answer, ones in pairs]))
