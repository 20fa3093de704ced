"""A folder, a zip or a Hub dataset as one thing: names of files, and a way to get one. Decides who reads it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path
from typing import Any

from engine.data.readers.argilla_rows import fitting
from engine.data.readers.argilla_v1 import SETTINGS_FILES, read_v1, v1_schema
from engine.data.readers.argilla_v2 import RECORDS_FILE, SETTINGS_FILE, flat_record, has_statuses, read_v2, v2_schema
from engine.data.readers.data_files import Layout, chosen, layout_of
from engine.data.readers.formats import read_file
from engine.data.readers.json_files import json_objects_of, stream_of_objects
from engine.data.readers.reading import Reading, plain
from engine.data.readers.settings_text import MAX_CHARACTERS
from engine.data.readers.stream import Stream, concatenated
from engine.data.readers.text_files import encoding_of, undecodable
from engine.errors import UserError
from engine.paths import file_name

NO_STATUS_NOTE = "This export (records.json) says no status per answer; all are read as submitted."


@dataclass
class Repository:
    """`paths` are relative, with /; `fetch` gives the local file of one."""

    name: str
    paths: list[str]
    fetch: Callable[[str], Path]
    notes: list[str] = field(default_factory=list)

    def text(self, path: str) -> str | None:
        """A settings file or a README, as far as one is read; None when there is none."""
        if path not in self.paths:
            return None
        with self.fetch(path).open(encoding="utf-8-sig", errors="replace") as file:
            return file.read(MAX_CHARACTERS + 1)

    def below(self, folder: str) -> "Repository":
        """The part in one folder."""
        inside = [p.removeprefix(f"{folder}/") for p in self.paths if p.startswith(f"{folder}/")]
        return Repository(self.name, inside, lambda path: self.fetch(f"{folder}/{path}"), self.notes)

    def layout(self) -> Layout:
        return layout_of(self.paths, self.text("README.md"))


def rooted(repository: Repository) -> Repository:
    """The part that holds the export or data: archives and downloads often wrap everything in one folder."""
    markers = [p for p in repository.paths if p.endswith((SETTINGS_FILE, *SETTINGS_FILES))]
    if markers:
        marker = min(markers, key=lambda p: (p.count("/"), p))
        depth = 2 if marker.endswith(SETTINGS_FILE) else 1
        folder = "/".join(marker.split("/")[:-depth])
        return repository.below(folder) if folder else repository
    folder = "/".join(commonprefix([p.split("/")[:-1] for p in repository.paths]))
    return repository.below(folder) if folder else repository


def read_repository(
    repository: Repository, subset: str | None, split: str | None, options: dict[str, Any]
) -> tuple[Reading, dict[str, str]]:
    """The rows, and which subset and split they are. Raises UserError when there are none, or the choice is open."""
    settings = repository.text(SETTINGS_FILE)
    if settings is not None and not any(p.endswith(".parquet") for p in repository.paths):
        return _read_records_json(repository, settings), {}
    layout = repository.layout()
    if not layout:
        raise UserError(
            f"“{repository.name}” holds no file that can be read as rows.",
            f"Parquet, CSV, TSV, JSON, JSONL and CoNLL are read; it holds: {_listed(repository.paths)}.",
        )
    subset, split = chosen(layout, subset, split, repository.name, repository.notes)
    files = layout[subset][split]
    stream = concatenated([_stream(repository, path, options) for path in files])
    if len(files) > 1:
        stream.detected["files"] = len(files)
    if settings is not None:
        reading = read_v2(v2_schema(settings, repository.name), stream)
    elif (old := next((p for p in SETTINGS_FILES if p in repository.paths), None)) is not None:
        reading = read_v1(v1_schema(repository.text(old) or "", repository.name), stream)
    else:
        reading = plain(stream, repository.name)
    reading.schema.notes = [*repository.notes, *reading.schema.notes]
    return reading, {"subset": subset, "split": split}


def _listed(paths: list[str], most: int = 8) -> str:
    paths = [path for path in paths if not path.startswith(".")]
    more = f" and {len(paths) - most:,} more" if len(paths) > most else ""
    return ", ".join(f"{path:.60}" for path in paths[:most]) + more if paths else "nothing"


def _stream(repository: Repository, path: str, options: dict[str, Any]) -> Stream:
    return read_file(repository.fetch(path), file_name(path), options)


def _read_records_json(repository: Repository, settings: str) -> Reading:
    if RECORDS_FILE not in repository.paths:
        raise UserError(
            f"“{repository.name}” has the settings of an Argilla dataset, but no records.",
            "Export it again with its records (with_records=True).",
        )
    path = repository.fetch(RECORDS_FILE)
    try:
        records = json_objects_of(path, RECORDS_FILE, encoding_of(path, RECORDS_FILE))
    except UnicodeError as error:
        raise undecodable(path, RECORDS_FILE, encoding_of(path, RECORDS_FILE)) from error
    with fitting():
        told = all(has_statuses(record) for record in records())
    stream = stream_of_objects(lambda: map(flat_record, records()), "argilla records.json", "utf-8")
    reading = read_v2(v2_schema(settings, repository.name), stream)
    if not told:
        reading.schema.notes.append(NO_STATUS_NOTE)
    return reading
