"""Who may import whom (architecture: layers), read from the source of every module."""

import ast
from pathlib import Path

import pytest

from engine.registry import FRAMEWORKS

ROOT = Path(__file__).parents[2]
HEAVY = set(
    "torch transformers datasets spacy setfit sentence_transformers peft accelerate sklearn scipy trl openai seqeval "
    "sacrebleu span_marker".split()
)
PRODUCT = sorted(path.relative_to(ROOT) for folder in ("ui", "engine") for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path, *, top_level_only: bool) -> set[str]:
    """Dotted names of the modules that a file imports; `from a import b` counts as a.b as well as a."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    branches = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    guarded = [node for node in branches if "TYPE_CHECKING" in ast.unparse(node.test)]
    skipped = {id(inner) for node in guarded for inner in ast.walk(node)}
    nodes = tree.body if top_level_only else [node for node in ast.walk(tree) if id(node) not in skipped]
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def starts_with(names: set[str], prefixes: set[str]) -> set[str]:
    return {name for name in names if any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)}


@pytest.mark.parametrize("path", PRODUCT, ids=str)
def test_nothing_heavy_is_imported_at_top_level(path: Path) -> None:
    assert starts_with(imports(path, top_level_only=True), HEAVY) == set()


@pytest.mark.parametrize("path", [p for p in PRODUCT if p.parts[0] == "ui"], ids=str)
def test_ui_sees_the_engine_only_through_its_public_names(path: Path) -> None:
    names = imports(path, top_level_only=False)
    inside = {name for name in names if name.startswith("engine.")}
    import engine

    assert {name for name in inside if name.removeprefix("engine.") not in engine.__all__} == set()
    assert starts_with(names, HEAVY) == set()


@pytest.mark.parametrize("path", [p for p in PRODUCT if p.parts[0] == "engine"], ids=str)
def test_engine_never_sees_the_page(path: Path) -> None:
    assert starts_with(imports(path, top_level_only=False), {"gradio", "ui", "app"}) == set()


@pytest.mark.parametrize("path", [p for p in PRODUCT if p.parts[:2] == ("engine", "frameworks")], ids=str)
def test_frameworks_do_not_see_each_other_or_the_store(path: Path) -> None:
    names = imports(path, top_level_only=False)
    siblings = {type(framework).__module__ for framework in FRAMEWORKS.values()}
    assert starts_with(names, siblings | {"engine.runs.store", "engine.runs.supervisor"}) == set()


@pytest.mark.parametrize("part", ["data", "tasks", "formatting"])
def test_data_and_tasks_do_not_see_frameworks_or_torch(part: str) -> None:
    forbidden = {"engine.frameworks", "torch", "engine.runs.store"}
    for path in PRODUCT:
        if path.parts[:2] == ("engine", part):
            assert starts_with(imports(path, top_level_only=False), forbidden) == set(), path


CONFINED = ("sandbox_worker", "confinement", "user_code")


@pytest.mark.parametrize("name", CONFINED)
def test_confined_side_imports_the_standard_library_its_codec_and_landlock_only(name: str) -> None:
    import sys

    names = imports(Path(f"engine/formatting/{name}.py"), top_level_only=False)
    allowed = set(sys.stdlib_module_names) | {"orjson", "landlock"} | set(CONFINED)
    assert {name.split(".")[0] for name in names} <= allowed


def test_app_imports_page_guard_settings_and_gradio_only() -> None:
    names = {name for name in imports(Path("app.py"), top_level_only=False) if name.split(".")[0] in ("ui", "engine")}
    allowed = {
        "ui",
        "ui.page",
        "ui.guard",
        "ui.doors",
        "engine",
        "engine.redaction",
        "engine.settings",
        "engine.Settings",
        "engine.settings.Settings",
    }
    assert {
        name for name in names if name not in allowed and not name.startswith(("ui.page.", "ui.guard.", "ui.doors."))
    } == set()
