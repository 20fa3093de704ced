"""A run directory: the truth about a run. run.json says what was asked, events.jsonl what happened."""

import json
import secrets
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import UserError
from engine.trust import RemoteCode


class SplitSpec(BaseModel):
    """Shares of the rows. What `train` and `validation` leave is the test part; 0 validation: nothing is selected."""

    model_config = ConfigDict(extra="forbid")

    train: float = Field(0.7, gt=0, le=1, title="Training share")
    validation: float = Field(0.1, ge=0, lt=1, title="Validation share")
    test: float = Field(0.2, ge=0, lt=1, title="Test share")
    seed: int = Field(42, ge=0, le=2**32 - 1, title="Seed")


class CardFacts(BaseModel):
    """What only the owner can say on the model card; in Python: framework_kwargs={"model_card_kwargs": {...}}."""

    model_config = ConfigDict(extra="forbid")

    language: str | list[str] | None = None
    license: str | None = None
    tags: list[str] = Field(default_factory=list)
    model_name: str | None = None
    model_description: str | None = None
    developers: str | None = None


class RunSpec(BaseModel):
    """What was asked of a run; written once as run.json, never with a secret, and read back the same."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    title: str = ""
    dataset: dict[str, Any]  # {"source": {...}} to read again, and {"folder": …} where it lies here, "fingerprint"
    task: dict[str, Any]  # TrainingTask.to_dict()
    framework: str
    base_model: str
    remote_code: RemoteCode | None = None  # the base model's own code, which the owner approved for this run
    config: dict[str, Any] = Field(default_factory=dict)  # only what differs from the defaults is required
    split: SplitSpec = Field(default_factory=SplitSpec)
    card: CardFacts = Field(default_factory=CardFacts)
    filter_by: dict[str, Any] | None = None
    sort_by: Any = None
    max_records: int | None = None
    created: float = 0.0  # UTC seconds
    created_by: str = ""
    versions: dict[str, str] = Field(default_factory=dict)


class RunDirectory:
    """Paths and files of one run. Nothing here is kept in memory: another process may be writing."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.id = self.path.name
        self.spec_file = self.path / "run.json"
        self.events_file = self.path / "events.jsonl"
        self.log_file = self.path / "log.txt"
        self.lock_file = self.path / "lock"
        self.data_dir = self.path / "data"
        self.checkpoints_dir = self.path / "checkpoints"
        self.model_dir = self.path / "model"
        self.report_file = self.path / "report.json"
        self.card_file = self.path / "README.md"
        self.publish_dir = self.path / "publish"

    @classmethod
    def create(cls, runs_dir: Path, spec: RunSpec) -> "RunDirectory":
        """A new run directory with run.json, named by UTC time and a few random digits."""
        now = time.time()
        name = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + "-" + secrets.token_hex(3)
        run_dir = cls(Path(runs_dir) / name)
        run_dir.path.mkdir(parents=True)
        run_dir.write_spec(spec.model_copy(update={"created": now}))
        return run_dir

    @property
    def spec(self) -> RunSpec:
        return read_spec(self.spec_file)

    @property
    def report(self) -> dict[str, Any] | None:
        """report.json, or None while there is none."""
        return json.loads(self.report_file.read_text(encoding="utf-8")) if self.report_file.is_file() else None

    def write_spec(self, spec: RunSpec) -> None:
        write_text(self.spec_file, spec.model_dump_json(indent=1))

    def write_report(self, report: dict[str, Any]) -> None:
        write_text(self.report_file, json.dumps(report, indent=1, ensure_ascii=False, default=float))


def read_spec(path: Path) -> RunSpec:
    """The run file at `path`. Raises UserError when it is missing or not a run file."""
    try:
        return RunSpec.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"There is no run file at {path}.", "Give the path of a run.json.") from error
    except ValueError as error:
        raise UserError(
            f"{path} is not a run file: {error}", "Export one from the page, or fix the lines named."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: a reader never sees half of it."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
