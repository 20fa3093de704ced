"""What is published of a run: the model, its card, its figures and its recipe, cleaned of what belongs to this machine.

Called by hub.py (push) and the supervisor (.zip). Texts of the data stay here: figures are published, rows are not,
unless a framework leaves them in the model's folder and says so (`published_note`).
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.publishing.model_card import build_card
from engine.publishing.provenance import base_model_of, public_config, source_name, suggested_name
from engine.runs.run_directory import RunDirectory, RunSpec

# rows of the data (texts of mistakes, samples and examples), what a cell printed, and paths of this machine
KEPT_HERE = frozenset({"mistakes", "samples", "examples", "printed", "path", "folder"})
SKIPPED = frozenset({"README.md", ".DS_Store"})  # the library's own card gives way to ours
COMPRESSED_ALREADY = (".safetensors", ".gz", ".zip", ".npz")

Content = Path | bytes


def bundle(run_dir: RunDirectory, repo_id: str | None = None) -> dict[str, Content]:
    """Every published file by its path in the repository. Raises UserError when the run has no model."""
    files: dict[str, Content] = {path: run_dir.model_dir / path for path in model_files(run_dir)}
    files["run.json"] = public_spec(run_dir.spec).model_dump_json(indent=1).encode()
    report = public_report(run_dir.report or {}, run_dir.spec)
    report["files"] = sorted([*files, "README.md", "report.json"])  # so that a later push knows which are its own
    files["report.json"] = json.dumps(report, indent=1, ensure_ascii=False, default=float).encode()
    files["README.md"] = build_card(run_dir, repo_id).encode()
    return files


def model_files(run_dir: RunDirectory) -> list[str]:
    """Paths in model/ that are published, sorted."""
    folder = run_dir.model_dir
    found = [
        path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).as_posix() not in SKIPPED
    ]
    if not found:
        raise UserError(
            f"The run “{run_dir.spec.title or run_dir.id}” has no model to publish.",
            "Let it finish, or train it again.",
        )
    return sorted(path.relative_to(folder).as_posix() for path in found)


def public_spec(spec: RunSpec) -> RunSpec:
    """The run file without this machine's paths and ids: enough to train again on the same source."""
    dataset = _cleaned({key: value for key, value in spec.dataset.items() if key != "id"})  # a folder's name here
    if isinstance(dataset.get("source"), dict) and dataset["source"].get("kind") == "file":
        dataset["source"]["name"] = source_name(spec)
    base = base_model_of(spec)
    public = {"dataset": dataset, "base_model": base.public_name, "config": public_config(spec)}
    public |= {} if base.hub_id else {"remote_code": None}  # a folder here is nobody else's to approve
    return spec.model_copy(update=public | {"created_by": ""})


def public_report(report: dict[str, Any], spec: RunSpec) -> dict[str, Any]:
    """report.json without texts of the data and without this machine's paths."""
    cleaned = _cleaned(report)
    return cleaned | ({"base_model": base_model_of(spec).public_name} if "base_model" in cleaned else {})


def zip_model(run_dir: RunDirectory, path: Path | None = None) -> Path:
    """Write the published files as a .zip and give its path; by default beside the model, named after the run.

    Files are streamed, so a large model takes no memory; weights are stored as they are.
    """
    path = path or run_dir.path / f"{suggested_name(run_dir.spec)}.zip"
    unfinished = path.with_name(path.name + ".part")
    folder = path.stem
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in bundle(run_dir).items():
            target = f"{folder}/{name}"
            if isinstance(content, bytes):
                archive.writestr(target, content)
            else:
                method = zipfile.ZIP_STORED if name.endswith(COMPRESSED_ALREADY) else zipfile.ZIP_DEFLATED
                archive.write(content, target, compress_type=method)
    unfinished.replace(path)
    return path


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items() if key not in KEPT_HERE}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value
