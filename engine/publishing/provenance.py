"""Where a model comes from, in words that may be published: base model and data, without this machine's paths."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.examples import EXAMPLES
from engine.frameworks.base_models import BLANK, EMBEDDED_ID
from engine.registry import FRAMEWORKS
from engine.runs.run_directory import RunSpec

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
INSTALLED_PIPELINE = re.compile(r"[a-z]{2,3}_\w+_(sm|md|lg|trf)")  # en_core_web_sm: a package, not a Hub id
LOCAL_FOLDER = "a local folder"


@dataclass(frozen=True)
class BaseModel:
    """`hub_id`: the public id, if it has one. `language`: of a blank pipeline ("blank:en" → "en")."""

    public_name: str
    hub_id: str | None = None
    language: str | None = None


def base_model_of(spec: RunSpec) -> BaseModel:
    """The run's base model. A folder of this machine becomes "a local folder"; its path is never told.

    A provider's own model has a name, and no id on the Hub.
    """
    name = spec.base_model.strip()
    if not FRAMEWORKS[spec.framework].bases_at_hub:
        return BaseModel(name)
    language = name.removeprefix(BLANK)
    if name.startswith(BLANK) and re.fullmatch(r"[a-z]{2,3}", language):
        return BaseModel(name, language=language)
    if name == EMBEDDED_ID.rpartition("/")[2]:
        return BaseModel(EMBEDDED_ID, hub_id=EMBEDDED_ID)
    if not HUB_ID.fullmatch(name) or Path(name).is_dir():
        return BaseModel(LOCAL_FOLDER)
    return BaseModel(name, hub_id=None if INSTALLED_PIPELINE.fullmatch(name) else name)


def public_config(spec: RunSpec) -> dict[str, Any]:
    """The run's hyperparameters; a folder of this machine that one names as a model becomes "a local folder"."""
    model = FRAMEWORKS[spec.framework].configs.get(spec.task.get("task", ""))
    fields = model.model_fields if model else {}
    named = [name for name, field in fields.items() if (field.json_schema_extra or {}).get("model_folder")]
    given = {name: spec.config[name] for name in named if spec.config.get(name)}
    folders = [name for name, value in given.items() if not HUB_ID.fullmatch(value) or Path(value).is_dir()]
    return spec.config | dict.fromkeys(folders, LOCAL_FOLDER)


def source_name(spec: RunSpec) -> str:
    """The data's name for people: a Hub id, a file's name without its folder, or the bundled example's."""
    source = spec.dataset.get("source") or {}
    if source.get("id"):
        return str(source["id"])
    if source.get("kind") == "example" and source.get("name") in EXAMPLES:
        return EXAMPLES[source["name"]].title
    named = source.get("name") or spec.dataset.get("name") or source.get("path") or source.get("kind") or "data"
    return re.split(r"[/\\]", str(named))[-1] or "data"


def hub_dataset(spec: RunSpec) -> str | None:
    """The Hub id of the training data, or None when it came from elsewhere."""
    source = spec.dataset.get("source") or {}
    return str(source["id"]) if source.get("kind") == "hub" and HUB_ID.fullmatch(str(source.get("id", ""))) else None


def suggested_name(spec: RunSpec) -> str:
    """A repository name for this run: "support-messages-topic-setfit"."""
    target = str((spec.task.get("fields") or {}).get("label", "")) or spec.task.get("task", "")
    source = source_name(spec).rpartition("/")[2].rpartition("\\")[2]
    words = [source.split(".")[0], target, spec.framework]
    name = re.sub(r"[^A-Za-z0-9_]+", "-", " ".join(words)).strip("-_").lower()
    return name[:80].strip("-_") or "annotune-model"
