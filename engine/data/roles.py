"""What the columns of a plain dataset seem to be for: text, label, several labels, rating, id. The owner may differ.

A guess looks at the values first and at the name second, and says why, so that the page can show the reason.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.derived import DerivedQuestion, classes_in, clean_text, split_labels
from engine.data.distinct import distinct
from engine.data.layout import FIELD
from engine.data.questions import LabelQuestion, MultiLabelQuestion, RatingQuestion
from engine.errors import UserError

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

Role = Literal["text", "label", "multi-label", "rating", "id", "other"]
ROLES = ("text", "label", "multi-label", "rating", "id", "other")
TARGETS = ("label", "multi-label", "rating")
CLASSES = b"classes"  # Arrow field metadata written by the readers: class names in their own order, as a JSON list

INTEGER = re.compile(r"[+-]?\d+")
WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
SAMPLE_ROWS = 20_000
SAMPLE_BYTES = 32 * 1024**2
MAX_CLASSES = 100
MAX_NAMED_CLASSES = 1000  # when the column is called "label" or the like
LONGEST_LABEL = 60
LONGEST_CLASS = 1000  # met in any row, when the sample held only short ones
LONGEST_RATING = 9  # digits and sign: it is stored in 32 bits
SEPARATORS = (",", ";", "|")
LABEL_NAMES = frozenset(
    "label labels class classes category categories intent intents topic topics sentiment emotion emotions "
    "target targets tag tags genre genres".split()
)
RATING_NAMES = frozenset("rating ratings stars star score grade rank".split())
ID_NAMES = frozenset("id ids uuid guid key index idx hash url".split())
TEXT_NAMES = frozenset("text texts sentence message content body review comment utterance document".split())
TOKEN_NAMES = frozenset("tokens words".split())


@dataclass(frozen=True)
class ColumnRole:
    """What one column seems to be for. `classes` are its labels in order, when its role is to be a target."""

    name: str
    type: str
    role: Role
    separator: str | None
    reason: str
    n_distinct: int | None
    examples: tuple[str, ...]
    classes: tuple[str, ...] = ()

    @property
    def is_target(self) -> bool:
        return self.role in TARGETS


def guess_roles(dataset: "FeedbackDataset") -> list[ColumnRole]:
    """One role per column of the source, in order; columns that a question was derived from included.

    At least one column of text is called the text, if there is any.
    """
    columns = [_Column(dataset, f.name) for f in dataset.schema.fields]
    tokens = next((c for c in columns if c.is_list and c.words & TOKEN_NAMES), None)
    roles = [_guess(column, tokens) for column in columns]
    if not any(role.role == "text" for role in roles):
        strings = [
            (c.mean_length, i) for i, c in enumerate(columns) if c.is_string and roles[i].role in ("other", "id")
        ]
        if strings:
            i = max(strings)[1]
            roles[i] = columns[i].as_role("text", "it is the column with the longest texts")
    return roles


def role_as(dataset: "FeedbackDataset", name: str, role: Role, separator: str | None = None) -> ColumnRole:
    """The column `name` in the role that the owner chose. Raises UserError for an unknown column or role."""
    names = [f.name for f in dataset.schema.fields]
    if name not in names:
        raise UserError(f"The data has no column named {name!r}.", f"Its columns: {', '.join(names)}.")
    if role not in ROLES:
        raise UserError(f"There is no role {role!r}.", f"Choose one of: {', '.join(ROLES)}.")
    return _Column(dataset, name).as_role(role, "chosen by you", separator)


def derived_for(role: ColumnRole) -> DerivedQuestion:
    """The question that a column in a target's role becomes; its name is the column's.

    Raises UserError when a rating has values that are no whole numbers, or when the column has no values.
    """
    if not role.classes:
        raise UserError(
            f"The column {role.name!r} has no values, so it can't be what is learnt.", "Choose a column with labels."
        )
    if role.role == "rating":
        try:
            values = sorted(int(c) for c in role.classes)
        except ValueError as error:
            raise UserError(
                f"The column {role.name!r} can't be a rating: it holds values such as {role.classes[-1]!r}.",
                "Ratings are whole numbers. Use the column as a label instead.",
            ) from error
        return DerivedQuestion(field=role.name, question=RatingQuestion(name=role.name, values=values))
    kind = MultiLabelQuestion if role.role == "multi-label" else LabelQuestion
    question = kind(name=role.name, labels=list(role.classes))
    return DerivedQuestion(field=role.name, question=question, separator=role.separator)


class _Column:
    """A column and what a guess needs to know of it, computed on a sample of its rows."""

    def __init__(self, dataset: "FeedbackDataset", name: str) -> None:
        self.name = name
        self.values = dataset.table[FIELD + name]
        self.kind = self.values.type
        self.words = set(name.lower().replace("-", "_").replace(".", "_").split("_")) | {name.lower()}
        known = (dataset.table.schema.field(FIELD + name).metadata or {}).get(CLASSES)
        self.known_classes = tuple(json.loads(known)) if known else ()
        self.is_string = pa.types.is_string(self.kind)
        self.is_list = pa.types.is_list(self.kind)
        self.is_plain = not pa.types.is_nested(self.kind)
        self.sample = _sample(self.values)
        self.text = clean_text(self.sample).drop_null() if self.is_plain else pa.array([], pa.string())
        self.n = len(self.text) if self.is_plain else len(self.sample.drop_null())
        self.distinct = self.text.unique()
        lengths = pc.utf8_length(self.text)
        self.mean_length = pc.mean(lengths).as_py() or 0.0
        self.max_length = pc.max(lengths).as_py() or 0
        self.spaces = _share(pc.match_substring(self.text, " "))
        self.foreign = 1 - _share(pc.string_is_ascii(self.text))  # scripts without spaces, such as Chinese

    @cached_property
    def is_measure(self) -> bool:
        """Whether the values are numbers, and some of them not whole: a score, not a class."""
        values = self.distinct.to_pylist()[:1000]
        return all(map(NUMBER.fullmatch, values)) and not all(map(WHOLE.fullmatch, values))

    def as_role(self, role: Role, reason: str, separator: str | None = None) -> ColumnRole:
        if role == "multi-label" and not self.is_list and separator is None:
            separator = self.joined_by or self._likeliest_separator()
        separator = separator if role == "multi-label" and not self.is_list else None
        multi = role == "multi-label"
        classes = self.known_classes or (self._classes(separator, multi) if role in TARGETS else ())
        return ColumnRole(
            name=self.name,
            type=str(self.kind),
            role=role,
            separator=separator,
            reason=reason,
            n_distinct=distinct(self.values).values if self.is_plain else None,
            examples=self.examples(),
            classes=tuple(classes) if role in TARGETS else (),
        )

    def _classes(self, separator: str | None, multi: bool) -> list[str]:
        """Over all rows, a chunk at a time: a class that first stands in the last row is a class."""
        if not self.is_plain and not (multi and self.is_list):
            raise UserError(
                f"The column {self.name!r} holds {self.kind}, which is not a label.",
                "Choose a column with one value, or a list of labels, per row.",
            )
        found: dict[str, None] = {}
        for chunk in self.values.chunks:
            found.update(dict.fromkeys(classes_in(chunk, separator, multi=multi)))
        return classes_in(pa.array(list(found), pa.string()))

    @cached_property
    def joined_by(self) -> str | None:
        """The separator of joined labels, if the cells read as a few labels in many combinations."""
        for separator in SEPARATORS:
            joined = _share(pc.match_substring(self.text, separator))
            if not joined:
                continue
            parts = split_labels(self.text, separator).flatten()
            labels = parts.unique().drop_null()
            longest = pc.max(pc.utf8_length(labels)).as_py() or LONGEST_LABEL
            often = len(parts) >= 2 * len(labels)
            if len(labels) <= MAX_CLASSES and longest <= 40 and often and self._reused(separator, labels):
                return separator
        return None

    def _likeliest_separator(self) -> str:
        return max(SEPARATORS, key=lambda separator: _share(pc.match_substring(self.text, separator)))

    def _reused(self, separator: str, labels: pa.Array) -> bool:
        """Whether the parts of joined cells mostly stand in other cells too."""
        joined = self.distinct.filter(pc.match_substring(self.distinct, separator))
        return len(labels) < len(self.distinct) or len(joined) >= 2 and len(labels) <= len(joined) * 2

    def examples(self) -> tuple[str, ...]:
        values = self.distinct[:3] if self.is_plain else self.sample.drop_null()[:3]
        return tuple(_short(value) for value in values.to_pylist())


def _sample(values: pa.ChunkedArray) -> pa.Array:
    """Rows from all over the column: the source may be sorted."""
    rows = min(SAMPLE_ROWS, max(10, SAMPLE_BYTES * len(values) // max(1, values.nbytes)))
    if len(values) <= rows:
        return values.combine_chunks()
    wanted = np.linspace(0, len(values) - 1, rows).astype(np.int64)
    starts = np.cumsum([0, *map(len, values.chunks)])
    parts = zip(values.chunks, starts, np.split(wanted, np.searchsorted(wanted, starts[1:-1])), strict=False)
    taken = [
        chunk.take(pa.array(rows - start)) for chunk, start, rows in parts if len(rows)
    ]  # `take` of all copies all
    return pa.chunked_array(taken, values.type).combine_chunks()


def _share(mask: pa.Array) -> float:
    return (pc.sum(mask).as_py() or 0) / max(1, len(mask))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


def _guess(column: _Column, tokens: _Column | None) -> ColumnRole:
    """The guess on a sample, unless all the rows show that it can't be."""
    role = _guess_on_sample(column, tokens)
    if len(role.classes) > MAX_NAMED_CLASSES:
        return column.as_role("other", f"{len(role.classes):,} different labels")
    if any(len(c) > LONGEST_CLASS for c in role.classes):
        return column.as_role("other", "some of its values are too long for labels")
    if role.role == "rating" and not all(INTEGER.fullmatch(c) and len(c) <= LONGEST_RATING for c in role.classes):
        return column.as_role("label", f"{len(role.classes):,} different values")
    return role


def _guess_on_sample(column: _Column, tokens: _Column | None) -> ColumnRole:
    if not column.n:
        return column.as_role("other", "it is empty")
    if not column.is_plain:
        return _guess_nested(column, tokens)
    if column.known_classes:
        return column.as_role("label", "its classes are named in the data")
    if pa.types.is_boolean(column.kind):
        return column.as_role("label", "it is true or false")
    for guess in (_as_identifier, _as_rating, _as_label, _as_joined_labels, _as_text):
        found = guess(column)
        if found is not None:
            return found
    return column.as_role("other", f"{len(column.distinct):,} different values among {column.n:,} rows")


def _guess_nested(column: _Column, tokens: _Column | None) -> ColumnRole:
    if not column.is_list or not pa.types.is_string(column.kind.value_type):
        return column.as_role("other", "its values are not single texts or labels")
    if tokens is not None and (column is tokens or _same_lengths(column, tokens)):
        return column.as_role("other", "it has one entry per token")
    labels = column.sample.flatten()
    n_distinct = len(labels.unique())
    limit = MAX_NAMED_CLASSES if column.words & LABEL_NAMES else MAX_CLASSES
    if column.known_classes or (2 <= n_distinct <= limit and len(labels) >= 2 * n_distinct):
        return column.as_role("multi-label", f"lists of {n_distinct:,} different labels")
    return column.as_role("other", f"lists of {n_distinct:,} different texts")


def _same_lengths(one: _Column, other: _Column) -> bool:
    return pc.list_value_length(one.sample).equals(pc.list_value_length(other.sample))


def _as_identifier(column: _Column) -> ColumnRole | None:
    if len(column.distinct) < column.n or column.n < 3 or pa.types.is_floating(column.kind):
        return None
    if column.spaces or column.foreign:
        return None
    if column.words & ID_NAMES:
        return column.as_role("id", "a different value in every row, and it is called so")
    if column.n >= 20 and column.max_length <= 64 and not column.words & LABEL_NAMES:
        return column.as_role("id", "a different value without spaces in every row")
    return None


def _as_rating(column: _Column) -> ColumnRole | None:
    if not column.words & RATING_NAMES or not 2 <= len(column.distinct) <= 11:
        return None
    if not all(map(INTEGER.fullmatch, column.distinct.to_pylist())):
        return None
    return column.as_role("rating", f"{len(column.distinct)} whole numbers, and it is called {column.name!r}")


def _as_label(column: _Column) -> ColumnRole | None:
    n_distinct = len(column.distinct)
    named = bool(column.words & LABEL_NAMES)
    if column.max_length > LONGEST_LABEL or column.joined_by:
        return None
    if column.words & TEXT_NAMES and column.spaces:
        return None
    if named and n_distinct <= MAX_NAMED_CLASSES and (n_distinct <= 0.8 * column.n or column.n < 10):
        return column.as_role("label", f"{n_distinct:,} different values, and it is called {column.name!r}")
    if column.is_measure:
        return None
    if 2 <= n_distinct <= MAX_CLASSES and n_distinct * 4 <= column.n:
        return column.as_role("label", f"{n_distinct:,} different values in {column.n:,} rows")
    return None


def _as_joined_labels(column: _Column) -> ColumnRole | None:
    separator = column.joined_by if column.is_string else None
    if separator is None:
        return None
    return column.as_role("multi-label", f"labels joined by “{separator}”", separator)


def _as_text(column: _Column) -> ColumnRole | None:
    if not column.is_string or len(column.distinct) < 2 or not (column.spaces or column.foreign):
        return None
    if column.spaces >= 0.3 or column.foreign >= 0.5 or column.mean_length > 20:
        return column.as_role("text", f"texts of {column.mean_length:.0f} characters on average")
    return None
