"""Which files of a repository or folder are its rows: subset → split → files. Knows names only, opens nothing.

Follows how the Hub lays datasets out: `configs` in the README's front matter, else split words in names of files.
"""

import re
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from engine.data.readers.formats import BY_SUFFIX
from engine.data.readers.settings_text import parse_settings
from engine.errors import UserError

Layout = dict[str, dict[str, list[str]]]  # subset → split → paths

SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
LONGEST_LIST = 500
PREFERRED = ("parquet", "jsonl", "delimited", "json", "conll")
NOT_DATA = {
    "dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "meta.json", "metadata.json",
    "package.json", "config.json", "features.json", "croissant.json", "records.json",
}  # fmt: skip
WILD = re.compile(r"[*?\[]")
MAX_STARS = 5000  # in the patterns of a README
SHARD = re.compile(r"^(?P<split>[\w.]+?)-\d{4,}(-of-\d{4,})?(-[0-9a-f]+)?$")


def layout_of(paths: list[str], readme: str | None = None) -> Layout:
    """The data files by subset and split; empty when there are none."""
    configs = front_matter(readme).get("configs")
    if isinstance(configs, list) and str(configs).count("*") <= MAX_STARS:
        data = {path for path in paths if _format(path)}
        layout = {str(c.get("config_name", "default")): _configured(c, data) for c in configs if isinstance(c, dict)}
        layout = {subset: splits for subset, splits in layout.items() if splits}
        if layout:
            return layout
    splits = _by_name(paths)
    return {"default": splits} if splits else {}


def front_matter(readme: str | None) -> dict[str, Any]:
    """The YAML at the top of a README; empty when there is none that can be read."""
    first, *lines = (readme or "").removeprefix("\ufeff").split("\n")
    ends = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if first.rstrip() != "---" or not ends:
        return {}
    try:
        found = parse_settings("\n".join(lines[: ends[0]]))
    except ValueError:  # a README is for people: a mistake in it must not keep the data from being read
        return {}
    return found if isinstance(found, dict) else {}


def chosen(layout: Layout, subset: str | None, split: str | None, name: str, notes: list[str]) -> tuple[str, str]:
    """The subset and split to read: the ones asked for, else the only ones, else "default" and "train" with a note."""
    subset = _choose("subset", list(layout), subset, "default", name, notes)
    return subset, _choose("split", list(layout[subset]), split, "train", name, notes)


def _choose(kind: str, there: list[str], wanted: str | None, usual: str, name: str, notes: list[str]) -> str:
    if wanted:
        if wanted not in there:
            raise UserError(f"“{name}” has no {kind} {wanted[:40]!r}.", f"Its {kind}s: {_listed(there)}.")
        return wanted
    if len(there) == 1:
        return there[0]
    if usual in there:
        notes.append(f"There are the {kind}s {_listed(there)}; “{usual}” was read.")
        return usual
    raise UserError(f"“{name}” has several {kind}s: {_listed(there)}.", f"Choose one of them as the {kind}.")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names)
    return shown if len(shown) <= LONGEST_LIST else shown[:LONGEST_LIST] + " …"


def _configured(config: dict[str, Any], paths: set[str]) -> dict[str, list[str]]:
    files, folder = config.get("data_files"), config.get("data_dir")
    if files is None:
        inside = [p for p in paths if folder and p.startswith(f"{str(folder).strip('/')}/")]
        return _by_name(sorted(inside))
    if isinstance(files, list) and files and isinstance(files[0], dict):
        wanted = {str(entry.get("split", "train")): entry.get("path", []) for entry in files}
    elif isinstance(files, dict):
        wanted = {str(split): patterns for split, patterns in files.items()}
    else:
        wanted = {"train": files}
    prefix = f"{str(folder).strip('/')}/" if folder else ""
    found = {split: _matching(patterns, prefix, paths) for split, patterns in wanted.items()}
    return {split: files for split, files in found.items() if files}


def _matching(patterns: Any, prefix: str, paths: set[str]) -> list[str]:
    patterns = patterns if isinstance(patterns, list) else [patterns]
    wanted = {prefix + str(pattern).removeprefix("./") for pattern in patterns}
    found = wanted & paths
    for glob in wanted - found:
        if wild := WILD.search(glob):
            start, parts = glob[: wild.start()], glob.split("/")
            found |= {path for path in paths if path.startswith(start) and _fits(path.split("/"), parts)}
    return sorted(found)


def _fits(folders: list[str], glob: list[str]) -> bool:
    """Whether a path is one of a glob where * stays in a folder and ** stands for any folders.

    Part by part, never back: as one regular expression a hostile glob takes for ever.
    """
    places = {0}  # how many parts of the glob may be used up so far
    for number, part in enumerate(folders):
        last = number == len(folders) - 1
        reached = set()
        for place in _skipping(places, glob):
            if place < len(glob) and glob[place] == "**":
                reached.add(place + 1 if last and place + 1 == len(glob) else place)
            elif place < len(glob) and fnmatchcase(part, glob[place]):
                reached.add(place + 1)
        places = reached
    return len(glob) in places


def _skipping(places: set[int], glob: list[str]) -> set[int]:
    """With the places that are reached when ** stands for no folder."""
    found = set(places)
    for place in places:
        while place < len(glob) and glob[place] == "**":
            place += 1
            found.add(place)
    return found


def _format(path: str) -> str | None:
    posix = PurePosixPath(path)
    if any(part.startswith(".") for part in posix.parts) or posix.name in NOT_DATA:
        return None
    return BY_SUFFIX.get(posix.suffix.lower())


def _by_name(paths: list[str]) -> dict[str, list[str]]:
    """Files of one format, by the split that their names tell; all "train" when none tells one."""
    kinds = {path: _format(path) for path in paths}
    kind = next((k for k in PREFERRED if k in kinds.values()), None)
    files = sorted(path for path, k in kinds.items() if k and k == kind)
    found: dict[str, list[str]] = {}
    for path in files:
        found.setdefault(_split_of(path) or "", []).append(path)
    if not found:
        return {}
    if list(found) == [""]:
        return {"train": found[""]}
    found.pop("", None)  # as on the Hub: where splits are named, files without one are not data
    order = ["train", "validation", "test"]
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 9, item[0])))


def _split_of(path: str) -> str | None:
    stem, folders = PurePosixPath(path).stem, PurePosixPath(path).parts[:-1]
    shard = SHARD.match(stem)
    for text in (stem, *reversed(folders)):
        words = re.split(r"[-._ 0-9]+", text.lower())
        for split, names in SPLIT_WORDS.items():
            if any(word in names for word in words):
                return split
    return shard.group("split") if shard else None
