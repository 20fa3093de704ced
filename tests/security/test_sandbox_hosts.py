"""Where code can't be confined it is not run: other kernels, no libseccomp, a Space, and the owner's explicit word."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CELL = "def formatting_func(sample):\n    return sample['text'], sample['label']\n"
TRY = f"""
import sys
from engine import UserError, run_formatting_cell
from engine.formatting.sandbox import Limits, Sandbox
try:
    with Sandbox(Limits()) as sandbox:
        print(sandbox.wait_until_confined())
except UserError as error:
    print(type(error).__name__)
try:
    print(run_formatting_cell({CELL!r}, [{{"text": "a", "label": "b"}}]).rows)
except UserError as error:
    print(type(error).__name__, error)
"""


def python(*arguments: str, host: str = "", **environment: str) -> subprocess.CompletedProcess:
    """Run Python on `host` (tests/security/hosts.py), or as this machine is."""
    command = [sys.executable, *arguments]
    if host:
        command = [sys.executable, "-m", "tests.security.hosts", host, *command]
    kept = {name: value for name, value in os.environ.items() if name not in ("SPACE_ID", "ANNOTUNE_UNCONFINED_CELLS")}
    env = kept | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_this_machine_confines() -> None:
    done = python("-c", TRY)
    assert done.stdout.startswith("['seccomp'") and done.stdout.endswith("[[['a', 'b']]]\n"), done.stderr


def test_a_kernel_without_landlock_confines_by_its_filter() -> None:
    assert python("-c", TRY, host="no-landlock").stdout == "['seccomp']\n[[['a', 'b']]]\n"


def test_a_kernel_that_refuses_the_filter_runs_no_code() -> None:
    lines = python("-c", TRY, host="no-seccomp").stdout.splitlines()
    assert lines[0] == "SandboxUnavailable"
    assert lines[1].startswith("SandboxUnavailable Code can't be confined on this machine, so it is not run (libsecc")


def test_without_libseccomp_no_code_is_run() -> None:
    done = python("-c", "import sys\nsys.modules['pyseccomp'] = None\n" + TRY)
    assert done.stdout.splitlines()[1].startswith("SandboxUnavailable Code can't be confined on this machine")


def test_the_owner_of_a_machine_may_run_code_unconfined() -> None:
    lines = python("-c", TRY, host="no-seccomp", ANNOTUNE_UNCONFINED_CELLS="1").stdout.splitlines()
    assert lines == ["SandboxUnavailable", "[[['a', 'b']]]"]


@pytest.mark.parametrize("word", ["1", "true"])
def test_a_space_never_runs_code_unconfined(word: str) -> None:
    done = python("-c", TRY, host="no-seccomp", ANNOTUNE_UNCONFINED_CELLS=word, SPACE_ID="a/b")
    assert done.stdout.splitlines()[1].startswith("SandboxUnavailable")


def run_file(folder: Path, code: str | None) -> Path:
    """A run from the command line, by a cell or by dropdowns."""
    rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(20)]
    source = folder / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    task = {"task": "text-classification", "fields": {"text": "text", "label": "label"}}
    if code is not None:
        task = {"task": "text-classification", "code": code}
    spec = {
        **{"dataset": {"source": {"kind": "file", "path": str(source)}}, "task": task, "framework": "spacy"},
        **{"base_model": "blank:en", "config": {"max_steps": 2}},
    }
    path = folder / "run.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    return path


@pytest.mark.slow
def test_training_refuses_a_cell_and_takes_dropdowns_where_code_can_not_be_confined(tmp_path: Path) -> None:
    place = {"host": "no-seccomp", "SPACE_ID": "a/b", "ANNOTUNE_UNCONFINED_CELLS": "1", "ANNOTUNE_HOME": str(tmp_path)}
    refused = python("-m", "engine", "train", str(run_file(tmp_path, CELL)), **place)
    assert refused.returncode != 0 and "Code can't be confined on this machine" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    trained = python("-m", "engine", "train", str(run_file(tmp_path, None)), **place)
    assert trained.returncode == 0, trained.stdout + trained.stderr
