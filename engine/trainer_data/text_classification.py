"""Text classification in the containers of its libraries' own trainers. See the package."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.data.layout import RECORD_ID
from engine.errors import UserError
from engine.tasks.text_classification import LABEL, label_sets
from engine.trainer_data.containers import Renderer, pair_in_dict, pair_in_tuple, spacy_pipeline

if TYPE_CHECKING:
    import datasets
    import pandas
    import spacy

OPENAI_SEPARATOR = "\n\n###\n\n"  # ends a prompt, in OpenAI's format for prompt and completion


def check(info: dict[str, Any]) -> None:
    """Raise UserError when there is nothing to tell apart."""
    if len(info["classes"]) < 2:
        only = f"the label {info['classes'][0]!r}" if info["classes"] else "no label"
        raise UserError(
            f"All rows have {only}; a classifier needs at least two different labels.",
            "Let formatting_func give the labels as they were annotated.",
        )


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


def _as_doc_bin(table: pa.Table, info: dict[str, Any], lang: Any) -> "spacy.tokens.DocBin":
    from spacy.tokens import DocBin

    pipeline, bin_ = spacy_pipeline(lang), DocBin(store_user_data=True)
    for text, labels in zip(table["text"].to_pylist(), label_sets(table), strict=True):
        doc = pipeline.make_doc(text)
        doc.cats = {name: int(name in labels) for name in info["classes"]}
        bin_.add(doc)
    return bin_


def _as_prompts(table: pa.Table, info: dict[str, Any], _lang: Any) -> list[dict[str, str]]:
    rows = zip(table["text"].to_pylist(), _ids(table, info), strict=True)
    return [
        {"prompt": text + OPENAI_SEPARATOR, "completion": " " + " ".join(str(i) for i in ids)} for text, ids in rows
    ]


def _as_frame(table: pa.Table, _info: dict[str, Any], _lang: Any) -> "pandas.DataFrame":
    import pandas

    columns = table.drop_columns(["id", RECORD_ID]).to_pydict()
    return pandas.DataFrame(columns)


_DATASET = Renderer(_as_dataset, pair_in_dict)
_DOC_BIN = Renderer(_as_doc_bin, pair_in_tuple)
RENDERERS = {
    "transformers": _DATASET,
    "setfit": _DATASET,
    "peft": _DATASET,
    "spacy": _DOC_BIN,
    "spacy-transformers": _DOC_BIN,
    "openai": Renderer(_as_prompts, pair_in_tuple),
    "spark-nlp": Renderer(_as_frame, pair_in_tuple),
}
