"""JSON and JSON Lines. Lines are read twice: once for the columns and their types, then for the values."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from engine.data.readers.arrow_columns import NAN_NOTE, plain_type
from engine.data.readers.stream import BATCH_BYTES, BATCH_ROWS, Stream, checked_names
from engine.data.readers.text_files import encoding_note, encoding_of, open_text
from engine.errors import UserError

MAX_WHOLE = 512 * 1024**2  # a .json file must be held in memory whole
MAX_KEYS = 100  # an object with more keys than this is a mapping, kept as JSON text
MIXED_NOTE = "Column “{name}” mixes different kinds of values; all of it is read as text."

OpenObjects = Callable[[], Iterator[dict[str, Any]]]


def read_json_lines(path: Path, name: str) -> Stream:
    """One JSON object a line. Raises UserError with the number of a line that is not one."""
    encoding = encoding_of(path, name)
    return stream_of_objects(lambda: _lines(path, name, encoding), "jsonl", encoding)


def read_json(path: Path, name: str) -> Stream:
    """A list of objects, an object of equally long lists, or {"data": [objects]}; JSON Lines with this name too."""
    encoding = encoding_of(path, name)
    if _is_json_lines(path, encoding):
        return read_json_lines(path, name)
    if path.stat().st_size > MAX_WHOLE:
        raise UserError(
            f"“{name}” is larger than {MAX_WHOLE // 1024**2} MB, which is too much for one JSON document.",
            "Save it as JSON Lines (one object a line) or Parquet, which are read piece by piece.",
        )
    with open_text(path, encoding) as file:
        text = file.read()
    try:
        document = _parse(text)
    except ValueError as error:
        raise _not_json(name, error) from error
    objects = objects_in(document, name)
    return stream_of_objects(lambda: iter(objects), "json", encoding)


def objects_in(document: Any, name: str) -> list[dict[str, Any]]:
    """The rows of a JSON document. Raises UserError that says which shapes are read."""
    if isinstance(document, dict):
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        rows = [key for key, value in lists.items() if value and all(isinstance(item, dict) for item in value)]
        if len(lists) == len(document) and lists and not (len(lists) == 1 and rows):
            return _transposed(lists, name)
        if len(rows) == 1:
            return lists[rows[0]]
    elif isinstance(document, list):
        for number, item in enumerate(document, 1):
            if not isinstance(item, dict):
                raise UserError(
                    f"“{name}”: item {number} of the list is {_kind(item)}, not an object.",
                    'Write each row as an object: [{"text": "…", "label": "…"}, …].',
                )
        return document
    raise UserError(
        f"“{name}” is JSON, but not a table: it is {_kind(document)}.",
        'A list of objects, {"text": […], "label": […]} and {"data": […]} are read.',
    )


def _transposed(lists: dict[str, list], name: str) -> list[dict[str, Any]]:
    lengths = {key: len(values) for key, values in lists.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key} {n}" for key, n in list(lengths.items())[:6])
        raise UserError(
            f"“{name}”: its columns are not equally long ({shown}).", "Give every column one value per row."
        )
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        value = json.loads(text)  # Python writes NaN and Infinity, which are not JSON
    written = json.dumps(value, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:  # half of a character, as JavaScript may cut them: no text can hold it
        return json.loads(written.encode("utf-8", "replace"))
    return value


def _not_json(name: str, error: ValueError) -> UserError:
    place = f" at line {error.lineno}, character {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return UserError(f"“{name}” is not JSON{place}: {reason}.", "Mend it there, or save the data again.")


def _is_json_lines(path: Path, encoding: str) -> bool:
    """Whether the first line is an object by itself and another line follows."""
    with open_text(path, encoding) as file:
        lines = (line for line in file if line.strip())
        first, second = next(lines, ""), next(lines, "")
    try:
        return isinstance(_parse(first), dict) and bool(second)
    except ValueError:
        return False


def _lines(path: Path, name: str, encoding: str) -> Iterator[dict[str, Any]]:
    with open_text(path, encoding) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = _parse(line)
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise UserError(
                    f"“{name}”: line {number} is not JSON: {reason}. It reads: {line.strip():.80}",
                    'Each line must be one object, such as {"text": "…", "label": "…"}.',
                ) from error
            if not isinstance(value, dict):
                raise UserError(
                    f"“{name}”: line {number} is {_kind(value)}, not an object.",
                    'Each line must be one object, such as {"text": "…", "label": "…"}.',
                )
            yield value


def stream_of_objects(objects: OpenObjects, format_name: str, encoding: str) -> Stream:
    notes = [note] if (note := encoding_note(encoding)) else []
    kinds, rows = _column_types(objects(), notes)
    keys = list(kinds)
    names = checked_names(keys, notes)
    schema = pa.schema(list(zip(names, kinds.values(), strict=True)))

    def batches() -> Iterator[pa.RecordBatch]:
        for part in _parts(objects()):
            columns = [_column([row.get(key) for row in part], kinds[key], stream) for key in keys]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    stream = Stream(schema, batches, rows, {"format": format_name, "encoding": encoding}, notes)
    return stream


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(len(value) if isinstance(value, str) else 64 for value in row.values())
        if len(part) == BATCH_ROWS or size > BATCH_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _column_types(objects: Iterator[dict[str, Any]], notes: list[str]) -> tuple[dict[str, pa.DataType], int]:
    """Key → Arrow type over all rows, in order of first appearance; and the number of rows."""
    kinds: dict[str, pa.DataType | None] = {}  # None: mixed, so text
    rows = 0
    for part in _parts(objects):
        rows += len(part)
        for key in dict.fromkeys(key for row in part for key in row):
            found = _type_of([row.get(key) for row in part])
            kinds[key] = found if key not in kinds else _unified(kinds[key], found)
        if len(kinds) > BATCH_ROWS:
            break  # far too many columns: checked_names refuses them
    for key, kind in kinds.items():
        if kind is None:
            notes.append(MIXED_NOTE.format(name=key))
    return {key: pa.string() if kind is None else plain_type(kind) or pa.string() for key, kind in kinds.items()}, rows


def _type_of(values: list[Any]) -> pa.DataType | None:
    try:
        kind = pa.array([None if _is_nan(value) else value for value in values]).type
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
    if pa.types.is_struct(kind) and kind.num_fields == 0:
        return pa.null()
    return kind if _is_table_like(kind) else pa.string()


def _is_table_like(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _is_table_like(kind.value_type)
    if pa.types.is_struct(kind):
        return 0 < kind.num_fields <= MAX_KEYS and all(_is_table_like(field.type) for field in kind)
    return True


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _unified(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    if one is None or other is None or one == other:
        return one if one == other else None
    try:
        schemas = [pa.schema([("c", kind)]) for kind in (one, other)]
        return pa.unify_schemas(schemas, promote_options="permissive").field("c").type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def _column(values: list[Any], kind: pa.DataType, stream: Stream) -> pa.Array:
    missing = sum(map(_is_nan, values))
    stream.count(NAN_NOTE, missing)
    if missing:
        values = [None if _is_nan(value) else value for value in values]
    if pa.types.is_string(kind):
        values = [value if value is None or isinstance(value, str) else _as_text(value) for value in values]
    return pa.array(values, kind)


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
