"""Datasets on the Hugging Face Hub: found, pinned to a commit, and downloaded file by file. Holds a token, runs no code.

The token goes to each call; nothing is logged in, stored or put in the environment.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.readers.data_files import Layout, layout_of
from engine.data.readers.reading import Reading
from engine.data.readers.repository import Repository, read_repository
from engine.errors import UserError
from engine.runs.events import Report

CONVERTED = "refs/convert/parquet"  # the Hub's own Parquet copy of datasets in other formats
SITE = "https://huggingface.co/datasets"


def read_hub(source: dict[str, Any], *, token: str | None, report: Report) -> Reading:
    """source: {"id", "subset"?, "split"?, "revision"?}. schema.source carries the commit that was read.

    Raises UserError: not found, gated, private, unreachable, no readable file, or an open choice of subset or split.
    """
    repo_id = str(source.get("id") or "").strip().removeprefix(f"{SITE}/").strip("/")
    found = _find(repo_id, token, source.get("revision"))
    name = repo_id.split("/")[-1]
    report.stage("downloading")
    done: list[str] = []

    def fetch(path: str) -> Path:
        local = found.download(path)
        done.append(path)
        report.progress(len(done), None, file=path)
        return local

    repository = Repository(name, found.paths, fetch)
    layout = repository.layout()
    if found.revision_note:
        repository.notes.append(found.revision_note)
    if found.converted:
        layout = _converted_layout(found.paths)
        repository.layout = lambda: layout  # type: ignore[method-assign]
    reading, choice = read_repository(repository, source.get("subset"), source.get("split"), source.get("options") or {})
    reading.schema.source = {"kind": "hub", "id": repo_id} | choice | {"revision": found.sha, "files": done}
    return reading


def list_splits(repo_id: str, *, token: str | None = None, revision: str | None = None) -> dict[str, list[str]]:
    """Subset → splits, as `read_hub` would find them. Raises UserError."""
    found = _find(repo_id.strip(), token, revision)
    return {subset: list(splits) for subset, splits in found.layout().items()}
