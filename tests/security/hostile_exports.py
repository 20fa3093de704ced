"""Strategies that write hostile zips: Argilla exports whose settings and records are anything, and archives as such."""

import io
import json
import stat
import struct
import zipfile
from copy import deepcopy
from typing import Any

import pyarrow as pa
import yaml
from hypothesis import strategies as st

from tests.security.hostile_parquet import written
from tests.security.hostile_text import HostileFile, damaged, file_names, json_value, rarely

_V1: dict[str, Any] = {
    "fields": [{"name": "text", "settings": {"type": "text"}, "required": True}],
    "questions": [
        {"name": "label", "settings": {"type": "label_selection", "options": [{"value": "a"}, {"value": "b",
        "text": "B"}]}},
        {"name": "r", "type": "rating", "values": [1, 2]},
        {"name": "rank", "type": "ranking", "values": ["a", "b"]},
        {"name": "s", "type": "span", "field": "text", "labels": {"X": "x"}},
        {"name": "t", "type": "text"},
        {"name": "m", "type": "multi_label_selection", "labels": ["a", "b"]},
    ],
    "guidelines": "g", "metadata_properties": [{"name": "p", "type": "terms"}],
    "vectors_settings": [{"name": "v", "dimensions": 2}],
}  # fmt: skip
_V2: dict[str, Any] = {
    "fields": [{"name": "text", "settings": {"type": "text", "use_markdown": False}}],
    "questions": [
        {"name": name, "settings": {"type": kind, "options": [{"value": value} for value in values], "field": "text"}}
        for name, kind, values in (
            ("label", "label_selection", ["a", "b"]), ("r", "rating", [1, 2]), ("rank", "ranking", ["a", "b"]),
            ("s", "span", ["X"]), ("m", "multi_label_selection", ["a"]), ("t", "text", []),
        )
    ],
    "guidelines": None, "metadata": [{"name": "p", "settings": {"type": "terms"}}], "vectors": [{"name": "v",
    "dimensions": 2}],
}  # fmt: skip
_ANYTHING = (
    *(
        None,
        True,
        0,
        -1,
        2**70,
        0.5,
        "",
        "text",
        "x" * 300,
        "a\ud800",
        [],
        {},
        [None],
        [[]],
        [{}],
        {"": None},
        {"a": 1},
    ),
    *(
        {"name": None},
        {"name": "text"},
        {"name": 5, "type": []},
        {"name": "q", "type": "text", "title": {}},
        {"value": []},
    ),
    *(
        [{"name": "text"}] * 2,
        ["a", "a"],
        [["a"]],
        [{"value": {"a": 1}}],
        {"type": "span"},
        {"options": 5},
        {"options": [5]},
    ),
)


@st.composite
def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """A copy with one to three parts, anywhere in it, put in place of by anything."""
    spoilt = deepcopy(value)
    for _ in range(draw(st.integers(0, 3))):
        place: Any = spoilt
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and draw(st.integers(0, 3)):
                place = place[key]
                continue
            place[key] = deepcopy(draw(st.sampled_from(_ANYTHING)))
            break
    return spoilt


def _bomb(merge: bool) -> str:
    """YAML's billion laughs: lists of lists of aliases, or merge keys."""
    lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for n in range(9):
        aliases = ", ".join([f"*a{n}"] * 9)
        lines.append(f"a{n + 1}: &a{n + 1} " + (f"{{<<: [{aliases}]}}" if merge else f"[{aliases}]"))
    return "\n".join(lines) + "\nguidelines: *a9\n"


_YAML = "fields:\n- name: text\n  settings: {type: text}\nquestions: []\n"
HOSTILE_YAML = (
    *(_bomb(merge=False) + _YAML, _bomb(merge=True) + _YAML, _YAML + "metadata_properties: &a\n- x: *a\n"),
    *(_YAML + "guidelines: !!python/object/apply:os.system ['exit 1']\n", _YAML + "x: !!python/name:os.system\n"),
    *(_YAML + f"x: {scalar}\n" for scalar in (
        "2020-99-99", "!!timestamp a", "!!int x", "!!binary '*'", "1" * 5000, "1:" * 100_000 + "1", "0b" + "1" * 10_000,
        "1e" + "9" * 50, "!!float x", "!!set {[a]: }", "? [a]\n  : b", "!!omap [a]", "!foo bar", "*none", "\\ud800",
        '"\\ud800"',
        "|\n  " + "x" * 2_000_000, "=", "!!merge a", "'\\0'", "~", ".inf", "!!null 5", "!!bool 5",
    )),
    *("[" * 100_000, "- " * 100_000, "{a: " * 5000, "? " * 50_000, "&a " * 1000, "%TAG ! x", "--- a\n--- b", "\x00",
    "\t", ""),
    *("fields: text", "fields: [text]", "fields: {a: b}", "- fields", "fields:\n- name: [a]\n", "fields:\n- {}\n"),
)  # fmt: skip


@st.composite
def argilla_v1_exports(draw: st.DrawFn) -> HostileFile:
    """argilla.yaml or argilla.cfg with anything in it, beside records that may fit."""
    settings = draw(spoiled(_V1))
    text = draw(st.one_of(st.just(json.dumps(settings)), st.just(_as_yaml(settings)), st.sampled_from(HOSTILE_YAML)))
    name = draw(st.sampled_from(["argilla.yaml", "argilla.cfg", "top/argilla.yaml"]))
    records = pa.Table.from_pylist(draw(spoiled_rows(_V1_ROWS)))
    return _zipped(
        draw,
        {
            name: text.encode("utf-8", "surrogatepass"),
            name.replace("argilla", "data").rsplit(".")[0] + ".parquet": written(records),
        },
    )


def _as_yaml(settings: Any) -> str:
    return yaml.safe_dump(settings, allow_unicode=True)


_V1_ROWS: list[dict[str, Any]] = [
    {
        "text": "some text", "label": [{"user_id": "u", "value": "a", "status": "submitted"}], "label-suggestion": "b",
        "label-suggestion-metadata": {"type": None, "score": 0.5, "agent": "m"},
        "r": [{"user_id": "u", "value": 1, "status": "draft"}], "rank": {"user_id": ["u"], "value": [["a", "b"]],
        "status": ["x"]},
        "s": [{"user_id": None, "value": [{"start": 0, "end": 4, "label": "X", "text": "some"}],
        "status": "submitted"}],
        "m": [{"user_id": "u", "value": ["a"], "status": "submitted"}], "external_id": "1", "metadata": '{"p": "x"}',
        "vectors": {"v": [0.5, 1.0]},
    },
]  # fmt: skip
_V2_ROWS: list[dict[str, Any]] = [
    {
        "id": "1", "status": "completed", "_server_id": "x", "text": "some text", "label.responses": ["a"],
        "label.responses.users": ["u"], "label.responses.status": ["submitted"], "label.suggestion": "b",
        "label.suggestion.score": 0.5, "label.suggestion.agent": "m", "r.responses": [1], "rank.responses": [["a",
        "b"]],
        "s.responses": [[{"start": 0, "end": 4, "label": "X"}]], "s.suggestion": [{"start": 0, "end": 4,
        "label": "X", "score": 0.1}],
        "m.responses": [["a"]], "t.responses": ["x"], "p": "x", "v": [0.5, 1.0], "metadata.q": 3,
    },
]  # fmt: skip
_V2_RECORDS: list[dict[str, Any]] = [
    {
        "id": "1", "fields": {"text": "some text"}, "metadata": {"p": "x"}, "vectors": {"v": [0.5, 1.0]},
        "responses": {"label": [{"value": "a", "user_id": "u", "status": "submitted"}], "r": [{"value": 1,
        "user_id": "u"}]},
        "suggestions": {"label": {"value": "b", "score": 0.5, "agent": "m"}, "m": {"value": ["a"], "score": [0.1]}},
    },
]  # fmt: skip


@st.composite
def spoiled_rows(draw: st.DrawFn, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that Arrow can make columns of, some of their values anything."""
    found = draw(spoiled(rows * draw(st.integers(1, 3))))
    objects = [row for row in found if isinstance(row, dict)] or rows
    try:
        written(pa.Table.from_pylist(objects))
    except (pa.ArrowException, UnicodeError, TypeError, ValueError, OverflowError):
        return rows
    return objects


@st.composite
def argilla_v2_exports(draw: st.DrawFn) -> HostileFile:
    """.argilla/settings.json with anything in it, beside Parquet or records.json that may fit."""
    text = draw(st.one_of(spoiled(_V2).map(json.dumps), spoiled(_V2).map(json.dumps), json_value))
    files = {".argilla/settings.json": text.encode("utf-8", "replace")}
    if draw(st.booleans()):
        files["data/train-00000-of-00001.parquet"] = written(pa.Table.from_pylist(draw(spoiled_rows(_V2_ROWS))))
    else:
        records = st.one_of(spoiled(_V2_RECORDS).map(json.dumps), json_value)
        files["records.json"] = draw(records).encode("utf-8", "replace")
    return _zipped(draw, files)


def _zipped(draw: st.DrawFn, files: dict[str, bytes]) -> HostileFile:
    return HostileFile(draw(file_names(".zip")), draw(damaged(zipped(files), likely=8)))


def zipped(files: dict[str, bytes], **options: Any) -> bytes:
    """A zip archive; a name that ends in @ is stored as a symbolic link."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name.removesuffix("@"))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name.endswith("@") else 0
            archive.writestr(info, content)
    return sink.getvalue()


_PATHS = (
    *(
        "data.csv",
        "train.csv",
        "test.csv",
        "../../data.csv",
        "/etc/data.csv",
        "C:\\data.csv",
        "a/b/c.csv",
        ".hidden/x.csv",
    ),
    *("a/" * 1500 + "deep.csv", "__MACOSX/._x.csv", "n" * 60_000 + ".csv", "link.csv@", "train-00000-of-00002.jsonl"),
    *(
        "é\n.csv",
        "[Content_Types].xml",
        "dataset_info.json",
        "data.parquet",
        "data.conll",
        "x.exe",
        "a//b.csv",
        "..",
        "x.CSV",
    ),
)
_READMES = (
    *("", "# Data", "---", "---\n---", "---" + "\n" * 300_000, "---\n" * 100_000, "---\n" + "--- x\n" * 100_000),
    *("---\n" + yaml.safe_dump({"configs": configs}) + "---\n" for configs in (
        "x", [], [5], [{"config_name": None}], [{"data_files": 5}], [{"data_files": [{"split": "train"}]}],
        [{"data_dir": 5}],
        [{"data_files": "**a" * 12 + "b"}], [{"data_files": ["*" * 30 + "x", "**/" * 30 + "x.csv"]}],
        [{"data_files": "*"}],
        [{"config_name": "a" * 1000, "data_files": "*.csv"}, {"config_name": "b", "data_files": "**"}],
        [{"data_files": [{"split": ["x"], "path": [["data.csv"]]}]}], [{"data_files": {"train": "data.csv",
        "x": None}}],
        [{"config_name": f"c{i}", "data_files": f"{i}*"} for i in range(3000)], [{"data_files": "../*.csv",
        "data_dir": ".."}],
    )),
    *("---\n" + text + "\n---\n" for text in HOSTILE_YAML),
)  # fmt: skip


@st.composite
def archives(draw: st.DrawFn) -> HostileFile:
    """Zips: paths that lead elsewhere, links, READMEs made to hang whoever matches their globs, bombs, damage."""
    if rarely(draw):
        return HostileFile("bomb.zip", draw(st.sampled_from(sorted(ZIP_BOMBS)).map(lambda name: ZIP_BOMBS[name]())))
    table = st.sampled_from(
        [b"text,label\na b,x\nc d,y\n", b"", b"\x00" * 10, b'{"text": "a"}\n{"text": 1}\n', b"a O\n\nb O\n"]
    )
    files = {path: draw(table) for path in draw(st.lists(st.sampled_from(_PATHS), max_size=4, unique=True))}
    if draw(st.booleans()):
        files["README.md"] = draw(st.sampled_from(_READMES)).encode("utf-8", "replace")
    file = _zipped(draw, files)
    options = {"subset": st.sampled_from(["default", "x" * 10_000]), "split": st.sampled_from(["train", "test", "…"])}
    return HostileFile(file.name, file.content, draw(st.fixed_dictionaries({}, optional=options)))


ZIP_BOMBS = {
    "zeros": lambda: zipped({"a.csv": b"\x00" * 200_000_000}),
    "lines": lambda: zipped({"a.csv": b"text,label\n" + b"a,b\n" * 5_000_000}),
    "one line": lambda: zipped({"a.csv": b"a" * 200_000_000}),
    "one JSON line": lambda: zipped({"a.json": b"[" * 100_000_000}),
    "a long README": lambda: zipped({"a.csv": b"text\na\n", "README.md": b"---\n" + b"a\n" * 50_000_000}),
    "long settings": lambda: zipped({"argilla.yaml": b"[" + b"a," * 50_000_000, "a.csv": b"text\na\n"}),
    "many files": lambda: zipped({f"{i}.csv": b"" for i in range(30_000)}),
    "states more than it holds": lambda: _with_size(zipped({"a.csv": b"text\na\n"}), 2**32 - 2),
    "zip in zip": lambda: zipped({"a.csv": zipped({"b.csv": b"text\na\n"})}),
}


def _with_size(archive: bytes, size: int) -> bytes:
    """The archive, its only file said to be of this size."""
    place = archive.index(b"PK\x01\x02") + 24
    return archive[:place] + struct.pack("<I", size) + archive[place + 4 :]
