"""Every Python block of the guide runs, chapter by chapter, on small models and small datasets. See snippets.md."""

import collections
import json
import random
import re
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import FeedbackDataset
from tests import models
from tests.guide import guide_datasets
from tests.hub_server import HubServer
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

FILE = Path(__file__).with_name("snippets.md")
CHANGE = re.compile(r"^- `(.+?)` → `(.*?)`: (.+)$")
IMPORTS = (("from argilla.feedback import", "from engine import"), ("import argilla as rg", "import engine as rg"))


@dataclass
class Block:
    """One block of code and what is changed in it: (old, new, reason)."""

    number: str
    code: str = ""
    changes: list[tuple[str, str, str]] = field(default_factory=list)

    def source(self) -> str:
        """The code as it runs. A change that no longer applies is a failure."""
        code = self.code
        for old, new in IMPORTS:
            code = code.replace(old, new)
        for old, new, _reason in self.changes:
            old, new = old.replace("⏎", "\n"), new.replace("⏎", "\n")
            assert old in code, f"block {self.number}: {old!r} is not in it"
            code = code.replace(old, new)
        return _typed(code) if code.startswith(">>> ") else code


def _typed(session: str) -> str:
    """What was typed in an interactive session, without what it answered."""
    return "\n".join(line.removeprefix(">>> ") for line in session.splitlines() if line.startswith(">>> "))


def chapters() -> dict[str, list[Block]]:
    """Chapter → its blocks, in order."""
    found: dict[str, list[Block]] = {}
    block, inside = Block(""), False
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if inside:
            inside = line != "```"
            block.code += f"{line}\n" if inside else ""
        elif line.startswith("## "):
            blocks = found.setdefault(line[3:], [])
        elif line.startswith("### "):
            block = Block(line[4:])
            blocks.append(block)
        elif change := CHANGE.match(line):
            block.changes.append(change.groups())
        else:
            inside = line == "```python"
    return found


CHAPTERS = chapters()


@pytest.mark.parametrize("chapter", list(CHAPTERS))
def test_chapter_runs_as_printed(
    chapter: str, hub: HubServer, provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide_datasets.add_to(hub)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {name: getattr(typing, name) for name in typing.__all__}
    scope |= {"Counter": collections.Counter, "random": random}  # the guide uses them without importing them
    scope |= {"__name__": "guide", "models": models, "rg": engine, "json": json}
    # What the guide's includes load before these chapters.
    scope["feedback_dataset"] = FeedbackDataset.from_huggingface("argilla/databricks-dolly-15k-curated-en")
    for block in CHAPTERS[chapter]:
        exec(compile(block.source(), f"block {block.number}", "exec"), scope)
    check = CHECKS.get(chapter)
    if check:
        check(scope)


def _predicts_a_label(scope: dict[str, Any]) -> None:
    assert {entry["label"] for entry in scope["trainer"].predict("This is awesome!")} == {"joy", "anger", "fear"}


def _predicts_three_scores(scope: dict[str, Any]) -> None:
    found = scope["trainer"].predict(["a", ["b", "c", "d"]])
    assert [type(score) for score in found] == [float] * 3


def _prepared_rows_are_what_the_guide_shows(scope: dict[str, Any]) -> None:
    assert scope["dataset"].column_names == ["chosen", "rejected"]
    assert scope["dataset"][1]["rejected"].endswith("### Response: A number.")


CHECKS = {
    "Happy path": _predicts_a_label,
    "Other datasets": _predicts_a_label,
    "Sentence similarity": _predicts_three_scores,
    "Reward modeling": _prepared_rows_are_what_the_guide_shows,
}


def test_every_change_says_why() -> None:
    changes = [change for blocks in CHAPTERS.values() for block in blocks for change in block.changes]
    assert changes
    assert sum(map(len, CHAPTERS.values())) == 41
    assert all(len(reason.split()) >= 2 for _, _, reason in changes)
