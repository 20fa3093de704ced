"""The bundled example: what it promises is in it, and the committed files are those that its script writes."""

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import FeedbackDataset

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "support_messages"
PARQUET = Path("data") / "train-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pq.read_table(FOLDER / PARQUET)


@pytest.fixture(scope="module")
def dataset() -> FeedbackDataset:
    return FeedbackDataset.from_file(FOLDER)


def submitted(table: pa.Table, question: str) -> list[list[Any]]:
    """The submitted values of each record."""
    return [[a["value"] for a in answers if a["status"] == "submitted"] for answers in table[question].to_pylist()]


def nominal_alpha(units: list[list[Any]]) -> float:
    """Krippendorff's alpha for nominal values, from the coincidence definition."""
    units = [unit for unit in units if len(unit) > 1]
    totals = Counter(value for unit in units for value in unit)
    n = sum(totals.values())
    observed = sum(sum(a != b for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    expected = sum(totals[a] * totals[b] for a, b in itertools.permutations(totals, 2)) / (n * (n - 1))
    return 1 - observed / expected


def test_example_is_what_its_script_writes(tmp_path: Path, table: pa.Table) -> None:
    subprocess.run([sys.executable, str(FOLDER / "build.py"), str(tmp_path)], check=True, capture_output=True)
    assert pq.read_table(tmp_path / PARQUET).equals(table, check_metadata=True)
    assert (tmp_path / "argilla.yaml").read_text("utf-8") == (FOLDER / "argilla.yaml").read_text("utf-8")


def test_example_columns_are_those_of_an_argilla_export(table: pa.Table) -> None:
    questions = ["topic", "aspects", "satisfaction"]
    columns = [q + end for q in questions for end in ("", "-suggestion", "-suggestion-metadata")]
    assert table.column_names == ["text", "subject", *columns, "external_id", "metadata"]
    assert table.schema.field("aspects-suggestion-metadata").type.field("score").type == pa.list_(pa.float32())


def test_example_records_and_texts(table: pa.Table) -> None:
    texts = table["text"].to_pylist()
    assert len(texts) == 400
    assert len(set(texts)) == 393
    assert sum(len(text.split()) > 300 for text in texts) == 3
    assert len(set(table["external_id"].to_pylist())) == 400


def test_example_annotators_and_statuses(table: pa.Table) -> None:
    answers = [answer for record in table["topic"].to_pylist() for answer in record]
    assert len({answer["user_id"] for answer in answers}) == 3
    assert Counter(answer["status"] for answer in answers) == {"submitted": 1043, "draft": 42, "discarded": 22}
    assert sum(not record for record in table["topic"].to_pylist()) == 12


def test_example_suggestions_cover_most_records_and_are_often_wrong(table: pa.Table) -> None:
    pairs = zip(table["topic-suggestion"].to_pylist(), submitted(table, "topic"), strict=True)
    right = [answers.count(suggestion) * 2 > len(answers) for suggestion, answers in pairs if suggestion and answers]
    assert 400 - table["topic-suggestion"].null_count == 240
    assert 0.70 < sum(right) / len(right) < 0.80


def test_example_annotators_disagree_as_people_do(table: pa.Table) -> None:
    assert 0.70 < nominal_alpha(submitted(table, "topic")) < 0.80
    assert 0.50 < nominal_alpha([[tuple(v) for v in unit] for unit in submitted(table, "aspects")]) < 0.65


def test_nominal_alpha_of_a_worked_case() -> None:
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section A: binary data, two observers.
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert nominal_alpha([list(pair) for pair in zip(first, second, strict=True)]) == pytest.approx(0.095, abs=5e-4)


def test_example_loads_with_its_questions(dataset: FeedbackDataset) -> None:
    assert len(dataset) == 400
    assert [field.name for field in dataset.fields] == ["text", "subject"]
    assert {q.name: q.type for q in dataset.questions} == {
        "topic": "label_selection",
        "aspects": "multi_label_selection",
        "satisfaction": "rating",
    }
    assert dataset.question_by_name("topic").classes == ("account", "billing", "delivery", "product", "returns")
    assert dataset.guidelines.startswith("Read the message as the person who has to answer it.")


def test_example_loads_every_answer(dataset: FeedbackDataset, table: pa.Table) -> None:
    for question in ("topic", "aspects", "satisfaction"):
        loaded = [len(answers) for answers in dataset.responses(question).to_pylist()]
        assert loaded == [len(answers) for answers in table[question].to_pylist()]
    assert dataset.records[0].metadata.keys() == {"channel", "day"}
    assert len(dataset.filter_by(response_status="missing")) == 12
