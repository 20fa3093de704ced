"""The datasets on this machine, a folder each: importing them, opening them, the examples that everybody sees."""

import json
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from engine.data.examples import EXAMPLES, example_by_name
from engine.data.feedback_dataset import SCHEMA_FILE, FeedbackDataset
from engine.limits import check_no_secret
from engine.paths import inside
from engine.runs import job
from engine.runs.job import JobStatus
from engine.runs.run_directory import write_text
from engine.settings import Settings
from engine.uploads import keep_copy

REQUEST = "request.json"
EXAMPLE_ID = "example-"  # how the ids of examples that everybody sees begin


class DatasetFolders:
    """The part of the supervisor that is about datasets."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.datasets_dir.mkdir(parents=True, exist_ok=True)
        self._reading_example = threading.Lock()

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
