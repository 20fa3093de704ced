"""requirements.lock: public files with their hashes, all of requirements.txt, and what the image installs."""

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from engine.errors import UserError
from engine.frameworks import overlays

ROOT = Path(__file__).parents[2]
OVERLAY = re.compile(r"^([\w-]+)==([\d.]+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)
PINNED = re.compile(r"([a-z0-9-]+)==([a-z0-9.]+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def lock() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def direct_pins() -> dict[str, str]:
    """Package → version of requirements.txt."""
    lines = [re.split("[#;]", line)[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    pins = dict(re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?==(\S+)", line).groups() for line in lines if line)
    return {script("lock").normalized(name): version for name, version in pins.items()}


def test_every_direct_pin_is_locked_in_the_same_version(lock: str) -> None:
    locked = {name: version for name, version, _ in PINNED.findall(lock)}
    assert direct_pins().items() <= locked.items(), "run make lock"
    assert len(locked) > 100 and {"torch", "triton", "nvidia-cudnn-cu13", "authlib", "itsdangerous"} <= set(locked)


def test_lock_holds_pins_with_hashes_and_nothing_else(lock: str) -> None:
    rest = PINNED.sub("", lock)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []
    assert "+" not in lock and "://" not in lock and "--index" not in lock and "--find-links" not in lock
    names = [name for name, _, _ in PINNED.findall(lock)]
    assert names == sorted(set(names), key=lambda name: name + "==")


def test_image_installs_exactly_the_lock_on_the_locks_python(lock: str) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    python = re.search(r"CPython (\d+\.\d+) on Linux x86_64", lock).group(1)
    assert re.findall(r"^FROM (\S+)$", dockerfile, re.MULTILINE) == [f"python:{python}-slim"]
    installs = re.findall(r"pip install [^&\n]*", dockerfile)
    assert installs and all("--require-hashes" in line for line in installs)
    assert "-r requirements.lock" in installs[-1] and "requirements.txt" not in dockerfile


def test_image_runs_as_uid_1000_over_code_that_root_owns() -> None:
    before, after = (ROOT / "Dockerfile").read_text().split("\nUSER user\n")
    assert "--uid 1000 user" in before and "COPY . ." in before and "--chown" not in before
    assert "RUN" not in after and "COPY" not in after and "USER" not in after


def test_local_builds_are_not_locked() -> None:
    package = {
        "metadata": {"name": "torch", "version": "2.13.0+cpu"},
        "download_info": {"archive_info": {"hashes": {"sha256": "0" * 64}}},
    }
    with pytest.raises(ValueError, match="torch 2.13.0\\+cpu is a local build"):
        script("lock").lock_text([package])


@pytest.mark.parametrize(
    "answer,trouble,code,said",
    [
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', "", 0, "1 packages audited, 0 known"),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}]}',
            "",
            1,
            "a 1: PYSEC-1, fixed in 2",
        ),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', "", 3, "can't be reached from here"),
        ("", "requests.exceptions.ConnectionError: no route", 3, "the advisory service can't be reached"),
        ("", "no such file", 2, "Nothing was audited: no such file"),
    ],
)
def test_audit_says_what_it_found_or_that_it_could_not_ask(answer: str, trouble: str, code: int, said: str) -> None:
    found, words = script("audit").verdict(answer, trouble)
    assert found == code and said in words


def test_make_offers_both() -> None:
    for target, script_name in (("lock", "lock.py"), ("audit", "audit.py")):
        shown = subprocess.run(["make", "-n", "-B", target], cwd=ROOT, capture_output=True, text=True)
        assert script_name in shown.stdout, shown.stderr


def test_overlays_are_locked_too() -> None:
    locked = {f"{name}=={version}": hashes for name, version, hashes in OVERLAY.findall(overlays.LOCK.read_text())}
    assert set(locked) == {name for overlay in overlays.OVERLAYS.values() for name in overlay.requirements}
    assert locked["tokenizers==0.22.2"].count("sha256") == 5  # one for each kind of machine
    assert "://" not in overlays.LOCK.read_text()


@pytest.mark.slow
def test_a_file_that_the_lock_does_not_know_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTUNE_OVERLAYS", str(tmp_path))
    other = tmp_path / "other.lock"
    other.write_text(re.sub("sha256:[0-9a-f]", "sha256:0", overlays.LOCK.read_text()))
    monkeypatch.setattr(overlays, "LOCK", other)
    with pytest.raises(UserError, match="The package trl==1.12.0 could not be installed"):
        overlays.install("trl-ppo")
    assert not overlays.is_installed("trl-ppo")
    monkeypatch.undo()
    monkeypatch.setenv("ANNOTUNE_OVERLAYS", str(tmp_path))
    overlays.install("trl-ppo")
    assert overlays.is_installed("trl-ppo")
