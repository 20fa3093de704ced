"""Hostile cells: none of them gets out, and the machine is as before. As this user, and as one without any rights."""

import contextlib
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.formatting import CellError, Limits, run_formatting_cell
from tests.security.attacks import ATTACKS, cell

SAMPLES = [{"text": "a"}, {"text": "b"}]
QUICK = Limits(sample_seconds=0.5, total_seconds=4.0, memory_bytes=256 * 1024**2)
LONGEST = 12.0  # seconds that any attack may hold us
ROOT = Path(__file__).parents[2]
NOBODY = 65534


class Outside:
    """What a hostile cell may be after, and whether any of it was touched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "canary.txt"
        self.file.write_text("canary")
        self.server = socket.create_server(("127.0.0.1", 0))
        self.calls: list[object] = []
        threading.Thread(target=self._listen, daemon=True).start()
        self.before = self._seen()

    def cell(self, name: str) -> str:
        port = self.server.getsockname()[1]
        return cell(name, file=str(self.file), folder=str(self.folder), port=port, app=os.getpid())

    def _listen(self) -> None:
        while True:
            try:
                self.calls.append(self.server.accept())
            except OSError:
                return

    def _seen(self) -> tuple:
        stat = self.file.stat()
        about = (stat.st_mode, stat.st_size, stat.st_mtime_ns)
        here = psutil.Process()
        return sorted(path.name for path in self.folder.iterdir()), about, here.nice(), sorted(here.cpu_affinity())

    def assert_untouched(self) -> None:
        assert self._seen() == self.before
        assert not self.calls
        assert not [child for child in psutil.Process().children(recursive=True) if "sandbox_worker" in _command(child)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    found = Outside(tmp_path)
    yield found
    found.server.close()


def open_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_contained(name: str, outside: Outside) -> None:
    held, rows = open_descriptors(), []
    started = time.monotonic()
    try:
        rows = run_formatting_cell(outside.cell(name), SAMPLES, limits=QUICK).rows
    except CellError as error:
        assert len(error.message) < 5000 and len(error.stdout) <= 64_000
    assert "ESCAPED" not in json.dumps(rows)
    assert time.monotonic() - started < LONGEST
    outside.assert_untouched()
    assert open_descriptors() <= held  # what an earlier test left to the collector may go meanwhile


def test_nothing_of_one_cell_is_there_for_the_next() -> None:
    first = "import builtins, sys, json, random\nbuiltins.left = sys.left = json.left = 1\nrandom.left = 1\n"
    first += "def formatting_func(sample):\n    sample['text'] = 'changed'\n    return sample['text']\n"
    assert run_formatting_cell(first, SAMPLES).rows == [["changed"], ["changed"]]
    second = "import builtins, sys, json, random\ndef formatting_func(sample):\n"
    second += "    return [sample['text'], *(hasattr(m, 'left') for m in (builtins, sys, json, random))]\n"
    assert run_formatting_cell(second, SAMPLES).rows[0] == ["a", False, False, False, False]
    assert SAMPLES[0] == {"text": "a"}


def test_a_cell_that_changes_python_changes_its_own_process_only() -> None:
    code = """
import json, builtins, sys
json.dumps = json.JSONEncoder.encode = lambda *a, **k: '{"rows": "ESCAPED"}'
builtins.len = builtins.isinstance = lambda *a: True
sys.modules.clear()
def formatting_func(sample):
    return sample["text"]
"""
    try:
        rows = run_formatting_cell(code, SAMPLES, limits=QUICK).rows
    except CellError:
        rows = [["a"], ["b"]]
    assert rows == [["a"], ["b"]]


def an_interpreter_for_everyone() -> str | None:
    """A Python of this version that a user without rights may start, and that may read this installation."""
    names = [
        sys.executable,
        *(f"{folder}/python3.{sys.version_info.minor}" for folder in ("/usr/bin", "/usr/local/bin")),
    ]
    given = {"user": NOBODY, "group": NOBODY, "env": _environment(), "cwd": "/", "capture_output": True}
    for name in filter(shutil.which, names):
        with contextlib.suppress(PermissionError):
            if subprocess.run([name, "-c", "import engine.formatting"], check=False, **given).returncode == 0:
                return name
    return None


def _environment() -> dict[str, str]:
    packages = Path(pytest.__file__).parents[1]
    return {"PYTHONPATH": f"{ROOT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/", "HF_TOKEN": "hf_canary"}


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests run without rights already")
def test_every_attack_is_contained_as_a_user_without_rights(tmp_path: Path) -> None:
    python = an_interpreter_for_everyone()
    if python is None:
        pytest.skip(f"no Python 3.{sys.version_info.minor} here that user {NOBODY} may start")
    folder = Path("/var/tmp") if not os.access("/tmp", os.W_OK) else Path("/tmp")
    program = "import sys, tests.security.attacks_alone as alone; sys.exit(alone.main())"
    given = {"user": NOBODY, "group": NOBODY, "env": _environment(), "cwd": folder}
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=240, check=False, **given)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{len(ATTACKS)} contained as {NOBODY}" in done.stdout
