"""What of a model may run code here: Python files of its repository, and pickles. Weights alone (safetensors) run none.

Each needs a record in this installation's own data folder, where no run and no folder from elsewhere can bring one
along: for a repository's code the owner's approval of exactly one commit; for a file of a trained model its digest,
recorded when it was trained here, or when the owner approved it.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import UserError
from engine.settings import Settings

RECORDS = "approved"  # folder of the data folder: one file a record
PICKLES = (
    "*.pkl", "*.pickle", "*.joblib", "*.dill", "*.pt", "*.pth", "*.ckpt", "pytorch_model*.bin", "adapter_model*.bin",
    "training_args.bin",
)  # fmt: skip
CONFIGS = ("config.json", "tokenizer_config.json", "modules.json")  # which name the code that is run
OWN_CLASSES = "sentence_transformers."
ELSEWHERE = "--"  # "owner/name--file.Class": code of another repository
FAST_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")


class RemoteCode(BaseModel):
    """The Python code of one repository at one commit. Of a folder: its path, and the sha1 of its code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repo: str = Field(min_length=1)
    commit: str = Field(pattern="^[0-9a-f]{40}$")

    def __str__(self) -> str:
        return f"{self.repo}@{self.commit}"

    @classmethod
    def parse(cls, text: str) -> "RemoteCode":
        """From "owner/name@commit". Raises UserError unless the commit is there in full."""
        repo, _, commit = text.strip().rpartition("@")
        try:
            return cls(repo=repo, commit=commit)
        except ValueError as error:
            raise UserError(
                f"{text!r} does not name a repository and a commit.",
                "Write owner/name@ and the 40 digits of the commit, as the Hub shows them.",
            ) from error


class CodeNotApproved(UserError):
    """A model needs `code`, and nobody has approved it here."""

    def __init__(self, code: RemoteCode, files: list[str]) -> None:
        super().__init__(
            f"The base model {code.repo} is loaded by Python code of its own ({', '.join(files)}), which would run "
            f"with all rights of this app. At commit {code.commit} it is not approved.",
            "Read that code first. The owner of this installation can then approve exactly this commit, on the page or "
            f"with: python -m engine approve {code}. Or choose a base model that needs no code.",
        )
        self.code = code


_of_this_run: ContextVar[RemoteCode | None] = ContextVar("remote_code", default=None)


@contextmanager
def running(code: RemoteCode | None) -> Iterator[None]:
    """Around the work of a run whose run.json names `code`: that commit is looked for, and may run if approved."""
    before = _of_this_run.set(code)
    try:
        yield
    finally:
        _of_this_run.reset(before)


def commit_of(repo: str) -> str | None:
    """The commit of `repo` that this run names."""
    code = _of_this_run.get()
    return code.commit if code is not None and code.repo == repo else None


# ---- records --------------------------------------------------------------------------------------------------------


def approve_code(code: RemoteCode) -> None:
    """Record that the owner approves `code`."""
    _record(str(code))


def is_approved(code: RemoteCode) -> bool:
    """Whether this installation's owner has approved `code`."""
    return _place(str(code)).is_file()


def vouch(folder: Path) -> None:
    """Record every file of the model in `folder` that runs code when it is loaded: made here, or approved."""
    for path in _running(folder):
        _record(_digest(path))


def approve_model(folder: Path, code: RemoteCode | None) -> None:
    """Record the owner's approval of all that loading the trained model in `folder` runs; `code`: its base model's."""
    vouch(folder)
    if code is not None:
        approve_code(code)


def unapproved(folder: Path, code: RemoteCode | None = None) -> list[str]:
    """What loading the model in `folder` would run without a record here, its base model's `code` too; usually none."""
    unknown = [path for path in _running(folder) if not _place(_digest(path)).is_file()]
    found = [path.relative_to(folder).as_posix() for path in unknown]
    return [*found, str(code)] if code is not None and not is_approved(code) else found


def check_model(folder: Path) -> None:
    """Raise UserError when loading the trained model in `folder` runs code that has no record here."""
    unknown = unapproved(folder)
    if unknown:
        raise UserError(
            f"Loading this model runs code that lies in its folder ({', '.join(unknown)}). It was not trained by this "
            "installation, and its owner has not approved it.",
            "Approve it only if you trust whoever made it: under “Try it” on the run's page, with python -m engine "
            "approve RUN_ID, or in Python with ArgillaTrainer.load(folder, approve=True).",
        )


def _running(folder: Path) -> list[Path]:
    files = [path for pattern in PICKLES for path in folder.rglob(pattern)]
    if modules(folder):
        files += [path for pattern in ("*.py", *CONFIGS) for path in folder.rglob(pattern)]
    return sorted(path for path in files if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _place(text: str) -> Path:
    return Settings.from_env().data_root / RECORDS / hashlib.sha256(text.encode()).hexdigest()


def _record(text: str) -> None:
    place = _place(text)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text + "\n", encoding="utf-8")


# ---- code of a repository -------------------------------------------------------------------------------------------


def may_run(folder: str | Path) -> bool:
    """What `trust_remote_code` is to be when the model in `folder` is loaded."""
    folder = Path(folder)
    if not modules(folder):
        return False
    code = identity(folder)
    return (code == _of_this_run.get() and is_approved(code)) or not unapproved(folder)


def has_its_code(folder: Path) -> bool:
    """Whether the model in `folder` can be loaded as it lies; False: its code is approved, and still to be fetched.

    Raises CodeNotApproved, and UserError for code of other repositories.
    """
    files = modules(folder)
    if not files or not unapproved(folder):
        return True
    code = identity(folder)
    elsewhere = [file.partition(ELSEWHERE)[0] for file in files if ELSEWHERE in file]
    if elsewhere:
        raise UserError(
            f"The base model {code.repo}, at commit {code.commit}, is loaded by Python code of other repositories "
            f"({', '.join(elsewhere)}), which its own commit does not pin.",
            "Choose another base model.",
        )
    if code != _of_this_run.get() or not is_approved(code):
        raise CodeNotApproved(code, files)
    return all((folder / file).is_file() for file in files)


def identity(folder: Path) -> RemoteCode:
    """Whose code lies in `folder`: a repository's, at the commit of this snapshot, or the folder's own."""
    snapshot = snapshot_parts(folder)
    if snapshot and re.fullmatch("[0-9a-f]{40}", snapshot[1]):
        return RemoteCode(repo=snapshot[0], commit=snapshot[1])
    sha1 = hashlib.sha1(usedforsecurity=False)
    for path in sorted(path for pattern in ("*.py", *CONFIGS) for path in folder.rglob(pattern)):
        sha1.update(f"{path.relative_to(folder).as_posix()} {_digest(path)}\n".encode())
    return RemoteCode(repo=str(folder), commit=sha1.hexdigest())


def snapshot_parts(path: Path) -> tuple[str, str] | None:
    """…/models--org--name/snapshots/<commit> → ("org/name", commit)."""
    parts = path.parts
    if len(parts) < 3 or parts[-2] != "snapshots" or not parts[-3].startswith("models--"):
        return None
    return parts[-3].removeprefix("models--").replace("--", "/"), parts[-1]


def modules(folder: Path) -> list[str]:
    """Python files that loading the model in `folder` would run, as its configs name them; empty: it needs none."""
    classes = [
        module["type"]
        for module in _read(folder / "modules.json", [])
        if not str(module.get("type", OWN_CLASSES)).startswith(OWN_CLASSES)
    ]
    for part in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        config, tokenizer = _read(part / "config.json", {}), _read(part / "tokenizer_config.json", {})
        if config.get("model_type") in _known_types():
            continue
        classes += (config.get("auto_map") or {}).values()
        if tokenizer.get("tokenizer_class") not in FAST_TOKENIZERS:
            named = tokenizer.get("auto_map") or {}
            classes += (named.get("AutoTokenizer") or ()) if isinstance(named, dict) else named
    return sorted({f"{name.rpartition('.')[0].replace('.', '/')}.py" for name in classes if isinstance(name, str)})


def _read(path: Path, otherwise: Any) -> Any:
    """A JSON file, or `otherwise` when there is none of that kind."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return otherwise
    return value if isinstance(value, type(otherwise)) else otherwise


@cache
def _known_types() -> frozenset[str]:
    """The model types that transformers has classes for, read off its source: importing it takes seconds."""
    spec = find_spec("transformers")
    folder = Path(spec.origin).parent / "models" / "auto" if spec and spec.origin else Path("/nonexistent")
    files = [folder / name for name in ("auto_mappings.py", "configuration_auto.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
    return frozenset(re.findall(r'\("([\w.-]+)", "\w+"\)', source))
