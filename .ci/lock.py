"""`make lock`: resolves requirements.txt for the image and writes requirements.lock, every package with its sha256.

The public registry alone is asked, whatever this machine's pip is set to, and each hash is of the one file that the
image would install. What builds a package that is published as source only is pinned too.
"""

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
BUILD = ("setuptools", "setuptools-scm")  # of seqeval, which has no wheel
HEADER = """\
# What the image installs: requirements.txt and everything under it, for CPython {python} on Linux x86_64.
# Written by `make lock`. `pip install --require-hashes` refuses any other file.
"""


def main() -> int:
    if (sys.platform, platform.machine(), platform.python_implementation()) != ("linux", "x86_64", "CPython"):
        print("The lock is for the image: make it with CPython on Linux x86_64.", file=sys.stderr)
        return 1
    LOCK.write_text(lock_text(_resolved(ROOT / "requirements.txt")), encoding="utf-8")
    print(f"{LOCK.name}: {LOCK.read_text(encoding='utf-8').count('==')} packages")
    return 0


def _resolved(requirements: Path) -> list[dict[str, Any]]:
    """pip's own account of what it would install into an empty environment, wheels before sources."""
    public = {
        name: value for name, value in os.environ.items() if name not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")
    }
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--prefer-binary", "--report", str(report), "-r", str(requirements), *BUILD]
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
