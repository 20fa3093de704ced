"""Starting is cheap: what the page process loads, seen in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = "torch transformers datasets spacy setfit sentence_transformers sklearn scipy peft".split()
HEAVY += "trl openai seqeval sacrebleu".split()


def loaded_after(code: str) -> list[str]:
    """Names of heavy modules in sys.modules after running `code` in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.split()


def test_engine_with_every_public_name_loads_nothing_heavy() -> None:
    assert loaded_after("import engine\nfor name in engine.__all__: getattr(engine, name)") == []


def test_listing_frameworks_and_their_forms_loads_nothing_heavy() -> None:
    code = "from engine import FRAMEWORKS\n"
    code += "for f in FRAMEWORKS.values():\n    f.missing()\n    [c.model_json_schema() for c in f.configs.values()]"
    assert loaded_after(code) == []


def test_supervisor_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "from pathlib import Path\nfrom engine import Settings, Supervisor\n"
    code += f"s = Supervisor(Settings(Path({str(tmp_path)!r})))\n"
    assert loaded_after(code + "s.runs(); s.datasets(); s.close()") == []


def test_page_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from engine import Settings
from ui.page import build
build(Settings(Path({str(tmp_path)!r})), sign_in=False)
"""
    assert loaded_after(code) == []
