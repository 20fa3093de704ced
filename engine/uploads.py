"""Files dropped on the page, from their arrival until they are used. Gradio's own folder serves whoever knows the URL;
nothing serves this one, and only the session that brought a file holds its id.
"""

import os
import secrets
import shutil
import time
from pathlib import Path

from engine.errors import UserError
from engine.paths import file_name, inside

KEPT_SECONDS = 6 * 3600


class Uploads:
    """One folder a file, under a random id. What a session leaves behind goes after some hours, and at each start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def take(self, path: Path) -> str:
        """Move a file that has just arrived in here; returns its id. Raises UserError when it is gone already."""
        self._sweep()
        if path.is_symlink() or not path.is_file():
            raise _gone()
        upload_id = secrets.token_hex(16)
        home = self.folder / upload_id
        home.mkdir()
        shutil.move(path, home / file_name(path.name))
        return upload_id

    def path(self, upload_id: str) -> Path:
        """Where the file lies. Raises UserError when it is not kept any more."""
        try:
            return next(inside(self.folder, upload_id).iterdir())
        except (UserError, StopIteration):
            raise _gone() from None

    def forget(self, upload_id: str) -> None:
        """Delete the file, if it is still here."""
        if upload_id and (self.folder / upload_id).is_dir():
            shutil.rmtree(inside(self.folder, upload_id))

    def _sweep(self) -> None:
        for folder in self.folder.iterdir():
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _gone() -> UserError:
    return UserError("The uploaded file is not here any more.", "Drop it on the page again.")


def keep_copy(path: Path, folder: Path, name: str | None) -> Path:
    """Hard-link (or copy) an uploaded file into `folder` under its base name only, so that it can be read again."""
    folder.mkdir()
    target = folder / file_name(name or path.name)
    if path.is_dir():
        shutil.copytree(path, target)
        return target
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
    return target
