"""`prepare_for_training`: a task's rows in the container that a library's own trainer takes, as Argilla 1.x gave them.

Called by FeedbackDataset for scripts; Annotune's own frameworks read the canonical rows instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.data.layout import RECORD_ID
from engine.data.splits import split
from engine.errors import UserError
from engine.registry import TASKS
from engine.tasks.text_classification import LABEL, label_sets

if TYPE_CHECKING:
    import datasets
    import pandas
    import spacy

    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

DEFAULT_SEED = 42
OPENAI_SEPARATOR = "\n\n###\n\n"  # ends a prompt, in OpenAI's format for prompt and completion


@dataclass(frozen=True)
class _Renderer:
    """How one library takes rows: `render(table, info, lang)`, and `pair(train, test)` after a split."""

    render: Callable[[pa.Table, dict[str, Any], Any], Any]
    pair: Callable[[Any, Any], Any]


def prepare_for_training(
    dataset: "FeedbackDataset",
    framework: str,
    task: "TrainingTask",
    *,
    train_size: float | None = 1,
    test_size: float | None = None,
    seed: int | None = None,
    lang: Any = None,
) -> Any:
    """The rows of `task` for `framework`; two parts when train_size is below 1.

    transformers, setfit, peft: datasets.Dataset with id, text, label (and binarized_label), or a DatasetDict. spacy,
    spacy-transformers: DocBin, tokenised by `lang` (a language code, a pipeline's name, or a pipeline), or two.
    openai: list of {"prompt", "completion"}, or two. spark-nlp: pandas.DataFrame with text and label (or labels), or
    two. Raises UserError for a framework that has no format for the task.
    """
    renderer = _renderer(framework, task.task)
    shares = _shares(train_size, test_size)
    rows = TASKS[task.task].rows(dataset, task, seed=DEFAULT_SEED if seed is None else seed)
    if len(rows.info["classes"]) < 2:
        only = f"the label {rows.info['classes'][0]!r}" if rows.info["classes"] else "no label"
        raise UserError(
            f"All rows have {only}; a classifier needs at least two different labels.",
            "Let formatting_func give the labels as they were annotated.",
        )
    table = rows.table.append_column("id", pa.array(range(len(rows.table)), pa.int32()))
    if shares[0] == 1:
        return renderer.render(table, rows.info, lang)
    parts = split(
        table,
        shares,
        seed=DEFAULT_SEED if seed is None else seed,
        label_column=TASKS[task.task].label_column(rows.info),
    )
    return renderer.pair(*(renderer.render(parts[name], rows.info, lang) for name in ("train", "test")))


def _renderer(framework: str, task: str) -> _Renderer:
    known = _RENDERERS.get(task, {})
    if framework not in known:
        raise UserError(
            f"prepare_for_training has no format for {framework!r} with the task {task!r}.",
            f"Choose one of: {', '.join(known) or 'none'}.",
        )
    return known[framework]


def _shares(train_size: float | None, test_size: float | None) -> tuple[float, float, float]:
    train = 1 if train_size is None else train_size
    test = 1 - train if test_size is None else test_size
    for name, size in (("train_size", train), ("test_size", test)):
        if size < 0:
            raise UserError(
                f"{name} is {size:g}; it must be 0 or more.", "Give train_size as a share above 0 and up to 1."
            )
    if abs(train + test - 1) > 1e-6:
        raise UserError(
            f"train_size and test_size must sum to 1; {train:g} and {test:g} sum to {train + test:g}.",
            "Leave test_size out: it is what train_size leaves.",
        )
    if train == 0:
        raise UserError(
            "train_size is 0, so there would be nothing to learn from.", "Give a share above 0 and up to 1."
        )
    return train, 0, test


def _ids(table: pa.Table, info: dict[str, Any]) -> list[list[int]]:
    """Class ids of each row, in the order of the row's labels."""
    position = {name: i for i, name in enumerate(info["classes"])}
    return [[position[label] for label in labels] for labels in label_sets(table)]


def _as_dataset(table: pa.Table, info: dict[str, Any], _lang: Any) -> "datasets.Dataset":
    import datasets

    classes, ids = datasets.ClassLabel(names=info["classes"]), _ids(table, info)
    features = {"id": datasets.Value("int32"), "text": datasets.Value("string")}
    columns = {"id": table["id"].to_pylist(), "text": table["text"].to_pylist()}
    if info["multi_label"]:
        features |= {LABEL: datasets.List(classes), "binarized_label": datasets.List(classes)}
        width = range(len(info["classes"]))
        columns |= {LABEL: ids, "binarized_label": [[int(i in row) for i in width] for row in ids]}
    else:
        features |= {LABEL: classes}
        columns |= {LABEL: [row[0] for row in ids]}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _as_dataset_dict(train: "datasets.Dataset", test: "datasets.Dataset") -> "datasets.DatasetDict":
    import datasets

    return datasets.DatasetDict({"train": train, "test": test})


def _as_doc_bin(table: pa.Table, info: dict[str, Any], lang: Any) -> "spacy.tokens.DocBin":
    from spacy.tokens import DocBin

    pipeline, bin_ = _pipeline(lang), DocBin(store_user_data=True)
    for text, labels in zip(table["text"].to_pylist(), label_sets(table), strict=True):
        doc = pipeline.make_doc(text)
        doc.cats = {name: int(name in labels) for name in info["classes"]}
        bin_.add(doc)
    return bin_


def _pipeline(lang: Any) -> "spacy.language.Language":
    """The pipeline that tokenises: `lang` itself, an installed pipeline of that name, or the language's blank one."""
    import spacy

    if lang is not None and not isinstance(lang, str):
        return lang
    name = lang or "en"
    if spacy.util.is_package(name):
        return spacy.load(name)
    try:
        return spacy.blank(name.removeprefix("blank:"))
    except ImportError as error:
        raise UserError(
            f"spaCy knows no language and no installed pipeline named {name!r}.",
            'Give a language code such as "en", or a pipeline object.',
        ) from error


def _as_prompts(table: pa.Table, info: dict[str, Any], _lang: Any) -> list[dict[str, str]]:
    rows = zip(table["text"].to_pylist(), _ids(table, info), strict=True)
    return [
        {"prompt": text + OPENAI_SEPARATOR, "completion": " " + " ".join(str(i) for i in ids)} for text, ids in rows
    ]


def _as_frame(table: pa.Table, _info: dict[str, Any], _lang: Any) -> "pandas.DataFrame":
    import pandas

    columns = table.drop_columns(["id", RECORD_ID]).to_pydict()
    return pandas.DataFrame(columns)


def _as_tuple(train: Any, test: Any) -> tuple[Any, Any]:
    return train, test


_DATASET = _Renderer(_as_dataset, _as_dataset_dict)
_DOC_BIN = _Renderer(_as_doc_bin, _as_tuple)
_PROMPTS = _Renderer(_as_prompts, _as_tuple)
_RENDERERS: dict[str, dict[str, _Renderer]] = {
    "text-classification": {
        "transformers": _DATASET,
        "setfit": _DATASET,
        "peft": _DATASET,
        "spacy": _DOC_BIN,
        "spacy-transformers": _DOC_BIN,
        "openai": _PROMPTS,
        "spark-nlp": _Renderer(_as_frame, _as_tuple),
    },
}
