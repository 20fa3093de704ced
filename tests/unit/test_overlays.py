"""Overlays: what is missing or damaged is said, and greys out only the choice that needs it. Nothing is downloaded."""

import sys
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.frameworks import overlays
from engine.registry import FRAMEWORKS
from engine.runs.readiness import RowsCheck, readiness
from engine.runs.run_directory import RunSpec
from tests.frameworks.topics import Told

NAME = "span_marker"
TASK = "token-classification"


@pytest.fixture(autouse=True)
def empty_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ANNOTUNE_OVERLAYS", str(tmp_path))
    return tmp_path


def lay_out(name: str = NAME) -> Path:
    """A folder that looks like the overlay; its packages are empty."""
    folder = overlays.folder(name)
    for module in overlays.provides(name):
        (folder / module).mkdir(parents=True)
        (folder / module / "__init__.py").touch()
    (folder / overlays.COMPLETE).touch()
    return folder


def fake_pip(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `python -m pip` be a program of ours: it gets the same arguments."""
    (folder / "pip").mkdir()
    (folder / "pip" / "__init__.py").touch()
    (folder / "pip" / "__main__.py").write_text(source, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def spec_of(framework: str, base_model: str) -> RunSpec:
    task = {"task": TASK, "fields": {"text": "text", "spans": "spans"}, "strategy": None}
    return RunSpec(dataset={"id": "d"}, task=task, framework=framework, base_model=base_model)


def test_packages_of_the_overlay_are_not_missing_and_others_are() -> None:
    assert overlays.provides(NAME) == {"transformers", "tokenizers", "huggingface_hub", "datasets", "span_marker"}
    assert overlays.versions(NAME)["span-marker"] == "1.8.1"
    assert FRAMEWORKS[NAME].missing() == []

    class Needy(type(FRAMEWORKS[NAME])):
        requires = ("span_marker", "no_such_package")

    assert Needy().missing() == ["no_such_package"]


def test_a_package_that_only_one_of_two_tasks_takes_from_its_overlay_must_be_installed() -> None:
    class Both(type(FRAMEWORKS["spacy"])):
        requires = ("span_marker",)
        overlays = {TASK: NAME}

    assert Both().missing() == ["span_marker"]


def test_a_missing_overlay_blocks_its_own_choice_alone_and_can_be_fetched() -> None:
    rows = RowsCheck(rows=10, sizes=(8, 0, 2))
    blocked = readiness(spec_of(NAME, "sentence-transformers/all-MiniLM-L6-v2"), rows)
    assert blocked.fetchable
    assert blocked.blocking == [
        "This choice needs its own set of packages (transformers==4.57.6, tokenizers==0.22.2, "
        "huggingface_hub==0.36.0, datasets==4.4.1, span-marker==1.8.1; 17 MB), not installed yet. "
        "They will be downloaded first; or run: python -m engine overlays span_marker."
    ]
    assert readiness(spec_of("spacy", "blank:en"), rows).ready
    with pytest.raises(UserError, match="not installed yet"):
        overlays.python_path(NAME)
    lay_out()
    assert readiness(spec_of(NAME, "sentence-transformers/all-MiniLM-L6-v2"), rows).ready


def test_the_overlay_stands_before_the_product_and_nothing_stands_without_one() -> None:
    folder = lay_out()
    assert overlays.python_path(NAME).split(":") == [str(folder), str(overlays.ROOT)]
    assert overlays.python_path(None) == str(overlays.ROOT)


def test_an_overlay_that_lost_a_package_counts_as_missing() -> None:
    folder = lay_out()
    assert overlays.is_installed(NAME)
    (folder / "span_marker" / "__init__.py").unlink()
    (folder / "span_marker").rmdir()
    assert not overlays.is_installed(NAME)


def test_a_damaged_overlay_is_said_and_installed_anew_the_next_time() -> None:
    lay_out()
    with pytest.raises(UserError) as error, overlays.importing(NAME):
        from collections import no_such_name  # noqa: F401
    assert error.value.message.startswith("The packages of this choice alone (transformers==4.57.6, ")
    assert error.value.message.endswith(
        "can't be loaded: cannot import name 'no_such_name' from 'collections' "
        f"({sys.modules['collections'].__file__})."
    )
    assert error.value.hint == (
        "Start again, and they are downloaded anew; or run: python -m engine overlays span_marker."
    )
    assert not overlays.is_installed(NAME)


def test_installing_is_whole_and_tells_its_progress(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_place: Path
) -> None:
    source = (
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--target') + 1])\n"
        "lines = pathlib.Path(sys.argv[-1]).read_text().splitlines()\n"
        "assert '--require-hashes' in sys.argv and all('--hash=sha256:' in line for line in lines[1:]) and lines[1:]\n"
        "module = lines[0].split('==')[0].replace('-', '_')\n"
        "(folder / module).mkdir(parents=True)\n"
    )
    fake_pip(tmp_path, source, monkeypatch)
    told = Told()
    folder = overlays.install(NAME, told)
    assert overlays.is_installed(NAME)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*overlays.provides(NAME), overlays.COMPLETE])
    assert told.stages == ["installing"]
    assert told.steps == [(i, 5) for i in range(6)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    monkeypatch.setenv("PYTHONPATH", "")
    assert overlays.install(NAME) == folder  # it is there: pip isn't asked again


def test_pips_reason_is_told_and_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_pip(tmp_path, "import sys\nsys.exit('ERROR: No space left on device')", monkeypatch)
    with pytest.raises(UserError) as error:
        overlays.install(NAME)
    assert str(error.value) == (
        "The package transformers==4.57.6 could not be installed: ERROR: No space left on device "
        "Check the connection and the disk, then try again. Everything else works without it."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pip"]
