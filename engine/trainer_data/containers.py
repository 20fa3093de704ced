"""Containers that libraries' trainers take: what the files of this package share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.data.layout import RECORD_ID
from engine.errors import UserError

if TYPE_CHECKING:
    import datasets
    import spacy


@dataclass(frozen=True)
class Renderer:
    """How one library takes rows: `render(table, info, lang)`, and `pair(train, test)` after a split.

    The table has the canonical columns and `id` (int32), a row counter given before the split.
    """

    render: Callable[[pa.Table, dict[str, Any], Any], Any]
    pair: Callable[[Any, Any], Any]


def pair_in_dict(train: "datasets.Dataset", test: "datasets.Dataset") -> "datasets.DatasetDict":
    import datasets

    return datasets.DatasetDict({"train": train, "test": test})


def pair_in_tuple(train: Any, test: Any) -> tuple[Any, Any]:
    return train, test


def canonical(table: pa.Table, _info: dict[str, Any], _lang: Any) -> "datasets.Dataset":
    """The canonical columns as they are, with `id` in place of `record_id`."""
    import datasets

    names = ["id", *(name for name in table.column_names if name not in ("id", RECORD_ID))]
    return datasets.Dataset(table.select(names))


CANONICAL = Renderer(canonical, pair_in_dict)


def spacy_pipeline(lang: Any) -> "spacy.language.Language":
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
