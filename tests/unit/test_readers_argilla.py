"""Exports of Argilla 1.x and 2.x, of every vintage and with every trap: what becomes of fields and answers."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.readers import import_source, read_source
from engine.data.samples import as_table
from engine.errors import UserError

YAML = """
allow_extra_metadata: true
guidelines: Be kind.
fields:
- {name: text, title: Text, required: true, type: text, use_markdown: false}
- {name: note, title: Note, required: false, type: text, use_markdown: false}
questions:
- {name: topic, title: Topic, description: null, required: true, type: label_selection, labels: {x: Ex, y: Why}}
- {name: tags, title: Tags, required: false, type: multi_label_selection, labels: [t1, t2], labels_order: natural}
- {name: stars, title: Stars, required: false, type: rating, values: [1, 2, 3]}
- {name: order, title: Order, required: false, type: ranking, values: [a, b]}
- {name: spans, title: Spans, required: false, type: span, field: text, labels: [{value: P, text: Person}]}
metadata_properties: [{name: source, title: source, type: terms, values: null, visible_for_annotators: true}]
vectors_settings: [{name: v, title: v, dimensions: 2}]
"""
ANN = "11111111-1111-1111-1111-111111111111"


def _read(folder: Path, **options: Any) -> FeedbackDataset:
    return read_source({"kind": "file", "path": str(folder), "options": options})


def _export(folder: Path, settings: dict[str, str], table: pa.Table | list[dict], split: str = "train") -> Path:
    for name, text in settings.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    table = pa.Table.from_pylist(table) if isinstance(table, list) else table
    pq.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def _answers(dataset: FeedbackDataset, question: str) -> list[list[tuple]]:
    rows = dataset.responses(question).to_pylist()
    return [[(a["user_id"], a["value"], a["status"]) for a in row] for row in rows]


# ---- 1.x ----------------------------------------------------------------------------------------------------------


def _v1_dataset() -> FeedbackDataset:
    """What the export is made from: the samples of a dataset are the columns of an export."""
    from engine.data.readers.argilla_v1 import v1_schema

    schema = v1_schema(YAML, "notes")
    dataset = FeedbackDataset(schema.fields, schema.questions, vectors_settings=schema.vectors_settings)
    answer = {
        "topic": "x",
        "tags": ["t1", "t2"],
        "stars": 2,
        "order": [{"value": "b", "rank": 1}, {"value": "a", "rank": 1}],
        "spans": [{"start": 0, "end": 3, "label": "P"}],
    }
    dataset.add_records(
        [
            {
                "fields": {"text": "Ann came.", "note": None},
                "responses": [
                    {"user_id": None, "values": {"topic": "x"}},
                    {"user_id": ANN, "values": answer},
                    {"user_id": None, "values": {"topic": "y", "stars": 3}, "status": "draft"},
                    {"user_id": "u2", "values": {"topic": "z", "tags": []}, "status": "discarded"},
                ],
                "suggestions": [
                    {"question_name": "tags", "value": ["t2"], "score": [0.5], "type": "model", "agent": "bot"},
                    {"question_name": "spans", "value": [{"start": 4, "end": 8, "label": "P", "score": 0.25}]},
                ],
                "metadata": {"source": "web"},
                "vectors": {"v": [0.5, 1.0]},
                "external_id": "e-1",
            },
            {"fields": {"text": "Nobody."}},
        ]
    )
    return dataset


def test_v1_export_comes_back_whole(tmp_path: Path) -> None:
    original = _v1_dataset()
    dataset = _read(_export(tmp_path, {"argilla.yaml": YAML}, as_table(original)))
    assert dataset.table.equals(original.table)
    assert dataset.questions == original.questions
    assert dataset.guidelines == "Be kind."
    assert dataset.question_by_name("topic").labels == {"x": "Ex", "y": "Why"}
    assert dataset.schema.metadata_properties[0]["name"] == "source"


def test_v1_anonymous_and_named_answers_are_all_kept(tmp_path: Path) -> None:
    dataset = _read(_export(tmp_path, {"argilla.yaml": YAML}, as_table(_v1_dataset())))
    assert _answers(dataset, "topic")[0] == [
        (None, "x", "submitted"),
        (ANN, "x", "submitted"),
        (None, "y", "draft"),
        ("u2", "z", "discarded"),
    ]
    assert _answers(dataset, "tags") == [[(ANN, ["t1", "t2"], "submitted"), ("u2", [], "discarded")], []]


def test_v1_old_export_has_lists_in_a_struct_and_no_suggestions(tmp_path: Path) -> None:
    settings = {
        "fields": [{"name": "text", "title": "Text", "required": True, "settings": {"type": "text"}, "id": "1"}],
        "questions": [
            {"name": "stars", "title": "S", "required": True, "id": "2",
             "settings": {"type": "rating", "options": [{"value": 1}, {"value": 2}]}},
            {"name": "topic", "title": "T", "required": True,
             "settings": {"type": "label_selection",
                          "options": [{"value": "x", "text": "Ex"}, {"value": "y", "text": "y"}]}},
            {"name": "why", "title": "W", "required": False, "settings": {"type": "text"}},
        ],
    }  # fmt: skip
    rows = [
        {"metadata": None, "text": "One.", "external_id": None,
         "stars": {"user_id": ["u1", None], "value": [2, 1], "status": ["submitted", "submitted"]},
         "topic": {"user_id": [None], "value": ["x"], "status": ["discarded"]}, "why": None},
        {"metadata": None, "text": "Two.", "external_id": None,
         "stars": None, "topic": {"user_id": [], "value": [], "status": []}, "why": None},
    ]  # fmt: skip
    dataset = _read(_export(tmp_path, {"argilla.cfg": json.dumps(settings)}, rows))
    assert _answers(dataset, "stars") == [[("u1", 2, "submitted"), (None, 1, "submitted")], []]
    assert _answers(dataset, "topic") == [[(None, "x", "discarded")], []]
    assert _answers(dataset, "why") == [[], []]
    assert dataset.question_by_name("topic").labels == {"x": "Ex", "y": "y"}
    assert dataset.question_by_name("stars").values == [1, 2]
    assert dataset.table["record_id"].to_pylist() == ["r1", "r2"]


def test_v1_yaml_with_python_objects_is_read_without_running_them(tmp_path: Path) -> None:
    old = (
        "fields:\n- id: !!python/object:uuid.UUID\n    int: 123\n  name: text\n  required: true\n  title: Text\n"
        "  settings:\n    type: text\n"
        "questions:\n- id: !!python/object:uuid.UUID\n    int: 456\n  labels: [a, b]\n  name: q\n"
        "  type: label_selection\n"
    )
    rows = [{"text": "One.", "q": [{"user_id": None, "value": "a", "status": None}]}]
    dataset = _read(_export(tmp_path, {"argilla.yaml": old}, rows))
    assert _answers(dataset, "q") == [[(None, "a", "submitted")]]


def test_v1_equal_external_ids_give_distinct_record_ids(tmp_path: Path) -> None:
    rows = [{"text": f"{i}", "external_id": e} for i, e in enumerate(["a", "a", None, "r4", None])]
    yaml = "fields: [{name: text, type: text}]\nquestions: []\n"
    dataset = _read(_export(tmp_path, {"argilla.yaml": yaml}, rows))
    assert dataset.table["record_id"].to_pylist() == ["a", "r2", "r3", "r4", "r5"]
    assert dataset.table["external_id"].to_pylist() == ["a", "a", None, "r4", None]


def test_v1_settings_that_can_not_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        _read(_export(tmp_path, {"argilla.yaml": "fields: ["}, [{"text": "x"}]))
    assert str(caught.value).startswith("The settings of the Argilla export can't be read: while parsing")
    with pytest.raises(UserError) as caught:
        _read(_export(tmp_path, {"argilla.yaml": "questions: []"}, [{"text": "x"}]))
    assert str(caught.value) == (
        "The settings of the Argilla export can't be read: it names no fields. Export the dataset from Argilla again."
    )


def test_v1_several_splits_take_train_with_a_note(tmp_path: Path) -> None:
    yaml = "fields: [{name: text, type: text}]\nquestions: []\n"
    _export(tmp_path, {"argilla.yaml": yaml}, [{"text": "x"}], split="test")
    dataset = _read(_export(tmp_path, {"argilla.yaml": yaml}, [{"text": "y"}, {"text": "z"}]))
    assert len(dataset) == 2
    assert dataset.schema.notes == ["There are the splits train, test; “train” was read."]
    assert len(_read(tmp_path, split="test")) == 1


def test_export_in_a_zip_with_a_folder_around_it_is_found(tmp_path: Path) -> None:
    folder = _export(tmp_path / "export", {"argilla.yaml": YAML}, as_table(_v1_dataset()))
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("__MACOSX/._argilla.yaml", "not yaml: [")
        for path in folder.rglob("*"):
            archive.write(path, f"../wrapped/{path.relative_to(folder)}")
    dataset = import_source({"kind": "file", "path": str(tmp_path / "notes.zip")}, tmp_path / "dataset")
    assert len(dataset) == 2
    assert dataset.name == "notes"
    assert not (tmp_path / "wrapped").exists()


# ---- 2.x ----------------------------------------------------------------------------------------------------------


def _v2_question(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": name, "description": None, "required": False, "id": None, "settings": settings}


SETTINGS = {
    "guidelines": None,
    "allow_extra_metadata": True,
    "distribution": {"strategy": "overlap", "min_submitted": 1},
    "fields": [
        {"name": "text", "title": "Text", "required": True, "settings": {"type": "text", "use_markdown": False}},
        {"name": "chat.log", "title": "Chat", "required": False, "type": "chat", "settings": {"type": "chat"}},
        {"name": "label", "title": "Label", "required": False, "settings": {"type": "text"}},
        {"name": "never", "title": "Never", "required": False, "settings": {"type": "text"}},
    ],
    "questions": [
        _v2_question("label", {"type": "label_selection", "options": [{"value": v, "text": v} for v in "zyx"]}),
        _v2_question("label.b", {"type": "label_selection", "options": [{"value": "m", "text": "Em"}]}),
        _v2_question("tags", {"type": "multi_label_selection", "options": [{"value": "t1", "text": "t1"}],
                              "options_order": "suggestion"}),
        _v2_question("stars", {"type": "rating", "options": [{"value": 1}, {"value": 2}]}),
        _v2_question("order", {"type": "ranking", "options": [{"value": v, "text": v} for v in "ab"]}),
        _v2_question("spans", {"type": "span", "field": "text", "options": [{"value": "P", "text": "P"}],
                               "allow_overlapping": True}),
        _v2_question("why", {"type": "text", "use_markdown": True}),
    ],
    "metadata": [{"name": "source", "title": "source", "settings": {"type": "terms", "values": ["web"]}}],
    "vectors": [{"name": "v", "title": "v", "dimensions": 2}],
}  # fmt: skip
CHAT = [{"role": "user", "content": "Hi"}]


def _v2_table() -> pa.Table:
    rows = [
        {
            "id": "e-1", "status": "completed", "_server_id": "s1", "text": "Ann came.", "chat.log": CHAT,
            "label": "field value",
            "source": "web", "extra": 3, "v": [0.5, 1.0],
            "label.responses": ["x", "y"], "label.responses.users": ["u1", "u2"],
            "label.responses.status": ["submitted", "draft"],
            "label.suggestion": 0, "label.suggestion.score": 0.5, "label.suggestion.agent": "bot",
            "label.b.responses": ["m"], "label.b.responses.users": ["u1"], "label.b.responses.status": ["submitted"],
            "tags.responses": [["t1"], []], "tags.responses.users": ["u1", "u2"],
            "tags.responses.status": ["submitted", "draft"],
            "tags.suggestion": ["t1"], "tags.suggestion.score": [0.25], "tags.suggestion.agent": None,
            "stars.responses": [2], "stars.responses.users": ["u1"], "stars.responses.status": ["submitted"],
            "order.responses": [["b", "a"]], "order.responses.users": ["u2"], "order.responses.status": ["discarded"],
            "spans.responses": [[{"start": 0, "end": 3, "label": "P"}]], "spans.responses.users": ["u1"],
            "spans.responses.status": ["submitted"],
            "spans.suggestion": [{"start": 4, "end": 8, "label": "P", "score": 0.5}],
        },
        {"id": "e-2", "status": "pending", "_server_id": "s2", "text": "Nobody.", "label.suggestion": 1},
        {"id": "e-3", "status": "pending", "_server_id": "s3", "text": "None.", "label.suggestion": 2},
    ]  # fmt: skip
    names = list(rows[0])
    table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])
    features = {"label.suggestion": {"names": ["x", None, "y"], "_type": "ClassLabel"}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _v2(tmp_path: Path) -> FeedbackDataset:
    return _read(_export(tmp_path, {".argilla/settings.json": json.dumps(SETTINGS)}, _v2_table()))


def test_v2_answers_of_every_question_type_are_read(tmp_path: Path) -> None:
    dataset = _v2(tmp_path)
    assert _answers(dataset, "label_question")[0] == [("u1", "x", "submitted"), ("u2", "y", "draft")]
    assert _answers(dataset, "label.b") == [[("u1", "m", "submitted")], [], []]
    assert _answers(dataset, "tags")[0] == [("u1", ["t1"], "submitted"), ("u2", [], "draft")]
    assert _answers(dataset, "stars")[0] == [("u1", 2, "submitted")]
    assert _answers(dataset, "order")[0] == [("u2", {"rank": [1, 2], "value": ["b", "a"]}, "discarded")]
    spans = {"start": [0], "end": [3], "label": ["P"], "text": ["Ann"]}
    assert _answers(dataset, "spans")[0] == [("u1", spans, "submitted")]
    assert _answers(dataset, "why") == [[], [], []]


def test_v2_suggestions_are_names_and_none_is_none(tmp_path: Path) -> None:
    dataset = _v2(tmp_path)
    rows = list(dataset.samples())
    assert [row["label_question-suggestion"] for row in rows] == ["x", None, "y"]
    assert dataset.question_by_name("label_question").classes == ("z", "y", "x")
    first = rows[0]
    assert first["label_question-suggestion-metadata"] == {"type": None, "score": 0.5, "agent": "bot"}
    assert first["tags-suggestion-metadata"] == {"type": None, "score": [0.25], "agent": None}
    assert first["spans-suggestion"] == {
        "start": [4], "end": [8], "label": ["P"], "text": ["came"], "score": [0.5],
    }  # fmt: skip


def test_v2_question_called_like_a_field_is_renamed_with_a_note(tmp_path: Path) -> None:
    dataset = _v2(tmp_path)
    assert dataset.values("label").to_pylist() == ["field value", None, None]
    assert "A field is called “label” too; the question is called “label_question” here." in dataset.schema.notes


def test_v2_fields_metadata_and_vectors_are_told_apart(tmp_path: Path) -> None:
    record = _v2(tmp_path).records[0]
    assert record.fields == {"text": "Ann came.", "chat.log": CHAT, "label": "field value", "never": None}
    assert record.metadata == {"source": "web", "extra": 3}
    assert record.vectors == {"v": [0.5, 1.0]}
    assert record.external_id == "e-1"


def test_v2_settings_of_questions_are_kept(tmp_path: Path) -> None:
    dataset = _v2(tmp_path)
    assert dataset.question_by_name("label.b").labels == {"m": "Em"}
    assert dataset.question_by_name("tags").labels_order == "suggestion"
    assert dataset.question_by_name("spans").allow_overlapping is True
    assert dataset.question_by_name("why").use_markdown is True
    assert [f.type for f in dataset.fields] == ["text", "chat", "text", "text"]
    assert "The export has no values for the field “never”." in dataset.schema.notes


def test_v2_records_json_is_read_and_the_missing_status_said(tmp_path: Path) -> None:
    records = [
        {
            "id": "e-1", "fields": {"text": "Ann came."}, "metadata": {"source": "web"}, "vectors": {"v": [0.5, 1.0]},
            "status": "completed", "_server_id": "s",
            "suggestions": {"label": {"value": "x", "score": 0.5, "agent": None}},
            "responses": {
                "label": [{"value": "x", "user_id": "u1"}, {"value": "y", "user_id": "u2"}],
                "order": [{"value": ["b", "a"], "user_id": "u1"}],
            },
        },
        {"id": None, "fields": {"text": "b"}, "metadata": {}, "suggestions": {}, "responses": {}, "vectors": {}},
    ]  # fmt: skip
    (tmp_path / ".argilla").mkdir()
    (tmp_path / ".argilla" / "settings.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "records.json").write_text(json.dumps(records))
    dataset = _read(tmp_path)
    assert _answers(dataset, "label_question") == [[("u1", "x", "submitted"), ("u2", "y", "submitted")], []]
    assert _answers(dataset, "order")[0] == [("u1", {"rank": [1, 2], "value": ["b", "a"]}, "submitted")]
    assert dataset.records[0].metadata == {"source": "web"}
    assert dataset.records[0].vectors == {"v": [0.5, 1.0]}
    assert dataset.records[0].suggestions[0].value == "x"
    assert "This export (records.json) says no status per answer; all are read as submitted." in dataset.schema.notes


def test_v2_settings_without_records_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".argilla").mkdir()
    (tmp_path / ".argilla" / "settings.json").write_text(json.dumps(SETTINGS))
    with pytest.raises(UserError) as caught:
        _read(tmp_path)
    assert str(caught.value) == (
        f"“{tmp_path.name}” has the settings of an Argilla dataset, but no records. "
        "Export it again with its records (with_records=True)."
    )


def test_v1_answers_in_a_type_that_does_not_fit_name_the_question(tmp_path: Path) -> None:
    yaml = "fields: [{name: text, type: text}]\nquestions: [{name: stars, type: rating, values: [1, 2]}]\n"
    rows = [{"text": "a", "stars": [{"user_id": None, "value": "many", "status": "submitted"}]}]
    with pytest.raises(UserError) as caught:
        _read(_export(tmp_path, {"argilla.yaml": yaml}, rows))
    assert str(caught.value).startswith("The answers to the question 'stars' can't be read as rating: ")


# ---- the bundled example ------------------------------------------------------------------------------------------


def test_bundled_example_is_read_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = import_source({"kind": "example"}, tmp_path / "dataset")
    assert len(dataset) == 400
    assert any(question.is_multi_label for question in dataset.questions)
    profile = json.loads((tmp_path / "dataset" / "profile.json").read_text())
    assert profile["annotators"] == 3
