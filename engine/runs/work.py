"""What workers do: import a dataset, fetch a base model, train a run, publish it. One function of a job folder each."""

import json
import os
import platform
import shutil
import tempfile
import time
import zipfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.data.derived import DerivedQuestion
from engine.data.feedback_dataset import SCHEMA_FILE, FeedbackDataset
from engine.data.readers import import_source, limit_memory
from engine.errors import UserError
from engine.evaluation.report import evaluate
from engine.frameworks import base_models, overlays
from engine.frameworks.framework import Framework
from engine.frameworks.validation import validate_config
from engine.paths import NAME, inside
from engine.redaction import remember
from engine.registry import FRAMEWORKS
from engine.runs.events import Report
from engine.runs.readiness import check_rows
from engine.runs.run_directory import RunDirectory, RunSpec, write_text
from engine.tasks.preparation import Prepared, prepare
from engine.tasks.task import TaskData
from engine.tasks.training_task import TrainingTask
from engine.trust import RemoteCode, running, vouch

REQUEST = "request.json"
RECORDED_PACKAGES = ("torch", "transformers", "datasets", "huggingface_hub", "numpy", "scikit-learn")


def import_dataset(folder: Path, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Read the source named in request.json into this dataset folder."""
    source = json.loads((folder / REQUEST).read_text(encoding="utf-8"))["source"]
    limit_memory()
    dataset = import_source(source, folder, token=secrets.get("token"), report=report)
    return {"records": len(dataset)}


def fetch(folder: Path, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Install the overlay and download the base and other models named in request.json, where they are not here."""
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    if request.get("overlay"):
        overlays.install(request["overlay"], report)
    report.stage("downloading")
    for name in request.get("models", ()):
        base_models.fetch(name, token=secrets.get("token"), report=report)
    code = request.get("remote_code")
    with running(RemoteCode(**code) if code else None):
        return {"path": str(base_models.fetch(request["base_model"], token=secrets.get("token"), report=report))}


def check(folder: Path, _secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Look at the rows that the spec in request.json would train on: a RowsCheck as a dict."""
    spec = RunSpec.model_validate(json.loads((folder / REQUEST).read_text(encoding="utf-8"))["spec"])
    report.stage("checking")
    dataset = FeedbackDataset.load(inside(folder.parents[1] / "datasets", spec.dataset["id"]))
    return asdict(check_rows(dataset, spec))


def train(folder: Path, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Prepare, train and evaluate the run in this run directory; leaves model/, report.json and README.md."""
    run_dir = RunDirectory(folder)
    try:
        return _train(run_dir, secrets, report)
    except BaseException:
        _keep_rows(run_dir, report)
        shutil.rmtree(run_dir.model_dir, ignore_errors=True)  # half a model is none, and the disk may be full
        raise
    finally:
        shutil.rmtree(run_dir.checkpoints_dir, ignore_errors=True)


def _keep_rows(run_dir: RunDirectory, report: Report) -> None:
    """Rows that were written for a provider outlive its refusal, in data/."""
    files = sorted(run_dir.model_dir.glob("*.jsonl"))
    if files and FRAMEWORKS[run_dir.spec.framework].exports_rows:
        for path in files:
            path.replace(run_dir.data_dir / path.name)
        report.note(f"The rows are kept as JSONL in the run's folder: data/{', data/'.join(p.name for p in files)}.")


def train_prepared(folder: Path, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Train and evaluate on the rows that lie in data/ already: how a script uses a framework with an overlay.

    `figures` of the result are those of the report.
    """
    run_dir = RunDirectory(folder)
    return {"figures": _fit(run_dir, TaskData.load(run_dir.data_dir), secrets, report)}


def _fit(run_dir: RunDirectory, data: TaskData, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Train on `data` as run.json says, and measure; → figures of the report."""
    with running(run_dir.spec.remote_code):
        return _measured(run_dir, data, secrets, report)


def _measured(run_dir: RunDirectory, data: TaskData, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    spec, task = run_dir.spec, run_dir.spec.task["task"]
    framework = FRAMEWORKS[spec.framework]
    config = validate_config(spec.framework, task, spec.config)
    base = framework.locate_base(spec.base_model)
    if base is None:
        raise UserError(
            f"The base model {spec.base_model!r} is not on this machine.", "Fetch it first, or give a local folder."
        )
    framework.check_base(base, task)
    framework.check_config(config, task)
    hand_over(framework, secrets)
    started = time.monotonic()
    framework.train(config, task, data, base, run_dir.model_dir, report)
    vouch(run_dir.model_dir)
    seconds = round(time.monotonic() - started, 2)
    figures = evaluate(spec.framework, task, data, run_dir.model_dir, report, base, config)
    return figures | {"seconds": {"train": seconds} | figures.get("seconds", {})}


def hand_over(framework: Framework, secrets: dict[str, str]) -> None:
    """Let the framework's library find its key where it looks for one: in this process's environment, from now on.

    The rows are made by then; no other child is started with it.
    """
    remember(*secrets.values())
    os.environ.update({name: secrets[name] for name in framework.secrets if secrets.get(name)})


def _train(run_dir: RunDirectory, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    spec = run_dir.spec
    framework = FRAMEWORKS[spec.framework]
    run_dir.write_spec(spec.model_copy(update={"versions": package_versions(framework.requires)}))
    report.stage("preparing")
    prepared = prepare_run(run_dir, report)
    figures = _fit(run_dir, prepared.data, secrets, report)
    write_report(run_dir, spec, prepared, figures | {"stopped_early": report.stop_requested})
    return {"metrics": figures["metrics"], "n_test": figures["n"]["test"], "seconds": figures["seconds"]["train"]}


def publish(folder: Path, secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Push the run above this publish folder to the Hub, as request.json says."""
    from engine.publishing.hub import publish as push

    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    run_dir = RunDirectory(folder.parent)
    report.stage("publishing")
    return push(run_dir, request["repo_id"], private=request["private"], token=secrets["token"], report=report)


def open_dataset(run_dir: RunDirectory, report: Report) -> FeedbackDataset:
    """The run's dataset: the imported one beside the runs, or read again from its source into the run directory."""
    wanted, kept = run_dir.spec.dataset, run_dir.path.parent.parent / "datasets"
    known = str(wanted.get("id") or "")
    if NAME.fullmatch(known) and (kept / known / SCHEMA_FILE).is_file():
        return _with_derived(FeedbackDataset.load(inside(kept, known)), run_dir.spec)
    folder = run_dir.path / "dataset"
    if not (folder / SCHEMA_FILE).is_file():
        import_source(wanted["source"], folder, report=report)
    return _with_derived(FeedbackDataset.load(folder), run_dir.spec)


def _with_derived(dataset: FeedbackDataset, spec: RunSpec) -> FeedbackDataset:
    """The dataset with the questions that `spec` makes of its columns, where it says which."""
    if "derived" not in spec.dataset:
        return dataset
    return dataset.with_questions_from_fields([DerivedQuestion(**d) for d in spec.dataset["derived"]])


def prepare_run(run_dir: RunDirectory, report: Report) -> Prepared:
    """The run's rows, split and stored in data/, with account.json: every record left out, by reason."""
    prepared = _prepared(open_dataset(run_dir, report), run_dir.spec)
    prepared.data.save(run_dir.data_dir)
    account = {"left_out": prepared.rows.left_out, "counts": prepared.rows.counts, "printed": prepared.rows.stdout}
    write_text(run_dir.data_dir / "account.json", json.dumps(account, ensure_ascii=False))
    for reason, records in prepared.rows.left_out.items():
        report.note(f"{len(records):,} records left out: {reason}.")
    return prepared


def _prepared(dataset: FeedbackDataset, spec: RunSpec) -> Prepared:
    """The rows of the records that `spec` chooses."""
    if spec.filter_by:
        dataset = dataset.filter_by(**spec.filter_by)
    if spec.sort_by:
        dataset = dataset.sort_by(spec.sort_by)
    return prepare(dataset.head(spec.max_records), TrainingTask.from_dict(spec.task), spec.split)


def export(folder: Path, _secrets: dict[str, str], report: Report) -> dict[str, Any]:
    """Write the rows of the spec in request.json for its framework's provider: {"path": the .zip}."""
    spec = RunSpec.model_validate(json.loads((folder / REQUEST).read_text(encoding="utf-8"))["spec"])
    report.stage("preparing")
    dataset = FeedbackDataset.load(inside(folder.parents[1] / "datasets", spec.dataset["id"]))
    return {"path": str(export_rows(dataset, spec, folder))}


def export_rows(dataset: FeedbackDataset, spec: RunSpec, folder: Path) -> Path:
    """A .zip in `folder` with a file for each part of the rows, as the framework would send them.

    Raises UserError for rows or hyperparameters that could not be trained on either.
    """
    from engine.publishing.provenance import suggested_name

    framework, task = FRAMEWORKS[spec.framework], spec.task["task"]
    config = validate_config(spec.framework, task, spec.config)
    data = _prepared(_with_derived(dataset, spec), spec).data
    path = folder / f"{suggested_name(spec)}-rows.zip"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        unfinished = Path(scratch) / path.name
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in framework.export_rows(config, task, data, Path(scratch) / "rows"):
                archive.write(file, file.name)
        unfinished.replace(path)
    return path


def write_report(run_dir: RunDirectory, spec: RunSpec, prepared: Prepared, figures: dict[str, Any]) -> None:
    """report.json: the figures with what they are about; and the model card made from both."""
    from engine.publishing.model_card import build_card

    report = {
        "task": prepared.task,
        "framework": spec.framework,
        "base_model": spec.base_model,
        "dataset": {"name": spec.dataset.get("name"), "source": public_source(spec.dataset.get("source", {}))},
        "info": prepared.data.info,
        "counts": prepared.rows.counts,
        "left_out": {reason: len(records) for reason, records in prepared.rows.left_out.items()},
    }
    run_dir.write_report(report | figures)
    write_text(run_dir.card_file, build_card(run_dir))


def public_source(source: dict[str, Any]) -> dict[str, Any]:
    """A dataset's source without this machine's paths."""
    return {key: value for key, value in source.items() if key != "path"}


def package_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Python's version and those of `packages` and the libraries under them, as installed."""
    found = {"python": platform.python_version()}
    for package in dict.fromkeys((*packages, *RECORDED_PACKAGES)):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
