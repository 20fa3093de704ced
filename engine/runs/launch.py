"""`python -m engine train RUN_FILE`: the page's line from a terminal. Same run file, workers and run directory."""

import time
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.frameworks import base_models, overlays
from engine.frameworks.validation import validate_config
from engine.registry import FRAMEWORKS
from engine.runs import job
from engine.runs.events import FINAL, EventLog
from engine.runs.run_directory import RunDirectory, RunSpec, read_spec
from engine.runs.supervisor import Supervisor
from engine.settings import Settings
from engine.trust import running

POLL_SECONDS = 0.2


def run_file(path: Path, settings: Settings) -> int:
    """Import, fetch and train what the run file asks for, and print the report. Returns the exit code."""
    spec = read_spec(path)
    supervisor = Supervisor(settings)
    try:
        spec = _with_dataset(spec, path, supervisor)
        framework, task = FRAMEWORKS[spec.framework], spec.task["task"]
        if spec.remote_code is None:
            spec = spec.model_copy(update={"remote_code": base_models.approved_code(spec.base_model)})
        config = validate_config(spec.framework, task, spec.config)
        framework.check_run_file(config)
        overlay = framework.overlays.get(task)
        with running(spec.remote_code):
            lacking = framework.locate_base(spec.base_model) is None or framework.other_models(config, task)
        if lacking or (overlay and not overlays.is_installed(overlay)):
            wanted = spec.framework, task, spec.base_model, settings.hf_token or None, spec.config, spec.remote_code
            fetch_id = supervisor.fetch(*wanted)
            _follow(settings.data_root / "fetches" / fetch_id, f"base model {spec.base_model}")
        run_dir = supervisor.run(supervisor.start(spec))
        print(f"run {run_dir.id}", flush=True)
        _wait_for_its_turn(supervisor, run_dir.id)
        _follow(run_dir.path, spec.framework)
    except UserError as error:
        print(error)
        return 1
    print_report(run_dir)
    return 0


def _with_dataset(spec: RunSpec, path: Path, supervisor: Supervisor) -> RunSpec:
    """The spec with its dataset imported here, unless it names one that already is."""
    if spec.dataset.get("id") in supervisor.datasets():
        return spec
    source = dict(spec.dataset.get("source") or {})
    if "kind" not in source or "task" not in spec.task:
        lacking = '"dataset": {"source": {"kind": …}}' if "kind" not in source else '"task": {"task": …}'
        raise UserError(f"The run file has no {lacking}.", "Export one from the page, or see examples/run.json.")
    if source["kind"] == "file":  # a run file names a file beside itself, never a place on its writer's machine
        named = source.get("path") or source.get("name")
        if not named:
            raise UserError("The run file's dataset is a file without a name.", 'Give it "path", beside the run file.')
        source |= {"path": str((path.parent / named).resolve()), "name": source.get("name") or Path(named).name}
    dataset_id = supervisor.import_dataset(source, supervisor.settings.hf_token or None)
    _follow(supervisor.dataset_folder(dataset_id), "dataset")
    name = supervisor.dataset(dataset_id).name
    return spec.model_copy(update={"dataset": spec.dataset | {"id": dataset_id, "name": name}})


def _wait_for_its_turn(supervisor: Supervisor, run_id: str) -> None:
    """Until the runs before it have ended; Ctrl-C takes it out of the queue."""
    try:
        if supervisor.status(run_id).ahead:
            print(f"waiting for {supervisor.status(run_id).ahead} other run(s)", flush=True)
        while supervisor.status(run_id).ahead:
            time.sleep(POLL_SECONDS)
            supervisor.queue.advance()
    except KeyboardInterrupt:
        supervisor.stop(run_id)
        raise UserError("Stopped while it waited for its turn.") from None


def _follow(folder: Path, what: str) -> None:
    """Print a job's events until it ends. Raises UserError with its words when it did not finish; Ctrl-C cancels it."""
    log = EventLog(folder / "events.jsonl")
    try:
        while True:
            for event in log.poll():
                _print_event(what, event)
                if event["kind"] in FINAL:
                    break
            status = job.status(folder)
            if not status.live:
                break
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        job.stop(folder)
        raise UserError(f"Stopped: {what}.") from None
    if status.state != "finished":
        raise UserError(f"{what}: {status.state}. {status.message}", f"{status.hint} Log: {folder / 'log.txt'}")


def _print_event(what: str, event: dict[str, Any]) -> None:
    if event["kind"] == "stage":
        print(f"[{what}] {event['name']}", flush=True)
    elif event["kind"] == "note":
        print(f"[{what}] {event['text']}", flush=True)
    elif event["kind"] == "metrics":
        figures = "  ".join(f"{name} {value:.4f}" for name, value in event["values"].items())
        print(f"[{what}] step {event['step']}  {figures}", flush=True)


def print_report(run_dir: RunDirectory) -> None:
    """The figures of a finished run, and where its model is."""
    report = run_dir.report or {}
    counts = report["n"]
    print(f"\n{counts['train']} train / {counts['validation']} validation / {counts['test']} test rows")
    if report["metrics"]:
        baseline = report.get("baseline") or {"name": "", "metrics": {}}
        print(f"{'on ' + str(counts['test']) + ' test rows':24}{'trained':>10}  {baseline['name']}")
        for name, value in report["metrics"].items():
            beside = f"{baseline['metrics'][name]:.3f}" if name in baseline["metrics"] else ""
            print(f"{name:24}{value:10.3f}  {beside}")
        for row in report.get("per_label", ()):
            print(f"  {row['label']:22}f1 {row['f1']:.3f}  (n={row['n']})")
    print(f"model:  {run_dir.model_dir}\nreport: {run_dir.report_file}")
