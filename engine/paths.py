"""Names that came from a browser → folders of ours. Nothing else is opened, served or deleted, links included."""

import os
import re
from pathlib import Path

from engine.errors import UserError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
SHOWN = 40  # characters of a name that is refused
LONGEST_FILE = 150  # characters of an uploaded file's name


def inside(parent: Path, name: str) -> Path:
    """`parent/name`, a folder of ours. Raises UserError for a name that isn't one, and for a folder with a link in it
    that leads out of it.
    """
    path = parent / name if NAME.fullmatch(str(name)) else None
    if path is None or path.is_symlink() or not path.is_dir():
        shown = name if len(str(name)) <= SHOWN else f"{name[:SHOWN]}…"
        raise UserError(f"There is nothing here called {shown!r}.", "It may have been deleted. Open the Runs page.")
    link = _link_out_of(path)
    if link is not None:
        raise UserError(
            f"The folder {name} holds a link that leads out of it ({link.name}), so it is not opened.",
            "Remove the link from the folder where Annotune keeps its data.",
        )
    return path


def _link_out_of(folder: Path) -> Path | None:
    """The first symbolic link anywhere in `folder` whose target lies elsewhere. Links are not followed."""
    home = Path(os.path.realpath(folder))
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
                return path
    return None


def file_name(name: str) -> str:
    """What an upload is called, as a name that leads nowhere: the last part of a path of any system."""
    last = name.replace("\\", "/").rstrip("/").split("/")[-1]
    return "".join(c for c in last if c.isprintable()).strip(" .")[-LONGEST_FILE:] or "file"
