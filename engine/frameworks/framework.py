"""The interface of a framework: properties the page and the supervisor ask, and two methods. No shared behaviour."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from pydantic import Field as PydanticField

from engine.frameworks import base_models, overlays
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
    """A trained model, loaded. `predict` takes the task's inputs and gives one output each, in order.

    `options` are the fields of the task's `predict_options`, if it has any. A predictor of a task with `model_scores`
    also has `score`.
    """

    def predict(self, inputs: Sequence[Any], **options: Any) -> list[Any]: ...


class ScoringPredictor(Predictor, Protocol):
    """Besides: figures on canonical rows that outputs can't show, such as the loss; keys of the task's `metrics`."""

    def score(self, table: pa.Table) -> dict[str, float]: ...


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
    needs_network: ClassVar[bool] = False  # its train and predict workers are not told to stay offline
    trains_elsewhere: ClassVar[bool] = False  # this machine only waits, so its runs do not queue for it
    secrets: ClassVar[tuple[str, ...]] = ()  # environment variables that its library reads a key from
    overlays: ClassVar[dict[str, str]] = {}  # task → overlay whose packages come first (engine/frameworks/overlays.py)
    notice: ClassVar[str] = ""  # what a person should know before choosing it
    exports_rows: ClassVar[bool] = False  # it can write the rows as the files that its provider takes
    published_note: ClassVar[str] = ""  # what a publication of its runs holds, where that is not a model's own files
    bases_at_hub: ClassVar[bool] = True  # a base model's name without a folder here is an id of the Hub
    # Keyword of update_config that may hold an upstream config object → hyperparameter for what has no knob of its own.
    config_objects: ClassVar[dict[str, str]] = {}
    # The same keyword → hyperparameters that giving such an object sets.
    config_switches: ClassVar[dict[str, dict[str, bool]]] = {}
    base_by_name: ClassVar[bool] = False  # the trained model finds its base by name: a model in memory can't be one

    @abstractmethod
    def train(self, config: TrainerConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        """Train from the base model at `base` and leave in `out_dir` what the library's own loader reads."""

    @abstractmethod
    def load(self, model_dir: Path, task: str) -> Predictor:
        """Load what `train` left, on this machine's best device."""

    @abstractmethod
    def usage(self, repo_id: str, task: str) -> str:
        """A few tested lines of Python that load the published model and predict with the library itself."""

    def check_run_file(self, config: TrainerConfig) -> None:  # noqa: B027
        """Raise UserError when a run file from elsewhere would send the reader's key where they did not say."""

    def usage_of(self, repo_id: str, task: str, config: dict[str, Any]) -> str:
        """The same for a model trained with the hyperparameters `config`, where the lines depend on one of them."""
        return self.usage(repo_id, task)

    def missing(self) -> list[str]:
        """Packages that are not installed here, but for those that every task of it takes from an overlay."""
        apart = [overlays.provides(self.overlays[task]) if task in self.overlays else set() for task in self.configs]
        elsewhere = set.intersection(*apart) if apart else set()
        return [package for package in self.requires if package not in elsewhere and find_spec(package) is None]

    def locate_base(self, base_model: str) -> str | None:
        """What `train` is given for this base model: a folder on this machine. None: it has to be fetched first.

        Raises UserError for a folder that is no model.
        """
        return base_models.locate(base_model)

    def check_base(self, base: str, task: str) -> None:  # noqa: B027
        """Raise UserError when the model at `base` is of a kind that can't learn `task`. Reads its configs only."""

    def check_config(self, config: TrainerConfig, task: str) -> None:  # noqa: B027
        """Raise UserError when a setting names what is not here, or does not fit, such as a reward model."""

    def other_models(self, config: TrainerConfig, task: str) -> list[str]:
        """Hub ids of models besides the base that a run with `config` needs and this machine has not."""
        return []

    def held_out_scores(self, predictor: Any, table: pa.Table, config: TrainerConfig, task: str) -> dict[str, float]:
        """Figures of a task with `model_scores` on held-out rows; keys of the task's `metrics`."""
        return predictor.score(table)

    def load_base(self, base: str, task: str) -> Predictor | None:
        """The base model as it was before training, to compare with; None: it can't do the task yet."""
        return None

    def export_rows(self, config: TrainerConfig, task: str, data: TaskData, folder: Path) -> list[Path]:
        """Write the rows of each part into `folder`, as training would send them. For `exports_rows` only."""
        return []

    def remote_models(self, secrets: Mapping[str, str], config: Mapping[str, Any]) -> list[SuggestedModel] | None:
        """The base models that a provider offers now; None: it has none of its own.

        `secrets`: its keys, by variable. `config`: hyperparameters chosen so far. Raises UserError in words.
        """
        return None
