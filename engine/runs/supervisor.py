"""The page's one door to processes: datasets being imported, base models being fetched, runs, predictions, publishing.

Keeps nothing in memory that a second page process would need: state is read from the folders and their locks.
"""

import hashlib
import json
import secrets
import shutil
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import trust
from engine.errors import UserError
from engine.frameworks import base_models
from engine.frameworks.framework import Framework, SuggestedModel
from engine.frameworks.validation import validate_config
from engine.limits import check_file, check_inputs, check_no_secret
from engine.paths import file_name, inside
from engine.prediction.client import PredictClient
from engine.redaction import remember
from engine.registry import FRAMEWORKS
from engine.runs import job
from engine.runs.dataset_folders import REQUEST, DatasetFolders
from engine.runs.events import EventWriter, read_events
from engine.runs.job import JobStatus
from engine.runs.queue import RunQueue
from engine.runs.readiness import Readiness, RowsCheck, check_rows, readiness
from engine.runs.run_directory import RunDirectory, RunSpec, write_text
from engine.runs.store import RunStore, RunSummary
from engine.runs.work import export_rows
from engine.settings import Settings
from engine.trust import RemoteCode

CHECKED_HERE = 20_000  # records
CHECKS_KEPT = 16  # results of check_rows: numbers and sentences only
RUN_MODEL = "model"


class Supervisor(DatasetFolders):
    """Starts workers and tells what became of them. One per page process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        for folder in (settings.runs_dir, self._fetches):
            folder.mkdir(parents=True, exist_ok=True)
        self.store = RunStore(settings.data_root / "runs.db")
        self.predictor = PredictClient()
        self.queue = RunQueue(settings.data_root / "queue", settings.runs_dir, self._spawn)
        self._checked: dict[str, RowsCheck] = {}
        self._secrets: dict[str, str] = {}
        remember(settings.hf_token, *settings.provider_keys.values())

    # ---- base models ------------------------------------------------------------------------------------------------

    @property
    def _fetches(self) -> Path:
        return self.settings.data_root / "fetches"

    def fetch(
        self,
        framework: str,
        task: str,
        base_model: str,
        token: str | None = None,
        config: dict[str, Any] | None = None,
        remote_code: RemoteCode | None = None,
    ) -> str:
        """Start downloading what this choice needs and lacks, unless that is under way: its overlay, its base model
        (with its own code, where that is approved), and the models that its hyperparameters `config` name.

        Returns the id to ask `fetch_status` for.
        """
        check_no_secret([base_model, config])
        fetch_id = self.fetch_id(framework, task, base_model)
        folder = self._fetches / fetch_id
        folder.mkdir(exist_ok=True)
        if not job.status(folder).state == "running":
            (folder / "events.jsonl").unlink(missing_ok=True)
            request = {"base_model": base_model, "overlay": FRAMEWORKS[framework].overlays.get(task)}
            others = FRAMEWORKS[framework].other_models(validate_config(framework, task, config or {}), task)
            code = remote_code or base_models.approved_code(base_model)
            request |= {"models": others, "remote_code": code and code.model_dump()}
            write_text(folder / REQUEST, json.dumps(request))
            job.spawn("fetch", folder, secret={"token": token} if token else None, offline=False)
        return fetch_id

    @staticmethod
    def fetch_id(framework: str, task: str, base_model: str) -> str:
        """The id under which the download of a base model (and of an overlay) is known."""
        overlay = FRAMEWORKS[framework].overlays.get(task) or ""
        return hashlib.sha256(f"{overlay}\n{base_model}".encode()).hexdigest()[:16]

    def fetch_status(self, fetch_id: str) -> JobStatus:
        return job.status(inside(self._fetches, fetch_id))

    # ---- runs -------------------------------------------------------------------------------------------------------

    def readiness(self, spec: RunSpec) -> Readiness:
        """What blocks a run, its sizes, and how long it may take."""
        found = readiness(spec, self.check(spec), pace=self.store.pace(spec.framework, spec.base_model))
        framework = FRAMEWORKS[spec.framework]
        for name in framework.secrets:
            if name not in self.secrets_of(framework):
                found.blocking.append(
                    f"{framework.label} needs a key: {name}. Enter it, or set it where Annotune runs."
                )
        return found

    def check(self, spec: RunSpec) -> RowsCheck:
        """What the rows of a run come to. They are looked at again only when data, task or split change."""
        key = json.dumps(
            [spec.dataset, spec.task, spec.split.model_dump(), spec.max_records], sort_keys=True, default=str
        )
        if key not in self._checked:
            if len(self._checked) >= CHECKS_KEPT:
                self._checked.pop(next(iter(self._checked)))
            self._checked[key] = self._check_rows(spec, key)
        return self._checked[key]

    def _check_rows(self, spec: RunSpec, key: str) -> RowsCheck:
        """Small datasets are looked at here; large ones by a worker, so that the page stays small. Waits for it."""
        dataset = self.dataset(spec.dataset["id"])
        if len(dataset) <= CHECKED_HERE:
            return check_rows(dataset, spec)
        folder = self.settings.data_root / "checks" / hashlib.sha256(key.encode()).hexdigest()[:16]
        try:
            found = RowsCheck(**self._worked("check", folder, spec))
        except UserError as error:
            return RowsCheck(blocking=(str(error),))
        return replace(found, sizes=tuple(found.sizes) if found.sizes else None)

    def _worked(self, verb: str, folder: Path, spec: RunSpec) -> dict[str, Any]:
        """The result of a worker that looks at the rows of `spec`; waits for it. Raises UserError when it failed."""
        check_no_secret(spec.model_dump())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "events.jsonl").unlink(missing_ok=True)
        write_text(folder / REQUEST, json.dumps({"spec": spec.model_dump()}))
        job.spawn(verb, folder, offline=True)
        while (status := job.status(folder)).live:
            time.sleep(0.05)
        if status.state != "finished":
            raise UserError(status.message, status.hint)
        return status.result

    def export_rows(self, spec: RunSpec) -> Path:
        """A .zip of the rows as the files that the framework's provider takes, one a part. No key is needed.

        Waits until it is written. Raises UserError when the framework has no such files, or the rows can't be made.
        """
        framework = FRAMEWORKS[spec.framework]
        if not framework.exports_rows:
            raise UserError(f"{framework.label} has no files of rows.", "Choose another framework to download them.")
        key = hashlib.sha256(spec.model_dump_json(exclude={"title", "created", "card"}).encode()).hexdigest()[:16]
        folder = self.settings.data_root / "exports" / key
        folder.mkdir(parents=True, exist_ok=True)
        dataset = self.dataset(spec.dataset["id"])
        if len(dataset) <= CHECKED_HERE:
            return export_rows(dataset, spec, folder)
        return Path(self._worked("export", folder, spec)["path"])

    def remote_models(self, framework: str, config: dict[str, Any] | None = None) -> list[SuggestedModel] | None:
        """The base models that the framework's provider offers now; None: it has none of its own.

        `config`: hyperparameters chosen so far, such as the provider's address: its key is sent there, so ask only for
        its owner. Raises UserError in words.
        """
        chosen = FRAMEWORKS[framework]
        return chosen.remote_models(self.secrets_of(chosen), config or {})

    def start(self, spec: RunSpec) -> str:
        """Start a run, or let it wait until those before it have ended; returns its id at once."""
        check_no_secret(spec.model_dump())
        framework = FRAMEWORKS[spec.framework]
        with trust.running(spec.remote_code):
            framework.locate_base(spec.base_model)  # raises for code that nobody has approved
        run_id = RunDirectory.create(self.settings.runs_dir, spec).id
        if framework.trains_elsewhere:
            self._spawn(run_id)
        else:
            self.queue.add(run_id)
        return run_id

    def _spawn(self, run_id: str) -> None:
        """Start a run's worker; what keeps it from starting is told as the run's end."""
        run_dir = self.run(run_id)
        framework, task = FRAMEWORKS[run_dir.spec.framework], run_dir.spec.task["task"]
        overlay, keys = framework.overlays.get(task), self.secrets_of(framework)
        try:
            job.spawn("train", run_dir.path, secret=keys, offline=not framework.needs_network, overlay=overlay)
        except UserError as error:
            EventWriter(run_dir.events_file).write("failed", message=error.message, hint=error.hint)

    def keep_secret(self, name: str, value: str) -> None:
        """Keep a provider's key, typed by the owner, in this process's memory alone; empty text forgets it."""
        self._secrets[name] = value.strip()
        remember(value.strip())

    def secrets_of(self, framework: Framework) -> dict[str, str]:
        """The keys that a framework's workers are handed on stdin: none for most."""
        known = self.settings.provider_keys | {name: value for name, value in self._secrets.items() if value}
        return {name: known[name] for name in framework.secrets if name in known}

    def run(self, run_id: str) -> RunDirectory:
        return RunDirectory(inside(self.settings.runs_dir, run_id))

    def status(self, run_id: str) -> JobStatus:
        """What is true of a run now; `ahead` while it waits in the queue."""
        status, waiting = job.status(self.run(run_id).path), self.queue.waiting()
        if status.state == "waiting" and run_id in waiting:
            status.ahead = waiting.index(run_id) + 1  # and the one that is at work
        return status

    def stop(self, run_id: str, *, keep_best: bool = False) -> bool:
        """Cancel a run, or with `keep_best` end its training and go on to evaluate the best model so far."""
        if not keep_best and self.queue.remove(run_id):
            EventWriter(self.run(run_id).events_file).write("cancelled", message="Taken out of the queue.")
            return True
        return job.stop(self.run(run_id).path, keep_best=keep_best)

    def delete(self, run_id: str) -> None:
        """Delete a run with its model. A live one is refused."""
        if self.status(run_id).live:
            raise UserError("This run is still at work.", "Stop it first, then delete it.")
        shutil.rmtree(self.run(run_id).path)
        self.store.delete(run_id)

    def history(self, run_id: str) -> dict[str, list[tuple[int, float]]]:
        """The run's metrics for plots: name → [(step, value), …]."""
        series: dict[str, list[tuple[int, float]]] = {}
        for event in read_events(self.run(run_id).events_file):
            if event["kind"] == "metrics":
                for name, value in event["values"].items():
                    series.setdefault(name, []).append((event["step"], value))
        return series

    def log_tail(self, run_id: str, lines: int = 200) -> str:
        """The last lines of the run's log."""
        path = self.run(run_id).log_file
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, maxlen=lines))

    def runs(self) -> list[RunSummary]:
        """All runs, newest first. Ended ones come from the index, which is filled from the directories as needed."""
        found = []
        for folder in sorted(self.settings.runs_dir.iterdir(), reverse=True):
            if (folder / "run.json").is_file() and not folder.is_symlink():
                found.append(self.store.get(folder.name) or self._summarise(RunDirectory(folder)))
        return found

    def _summarise(self, run_dir: RunDirectory) -> RunSummary:
        spec, status, report = run_dir.spec, job.status(run_dir.path), run_dir.report or {}
        counts = report.get("n", {})
        summary = RunSummary(
            id=run_dir.id,
            title=spec.title,
            dataset=spec.dataset.get("name", ""),
            task=spec.task["task"],
            framework=spec.framework,
            base_model=spec.base_model,
            state=status.state,
            created=spec.created,
            seconds=status.elapsed if status.ended else None,
            metrics=report.get("metrics"),
            n_train=counts.get("train"),
            n_test=counts.get("test"),
        )
        if not status.live:
            self.store.put(summary)
        return summary

    # ---- using a finished run ---------------------------------------------------------------------------------------

    def predict(
        self, run_id: str, inputs: list[Any], options: dict[str, Any] | None = None, *, before: bool = False
    ) -> list[Any]:
        """Predictions of a finished run's model, from the warm predict process; `before`: of its base model.

        `options`: keywords of the task's `predict_options`.
        """
        check_inputs(inputs)
        model = self._model(run_id)
        base = self.run(run_id).spec.base_model if before else None
        return self.predictor.predict(**model, inputs=inputs, options=options or {}, base_model=base)

    def predict_file(self, run_id: str, path: Path, columns: dict[str, str] | None = None) -> Any:
        """Yields {"step", "total"} while predicting every row of a file, and at last {"path", "rows", …}.

        `columns`: part of an input → column of the file, where they are not to be guessed.
        """
        check_file(path)
        name = file_name(path.name)
        folder = self.run(run_id).path / "predictions" / secrets.token_hex(4)
        folder.mkdir(parents=True)
        output = folder / f"{Path(name).stem}-predictions{Path(name).suffix}"
        files = {"input": path, "output": output, "columns": columns or {}}
        return self.predictor.predict_file(**self._model(run_id), info=self.run(run_id).report["info"], **files)

    def _model(self, run_id: str) -> dict[str, Any]:
        run_dir = self.run(run_id)
        status = job.status(run_dir.path)
        if status.state != "finished":
            raise UserError(f"This run has no finished model: it is {status.state}.", "Choose a finished run.")
        spec = run_dir.spec
        model = {"model_dir": run_dir.path / RUN_MODEL, "framework": spec.framework, "task": spec.task["task"]}
        model |= {"secrets": self.secrets_of(FRAMEWORKS[spec.framework])}
        return model | {"remote_code": spec.remote_code and spec.remote_code.model_dump()}

    def publish(self, run_id: str, repo_id: str, *, private: bool, token: str) -> None:
        """Start pushing a finished run to the Hub; calling again after a failure pushes what is missing."""
        self._model(run_id)
        folder = self.run(run_id).publish_dir
        folder.mkdir(exist_ok=True)
        if job.status(folder).state == "running":
            raise UserError("This model is being published already.", "Wait until it is done.")
        (folder / "events.jsonl").unlink(missing_ok=True)  # or the last try's end would be shown until it is up
        write_text(folder / REQUEST, json.dumps({"repo_id": repo_id, "private": private}))
        job.spawn("publish", folder, secret={"token": token}, offline=False)

    def publish_status(self, run_id: str) -> JobStatus:
        return job.status(self.run(run_id).publish_dir)

    def is_public(self, run_id: str) -> bool:
        """Whether a run's owner has published it for all to see, as the last push found its repository."""
        try:
            published = self.publish_status(run_id)
        except UserError:  # no such run
            return False
        return published.state == "finished" and published.result.get("private") is False

    def zip_model(self, run_id: str) -> Path:
        """A .zip of the finished model with its card and report, made once."""
        from engine.publishing.hub import zip_model

        self._model(run_id)
        return zip_model(self.run(run_id))

    def close(self) -> None:
        """Stop the warm predict process. Runs go on."""
        self.predictor.close()
