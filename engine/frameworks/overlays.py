"""Overlays: folders of pinned packages for a framework that cannot live beside the others' versions.

An overlay stands first on the PYTHONPATH of the workers that need it; everything else comes from the main environment.
Installed when the image is built (python -m engine overlays), or on first use by the fetch worker.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.runs.events import Report
from engine.settings import Settings

COMPLETE = "complete.txt"  # written last: a folder without it is half an overlay
ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("overlays.lock")  # written by `make lock`


@dataclass(frozen=True)
class Overlay:
    """Pinned requirements, installed without their dependencies, and the download in MB."""

    requirements: tuple[str, ...]
    size_mb: int


OVERLAYS = {
    # SpanMarker 1.8 reads label2id before transformers 5 sets it.
    "span_marker": Overlay(
        (
            "transformers==4.57.6",
            "tokenizers==0.22.2",
            "huggingface_hub==0.36.0",
            "datasets==4.4.1",
            "span-marker==1.8.1",
        ),
        17,
    ),
    # TRL removed PPO in 1.14.
    "trl-ppo": Overlay(("trl==1.12.0",), 1),
}


def folder(name: str) -> Path:
    """Where the overlay lies, or would; other requirements are another folder."""
    pinned = " ".join(OVERLAYS[name].requirements)
    return Settings.from_env().overlays_dir / f"{name}-{hashlib.sha256(pinned.encode()).hexdigest()[:10]}"


def is_installed(name: str) -> bool:
    """Whether the overlay is there with all of its packages; what is inside them is seen when they are imported."""
    found = folder(name)
    return (found / COMPLETE).is_file() and all((found / module).is_dir() for module in provides(name))


def provides(name: str) -> set[str]:
    """Top-level packages that come from the overlay."""
    return {package.replace("-", "_") for package in versions(name)}


def versions(name: str) -> dict[str, str]:
    """Package → version of what the overlay holds."""
    return dict(requirement.split("==") for requirement in OVERLAYS[name].requirements)


@contextmanager
def importing(name: str) -> Iterator[None]:
    """Around the import of an overlay's packages: raises UserError when they are damaged, and forgets the overlay.

    The next run installs it anew. Everything else goes on without it.
    """
    try:
        yield
    except ImportError as error:
        with suppress(OSError):  # an image's own overlays may be read-only
            (folder(name) / COMPLETE).unlink(missing_ok=True)
        raise UserError(
            f"The packages of this choice alone ({', '.join(OVERLAYS[name].requirements)}) can't be loaded: {error}.",
            f"Start again, and they are downloaded anew; or run: python -m engine overlays {name}.",
        ) from error


def python_path(name: str | None) -> str:
    """PYTHONPATH of a worker: the overlay, if any, before the product itself.

    Raises UserError when the overlay is not installed.
    """
    if name is None:
        return str(ROOT)
    if not is_installed(name):
        raise UserError(*not_installed(name))
    return os.pathsep.join([str(folder(name)), str(ROOT)])


def not_installed(name: str) -> tuple[str, str]:
    """Message and hint for an overlay that is missing or broken."""
    packages = ", ".join(OVERLAYS[name].requirements)
    return (
        f"This choice needs its own set of packages ({packages}; {OVERLAYS[name].size_mb} MB), not installed yet.",
        f"They will be downloaded first; or run: python -m engine overlays {name}.",
    )


def install(name: str, report: Report | None = None) -> Path:
    """Install the overlay unless it is there; whole or not at all. Raises UserError when pip can't."""
    target = folder(name)
    if is_installed(name):
        return target
    report = report or Report()
    report.stage("installing")
    report.note(f"Installing {', '.join(OVERLAYS[name].requirements)} for this choice alone.")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{name}-"))
    try:
        _pip(name, scratch, report)
        (scratch / COMPLETE).write_text("\n".join(OVERLAYS[name].requirements) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        scratch.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _pip(name: str, target: Path, report: Report) -> None:
    """One package at a time, so that the bar moves; each must be one of the files that overlays.lock knows."""
    requirements, locked = OVERLAYS[name].requirements, LOCK.read_text(encoding="utf-8")
    for done, requirement in enumerate(requirements):
        report.progress(done, len(requirements), unit="packages")
        lines = re.search(rf"^{re.escape(requirement)} (?:.*\\\n)+.*\n", locked, re.MULTILINE)[0]
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
            command += ["--no-deps", "--upgrade", "--target", str(target), "--require-hashes", "-r", file.name]
            ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            print(ended.stderr, file=sys.stderr)
            reason = (ended.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise UserError(
                f"The package {requirement} could not be installed: {reason}",
                "Check the connection and the disk, then try again. Everything else works without it.",
            )
    report.progress(len(requirements), len(requirements), unit="packages")
