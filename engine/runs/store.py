"""SQLite index of ended runs, for the Runs page. Only the page process opens it; the directories are the truth."""

import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIGRATIONS = (
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, title TEXT, dataset TEXT, task TEXT, framework TEXT, base_model TEXT,
        state TEXT, created REAL, seconds REAL, metrics TEXT, n_train INTEGER, n_test INTEGER
    )""",
)


@dataclass
class RunSummary:
    """One line of the Runs page. `metrics`: the test figures, None without any; `seconds`: wall time of the run."""

    id: str
    title: str
    dataset: str
    task: str
    framework: str
    base_model: str
    state: str
    created: float
    seconds: float | None
    metrics: dict[str, Any] | None
    n_train: int | None
    n_test: int | None


class RunStore:
    """Rows of ended runs. Deleting the file loses nothing: `put` fills it again from the run directories."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=DELETE")  # safe on network disks too (trackio's lesson)
        self._migrate()

    def _migrate(self) -> None:
        (done,) = self._db.execute("PRAGMA user_version").fetchone()
        for number, statement in enumerate(MIGRATIONS[done:], start=done + 1):
            self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={number}")
        self._db.commit()

    def get(self, run_id: str) -> RunSummary | None:
        with self._lock:
            row = self._db.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
        return _summary(row) if row else None

    def put(self, run: RunSummary) -> None:
        """Add or replace a run's row."""
        values = vars(run) | {"metrics": json.dumps(run.metrics)}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with self._lock, self._db:
            self._db.execute(f"INSERT OR REPLACE INTO runs ({names}) VALUES ({marks})", values)

    def delete(self, run_id: str) -> None:
        with self._lock, self._db:
            self._db.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def pace(self, framework: str, base_model: str) -> float | None:
        """Seconds per training row of this machine's finished runs with the same framework and base model (median)."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seconds / n_train AS pace FROM runs WHERE state = 'finished' AND n_train > 0"
                " AND framework = ? AND base_model = ? ORDER BY pace",
                (framework, base_model),
            ).fetchall()
        return rows[len(rows) // 2]["pace"] if rows else None


def _summary(row: sqlite3.Row) -> RunSummary:
    return RunSummary(**{**dict(row), "metrics": json.loads(row["metrics"])})
