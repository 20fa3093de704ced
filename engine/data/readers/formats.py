"""One file of any format → a Stream. Which format it is: what it holds decides before what it is called."""

from pathlib import Path
from typing import Any

from engine.data.readers.conll import looks_like_conll, read_conll
from engine.data.readers.delimited import read_delimited
from engine.data.readers.json_files import read_json, read_json_lines
from engine.data.readers.parquet import read_parquet
from engine.data.readers.stream import Stream
from engine.data.readers.text_files import encoding_of, start_of, undecodable
from engine.errors import UserError

BY_SUFFIX = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".tab": "delimited",
}
FORMATS = ("delimited", "json", "jsonl", "parquet", "conll")
SNIFFED_BYTES = 1024**2
OPTIONS = ("format", "delimiter", "header", "encoding")


def read_file(path: Path, name: str, options: dict[str, Any]) -> Stream:
    """The columns of one file. `name` is what the owner calls it. Raises UserError that names the place."""
    unknown = [key for key in options if key not in OPTIONS]
    if unknown:
        raise UserError(f"There is no reading option {unknown[0]!r}.", f"Options: {', '.join(OPTIONS)}.")
    check_file(path, name)
    kind = options.get("format") or format_of(path, name)
    if kind == "delimited":
        return read_delimited(path, name, options)
    readers = {"parquet": read_parquet, "jsonl": read_json_lines, "json": read_json, "conll": read_conll}
    if kind not in readers:
        raise UserError(f"There is no file format {kind!r}.", f"Choose one of: {', '.join(FORMATS)}.")
    try:
        return readers[kind](path, name)
    except UnicodeError as error:
        raise undecodable(path, name, encoding_of(path, name)) from error


def check_file(path: Path, name: str) -> None:
    """Raises UserError when there is no such file, or nothing in it."""
    if not path.is_file():
        raise UserError(f"There is no file “{name}”.", "Choose the file again.")
    if path.stat().st_size == 0:
        raise UserError(f"“{name}” is empty.", "Choose a file that has at least one row.")


def format_of(path: Path, name: str) -> str:
    """One of FORMATS. Text without a telling name is CoNLL if it reads so, JSON if it begins so, else delimited."""
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    known = BY_SUFFIX.get(Path(name).suffix.lower())
    if known in ("parquet", "jsonl", "json", "conll"):
        return known
    encoding = encoding_of(path, name, within=SNIFFED_BYTES)
    if not name.lower().endswith(".csv") and looks_like_conll(path, encoding):
        return "conll"
    if known is None:
        start = start_of(path, encoding, 4096).lstrip()
        if start.startswith("{"):
            return "json"  # which also tells JSON Lines
        if start.startswith(("[{", "[\n", "[\r", "[ ")):
            return "json"
    return "delimited"
