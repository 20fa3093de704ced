"""A file, folder or zip on this machine → a Reading. Only the base name of an uploaded file is ever used or shown."""

import hashlib
import lzma
import shutil
import struct
import zipfile
import zlib
from itertools import islice
from pathlib import Path
from typing import Any

from engine.data.readers.delimited import INSPECTED_BYTES, inspect_delimited
from engine.data.readers.formats import check_file, format_of, read_file
from engine.data.readers.parquet import read_parquet
from engine.data.readers.reading import NO_ROOM, Reading, plain
from engine.data.readers.repository import Repository, read_repository, rooted
from engine.errors import UserError
from engine.paths import file_name

MAX_UNPACKED = 8 * 1024**3
MAX_FILES = 20_000
UNREADABLE = (  # what zipfile raises, and the libraries that unpack for it
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, ValueError, LookupError, OSError, EOFError),
)
CHUNK = 1024 * 1024
REPOSITORY_OPTIONS = ("subset", "split")


def read_local(source: dict[str, Any], scratch: Path) -> Reading:
    """source: {"kind", "path", "name"?, "options"?}. `scratch`: a folder to unpack into. Raises UserError."""
    path = Path(source["path"]).expanduser()
    name = file_name(source.get("name") or path.name)
    options = dict(source.get("options") or {})
    if not path.exists():
        raise UserError(f"There is no file “{name}”.", "Choose the file again.")
    repository = _repository(path, name, scratch)
    about: dict[str, Any] = {"kind": source.get("kind", "file"), "name": name}
    if repository is None:
        stream = read_file(path, name, options)
        reading = plain(stream, stem(name))
        about |= {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    else:
        subset, split = (options.pop(key, None) for key in REPOSITORY_OPTIONS)
        reading, choice = read_repository(rooted(repository), subset, split, options)
        options |= {key: value for key, value in choice.items() if value != "default"}
    detected = {key: value for key, value in reading.stream.detected.items() if key != "delimiter_name"}
    reading.schema.source = about | {"options": detected | options}
    return reading


def inspect_file(path: str | Path, name: str | None = None) -> dict[str, Any]:
    """What is recognised of a file, to be shown and confirmed before it is read; quick for a file of any size.

    Keys: format, columns (names), rows (None when not counted), preview (first rows as lists), notes; for delimited
    text also encoding, delimiter (None: one column), delimiter_name and header. Raises UserError as reading would.
    """
    path = Path(path)
    name = file_name(name or path.name)
    if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
        return {"format": "folder", "columns": [], "rows": None, "preview": [], "notes": []}
    check_file(path, name)
    kind = format_of(path, name)
    if kind == "parquet":  # only its footer: the page's own process must not decode what may unfold to any size
        stream = read_parquet(path, name)
        return stream.detected | {
            "columns": stream.schema.names,
            "rows": stream.rows,
            "preview": [],
            "notes": stream.notes,
        }
    large = path.stat().st_size > INSPECTED_BYTES
    if large and kind == "delimited":
        return inspect_delimited(path, name)
    if large:  # these are known only when read whole
        return {"format": kind, "columns": [], "rows": None, "preview": [], "notes": []}
    stream = read_file(path, name, {"format": kind})
    first = next(stream.open(), None)
    preview = [] if first is None else [list(row.values()) for row in first.slice(0, 5).to_pylist()]
    shown = {"columns": stream.schema.names, "rows": stream.rows, "preview": preview, "notes": stream.notes}
    return stream.detected | shown


def stem(name: str) -> str:
    return Path(name).stem or name


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _repository(path: Path, name: str, scratch: Path) -> Repository | None:
    if path.is_dir():
        files = [p.relative_to(path).as_posix() for p in islice(path.rglob("*"), MAX_FILES + 1) if p.is_file()]
        _check_files(len(files), name)
        return Repository(stem(name), sorted(files), lambda inside: path / inside)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    archive = _opened(path, name)
    files = [info.filename for info in archive.infolist() if not info.is_dir() and not _hidden_copy(info.filename)]
    if "[Content_Types].xml" in files:
        raise UserError(f"“{name}” is an Office document, not a table of text.", "Save the sheet as CSV and load that.")
    unpacked: dict[str, Path] = {}
    return Repository(stem(name), files, lambda inside: _unpack(archive, inside, scratch, unpacked))


def _opened(path: Path, name: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise UserError(f"“{name}” is a damaged zip archive.", "Make the zip again, or unpack it first.") from error
    _check_files(len(archive.filelist), name)
    return archive


def _check_files(n: int, name: str) -> None:
    if n > MAX_FILES:
        raise UserError(
            f"“{name}” holds more than {MAX_FILES:,} files.", "Put the rows into a few files, such as one Parquet file."
        )


def _hidden_copy(path: str) -> bool:
    return path.startswith("__MACOSX/") or path.rsplit("/", 1)[-1].startswith("._")


def _unpack(archive: zipfile.ZipFile, inside: str, scratch: Path, unpacked: dict[str, Path]) -> Path:
    """One file of the archive, written under a name of our own: the archive's may hold ../"""
    if inside not in unpacked:
        target = scratch / f"{len(unpacked)}{Path(inside).suffix}"
        left = MAX_UNPACKED - sum(p.stat().st_size for p in unpacked.values())
        if archive.getinfo(inside).file_size > left:  # zipfile reads no more than is stated there
            raise UserError(f"The archive unpacks to more than {MAX_UNPACKED // 1024**3} GB.", "Load its files singly.")
        try:
            with archive.open(inside) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            raise _not_unpacked(inside, error) from error
        except UNREADABLE as error:
            raise _not_unpacked(inside, error) from error
        unpacked[inside] = target
    return unpacked[inside]


def _not_unpacked(inside: str, error: Exception) -> UserError:
    return UserError(
        f"“{file_name(inside)}” can't be unpacked: {str(error).rstrip('.') or type(error).__name__:.200}.",
        "Make the zip again, without a password.",
    )
