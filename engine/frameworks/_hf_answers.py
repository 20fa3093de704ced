"""Question answering by transformers' Trainer (a Cell of _hf.py): the part of a context that answers a question.

A long context is read in windows that overlap, in training and in predicting. A window without the answer is taught to
point at its first token ([CLS]), as in the BERT paper (Devlin 2018).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import UserError
from engine.frameworks import _hf
from engine.frameworks._hf_config import HfAnswersConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

MODEL, ADAPTER = "AutoModelForQuestionAnswering", "AutoPeftModelForQuestionAnswering"
PEFT_TYPE, TRAINER = "QUESTION_ANS", ""
WRITES_BEFORE = False
NEW_LAYERS: tuple[str, ...] = ("qa_outputs", "classifier")
TASK = "Question answering"
LONGEST = 384  # tokens of a window, where nobody asks for another
LONGEST_ANSWER, STRIDE = "max_answer_length", "doc_stride"  # in the saved config too, for predicting
USUAL = {LONGEST_ANSWER: 30, STRIDE: 128}
BATCH = 200


@dataclass(frozen=True)
class Window:
    """A question and a part of its context as the model reads them. `offsets[i]`: where token i stands in the context,
    None: it is no part of it. `cls`: the token that stands for "not here".
    """

    row: int
    inputs: dict[str, list[int]]
    offsets: list[tuple[int, int] | None]
    cls: int

    def position(self, start: int, end: int) -> tuple[int, int]:
        """First and last token of the characters `start` to `end`; twice `cls` when they are not all in this window."""
        inside = [i for i, part in enumerate(self.offsets) if part and part[0] < end and part[1] > start]
        whole = inside and self.offsets[inside[0]][0] <= start and self.offsets[inside[-1]][1] >= end
        return (inside[0], inside[-1]) if whole else (self.cls, self.cls)


def check_base(base: str) -> None:
    """Encoders only."""
    _hf.check_encoder(base, TASK)


def new_model(base: str, tokenizer: Any, info: dict[str, Any]) -> Any:
    """The base model with a new layer that scores each token as the answer's first and last."""
    _hf.check_offsets(tokenizer, TASK)
    model = _hf.load_base(MODEL, base, tokenizer)
    for name in USUAL.keys() & info.keys():
        setattr(model.config, name, info[name])
    return model


def info_of(config: Any) -> dict[str, Any]:
    """How a trained model reads long contexts; the layer itself is the same for all data."""
    return {name: getattr(config, name, usual) for name, usual in USUAL.items()}


def best_by(config: HfAnswersConfig, info: dict[str, Any]) -> str:
    """F1, unless something else was asked for."""
    return config.metric_for_best_model or "f1"


def arguments(config: HfAnswersConfig) -> dict[str, Any]:
    """The names of the labels, which an adapter hides from the Trainer."""
    return {"label_names": ["start_positions", "end_positions"]}


def learning(model: Any, tokenizer: Any, config: HfAnswersConfig, data: TaskData, report: Report) -> _hf.Learning:
    """Windows of token ids with the answer's first and last token: one for each different answer in training, the
    first answer alone in validation, where all of them count as right.
    """
    from transformers import DataCollatorWithPadding

    longest = _hf.longest(tokenizer, model.config, config.max_length)
    tokenizer.model_max_length = min(longest, config.max_length or LONGEST)  # saved with the model, for predicting
    setattr(model.config, LONGEST_ANSWER, config.max_answer_length)
    setattr(model.config, STRIDE, config.doc_stride)
    train, validation, figures = _examples(data.train), None, None
    _note_questions(report, data.train, tokenizer)
    if data.validation is not None:
        rows = data.validation.to_pylist()
        parts = list(_windows_of(rows, tokenizer, config.doc_stride))
        validation = _dataset(parts, [_first_answer(row) for row in rows])
        figures = lambda output: _figures(output.predictions, parts, rows, config.max_answer_length)  # noqa: E731
    questions_and_contexts = [row for row, _ in train]
    return _hf.Learning(
        _dataset(_windows_of(questions_and_contexts, tokenizer, config.doc_stride), [answer for _, answer in train]),
        validation,
        DataCollatorWithPadding(tokenizer),
        figures=figures,
    )


def _examples(table: pa.Table) -> list[tuple[dict[str, Any], tuple[int, int]]]:
    """(row, characters of the answer) for each answer of each row."""
    found = []
    for row in table.to_pylist():
        texts, starts = row["answers"]["text"], row["answers"]["answer_start"]
        found += [(row, (start, start + len(text))) for text, start in zip(texts, starts, strict=True)]
    return found


def _first_answer(row: dict[str, Any]) -> tuple[int, int]:
    start = row["answers"]["answer_start"][0]
    return start, start + len(row["answers"]["text"][0])


def _dataset(parts: Iterator[Window] | list[Window], answers: list[tuple[int, int]]) -> Any:
    """Windows as columns, with the tokens of the answer to each window's row."""
    from datasets import Dataset

    columns: dict[str, list[Any]] = {}
    for part in parts:
        first, last = part.position(*answers[part.row])
        for name, value in {**part.inputs, "start_positions": first, "end_positions": last}.items():
            columns.setdefault(name, []).append(value)
    kinds = {name: pa.int64() if name.endswith("positions") else pa.list_(pa.int32()) for name in columns}
    return Dataset(pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()}))


def _note_questions(report: Report, table: pa.Table, tokenizer: Any) -> None:
    """Tell how many questions are cut so that their context has room."""
    most = _room_for_question(tokenizer)
    long = _hf.count_longer(tokenizer, table["question"].to_pylist(), most)
    if long:
        report.note(f"{long} of {len(table)} training questions are longer than {most} tokens; the rest is not seen.")


def _room_for_question(tokenizer: Any) -> int:
    return tokenizer.model_max_length // 2


def _windows_of(rows: Sequence[dict[str, str]], tokenizer: Any, stride: int) -> Iterator[Window]:
    """Each row's question with its context, in windows of the tokenizer's `model_max_length`.

    `stride`: tokens of the context that neighbours share, at most a third of a window.
    """
    length = tokenizer.model_max_length
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        batch = tokenizer(
            _shortened([row["question"].strip() for row in part], tokenizer),
            [row["context"] for row in part],
            truncation="only_second",
            max_length=length,
            stride=min(stride, length // 3),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=False,
        )
        row_of, offsets = batch.pop("overflow_to_sample_mapping"), batch.pop("offset_mapping")
        for i, row in enumerate(row_of):
            inputs = {name: values[i] for name, values in batch.items()}
            sides = batch.sequence_ids(i)
            ids = inputs["input_ids"]
            known = tokenizer.cls_token_id is not None and tokenizer.cls_token_id in ids
            kept = [tuple(at) if side == 1 else None for at, side in zip(offsets[i], sides, strict=True)]
            yield Window(start + row, inputs, kept, ids.index(tokenizer.cls_token_id) if known else 0)


def _shortened(questions: list[str], tokenizer: Any) -> list[str]:
    """Questions cut where they would leave their context no room."""
    most = _room_for_question(tokenizer)
    ends = tokenizer(questions, truncation=True, max_length=most, return_offsets_mapping=True)["offset_mapping"]
    return [
        question[: max(end for _, end in offsets)] if len(offsets) >= most else question
        for question, offsets in zip(questions, ends, strict=True)
    ]


def _figures(predictions: Any, parts: list[Window], rows: list[dict[str, Any]], longest: int) -> dict[str, float]:
    """F1 and exact match of the Trainer's logits for the validation windows."""
    from engine.evaluation import answers

    starts, ends = predictions[:2]
    found = best_answers(parts, starts, ends, [row["context"] for row in rows], longest)
    return answers.figures([answer["answer"] for answer in found], [row["answers"]["text"] for row in rows])


def best_answers(
    parts: Sequence[Window], starts: Sequence[np.ndarray], ends: Sequence[np.ndarray], contexts: list[str], longest: int
) -> list[dict[str, Any]]:
    """{"answer", "start", "end", "score"} of each context: its likeliest run of at most `longest` tokens.

    The score is P(first) · P(last) within the window; in a window without the answer [CLS] takes the probability.
    `starts`, `ends`: logits of each window, perhaps padded at their ends.
    """
    found = [{"answer": "", "start": 0, "end": 0, "score": 0.0} for _ in contexts]
    for part, start, end in zip(parts, starts, ends, strict=True):
        inside = [i for i, at in enumerate(part.offsets) if at and at[1] > at[0]]
        if not inside:
            continue
        begin, stop = (_probabilities(logits[: len(part.offsets)])[inside] for logits in (start, end))
        scores = np.triu(begin[:, None] * stop[None, :])
        scores = np.tril(scores, longest - 1)
        first, last = np.unravel_index(scores.argmax(), scores.shape)
        score = float(scores[first, last])
        if score > found[part.row]["score"]:
            a, b = part.offsets[inside[first]][0], part.offsets[inside[last]][1]
            text = contexts[part.row][a:b]
            a += len(text) - len(text.lstrip())
            found[part.row] = {"answer": text.strip(), "start": a, "end": a + len(text.strip()), "score": score}
    return found


def _probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def predictor(model: Any, tokenizer: Any) -> "AnswerFinder":
    """A trained model, ready to predict."""
    return AnswerFinder(model, tokenizer)


class AnswerFinder:
    """A loaded model. `predict`: {"question", "context"} → {"answer", "start", "end", "score"}."""

    def __init__(self, model: Any, tokenizer: Any, batch_size: int = 16) -> None:
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size
        self.longest, self.stride = info_of(model.config).values()

    def predict(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        rows = [_checked(given, i) for i, given in enumerate(inputs, 1)]
        parts = list(_windows_of(rows, self.tokenizer, self.stride))
        logits: list[Any] = [None] * len(parts)
        order = sorted(range(len(parts)), key=lambda i: len(parts[i].offsets))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            for i, pair in zip(chosen, self._logits([parts[i] for i in chosen]), strict=True):
                logits[i] = pair
        starts, ends = [pair[0] for pair in logits], [pair[1] for pair in logits]
        return best_answers(parts, starts, ends, [row["context"] for row in rows], self.longest)

    def _logits(self, batch: list[Window]) -> list[tuple[np.ndarray, np.ndarray]]:
        import torch

        columns = {name: [part.inputs[name] for part in batch] for name in batch[0].inputs}
        padded = self.tokenizer.pad(columns, padding_side="right", return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            output = self.model(**padded)
        starts, ends = (logits.float().cpu().numpy() for logits in (output.start_logits, output.end_logits))
        return list(zip(starts, ends, strict=True))


def _checked(given: Any, number: int) -> dict[str, str]:
    """One input. Raises UserError unless it is a question and a context."""
    if isinstance(given, dict) and all(isinstance(given.get(part), str) for part in ("question", "context")):
        return given
    raise UserError(
        f"Input {number} is {str(given)[:80]!r} ({type(given).__name__}), not a question and its context.",
        'Give {"question": "…", "context": "…"}, or a list of such.',
    )


# transformers 5 has no pipeline for questions any more.
_PREDICT = """question, context = "What is asked?", "The text that holds the answer."
inputs = tokenizer(question, context, truncation="only_second", return_offsets_mapping=True, return_tensors="pt")
offsets, start, end = inputs.pop("offset_mapping")[0], *(x[0].tolist() for x in model(**inputs).to_tuple()[:2])
inside = [i for i, side in enumerate(inputs.sequence_ids()) if side == 1]
first, last = max(((i, j) for i in inside for j in inside if i <= j < i + 30), key=lambda p: start[p[0]] + end[p[1]])
print(context[offsets[first][0] : offsets[last][1]])
"""


def usage(repo_id: str) -> str:
    """Model and tokenizer, and the likeliest part of a context that fits into one window."""
    return (
        f"from transformers import {MODEL}, AutoTokenizer\n"
        "\n"
        f'model, tokenizer = (kind.from_pretrained("{repo_id}") for kind in ({MODEL}, AutoTokenizer))\n'
        f"{_PREDICT}"
    )


def adapter_usage(repo_id: str) -> str:
    """The same, of an adapter."""
    return (
        "import peft, transformers\n"
        "\n"
        f'model, tokenizer = (kind.from_pretrained("{repo_id}") for kind in '
        f"(peft.{ADAPTER}, transformers.AutoTokenizer))\n"
        f"{_PREDICT}"
    )
