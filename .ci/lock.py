"""`make lock`: resolves requirements.txt for the image and writes requirements.lock, every package with its sha256; and
overlays.lock, what the overlays hold, for every kind of machine that may install one.

The public registry alone is asked, whatever this machine's pip is set to, and each hash is of the one file that the
image would install. What builds a package that is published as source only is pinned too.
"""

import importlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
OVERLAYS_LOCK = ROOT / "engine" / "frameworks" / "overlays.lock"
PLATFORMS = ("manylinux2014_x86_64", "manylinux2014_aarch64", "macosx_11_0_arm64", "macosx_10_12_x86_64", "win_amd64")
BUILD = ("setuptools", "setuptools-scm")  # of seqeval, which has no wheel
HEADER = """\
# What the image installs: requirements.txt and everything under it, for CPython {python} on Linux x86_64.
# Written by `make lock`. `pip install --require-hashes` refuses any other file.
"""


OVERLAYS_HEADER = """\
# What the overlays hold (engine/frameworks/overlays.py), with the hashes of the files for every kind of machine.
# Written by `make lock`. `pip install --require-hashes` refuses any other file.
"""


def main() -> int:
    if (sys.platform, platform.machine(), platform.python_implementation()) != ("linux", "x86_64", "CPython"):
        print("The lock is for the image: make it with CPython on Linux x86_64.", file=sys.stderr)
        return 1
    LOCK.write_text(lock_text(_resolved(ROOT / "requirements.txt")), encoding="utf-8")
    print(f"{LOCK.name}: {LOCK.read_text(encoding='utf-8').count('==')} packages")
    OVERLAYS_LOCK.write_text(overlays_text(_overlay_files()), encoding="utf-8")
    print(f"{OVERLAYS_LOCK.name}: {OVERLAYS_LOCK.read_text(encoding='utf-8').count('==')} packages")
    return 0


def _overlay_files() -> dict[str, set[str]]:
    """Requirement → sha256 of each of its wheels."""
    sys.path.insert(0, str(ROOT))
    overlays = importlib.import_module("engine.frameworks.overlays").OVERLAYS
    found: dict[str, set[str]] = {}
    for requirement in (requirement for overlay in overlays.values() for requirement in overlay.requirements):
        for platform_tag in PLATFORMS:
            only = ["--no-deps", "--only-binary", ":all:", "--platform", platform_tag, "--target", os.devnull + ".d"]
            for package in _reported([*only, requirement]):
                found.setdefault(requirement, set()).add(package["download_info"]["archive_info"]["hashes"]["sha256"])
    return found


def overlays_text(files: dict[str, set[str]]) -> str:
    """The lines of overlays.lock."""
    hashes = {name: " \\\n".join(f"    --hash=sha256:{sha256}" for sha256 in sorted(files[name])) for name in files}
    return OVERLAYS_HEADER + "".join(f"{name} \\\n{hashes[name]}\n" for name in sorted(files))


def _resolved(requirements: Path) -> list[dict[str, Any]]:
    """pip's own account of what it would install into an empty environment, wheels before sources."""
    return _reported(["--prefer-binary", "-r", str(requirements), *BUILD])


def _reported(arguments: list[str]) -> list[dict[str, Any]]:
    public = {
        name: value for name, value in os.environ.items() if name not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")
    }
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--report", str(report), *arguments]
        subprocess.run(command, check=True, env=public | {"PIP_CONFIG_FILE": os.devnull})
        return json.loads(report.read_text(encoding="utf-8"))["install"]


def lock_text(packages: list[dict[str, Any]]) -> str:
    """The lock's lines for pip's report, by name. Raises ValueError for a file that is not the public one."""
    lines = []
    for package in packages:
        name, version = package["metadata"]["name"], package["metadata"]["version"]
        if "+" in version:
            raise ValueError(f"{name} {version} is a local build, which no registry has.")
        sha256 = package["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{normalized(name)}=={version} \\\n    --hash=sha256:{sha256}\n")
    return HEADER.format(python=".".join(platform.python_version_tuple()[:2])) + "".join(sorted(lines))


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
