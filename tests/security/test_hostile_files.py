"""Files made to break whoever reads them: each ends as a dataset that reads, or as a refusal in words.

Every file is imported as the import worker does it, in a child with little memory and a time limit; see
hostile_imports.py. The long pass is `make fuzz`; what it found, and what it can't find, stands here by name.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase

from engine.data import roles
from engine.data.readers import conll, data_files, header, read_source
from tests.security.hostile_exports import HOSTILE_YAML, ZIP_BOMBS, zipped
from tests.security.hostile_files import FILES, check
from tests.security.hostile_imports import ROOT, Failure, Imports
from tests.security.hostile_parquet import BOMBS, written
from tests.security.hostile_text import LARGE_JSON, LARGE_TEXTS

LARGE = [
    *((f"{n}.csv", text) for n, text in enumerate(LARGE_TEXTS)),
    *((f"{n}.json", text) for n, text in enumerate(LARGE_JSON)),
]


@pytest.fixture(scope="module")
def imports() -> Iterator[Imports]:
    with Imports() as child:
        yield child


@pytest.fixture(scope="module")
def impatient() -> Iterator[Imports]:
    with Imports(seconds=2) as child:
        yield child


def _end(imports: Imports, tmp_path: Path, name: str, content: bytes | str, **options: object) -> str:
    """The refusal of a file, or how many rows it has."""
    path = tmp_path / "upload"
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    ended = imports.of({"kind": "file", "path": str(path), "name": name, "options": options})
    return ended.message or f"{ended.rows} rows"


@pytest.mark.parametrize("kind", FILES)
def test_hostile_file_is_read_or_refused_in_words(imports: Imports, tmp_path: Path, kind: str) -> None:
    done = check(kind, imports, tmp_path, max_examples=25, derandomize=True, phases=(Phase.generate,))
    assert done >= 20


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("name", "content"), LARGE, ids=[name for name, _ in LARGE])
def test_large_text_file_is_read_or_refused_in_words(
    imports: Imports, tmp_path: Path, name: str, content: Callable[[], str]
) -> None:
    assert _end(imports, tmp_path, name, content())


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((f"{name}.parquet", make) for name, make in BOMBS.items()),
        *((f"{n}.zip", make) for n, make in ZIP_BOMBS.items()),
    ],
    ids=[*BOMBS, *ZIP_BOMBS],
)
def test_bomb_is_read_or_refused_in_words(
    imports: Imports, tmp_path: Path, name: str, content: Callable[[], bytes]
) -> None:
    assert _end(imports, tmp_path, name, content())


# ---- the guards hold -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said"),
    {
        "crash": "a crash: the process ended with -11",
        "hang": "a hang: not done in 2 s of CPU time",
        "memory": "MemoryError",
        "bug": "KeyError: 'no such key'",
        "words": "inner words: 'NoneType' object is not iterable",
        "path": "a path of this machine",
    }.items(),
)
def test_guard_holds(kind: str, said: str, impatient: Imports) -> None:
    with pytest.raises(Failure, match=said):
        impatient.of({"kind": kind})


def _rows_of_texts(counts: list[int], text: str) -> bytes:
    """Parquet with lists of one text, `counts` times in each row: as short as it gets, whatever it unfolds to."""
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(sum(counts), np.int32)), pa.array([text]))
    offsets = pa.array(np.cumsum([0, *counts]), pa.int32())
    return written(pa.table({"t": pa.ListArray.from_arrays(offsets, texts)}), store_schema=False)


def test_worker_that_needs_too_much_memory_says_so(tmp_path: Path) -> None:
    """One row among many that unfolds to gigabytes: nothing but decoding it would tell."""
    path = tmp_path / "notes.parquet"
    path.write_bytes(_rows_of_texts([1] * 1000 + [20_000], "x" * 100_000))
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from engine.data.readers import import_source, limit_memory\nfrom engine.errors import UserError\n"
        "limit_memory(1_000_000_000)\n"
        "try:\n    import_source({'kind': 'file', 'path': sys.argv[1]}, Path(sys.argv[2]))\n"
        "except UserError as error:\n    print(error.message)\n"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "dataset")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "Reading this dataset takes more memory than there is.", done.stderr
    assert list((tmp_path / "dataset").iterdir()) == []


@pytest.mark.parametrize(
    ("matches", "text"),
    [
        (roles.INTEGER.fullmatch, "1" * 10**6 + "x"),
        (roles.WHOLE.fullmatch, "1" * 10**6 + ".0x"),
        (roles.NUMBER.fullmatch, "1" * 10**6 + "x"),
        (header.looks_like_header, [["1," * 10**6 + "x"], ["1"]]),
        (conll.TAG.fullmatch, "B-" + "x" * 10**6 + " "),
        (data_files.SHARD.match, "a" * 10**5 + "-0000" * 10**4),
        (data_files.front_matter, "---" + "\n" * 10**6),
        (
            lambda path: data_files.layout_of([path], "---\nconfigs:\n- data_files: '" + "**/a*" * 99 + "x'\n---"),
            "a/" * 999 + "a.csv",
        ),
    ],
    ids="whole number measure header tag shard front-matter glob".split(),
)
def test_pattern_takes_no_longer_than_its_text(matches: Callable[[Any], Any], text: Any) -> None:
    start = time.process_time()
    matches(text)
    assert time.process_time() - start < 2


# ---- found by the pass, or beyond it -------------------------------------------------------------------------------


def _jsonl(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def _v1(settings: str) -> bytes:
    return zipped({"argilla.yaml": settings.encode(), "data.parquet": written(pa.table({"text": ["a", "b"]}))})


def _v2(settings: dict, **columns: list) -> bytes:
    records = written(pa.table({"text": ["a", "b"], **columns}))
    return zipped({".argilla/settings.json": json.dumps(settings).encode(), "data.parquet": records})


def _readme(text: str) -> bytes:
    return zipped({"README.md": text.encode(), "a" * 60 + ".csv": b"text,label\na b,x\n"})


FIELDS = "fields:\n- name: text\n  settings: {type: text}\n"
SPANS = {"name": "s", "settings": {"type": "span", "field": "text", "options": [{"value": "X"}]}}
CASES = {
    "100,000 columns": ("a.csv", LARGE_TEXTS[0]),
    "3,000,000 empty columns": ("a.csv", LARGE_TEXTS[1]),
    "a cell of 10,000,000 characters": ("a.csv", LARGE_TEXTS[2]),
    "a line of 20,000,000 characters": ("a.csv", LARGE_TEXTS[4]),
    "a delimiter that is a quote": ("a.csv", "a,b\n", {"delimiter": '"'}),
    "an encoding that is none of text": ("a.csv", "a,b\n", {"encoding": "base64"}),
    "an encoding of host names": ("a.csv", "é,b\n", {"encoding": "idna"}),
    "UTF-16 that is none": ("a.csv", "text,label\na,b\n", {"encoding": "utf-16"}),
    "a long name": ("a.csv", "text," + "n" * 5000 + "\na b,c\nd,e\n", {"header": True}),
    "names that lead to objects of a page": ("a.csv", "__proto__,constructor,<script>\na b,x,y\n"),
    "ratings beyond 32 bits": ("a.csv", "text,rating\n" + "".join(f"a {i},{i % 2}9999999999\n" for i in range(9))),
    "nested beyond what is read": ("a.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}\n"),
    "nested beyond what can be written": ("a.json", '[{"a": ' + "[" * 1000 + "1" + "]" * 1000 + "}]"),
    "nested beyond what Arrow stores": ("a.jsonl", '{"a": ' + "[" * 80 + "]" * 80 + "}\n"),
    "a JSON line of 20,000,000 characters": ("a.jsonl", '{"a": "' + "x" * 20_000_000 + '"}\n{}\n'),
    "a number of 5,000 digits": ("a.jsonl", '{"a": 1' + "0" * 5000 + "}\n"),
    "numbers beyond 64 bits in later rows": ("a.jsonl", LARGE_JSON[-3]),
    "numbers beyond a float in earlier rows": ("a.jsonl", LARGE_JSON[-2]),
    "infinity": ("a.jsonl", '{"a": 1e999, "b": "x"}\n{"a": -1e999}\n{"a": 1e300}\n'),
    "half characters": ("a.jsonl", '{"a": "\\ud800", "\\udfff": 1}\n'),
    "a list with nothing in it, as labels": (
        "a.jsonl",
        '{"text": "a b", "labels": [null, "x"]}\n' * 9 + '{"labels": ["x", "y"]}\n',
    ),
    "100,000 keys in 5,000 rows": ("a.jsonl", LARGE_JSON[8]),
    "an object of 300,000 keys": ("a.json", LARGE_JSON[6]),
    "a sentence without end": ("a.conll", "a O\n" * 300_000),
    "a row of 100,000 long texts": ("a.parquet", lambda: _rows_of_texts([100_000], "x" * 100_000)),
    "20,000,000 rows in some bytes": ("a.parquet", BOMBS["many rows"]),
    "a schema of 200,000 levels": ("a.parquet", BOMBS["deep"]),
    "class names that are a number": (
        "a.parquet",
        written(
            pa.table({"a": [1]}).replace_schema_metadata(
                {"huggingface": json.dumps({"info": {"features": {"a": {"_type": "ClassLabel", "names": 5}}}})}
            )
        ),
    ),
    "features that are a list": (
        "a.parquet",
        written(pa.table({"a": [1]}).replace_schema_metadata({"huggingface": '{"info": []}'})),
    ),
    "a zip that states 4 GB": ("a.zip", ZIP_BOMBS["states more than it holds"]),
    "a zip of 30,000 files": ("a.zip", ZIP_BOMBS["many files"]),
    "1,500 folders in one another": ("a.zip", zipped({"a/" * 1500 + "a.csv": b"text,label\na b,x\n"})),
    "a path out of the zip": ("a.zip", zipped({"../../a.csv": b"text,label\na b,x\n"})),
    "a link in the zip": ("a.zip", zipped({"a.csv@": b"/etc/passwd"})),
    "a README of empty lines": ("a.zip", _readme("---" + "\n" * 300_000)),
    "a glob to match for ever": ("a.zip", _readme("---\nconfigs:\n- data_files: '" + "**a" * 12 + "b'\n---\n")),
    "billions of laughs": ("a.zip", _v1(HOSTILE_YAML[0])),
    "billions of merged keys": ("a.zip", _v1(HOSTILE_YAML[1])),
    "settings that hold themselves": ("a.zip", _v1(HOSTILE_YAML[2])),
    "a call in the settings": ("a.zip", _v1(HOSTILE_YAML[3])),
    "a date that is none": ("a.zip", _v1(FIELDS + "x: 2020-99-99\n")),
    "a number in sixties": ("a.zip", _v1(FIELDS + "x: " + "1:" * 100_000 + "1\n")),
    "settings of 100,000 levels": ("a.zip", _v1("[" * 100_000)),
    "a field that is text": ("a.zip", _v1("fields: [text]\n")),
    "two fields of a name": ("a.zip", _v2({"fields": [{"name": "text"}] * 2, "questions": []})),
    "a vector without a name": ("a.zip", _v2({"fields": [{"name": "text"}], "questions": [], "vectors": [{}]})),
    "answers that are no spans": (
        "a.zip",
        _v2({"fields": [{"name": "text"}], "questions": [SPANS]}, **{"s.suggestion": ["a", "b"]}),
    ),
    "vectors that are texts": (
        "a.zip",
        _v2({"fields": [{"name": "text"}], "questions": [], "vectors": [{"name": "v"}]}, v=["a", "b"]),
    ),
    "guidelines that are a number": ("a.zip", _v2({"fields": [{"name": "text"}], "questions": [], "guidelines": 1})),
}
SETTINGS = "The settings of the Argilla export can't be read: "
ENDS = {
    "100,000 columns": "The data has 100,000 columns; at most 1,000 can be read.",
    "3,000,000 empty columns": "The data has 3,000,001 columns; at most 1,000 can be read.",
    "a cell of 10,000,000 characters": "1 rows",
    "a line of 20,000,000 characters": "“a.csv”: line 1 can't be read: the row has more than 16,777,216 characters.",
    "a delimiter that is a quote": "A delimiter is one character, not '\"'.",
    "an encoding that is none of text": "There is no encoding named 'base64'.",
    "an encoding of host names": "There is no encoding named 'idna'.",
    "UTF-16 that is none": "“a.csv” is not utf-16: line 1 holds bytes that are no character in it.",
    "a long name": "2 rows",
    "names that lead to objects of a page": "1 rows",
    "ratings beyond 32 bits": "9 rows",
    "nested beyond what is read": "“a.jsonl”: line 1 is not JSON: it is nested too deeply.",
    "nested beyond what can be written": "A value is nested too deeply to be read.",
    "nested beyond what Arrow stores": "1 rows",
    "a JSON line of 20,000,000 characters": "“a.jsonl”: line 1 has more than 16,777,216 characters",
    "a number of 5,000 digits": "“a.jsonl”: line 1 is not JSON: it holds a number of thousands of digits.",
    "numbers beyond 64 bits in later rows": "10003 rows",
    "numbers beyond a float in earlier rows": "10002 rows",
    "infinity": "3 rows",
    "half characters": "1 rows",
    "a list with nothing in it, as labels": "10 rows",
    "a sentence without end": "“a.conll”: at line 250001 a sentence has more than 1,000,000 characters.",
    "a row of 100,000 long texts": "“a.parquet”: a row of it may unpack to 9,53",
    "20,000,000 rows in some bytes": "The data has more than 10,000,000 rows, which is the most that can be read.",
    "a schema of 200,000 levels": "“a.parquet” can't be read as Parquet: Parquet schema too deeply nested",
    "class names that are a number": "1 rows",
    "features that are a list": "1 rows",
    "a zip that states 4 GB": "1 rows",
    "a zip of 30,000 files": "“a.zip” holds more than 20,000 files.",
    "1,500 folders in one another": "1 rows",
    "a path out of the zip": "1 rows",
    "a link in the zip": "The data has no rows. Its columns are: /etc/passwd.",
    "a README of empty lines": "1 rows",
    "a glob to match for ever": "1 rows",
    "billions of laughs": SETTINGS + "it holds more than 500,000 values",
    "billions of merged keys": SETTINGS + "could not determine a constructor",
    "settings that hold themselves": SETTINGS + "it holds more than 500,000 values",
    "a call in the settings": "2 rows",
    "a date that is none": SETTINGS + "month must be in 1..12.",
    "a number in sixties": SETTINGS + "it holds a number of 200,001 digits.",
    "settings of 100,000 levels": SETTINGS + "it is nested more than 30 levels deep.",
    "a field that is text": SETTINGS + "something in it is of another kind",
    "two fields of a name": "The export has a field called 'text'; each needs a name of its own",
    "a vector without a name": "The export has a vector called 'None'; each needs a name of its own",
    "answers that are no spans": "The answers to the question 's' can't be read as span: something in it is of another",
    "vectors that are texts": "The records of the export do not fit its settings: Unsupported cast from string",
    "guidelines that are a number": "The settings of the Argilla export (.argilla/settings.json) can't be read: ",
    "100,000 keys in 5,000 rows": "The data has 100,000 columns; at most 1,000 can be read.",
    "an object of 300,000 keys": "The data has 300,000 columns; at most 1,000 can be read.",
}


@pytest.mark.parametrize("case", CASES)
def test_case_ends_as_it_should(imports: Imports, tmp_path: Path, case: str) -> None:
    name, content, *options = CASES[case]
    whole = content() if callable(content) else content
    assert _end(imports, tmp_path, name, whole, **(options[0] if options else {})).startswith(ENDS[case])


def test_whole_numbers_keep_their_digits_in_whatever_row_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"a": -1}\n' * 10_000 + '{"a": 18446744073709551615}\n')
    values = read_source({"kind": "file", "path": str(path)}).table["fields.a"]
    assert (values[0].as_py(), values[10_000].as_py()) == ("-1", "18446744073709551615")
