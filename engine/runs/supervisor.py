"""The page's one door to processes: datasets being imported, base models being fetched, runs, predictions, publishing.

Keeps nothing in memory that a second page process would need: state is read from the folders and their locks.
"""

import hashlib
import json
import secrets
import shutil
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import trust
from engine.data.examples import EXAMPLES, example_by_name
from engine.data.feedback_dataset import SCHEMA_FILE, FeedbackDataset
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
from engine.runs.events import read_events
from engine.runs.job import JobStatus
from engine.runs.readiness import Readiness, RowsCheck, check_rows, readiness
from engine.runs.run_directory import RunDirectory, RunSpec, write_text
from engine.runs.store import RunStore, RunSummary
from engine.runs.work import export_rows
from engine.settings import Settings
from engine.trust import RemoteCode
from engine.uploads import keep_copy

REQUEST = "request.json"
CHECKED_HERE = 20_000  # records
CHECKS_KEPT = 16  # results of check_rows: numbers and sentences only
RUN_MODEL = "model"
EXAMPLE_ID = "example-"  # how the ids of examples that everybody sees begin


class Supervisor:
    """Starts workers and tells what became of them. One per page process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        for folder in (settings.datasets_dir, settings.runs_dir, self._fetches):
            folder.mkdir(parents=True, exist_ok=True)
        self.store = RunStore(settings.data_root / "runs.db")
        self.predictor = PredictClient()
        self._reading_example = threading.Lock()
        self._checked: dict[str, RowsCheck] = {}
        self._secrets: dict[str, str] = {}
        remember(settings.hf_token, *settings.provider_keys.values())

    # ---- datasets ---------------------------------------------------------------------------------------------------

    def import_dataset(self, source: dict[str, Any], token: str | None = None) -> str:
        """Start reading `source`; returns the new dataset's id at once. An uploaded file is kept beside its dataset."""
        check_no_secret(source)
        dataset_id = time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)
        folder = self.settings.datasets_dir / dataset_id
        folder.mkdir()
        self._read(source, folder, token)
        return dataset_id

    def _read(self, source: dict[str, Any], folder: Path, token: str | None = None) -> None:
        if source["kind"] == "file":
            source = source | {"path": str(keep_copy(Path(source["path"]), folder / "source", source.get("name")))}
        write_text(folder / REQUEST, json.dumps({"source": source}, ensure_ascii=False))
        job.spawn("import", folder, secret={"token": token} if token else None, offline=source["kind"] != "hub")

    def shown_example(self, name: str | None = None) -> str:
        """The id of the copy of a bundled example that everybody may look at: read when it is first asked for."""
        name = example_by_name(name).name
        folder = self.settings.datasets_dir / (EXAMPLE_ID + name)
        with self._reading_example:
            folder.mkdir(exist_ok=True)
            if not (folder / REQUEST).is_file() or job.status(folder).state in ("failed", "interrupted"):
                (folder / "events.jsonl").unlink(missing_ok=True)
                self._read({"kind": "example", "name": name}, folder)
        return folder.name

    @staticmethod
    def is_shown_example(dataset_id: str) -> bool:
        """Whether a dataset is open to everybody who can open the page."""
        return dataset_id in {EXAMPLE_ID + name for name in EXAMPLES}

    def dataset_folder(self, dataset_id: str) -> Path:
        return inside(self.settings.datasets_dir, dataset_id)

    def dataset_status(self, dataset_id: str) -> JobStatus:
        return job.status(self.dataset_folder(dataset_id))

    def dataset(self, dataset_id: str) -> FeedbackDataset:
        """The imported dataset, memory-mapped."""
        return FeedbackDataset.load(self.dataset_folder(dataset_id))

    def dataset_source(self, dataset_id: str) -> dict[str, Any]:
        """What `import_dataset` was asked to read."""
        return json.loads((self.dataset_folder(dataset_id) / REQUEST).read_text(encoding="utf-8"))["source"]

    def profile(self, dataset_id: str) -> dict[str, Any]:
        """profile.json of an imported dataset: counts, histograms, duplicates."""
        return json.loads((self.dataset_folder(dataset_id) / "profile.json").read_text(encoding="utf-8"))

    def datasets(self) -> list[str]:
        """Ids of the datasets that can be opened, newest first."""
        folders = sorted(self.settings.datasets_dir.iterdir(), reverse=True)
        return [f.name for f in folders if (f / SCHEMA_FILE).is_file() and not f.is_symlink()]

    def delete_dataset(self, dataset_id: str) -> None:
        job.stop(self.dataset_folder(dataset_id))
        shutil.rmtree(self.dataset_folder(dataset_id))

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
        """Start a run; returns its id at once."""
        check_no_secret(spec.model_dump())
        framework = FRAMEWORKS[spec.framework]
        overlay = framework.overlays.get(spec.task["task"])
        with trust.running(spec.remote_code):
            framework.locate_base(spec.base_model)  # raises for code that nobody has approved
        run_dir = RunDirectory.create(self.settings.runs_dir, spec)
        job.spawn(
            "train",
            run_dir.path,
            secret=self.secrets_of(framework),
            offline=not framework.needs_network,
            overlay=overlay,
        )
        return run_dir.id

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
        return job.status(self.run(run_id).path)

    def stop(self, run_id: str, *, keep_best: bool = False) -> bool:
        """Cancel a run, or with `keep_best` end its training and go on to evaluate the best model so far."""
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
