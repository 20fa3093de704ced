"""Which records, in which order: what `filter_by` and `sort_by` of a dataset do. Gives row numbers, copies nothing."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from engine.data.layout import EXTERNAL_ID, FIELD, METADATA, RESPONSES
from engine.errors import UserError

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

STATUSES = ("submitted", "draft", "discarded", "missing", "pending")


class _Light(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TermsMetadataFilter(_Light):
    """Records whose metadata `name` is one of `values` (or has one of them, when it is a list)."""

    name: str
    values: list[Any]
    type: Literal["terms"] = "terms"

    def matches(self, value: Any) -> bool:
        return any(item in self.values for item in (value if isinstance(value, list) else [value]))


class IntegerMetadataFilter(_Light):
    """Records whose metadata `name` is a number from `ge` to `le`, both included; at least one must be given."""

    name: str
    ge: int | None = None
    le: int | None = None
    type: Literal["integer"] = "integer"

    @model_validator(mode="after")
    def _some_bound(self) -> "IntegerMetadataFilter":
        if self.ge is None and self.le is None:
            raise ValueError("give ge, le, or both")
        return self

    def matches(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return (self.ge is None or value >= self.ge) and (self.le is None or value <= self.le)


class FloatMetadataFilter(IntegerMetadataFilter):
    ge: float | None = None
    le: float | None = None
    type: Literal["float"] = "float"


class SortBy(_Light):
    """Order by `metadata.<name>`, a field or `external_id`; `order` is "asc" or "desc"."""

    field: str
    order: Literal["asc", "desc"] = "asc"

    @field_validator("order", mode="before")
    @classmethod
    def _order(cls, order: Any) -> Any:
        return getattr(order, "value", order)


def matching(dataset: "FeedbackDataset", response_status: Any = None, metadata_filters: Any = None) -> np.ndarray:
    """Row numbers of the records that have a response of any of these statuses and match every metadata filter.

    "missing" and "pending" are records without any response. Raises UserError for an unknown status or metadata name.
    """
    chosen = np.ones(len(dataset), bool)
    if response_status is not None:
        chosen &= _has_status(dataset, [_status(s) for s in _as_list(response_status)])
    filters = [_filter(given) for given in _as_list(metadata_filters)]
    if filters:
        names = _metadata_names(dataset)
        for wanted in filters:
            _known_metadata(wanted.name, names)
        chosen &= _metadata_matches(dataset, filters)
    return np.flatnonzero(chosen)


def ordered(dataset: "FeedbackDataset", sort: Any) -> np.ndarray:
    """Row numbers in the order asked for; records without the value come last, equal ones keep their order.

    sort: SortBy, {"field", "order"}, "name" or "-name", or a list of these (the first counts most).
    """
    keys = [_sort_by(given) for given in _as_list(sort)]
    order = np.arange(len(dataset))
    for key in reversed(keys):  # stable sorts, the least important first: null placement is then per key
        column = _sort_column(dataset, key.field).take(pa.array(order))
        placed = pc.sort_indices(pa.table({"k": column}), sort_keys=[("k", f"{key.order}ending", "at_end")])
        order = order[placed.to_numpy()]
    return order


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, dict, BaseModel)) or not isinstance(value, Iterable) else list(value)


def _status(status: Any) -> str:
    status = getattr(status, "value", status)
    if status not in STATUSES:
        raise UserError(f"There is no response status {status!r}.", f"Choose among: {', '.join(STATUSES)}.")
    return status


def _has_status(dataset: "FeedbackDataset", statuses: list[str]) -> np.ndarray:
    wanted = pa.array([s for s in statuses if s not in ("missing", "pending")], pa.string())
    found, answered = np.zeros(len(dataset), bool), np.zeros(len(dataset), bool)
    for question in dataset.questions:
        start = 0
        for chunk in dataset.table[RESPONSES + question.name].chunks:
            rows = pc.list_parent_indices(chunk).to_numpy() + start
            status = pc.struct_field(chunk.flatten(), "status")
            answered[rows] = True
            found[rows[pc.is_in(status, wanted).to_numpy(zero_copy_only=False)]] = True
            start += len(chunk)
    missing = ~answered if len(wanted) < len(statuses) else np.zeros(len(dataset), bool)
    return found | missing


def _filter(given: Any) -> Any:
    if not isinstance(given, dict):
        if not hasattr(given, "matches"):
            raise UserError(
                f"A metadata filter can't be {type(given).__name__} ({given!r:.80}).",
                "Use TermsMetadataFilter, IntegerMetadataFilter or FloatMetadataFilter.",
            )
        return given
    kind = TermsMetadataFilter if "values" in given else FloatMetadataFilter
    bounds = {"integer": IntegerMetadataFilter, "float": FloatMetadataFilter}.get(str(given.get("type")), kind)
    try:
        return bounds.model_validate(given)
    except ValidationError as error:
        raise UserError(
            f"The metadata filter {given!r} can't be read: {error.errors()[0]['msg']}.",
            'Write {"name": …, "values": […]} or {"name": …, "ge": …, "le": …}.',
        ) from error


def _rows_of_metadata(dataset: "FeedbackDataset") -> Iterable[dict[str, Any]]:
    for chunk in dataset.table[METADATA].chunks:
        for text in chunk.to_pylist():
            yield json.loads(text) if text else {}


def _metadata_names(dataset: "FeedbackDataset") -> list[str]:
    names = dict.fromkeys(p["name"] for p in dataset.schema.metadata_properties)
    for values in _rows_of_metadata(dataset):
        names.update(dict.fromkeys(values))
    return list(names)


def _known_metadata(name: str, names: list[str]) -> None:
    if name not in names:
        raise UserError(
            f"The records have no metadata named {name!r}.", f"Their metadata: {', '.join(names) or 'none'}."
        )


def _metadata_matches(dataset: "FeedbackDataset", filters: list[Any]) -> np.ndarray:
    rows = _rows_of_metadata(dataset)
    return np.fromiter(
        (all(f.name in row and f.matches(row[f.name]) for f in filters) for row in rows), bool, len(dataset)
    )


def _sort_by(given: Any) -> SortBy:
    if isinstance(given, SortBy):
        return given
    if isinstance(given, str):
        return SortBy(field=given.lstrip("-"), order="desc" if given.startswith("-") else "asc")
    try:
        return SortBy.model_validate(given)
    except ValidationError as error:
        raise UserError(
            f"The order {given!r} can't be read: {error.errors()[0]['msg']}.",
            'Write "name", "-name" or {"field": "name", "order": "asc" or "desc"}.',
        ) from error


def _sort_column(dataset: "FeedbackDataset", name: str) -> pa.ChunkedArray:
    if name.startswith("metadata."):
        key = name.removeprefix("metadata.")
        _known_metadata(key, _metadata_names(dataset))
        return pa.chunked_array([_comparable([row.get(key) for row in _rows_of_metadata(dataset)])])
    fields = [f.name for f in dataset.fields]
    if name != "external_id" and name not in fields:
        known = ", ".join([*fields, "external_id", *(f"metadata.{m}" for m in _metadata_names(dataset))])
        raise UserError(f"Records can't be sorted by {name!r}.", f"Sort by one of: {known}.")
    column = dataset.table[EXTERNAL_ID if name == "external_id" and name not in fields else FIELD + name]
    if pa.types.is_nested(column.type):
        raise UserError(
            f"Records can't be sorted by {name!r}: it holds lists, not single values.", "Sort by another field."
        )
    return column


def _comparable(values: list[Any]) -> pa.Array:
    present = [v for v in values if v is not None]
    if all(isinstance(v, (int, float)) for v in present):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pa.string())
