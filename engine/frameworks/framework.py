"""The interface of a framework: properties the page and the supervisor ask, and two methods. No shared behaviour."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic import Field as PydanticField

from engine.runs.events import Report
from engine.tasks.task import TaskData


class TrainerConfig(BaseModel):
    """Hyperparameters of one framework for one task. An unknown key or a value out of bounds is refused."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


def knob(default: Any, title: str, description: str, *, level: str = "advanced", **bounds: Any) -> Any:
    """A hyperparameter, declared once: label, help, bounds, and whether it stands on the basic form."""
    extra = {"level": level} | bounds.pop("json_schema_extra", {})
    return PydanticField(default, title=title, description=description, json_schema_extra=extra, **bounds)


@dataclass(frozen=True)
class SuggestedModel:
    """A base model worth offering: its Hub id (or "blank:en"), size in MB, and a sentence on when to take it."""

    id: str
    size_mb: int
    note: str
    embedded: bool = False  # on disk after installation; needs no download


class Predictor(Protocol):
    """A trained model, loaded. `predict` takes the task's inputs and gives one output each, in order."""

    def predict(self, inputs: Sequence[Any]) -> list[Any]: ...


class Framework(ABC):
    """One training library. `configs` maps the names of the tasks it can train to their config class."""

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]  # one sentence for the choice on the page
    requires: ClassVar[tuple[str, ...]]  # top-level packages; a missing one greys the choice out with the reason
    configs: ClassVar[dict[str, type[TrainerConfig]]]
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]]  # task → suggestions, the default first
    library_name: ClassVar[str]  # the Hub's name for the library, for the model card
    needs_gpu: ClassVar[bool] = False
    needs_network: ClassVar[bool] = False
    secrets: ClassVar[tuple[str, ...]] = ()
    overlay: ClassVar[str | None] = None
    # Keyword of update_config that may hold an upstream config object → hyperparameter for what has no knob of its own.
    config_objects: ClassVar[dict[str, str]] = {}
    base_by_name: ClassVar[bool] = False  # the trained model finds its base by name: a model in memory can't be one

    @abstractmethod
    def train(self, config: TrainerConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        """Train from the base model at `base` and leave in `out_dir` what the library's own loader reads."""

    @abstractmethod
    def load(self, model_dir: Path, task: str) -> Predictor:
        """Load what `train` left, on this machine's best device."""

    @abstractmethod
    def usage(self, repo_id: str, task: str) -> str:
        """Four tested lines of Python that load the published model and predict with the library itself."""

    def missing(self) -> list[str]:
        """Packages that are not installed here."""
        return [package for package in self.requires if find_spec(package) is None]
