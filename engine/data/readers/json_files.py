"""JSON and JSON Lines. Lines are read twice: once for the columns and their types, then for the values."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from engine.data.readers.arrow_columns import NAN_NOTE, plain_type
from engine.data.readers.stream import (
    BATCH_BYTES,
    BATCH_ROWS,
    LONGEST_NAME,
    Stream,
    check_columns,
    check_rows,
    checked_names,
)
from engine.data.readers.text_files import MAX_LINE, encoding_note, encoding_of, lines_of, open_text
from engine.errors import UserError

MAX_WHOLE = 256 * 1024**2  # a .json file must be held in memory whole
MAX_VALUES = 10_000_000  # in such a file: each takes far more memory than its characters
MAX_DEPTH = 16  # of lists and objects in a column; Arrow files hold at most 64. Deeper values are kept as JSON text
PART_BYTES = BATCH_BYTES // 2
MAX_KEYS = 100  # an object with more keys than this is a mapping, kept as JSON text
MIXED_NOTE = "Column “{name}” mixes different kinds of values; all of it is read as text."

OpenObjects = Callable[[], Iterator[dict[str, Any]]]
OpenRows = Callable[[], Iterator[tuple[dict[str, Any], int]]]  # with the size of each in characters


def read_json_lines(path: Path, name: str) -> Stream:
    """One JSON object a line. Raises UserError with the number of a line that is not one."""
    encoding = encoding_of(path, name)
    return _stream(lambda: _lines(path, name, encoding), "jsonl", encoding)


def read_json(path: Path, name: str) -> Stream:
    """A list of objects, an object of equally long lists, or {"data": [objects]}; JSON Lines with this name too."""
    encoding = encoding_of(path, name)
    if _is_json_lines(path, encoding):
        return read_json_lines(path, name)
    return stream_of_objects(json_objects_of(path, name, encoding), "json", encoding)


def json_objects_of(path: Path, name: str, encoding: str) -> OpenObjects:
    """The rows of a JSON document. Raises UserError when it is none, is too large, or is no table."""
    if path.stat().st_size > MAX_WHOLE:
        raise _too_large(f"“{name}” is larger than {MAX_WHOLE // 1024**2} MB, which is too much for one JSON document.")
    with open_text(path, encoding) as file:
        text = file.read()
    if sum(map(text.count, ",[{")) > MAX_VALUES:
        raise _too_large(f"“{name}” holds more than {MAX_VALUES:,} values, which is too much for one JSON document.")
    try:
        document = parse_json(text)
    except ValueError as error:
        raise _not_json(name, error) from error
    return _objects_in(document, name)


def _too_large(message: str) -> UserError:
    return UserError(message, "Save it as JSON Lines (one object a line) or Parquet, which are read piece by piece.")


def _objects_in(document: Any, name: str) -> OpenObjects:
    if isinstance(document, dict):
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        rows = [key for key, value in lists.items() if value and all(isinstance(item, dict) for item in value)]
        if len(lists) == len(document) and lists and not (len(lists) == 1 and rows):
            return _transposed(lists, name)
        if len(rows) == 1:
            return lists[rows[0]].__iter__
    elif isinstance(document, list):
        for number, item in enumerate(document, 1):
            if not isinstance(item, dict):
                raise UserError(
                    f"“{name}”: item {number} of the list is {_kind(item)}, not an object.",
                    'Write each row as an object: [{"text": "…", "label": "…"}, …].',
                )
        return document.__iter__
    raise UserError(
        f"“{name}” is JSON, but not a table: it is {_kind(document)}.",
        'A list of objects, {"text": […], "label": […]} and {"data": […]} are read.',
    )


def _transposed(lists: dict[str, list], name: str) -> OpenObjects:
    lengths = {key: len(values) for key, values in lists.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key:.40} {n}" for key, n in list(lengths.items())[:6])
        raise UserError(
            f"“{name}”: its columns are not equally long ({shown}).", "Give every column one value per row."
        )
    return lambda: (dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def parse_json(text: str) -> Any:
    """The value that is written there, NaN and Infinity included. Raises ValueError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        value = json.loads(text)  # Python writes NaN and Infinity, which are not JSON
        if "\\u" not in text:
            return value
        written = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python converts no number of more than 4,300 digits
        raise ValueError("it holds a number of thousands of digits") from None
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
        lines = (line for line in iter(lambda: file.readline(MAX_LINE), "") if line.strip())
        first, second = next(lines, ""), next(lines, "")
    try:
        return bool(second) and isinstance(parse_json(first), dict)
    except ValueError:
        return False


def _lines(path: Path, name: str, encoding: str) -> Iterator[tuple[dict[str, Any], int]]:
    with open_text(path, encoding) as file:
        for number, line in enumerate(lines_of(file, name), 1):
            if not line.strip():
                continue
            try:
                value = parse_json(line)
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
            yield value, len(line)


def stream_of_objects(objects: OpenObjects, format_name: str, encoding: str) -> Stream:
    """The columns of objects that are in memory."""
    return _stream(lambda: ((row, _size(row)) for row in objects()), format_name, encoding)


def _size(row: dict[str, Any]) -> int:
    return sum(len(value) if isinstance(value, str) else 64 for value in row.values())


def _stream(objects: OpenRows, format_name: str, encoding: str) -> Stream:
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


def _parts(rows: Iterable[tuple[dict[str, Any], int]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for row, row_size in rows:
        part.append(row)
        size += row_size
        if len(part) == BATCH_ROWS or size > PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _column_types(
    objects: Iterator[tuple[dict[str, Any], int]], notes: list[str]
) -> tuple[dict[str, pa.DataType], int]:
    """Key → Arrow type over all rows, in order of first appearance; and the number of rows."""
    kinds: dict[str, pa.DataType | None] = {}  # None: mixed, so text
    rows = 0
    for part in _parts(objects):
        rows += len(part)
        check_rows(rows)
        keys = dict.fromkeys(key for row in part for key in row)
        check_columns(len(kinds.keys() | keys))
        for key in keys:
            found = _type_of([row.get(key) for row in part])
            kinds[key] = found if key not in kinds else _unified(kinds[key], found)
    for key, kind in kinds.items():
        if kind is None:
            notes.append(MIXED_NOTE.format(name=key[:LONGEST_NAME]))
    return {key: pa.string() if kind is None else plain_type(kind) or pa.string() for key, kind in kinds.items()}, rows


def _type_of(values: list[Any]) -> pa.DataType | None:
    try:
        kind = pa.array([None if _is_nan(value) else value for value in values]).type
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
    if pa.types.is_struct(kind) and kind.num_fields == 0:
        return pa.null()
    return kind if _is_table_like(kind) else pa.string()


def _is_table_like(kind: pa.DataType, depth: int = 0) -> bool:
    if depth > MAX_DEPTH:
        return False
    if pa.types.is_list(kind):
        return _is_table_like(kind.value_type, depth + 1)
    if pa.types.is_struct(kind):
        named = all(len(field.name) <= LONGEST_NAME for field in kind)
        few = 0 < kind.num_fields <= MAX_KEYS
        return few and named and all(_is_table_like(field.type, depth + 1) for field in kind)
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
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # a whole number beyond what a float holds exactly
        return pa.array(values).cast(kind, safe=False)


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise UserError("A value is nested too deeply to be read.", "Write it flatter, or leave it out.") from error
