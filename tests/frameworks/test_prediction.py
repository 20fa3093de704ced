"""The warm predict process and its client: real process, real (small) model, files in every format."""

import csv
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.prediction.client import PredictClient
from engine.registry import FRAMEWORKS
from tests.frameworks.topics import TASK, topic_data, train

pytestmark = pytest.mark.slow

TEXTS = ["The striker missed a penalty.", "Rain and fog again."]
INFO = {"classes": ["weather", "cooking", "football"], "multi_label": False}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(
        "spacy",
        {"architecture": "bow", "max_epochs": 20, "learn_rate": 0.01},
        topic_data(),
        tmp_path_factory.mktemp("spacy"),
    )


@pytest.fixture(scope="module")
def client() -> Iterator[PredictClient]:
    client = PredictClient()
    yield client
    client.close()


def predicted_file(client: PredictClient, model_dir: Path, source: Path, **options: Any) -> tuple[dict, list[dict]]:
    """(the result, the progress lines) of predicting `source` into a file of the same ending."""
    arguments = {"info": INFO, "input": source, "output": source.with_name("out" + source.suffix), "columns": {}}
    *progress, result = client.predict_file(model_dir, "spacy", TASK, **(arguments | options))
    return result, progress


def test_predicts_as_the_model_does_and_stays_warm(client: PredictClient, model_dir: Path) -> None:
    direct = FRAMEWORKS["spacy"].load(model_dir, TASK).predict(TEXTS)
    first = client.predict(model_dir, "spacy", TASK, TEXTS)
    process = next(iter(client._processes.values()))._process.pid
    started = time.monotonic()
    assert client.predict(model_dir, "spacy", TASK, TEXTS) == first
    assert time.monotonic() - started < 1
    assert next(iter(client._processes.values()))._process.pid == process
    for ours, theirs in zip(first, direct, strict=True):
        assert [row["label"] for row in ours] == [row["label"] for row in theirs]
        assert [row["score"] for row in ours] == pytest.approx([row["score"] for row in theirs], abs=1e-5)


def test_process_holds_no_secret(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk_very_secret")
    client = PredictClient()
    client.predict(model_dir, "spacy", TASK, TEXTS)
    environment = Path(f"/proc/{next(iter(client._processes.values()))._process.pid}/environ").read_bytes()
    client.close()
    assert b"very_secret" not in environment
    assert b"HF_HUB_OFFLINE=1" in environment


def test_process_that_died_is_started_again(client: PredictClient, model_dir: Path) -> None:
    before = client.predict(model_dir, "spacy", TASK, TEXTS)
    os.kill(next(iter(client._processes.values()))._process.pid, signal.SIGKILL)
    next(iter(client._processes.values()))._process.wait()
    assert client.predict(model_dir, "spacy", TASK, TEXTS) == before


def test_death_while_answering_is_said(client: PredictClient, model_dir: Path) -> None:
    client.predict(model_dir, "spacy", TASK, TEXTS)
    pid = next(iter(client._processes.values()))._process.pid
    os.kill(pid, signal.SIGSTOP)
    answers = next(iter(client._processes.values())).ask(
        {"model_dir": str(model_dir), "framework": "spacy", "task": TASK, "inputs": TEXTS}
    )
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(UserError) as caught:
        next(answers)
    assert str(caught.value) == (
        "The predict process ended before it answered; the machine may be out of memory. "
        "Try again, or use a smaller model."
    )
    assert client.predict(model_dir, "spacy", TASK, TEXTS)


def test_process_ends_with_its_parent(model_dir: Path) -> None:
    client = PredictClient()
    client.predict(model_dir, "spacy", TASK, TEXTS)
    next(iter(client._processes.values()))._process.stdin.close()
    assert next(iter(client._processes.values()))._process.wait(timeout=10) == 0
    client.close()


@pytest.mark.parametrize(
    "inputs,sentence",
    [([3], "Input 1 is 3 (int), not a text."), ([TEXTS[0], None], "Input 2 is None (NoneType), not a text.")],
)
def test_wrong_input_is_said_and_the_process_lives_on(
    client: PredictClient, model_dir: Path, inputs: list[Any], sentence: str
) -> None:
    with pytest.raises(UserError) as caught:
        client.predict(model_dir, "spacy", TASK, inputs)
    assert caught.value.message == sentence
    pid = next(iter(client._processes.values()))._process.pid
    assert client.predict(model_dir, "spacy", TASK, TEXTS)
    assert next(iter(client._processes.values()))._process.pid == pid


def test_model_that_is_gone_is_said(client: PredictClient, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        client.predict(tmp_path / "gone", "spacy", TASK, TEXTS)
    assert str(caught.value) == "This model is no longer on the disk. Choose another run."


def check_rows(rows: list[dict[str, Any]], empty: Any) -> None:
    """Three rows in their order: football, a missing text, weather."""
    assert [row["prediction"] for row in rows] == ["football", empty, "weather"]
    assert [row["id"] for row in rows] == ["007", "008", "009"]
    assert rows[1]["score"] == rows[1]["score_weather"] == empty
    assert float(rows[0]["score_football"]) == float(rows[0]["score"]) > 0.4


@pytest.mark.parametrize("ending,delimiter", [(".csv", ","), (".tsv", "\t")])
def test_csv_comes_back_with_predictions(
    client: PredictClient, model_dir: Path, tmp_path: Path, ending: str, delimiter: str
) -> None:
    source = tmp_path / f"in{ending}"
    with source.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(
            [["id", "text"], ["007", TEXTS[0]], ["008", ""], ["009", "Rain,\nfog\tand “wind” again."]]
        )
    result, progress = predicted_file(client, model_dir, source)
    assert {name: result[name] for name in ("rows", "empty", "columns")} == {
        "rows": 3,
        "empty": 1,
        "columns": {"text": "text"},
    }
    assert progress == [{"step": 2, "total": 2}]
    with Path(result["path"]).open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter))
    check_rows(rows, "")
    assert rows[2]["text"] == "Rain,\nfog\tand “wind” again."


def test_json_lines_and_parquet_come_back_with_predictions(
    client: PredictClient, model_dir: Path, tmp_path: Path
) -> None:
    rows = [
        {"id": "007", "text": TEXTS[0], "tags": ["a"]},
        {"id": "008", "text": None, "tags": []},
        {"id": "009", "text": TEXTS[1], "tags": None},
    ]
    lines, parquet = tmp_path / "in.jsonl", tmp_path / "in.parquet"
    lines.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    result, _ = predicted_file(client, model_dir, lines)
    check_rows([json.loads(line) for line in Path(result["path"]).read_text().splitlines()], None)
    result, _ = predicted_file(client, model_dir, parquet)
    found = pq.read_table(result["path"]).to_pylist()
    check_rows(found, None)
    assert [row["tags"] for row in found] == [["a"], [], None]


def test_file_without_the_column_names_those_it_has(client: PredictClient, model_dir: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,message\n1,Rain\n")
    with pytest.raises(UserError) as caught:
        predicted_file(client, model_dir, source, columns={"text": "text"})
    assert str(caught.value) == "The file has no column named 'text'. Its columns: id, message."
