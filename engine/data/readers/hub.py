"""Datasets on the Hugging Face Hub: found, pinned to a commit, downloaded file by file. Holds a token, runs no code.

The token goes to each call; nothing is logged in, kept in a cache that others share, or put in the environment.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.data.readers.argilla_v1 import SETTINGS_FILES
from engine.data.readers.argilla_v2 import SETTINGS_FILE
from engine.data.readers.data_files import Layout, layout_of
from engine.data.readers.reading import Reading
from engine.data.readers.repository import Repository, read_repository
from engine.errors import UserError
from engine.hub_errors import Wanted, hub_errors
from engine.runs.events import Report

CONVERTED = "refs/convert/parquet"  # the Hub's own Parquet copy of datasets in other formats
CONVERTED_FILE = re.compile(r"(?P<subset>[^/]+)/(?P<partial>partial-)?(?P<split>[^/]+)/\d{4,}\.parquet")
ADDRESS = re.compile(r"^(?:https?://)?(?:www\.)?huggingface\.co/(?:datasets/)?|^datasets/")
TIMEOUT = 30.0  # seconds without an answer


def read_hub(source: dict[str, Any], scratch: Path, *, token: str | None = None, report: Report) -> Reading:
    """source: {"id", "subset"?, "split"?, "revision"?}. Files go to `scratch`; schema.source names the commit read.

    Raises UserError: not found, gated, private, unreachable, no readable file, or an open choice of subset or split.
    """
    found = _find(source.get("id"), token, source.get("revision"))
    report.stage("downloading")
    repository = _HubRepository(found, token, scratch, report)
    options = source.get("options") or {}
    reading, choice = read_repository(repository, source.get("subset"), source.get("split"), options)
    choice = {key: value for key, value in choice.items() if value != "default"}
    asked = {"kind": "hub", "id": found.repo_id} | choice | ({"options": options} if options else {})
    reading.schema.source = asked | {"revision": found.sha}
    return reading


def list_splits(repo_id: str, *, token: str | None = None, revision: str | None = None) -> dict[str, list[str]]:
    """Subset → splits, as `read_hub` finds them. Raises UserError."""
    from tempfile import TemporaryDirectory

    found = _find(repo_id, token, revision)
    with TemporaryDirectory(prefix="annotune-splits-") as scratch:
        layout = _HubRepository(found, token, Path(scratch), Report()).layout()
    return {subset: list(splits) for subset, splits in layout.items()}


@dataclass
class _Found:
    """A dataset repository at one commit."""

    repo_id: str
    sha: str
    sizes: dict[str, int]  # path → bytes
    notes: list[str] = field(default_factory=list)


def _find(given: Any, token: str | None, revision: str | None) -> _Found:
    repo_id = ADDRESS.sub("", str(given or "").strip()).strip("/")
    if not repo_id:
        raise UserError("No dataset was named.", "Write its id, for example argilla/emotion.")
    found = _at(repo_id, token, revision)
    if revision or _readable(found):
        return found
    with hub_errors(_wanted(repo_id, revision, signed_in=bool(token))):
        from huggingface_hub.errors import HfHubHTTPError

        try:
            converted = _info(repo_id, token, CONVERTED)
        except HfHubHTTPError:  # no such copy: the message is about the repository itself
            return found
    converted.notes.append("The Hub's Parquet copy was read, because the repository holds no plain data files.")
    return converted


def _readable(found: _Found) -> bool:
    return bool(layout_of(list(found.sizes))) or any(p in found.sizes for p in (SETTINGS_FILE, *SETTINGS_FILES))


def _at(repo_id: str, token: str | None, revision: str | None) -> _Found:
    with hub_errors(_wanted(repo_id, revision, signed_in=bool(token))):
        return _info(repo_id, token, revision)


def _info(repo_id: str, token: str | None, revision: str | None) -> _Found:
    from huggingface_hub import HfApi

    access: str | bool = token or False  # without one: never the machine owner's
    info = HfApi(token=access).dataset_info(repo_id, revision=revision, files_metadata=True, timeout=TIMEOUT)
    return _Found(info.id, str(info.sha), {file.rfilename: file.size or 0 for file in info.siblings or []})


class _HubRepository(Repository):
    def __init__(self, found: _Found, token: str | None, scratch: Path, report: Report) -> None:
        super().__init__(found.repo_id.split("/")[-1], list(found.sizes), self._download, list(found.notes))
        self._found, self._token, self._scratch, self._report = found, token, scratch, report

    def layout(self) -> Layout:
        converted = [CONVERTED_FILE.fullmatch(path) for path in self.paths if path.endswith(".parquet")]
        if not converted or not all(converted):
            return super().layout()
        layout: Layout = {}
        for match in converted:
            layout.setdefault(match["subset"], {}).setdefault(match["split"], []).append(match[0])
            if match["partial"]:
                note = f"The Hub's Parquet copy of the split “{match['split']}” holds only its beginning."
                self.notes.extend([note] if note not in self.notes else [])
        return layout

    def _download(self, path: str) -> Path:
        from huggingface_hub import hf_hub_download

        found = self._found
        with hub_errors(_wanted(found.repo_id, found.sha, signed_in=bool(self._token))):
            return Path(
                hf_hub_download(
                    found.repo_id,
                    path,
                    repo_type="dataset",
                    revision=found.sha,
                    local_dir=self._scratch / "hub",
                    token=self._token or False,
                    etag_timeout=TIMEOUT,
                    tqdm_class=_progress_bar(self._report, found.sizes.get(path, 0)),
                )
            )


def _progress_bar(report: Report, size: int) -> type:
    """A tqdm class that shows nothing itself and passes the bytes of one file on."""
    from huggingface_hub.utils import tqdm

    class ReportedBytes(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._bytes = 0
            super().__init__(*args, **(kwargs | {"disable": True}))

        def update(self, n: float | None = 1) -> bool | None:
            self._bytes += int(n or 0)
            report.progress(min(self._bytes, size), size, unit="bytes")
            return super().update(n)

    return ReportedBytes


def _wanted(repo_id: str, revision: str | None, *, signed_in: bool) -> Wanted:
    return Wanted(
        "dataset", repo_id, signed_in, "owner/name, for example argilla/emotion", "load the data from a file", revision
    )
