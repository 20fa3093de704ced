"""The code cell: what it returns, how it fails, and that it sees nothing of ours."""

import os
import time
from pathlib import Path

import pytest

from engine.formatting import CellError, Limits, run_formatting_cell

SAMPLES = [{"text": f"text {i}", "label": [{"value": "a", "status": "submitted"}]} for i in range(600)]


def test_cell_returns_rows_per_sample() -> None:
    code = "def formatting_func(sample):\n    n = int(sample['text'].split()[1])\n    print(n)\n"
    code += "    if n == 0: return None\n    if n == 1: return [('x', 'a'), None, ('y', 'b')]\n"
    code += "    return sample['text'], 'a'\n"
    result = run_formatting_cell(code, SAMPLES)
    assert len(result.rows) == 600
    assert result.rows[:3] == [[], [["x", "a"], ["y", "b"]], [["text 2", "a"]]]
    assert result.stdout.startswith("0\n1\n2\n")


def test_cell_flattens_lists_that_a_generator_yields() -> None:
    code = "def formatting_func(sample):\n    yield [('a', '1'), ('b', '2')]\n    yield None\n    yield ('c', ['x'])\n"
    assert run_formatting_cell(code, SAMPLES[:1]).rows == [[["a", "1"], ["b", "2"], ["c", ["x"]]]]


def test_cell_error_names_line_and_record() -> None:
    code = "def formatting_func(sample):\n    print('before')\n    return sample['label'][5]['value']\n"
    with pytest.raises(CellError) as caught:
        run_formatting_cell(code, SAMPLES[:3])
    assert caught.value.message == "Line 3 of the cell, on record 1, failed with IndexError: list index out of range"
    assert (caught.value.kind, caught.value.line, caught.value.index) == ("error", 3, 0)
    assert caught.value.stdout == "before\n"


def test_cell_error_counts_records_over_batches() -> None:
    code = "def formatting_func(sample):\n    return 1 / (int(sample['text'].split()[1]) - 300)\n"
    with pytest.raises(CellError) as caught:
        run_formatting_cell(code, SAMPLES)
    assert caught.value.index == 300


def test_cell_syntax_error_names_the_line() -> None:
    with pytest.raises(CellError) as caught:
        run_formatting_cell("def formatting_func(sample):\n    return (\n", SAMPLES[:1])
    assert caught.value.kind == "syntax"
    assert caught.value.line == 2


def test_cell_without_the_function_says_so() -> None:
    with pytest.raises(CellError, match="the cell defines no function called formatting_func"):
        run_formatting_cell("x = 1", SAMPLES[:1])


@pytest.mark.parametrize("body", ["while True: pass", "import re; re.match('(a+)+$', 'a' * 60 + 'b')"])
def test_cell_that_never_ends_is_stopped_and_says_where(body: str) -> None:
    started = time.monotonic()
    with pytest.raises(CellError) as caught:
        run_formatting_cell(
            f"def formatting_func(sample):\n    {body}\n", SAMPLES[:1], limits=Limits(sample_seconds=0.5)
        )
    assert caught.value.kind == "timeout"
    assert caught.value.line == 2
    assert time.monotonic() - started < 8


def test_cell_memory_is_limited() -> None:
    with pytest.raises(CellError):
        run_formatting_cell("def formatting_func(sample):\n    x = 'a' * (8 << 30)\n    return x\n", SAMPLES[:1])


def test_cell_that_exits_is_reported() -> None:
    with pytest.raises(CellError) as caught:
        run_formatting_cell("import os\ndef formatting_func(sample):\n    os._exit(0)\n", SAMPLES[:1])
    assert caught.value.message == "The cell ended its own process."


def test_cell_value_that_is_no_data_is_refused() -> None:
    with pytest.raises(CellError, match="and no object"):
        run_formatting_cell("def formatting_func(sample):\n    return object()\n", SAMPLES[:1])


def test_cell_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    code = "import os\ndef formatting_func(sample):\n    return str(dict(os.environ))\n"
    (rows,) = run_formatting_cell(code, SAMPLES[:1]).rows
    assert "hf_secret" not in rows[0]
    assert os.environ["HF_TOKEN"] == "hf_secret"


def test_cell_cannot_fill_the_disk(tmp_path: Path) -> None:
    target = tmp_path / "x"
    code = f"def formatting_func(sample):\n    with open({str(target)!r}, 'w') as f: f.write('x' * 10)\n"
    with pytest.raises(CellError):
        run_formatting_cell(code, SAMPLES[:1])
    assert not target.is_file() or target.stat().st_size == 0


def test_names_that_guides_do_not_import_are_there() -> None:
    code = """
def formatting_func(sample: Dict[str, Any]) -> Iterator[Tuple[str, str]]:
    counter = Counter(sample["labels"])
    top = counter.most_common()[0][1]
    yield sample["text"], random.choice([label for label, n in counter.items() if n == top])
"""
    found = run_formatting_cell(code, [{"text": "a", "labels": ["x", "x", "y"]}])
    assert found.rows == [[["a", "x"]]]


def test_chance_is_the_same_in_the_preview_and_in_training() -> None:
    code = "def formatting_func(sample):\n    return sample['text'], random.choice(['x', 'y', 'z'])"
    samples = [{"text": str(i)} for i in range(40)]
    assert run_formatting_cell(code, samples).rows[:20] == run_formatting_cell(code, samples[:20]).rows


def test_what_belongs_to_a_script_is_set_aside_and_told() -> None:
    code = """from argilla.feedback import TrainingTask
import argilla as rg
dataset = rg.FeedbackDataset.from_huggingface("argilla/emotion")

def formatting_func(sample):
    return sample["text"], missing_name

task = TrainingTask.for_text_classification(formatting_func=formatting_func)
"""
    with pytest.raises(CellError) as caught:
        run_formatting_cell(code, [{"text": "a"}])
    assert caught.value.line == 6
    assert caught.value.stdout.splitlines() == [
        "Line 1 was set aside, the page does that: from argilla.feedback import TrainingTask",
        "Line 2 was set aside, the page does that: import argilla as rg",
        "Line 3 was set aside, the page does that: dataset = rg.FeedbackDataset.from_huggingface('argilla/emotion')",
        "Line 8 was set aside, the page does that: "
        "task = TrainingTask.for_text_classification(formatting_func=formatting_func)",
    ]
