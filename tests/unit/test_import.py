"""Importing into a folder: streamed, all or nothing, with progress; memory does not grow with the rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.readers import import_source
from engine.errors import UserError
from engine.runs.events import Report

ROOT = Path(__file__).resolve().parents[2]


class _Heard(Report):
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.steps: list[tuple[int, int | None]] = []
        self.notes: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, step: int, total: int | None, **_: Any) -> None:
        self.steps.append((step, total))

    def note(self, text: str) -> None:
        self.notes.append(text)


def _csv(folder: Path, rows: int) -> Path:
    path = folder / "notes.csv"
    path.write_text("text,label\n" + "".join(f"This is text {i}.,{'ab'[i % 2]}\n" for i in range(rows)))
    return path


def test_import_writes_a_dataset_that_loads_the_same(tmp_path: Path) -> None:
    report = _Heard()
    source = {"kind": "file", "path": str(_csv(tmp_path, 25_000))}
    dataset = import_source(source, tmp_path / "dataset", report=report)
    again = FeedbackDataset.load(tmp_path / "dataset")
    assert again.table.equals(dataset.table)
    assert again.question_by_name("label").classes == ("a", "b")
    assert report.stages == ["reading", "profiling"]
    assert report.steps == [(10_000, 25_000), (20_000, 25_000), (25_000, 25_000)]
    assert json.loads((tmp_path / "dataset" / "profile.json").read_text())["records"] == 25_000


def test_import_does_not_keep_paths_of_this_machine(tmp_path: Path) -> None:
    import_source({"kind": "file", "path": str(_csv(tmp_path, 10))}, tmp_path / "dataset")
    for name in ("schema.json", "profile.json"):
        assert str(tmp_path) not in (tmp_path / "dataset" / name).read_text()


def test_import_passes_notes_on(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("text,,label\nOne.,1,a\nTwo.,2,NaN\n")
    report = _Heard()
    dataset = import_source({"kind": "file", "path": str(path)}, tmp_path / "dataset", report=report)
    assert (
        report.notes
        == dataset.schema.notes
        == [
            "Column 2 has no name; it is called “column_2” here.",
            "1 cells that say NaN or #N/A are read as missing.",
        ]
    )


def test_import_that_fails_leaves_an_earlier_dataset_alone(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    import_source({"kind": "file", "path": str(_csv(tmp_path, 10))}, folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a"}\nnot json\n')
    with pytest.raises(UserError, match="line 2 is not JSON"):
        import_source({"kind": "file", "path": str(bad)}, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_import_on_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from engine.data.readers import import_source\nfrom engine.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # writes beyond it fail as on a full disk\n"
        "try:\n    import_source({'kind': 'file', 'path': sys.argv[1]}, Path(sys.argv[2]))\n"
        "except UserError as error:\n    print(error)\n"
    )
    path = _csv(tmp_path, 20_000)
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "dataset")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == (
        "There is no room left on the disk for this dataset. "
        "Delete datasets or runs that are no longer needed, or load a smaller part of the data."
    ), done.stderr
    assert list((tmp_path / "dataset").iterdir()) == []


def test_import_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        import_source({"kind": "ftp"}, tmp_path)
    assert str(caught.value) == "There is no kind of source 'ftp'. Use file, hub or example."


def test_import_of_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        import_source({"kind": "file", "path": str(tmp_path / "gone.csv")}, tmp_path)
    assert str(caught.value) == "There is no file “gone.csv”. Choose the file again."


def test_import_loads_no_heavy_library() -> None:
    code = (
        "import sys, engine.data.readers\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_import_of_a_million_rows_stays_under_700_megabytes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"big.{kind}"
    texts = [
        f"This is the text of the record number {i}, and it goes on for a while as messages do." for i in range(10_000)
    ]
    with (
        path.open("w")
        if kind != "parquet"
        else pq.ParquetWriter(path, pa.schema({"text": "string", "label": "string"})) as out
    ):
        if kind == "csv":
            out.write("text,label\n")
        for part in range(100):
            rows = [{"text": f"{part}: {text}", "label": f"l{i % 20}"} for i, text in enumerate(texts)]
            if kind == "parquet":
                out.write_table(pa.Table.from_pylist(rows))
            elif kind == "csv":
                out.writelines(f'"{row["text"]}",{row["label"]}\n' for row in rows)
            else:
                out.writelines(json.dumps(row) + "\n" for row in rows)
    code = (
        "import re, sys\nfrom pathlib import Path\nfrom engine.data.readers import import_source\n"
        "dataset = import_source({'kind': 'file', 'path': sys.argv[1]}, Path(sys.argv[2]))\n"
        "print(len(dataset), len(dataset.question_by_name('label').classes), len(dataset.records[999_999].responses))\n"
        # not ru_maxrss: that one is inherited from the process that started this one
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "dataset")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    *counts, megabytes = done.stdout.split()
    assert counts == ["1000000", "20", "1"], done.stderr
    assert int(megabytes) < 700
