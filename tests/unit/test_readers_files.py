"""CSV, TSV, JSON, JSONL, Parquet and CoNLL files: what is read, and the whole sentence for what can't be."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.readers import import_source, inspect_file, read_source, read_table
from engine.errors import UserError


def _read(path: Path, **options: Any) -> FeedbackDataset:
    return read_source({"kind": "file", "path": str(path), "options": options})


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _columns(dataset: FeedbackDataset) -> dict[str, list]:
    return {f.name: dataset.table["fields." + f.name].to_pylist() for f in dataset.schema.fields}


def _refused(path: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        _read(path, **options)
    return str(caught.value)


# ---- delimited ----------------------------------------------------------------------------------------------------


def test_csv_is_read_with_quotes_newlines_and_empty_cells(tmp_path: Path) -> None:
    text = 'text,label\r\n"One, two\r\nthree",a\r\n"He said ""no""",\r\n\r\n,b\r\n'
    dataset = _read(_file(tmp_path, "notes.csv", text))
    assert _columns(dataset) == {"text": ["One, two\r\nthree", 'He said "no"', None], "label": ["a", None, "b"]}
    assert dataset.table["record_id"].to_pylist() == ["r1", "r2", "r3"]
    assert dataset.name == "notes"
    assert dataset.schema.notes == []


def test_csv_label_column_becomes_a_question(tmp_path: Path) -> None:
    dataset = _read(_file(tmp_path, "notes.csv", "text,label\nA text.,b\nAnother one.,a\nA third one.,b\n"))
    assert [f.name for f in dataset.fields] == ["text"]
    assert dataset.question_by_name("label").classes == ("a", "b")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_detected_and_reported(tmp_path: Path, delimiter: str) -> None:
    rows = [["text", "label"], ["One; two, three.", "a"], ["Four", "b"], ["Five | six\tseven", "a"]]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    path = _file(tmp_path, "notes.txt", text)
    assert inspect_file(path)["delimiter"] == delimiter
    assert _columns(_read(path))["text"] == ["One; two, three.", "Four", "Five | six\tseven"]


def test_tsv_without_header_is_recognised_with_joined_labels(tmp_path: Path) -> None:
    lines = [
        f"This is text number {i}, it is.\t{labels}\tx{i}q" for i, labels in enumerate(["1", "1,4", "4", "2,1"] * 6)
    ]
    path = _file(tmp_path, "emotions.tsv", "\n".join(lines))
    found = inspect_file(path)
    assert (found["delimiter_name"], found["header"], found["rows"]) == ("tab", False, 24)
    assert found["preview"][1] == ["This is text number 1, it is.", "1,4", "x1q"]
    dataset = _read(path)
    assert [f.name for f in dataset.fields] == ["column_1", "column_3"]
    question = dataset.question_by_name("column_2")
    assert (question.is_multi_label, question.classes) == (True, ("1", "2", "4"))
    assert dataset.responses("column_2").to_pylist()[1][0]["value"] == ["1", "4"]
    assert "The first line is read as data, since it does not look like column names." in dataset.schema.notes


def test_header_option_overrides_what_is_recognised(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.csv", "text,label\nOne.,a\nTwo.,b\n")
    assert _columns(_read(path, header=False))["column_1"] == ["text", "One.", "Two."]
    assert [f.name for f in _read(path, delimiter=";").schema.fields] == ["text,label"]


def test_one_column_of_texts_with_commas_stays_one_column(tmp_path: Path) -> None:
    path = _file(tmp_path, "texts.csv", "text\nHello, you\nGood bye\n")
    assert _columns(_read(path)) == {"text": ["Hello, you", "Good bye"]}


@pytest.mark.parametrize(
    ("encoding", "mark", "note"),
    [
        ("utf-8", b"", None),
        ("utf-8", b"\xef\xbb\xbf", None),
        ("utf-16", b"", "The file is not UTF-8; it was read as UTF-16. Check letters such as é or ü."),
        ("utf-16-le", b"", "The file is not UTF-8; it was read as UTF-16-LE. Check letters such as é or ü."),
        ("cp1252", b"", "The file is not UTF-8; it was read as Windows-1252. Check letters such as é or ü."),
    ],
)
def test_encoding_is_told_and_said(tmp_path: Path, encoding: str, mark: bytes, note: str | None) -> None:
    path = _file(tmp_path, "notes.csv", mark + "text,label\nCafé für dich,a\nNaïve,b\n".encode(encoding))
    dataset = _read(path)
    assert _columns(dataset)["text"] == ["Café für dich", "Naïve"]
    assert dataset.schema.notes == ([note] if note else [])


def test_encoding_option_that_does_not_fit_names_the_line(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.csv", "text,label\nplain,a\nCafé,b\n".encode("latin-1"))
    assert _refused(path, encoding="utf-8") == (
        "“notes.csv” is not utf-8: line 3 holds bytes that are no character in it. "
        "Choose another encoding, or leave it to be recognised."
    )
    assert "There is no encoding named 'utf-9'." in _refused(path, encoding="utf-9")


def test_ragged_csv_names_the_line(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.csv", 'text,label\n"two\nlines",a\nOne, two,b\nx,a\nc\n')
    assert _refused(path) == (
        "“notes.csv”: line 4 has 3 cells, but the first line has 2. 2 lines are like that. "
        "Put quotes around texts that contain the delimiter (comma), or choose another delimiter."
    )


def test_csv_with_a_quote_that_never_ends_names_the_line(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.csv", 'text,label\nfine,a\n"never, closed,b\nfine,a\n')
    assert _refused(path) == (
        "“notes.csv”: line 4 can't be read: unexpected end of data. "
        'Look for a quote (") that is opened and never closed, or not doubled inside a text.'
    )


def test_one_bad_quote_among_quoted_cells_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.csv", 'text,label\n"fine","a"\n"not "fine" at all","b"\n"fine","a"\n')
    assert _refused(path).startswith("“notes.csv”: line 3 can't be read: ',' expected after '\"'.")


def test_tsv_whose_quotes_are_not_quoting_keeps_them(tmp_path: Path) -> None:
    dataset = _read(_file(tmp_path, "notes.tsv", 'text\tlabel\n"Yes\ta\nHe said "no" twice\tb\n'))
    assert _columns(dataset)["text"] == ['"Yes', 'He said "no" twice']
    assert "Quotes stand singly in this file, so they are read as part of the texts." in dataset.schema.notes


def test_empty_and_repeated_column_names_are_replaced_with_notes(tmp_path: Path) -> None:
    dataset = _read(_file(tmp_path, "notes.csv", "text,label,,text\nOne.,a,1,x\nTwo.,b,2,y\n"))
    assert [f.name for f in dataset.schema.fields] == ["text", "label", "column_3", "text_2"]
    assert dataset.schema.notes == [
        "Column 3 has no name; it is called “column_3” here.",
        "The name “text” stands more than once; column 4 is called “text_2” here.",
    ]


def test_nan_cells_are_missing_and_counted(tmp_path: Path) -> None:
    dataset = _read(_file(tmp_path, "notes.csv", "text,label\nOne.,NaN\nTwo.,b\nnan,#N/A\nFour,b\n"))
    assert _columns(dataset) == {"text": ["One.", "Two.", None, "Four"], "label": [None, "b", None, "b"]}
    assert dataset.schema.notes == ["3 cells that say NaN or #N/A are read as missing."]


def test_five_thousand_columns_are_refused_with_the_limit(tmp_path: Path) -> None:
    row = ",".join(["x"] * 5000)
    names = ",".join(f"c{i}" for i in range(5000))
    assert _refused(_file(tmp_path, "wide.csv", f"{names}\n{row}\n")) == (
        "The data has 5,000 columns; at most 1,000 can be read. "
        "Keep the columns with the texts and the labels, and load it again."
    )


def test_cell_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    big = "word " * 2_000_000
    dataset = _read(_file(tmp_path, "notes.csv", f'text,label\n"{big}",a\nshort,b\n'))
    assert dataset.values("text")[0].as_py() == big


def test_csv_without_rows_is_refused(tmp_path: Path) -> None:
    assert _refused(_file(tmp_path, "notes.csv", "text,label\n")) == (
        "The data has no rows. Its columns are: text, label."
    )


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    expected = "“notes.csv” is empty. Choose a file that has at least one row."
    assert _refused(_file(tmp_path, "notes.csv", content)) == expected


def test_binary_file_called_csv_is_refused(tmp_path: Path) -> None:
    assert _refused(_file(tmp_path, "notes.csv", bytes(range(256)) * 50)) == (
        "“notes.csv” is not a text file: it holds bytes that stand for no character. "
        "Load CSV, TSV, JSON, JSONL, Parquet or CoNLL."
    )


def test_compressed_file_called_csv_says_what_it_is(tmp_path: Path) -> None:
    assert _refused(_file(tmp_path, "notes.csv", b"\x1f\x8b\x08\x00 something")) == (
        "“notes.csv” is compressed with gzip, not a text file. Unpack it first."
    )


def test_file_name_that_leads_elsewhere_is_only_its_base_name(tmp_path: Path) -> None:
    path = _file(tmp_path, "upload", "text,label\nOne.,a\nTwo.,b\n")
    source = {"kind": "file", "path": str(path), "name": "../../etc/..\\notes.csv"}
    dataset = import_source(source, tmp_path / "dataset")
    assert (dataset.name, dataset.schema.source["name"]) == ("notes", "notes.csv")
    assert sorted(p.name for p in (tmp_path / "dataset").iterdir()) == ["profile.json", "records.arrow", "schema.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dataset", "upload"]


def test_unknown_option_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.csv", "text,label\nOne.,a\n")
    assert _refused(path, delimeter=",") == (
        "There is no reading option 'delimeter'. Options: format, delimiter, header, encoding."
    )


def test_inspecting_a_large_file_reads_only_its_beginning(tmp_path: Path) -> None:
    rows = "This is one of many texts.,a\n" * 400_000
    path = _file(tmp_path, "notes.csv", "text,label\n" + rows + "one, two,b\n")
    found = inspect_file(path)
    assert (found["columns"], found["rows"]) == (["text", "label"], None)
    assert found["preview"][0] == ["This is one of many texts.", "a"]
    assert "line 400002 has 3 cells" in _refused(path)


_DAMAGED = {
    "a.csv": b'text,label\n"One, two",a\nThree,b\n"q ""x""",a\n',
    "a.tsv": b"Hello there\t4,27\nBye\t4\nWell\t3\n",
    "a.jsonl": b'{"text": "a", "l": ["x"], "z": {"k": 1}}\n{"text": null, "l": [], "z": {}}\n',
    "a.json": b'[{"text": "a", "label": 1}, {"text": "b", "label": 2.5}]',
    "a.conll": b"Ann\tB-PER\nhas\tO\n\nx\tO\n\n",
    "a": "text,label\nOne,a\n".encode("utf-16"),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(list(_DAMAGED)),
    edits=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 4), st.binary(max_size=3)), min_size=1, max_size=4),
)
def test_damaged_file_is_read_or_refused_in_words(tmp_path: Path, name: str, edits: list) -> None:
    content = bytearray(_DAMAGED[name])
    for place, cut, put in edits:
        content[place : place + cut] = put
    path = _file(tmp_path, name, bytes(content))
    for read in (_read, inspect_file):
        try:
            assert read(path)  # records, or what was detected: never an empty answer
        except UserError as error:
            assert error.message
            assert error.hint


# ---- JSON ---------------------------------------------------------------------------------------------------------

ROWS = [{"text": "One.", "label": "a", "n": 1}, {"text": "Two.", "label": "b", "n": 2}]


@pytest.mark.parametrize(
    "document",
    [ROWS, {"text": ["One.", "Two."], "label": ["a", "b"], "n": [1, 2]}, {"version": 1, "data": ROWS}, {"data": ROWS}],
)
def test_json_of_every_shape_is_the_same_table(tmp_path: Path, document: Any) -> None:
    dataset = _read(_file(tmp_path, "notes.json", json.dumps(document)))
    assert _columns(dataset) == {"text": ["One.", "Two."], "label": ["a", "b"], "n": [1, 2]}


@pytest.mark.parametrize("name", ["notes.jsonl", "notes.json", "notes"])
def test_json_lines_are_read_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    lines = '{"text": "One.", "tags": ["x"]}\n\n{"text": "Two.", "more": {"a": 1}}\n'
    dataset = _read(_file(tmp_path, name, lines))
    assert _columns(dataset) == {"text": ["One.", "Two."], "tags": [["x"], None], "more": [None, {"a": 1}]}


def test_bad_json_line_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.jsonl", '{"text": "One."}\n\n{"text": "Two."\n')
    assert _refused(path) == (
        '“notes.jsonl”: line 3 is not JSON: Expecting \',\' delimiter. It reads: {"text": "Two." '
        'Each line must be one object, such as {"text": "…", "label": "…"}.'
    )
    path = _file(tmp_path, "notes.jsonl", '{"text": "One."}\n[1, 2]\n')
    assert _refused(path).startswith("“notes.jsonl”: line 2 is a list, not an object.")


def test_bad_json_names_line_and_character(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.json", '[{"text": "One."},\n {"text": }]')
    assert _refused(path) == (
        "“notes.json” is not JSON at line 2, character 11: Expecting value. Mend it there, or save the data again."
    )


def test_json_that_is_no_table_says_what_is_read(tmp_path: Path) -> None:
    assert _refused(_file(tmp_path, "notes.json", '["a", "b"]')) == (
        "“notes.json”: item 1 of the list is text, not an object. "
        'Write each row as an object: [{"text": "…", "label": "…"}, …].'
    )
    assert _refused(_file(tmp_path, "notes.json", '{"a": [1, 2], "b": [1]}')) == (
        "“notes.json”: its columns are not equally long (a 2, b 1). Give every column one value per row."
    )
    assert _refused(_file(tmp_path, "notes.json", '{"a": 1}')) == (
        "“notes.json” is JSON, but not a table: it is an object. "
        'A list of objects, {"text": […], "label": […]} and {"data": […]} are read.'
    )


def test_labels_of_mixed_types_are_read_as_text_with_a_note(tmp_path: Path) -> None:
    lines = "\n".join(
        json.dumps({"text": f"Text {i}.", "label": label}) for i, label in enumerate([1, "1", "two", None])
    )
    dataset = _read(_file(tmp_path, "notes.jsonl", lines))
    assert _columns(dataset)["label"] == ["1", "1", "two", None]
    assert dataset.schema.notes == ["Column “label” mixes different kinds of values; all of it is read as text."]


def test_mixed_types_in_a_late_batch_are_read_as_text(tmp_path: Path) -> None:
    values: list[Any] = [*range(12_000), "last"]
    path = _file(tmp_path, "notes.jsonl", "\n".join(json.dumps({"text": "t", "value": v}) for v in values))
    assert _columns(_read(path))["value"] == [str(v) for v in values]


def test_json_nan_is_missing_and_counted(tmp_path: Path) -> None:
    dataset = _read(_file(tmp_path, "notes.jsonl", '{"text": "a b", "x": NaN}\n{"text": "c d", "x": 1.5}\n'))
    assert _columns(dataset)["x"] == [None, 1.5]
    assert dataset.schema.notes == ["1 cells that are not a number (NaN) are read as missing."]


def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    dataset = _read(_file(tmp_path, "notes.jsonl", '{"text": "cut \\ud83d"}\n{"text": "whole"}\n'))
    assert _columns(dataset)["text"] == ["cut ?", "whole"]


# ---- Parquet and tables in memory ---------------------------------------------------------------------------------


def test_parquet_keeps_types_and_names_of_classes(tmp_path: Path) -> None:
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    table = pa.table({"text": pa.array(["a b", "c d", "e f"], pa.large_string()), "n": [1, 2, 3], "label": [1, 0, -1]})
    info = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(info), tmp_path / "data.parquet")
    dataset = _read(tmp_path / "data.parquet")
    assert _columns(dataset) == {"text": ["a b", "c d", "e f"], "n": [1, 2, 3], "label": ["pos", "neg", None]}
    assert dataset.question_by_name("label").classes == ("neg", "pos")
    assert [len(r) for r in dataset.responses("label").to_pylist()] == [1, 1, 0]


def test_parquet_leaves_out_pictures_with_a_note(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a b", "c d"], "image": [b"\x00", b"\x01"]}), tmp_path / "data.parquet")
    dataset = _read(tmp_path / "data.parquet")
    assert list(_columns(dataset)) == ["text"]
    assert dataset.schema.notes == ["Column “image” holds binary, which is not text or a label; it is left out."]


def test_parquet_with_other_name_is_recognised(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a b", "c d"]}), tmp_path / "data.csv")
    assert _columns(_read(tmp_path / "data.csv")) == {"text": ["a b", "c d"]}


def test_truncated_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a b"] * 1000}), tmp_path / "data.parquet")
    whole = (tmp_path / "data.parquet").read_bytes()
    message = _refused(_file(tmp_path, "cut.parquet", whole[: len(whole) // 2]))
    assert message.startswith("“cut.parquet” can't be read as Parquet: ")
    assert message.endswith(
        "The file may have been cut short while it was copied or written: make it again, or download it again."
    )


def test_parquet_with_texts_that_are_not_utf8_is_refused(tmp_path: Path) -> None:
    table = pa.table({"text": pa.array([b"fine", b"caf\xe9"], pa.binary()).view(pa.string())})
    pq.write_table(table, tmp_path / "data.parquet")
    assert _refused(tmp_path / "data.parquet").startswith("“data.parquet” can't be read as Parquet: ")


def test_table_in_memory_of_every_kind_is_read() -> None:
    import datasets
    import pandas as pd

    rows = {"text": ["a b", "c d", "e f"], "label": ["x", "y", "x"]}
    tables = [pa.table(rows), pd.DataFrame(rows), datasets.Dataset.from_dict(rows).select([0, 1, 2])]
    for table in tables:
        dataset = read_table(table, name="mine")
        assert (_columns(dataset), dataset.name) == (rows, "mine")
        assert dataset.question_by_name("label").classes == ("x", "y")


def test_dataset_with_class_labels_in_memory_has_their_names() -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = {"text": ["a b", "c d", "e f"], "label": [0, 1, 1]}
    dataset = FeedbackDataset.from_dataset(
        datasets.Dataset.from_dict(rows, features=features).filter(lambda r: r["label"])
    )
    assert _columns(dataset)["label"] == ["yes", "yes"]
    assert dataset.question_by_name("label").classes == ("no", "yes")


def test_pandas_column_of_mixed_types_is_text_with_a_note() -> None:
    import pandas as pd

    dataset = read_table(pd.DataFrame({"text": ["a b", "c d", "e f"], "label": [1, "two", float("nan")]}))
    assert _columns(dataset)["label"] == ["1", "two", None]
    assert dataset.schema.notes == ["Column “label” mixes different kinds of values; all of it is read as text."]


def test_dataset_dict_asks_for_a_split() -> None:
    import datasets

    data = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})})
    with pytest.raises(UserError) as caught:
        read_table(data)
    assert str(caught.value) == (
        "This is a DatasetDict with the splits train; one of them is needed. "
        "Pass one split, for example dataset['train']."
    )
    with pytest.raises(UserError, match="A dataset can't be read from list."):
        read_table([1, 2])


# ---- CoNLL --------------------------------------------------------------------------------------------------------


def test_conll_sentences_become_rows_of_tokens_and_tags(tmp_path: Path) -> None:
    text = "-DOCSTART-\tO\n\nAnn\tB-PER\nlives\tO\n\t\nin\tO\n#Rome\tB-LOC\n\n"
    dataset = _read(_file(tmp_path, "notes.conll", text))
    assert _columns(dataset) == {
        "text": ["Ann lives", "in #Rome"],
        "tokens": [["Ann", "lives"], ["in", "#Rome"]],
        "tags": [["B-PER", "O"], ["O", "B-LOC"]],
    }
    assert dataset.questions == []


def test_conll_is_recognised_by_what_it_holds(tmp_path: Path) -> None:
    text = "Ann NNP B-PER\nlives VBZ O\n\nin IN O\nRome NNP B-LOC\n\n"
    assert inspect_file(_file(tmp_path, "notes.annotated", text))["format"] == "conll"
    assert inspect_file(_file(tmp_path, "notes.tsv", text.replace(" ", "\t")))["format"] == "conll"


def test_conll_line_without_tag_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, "notes.conll", "Ann\tB-PER\nlives\n\n")
    assert _refused(path) == (
        "“notes.conll”: line 2 does not hold 2 columns, as the first line has; it reads: lives "
        "Put a token and its tag on each line, with a tab between them, and an empty line after each sentence."
    )
