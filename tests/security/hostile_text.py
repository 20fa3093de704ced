"""Strategies that write hostile text files: CSV and its kin, JSON and JSON Lines, CoNLL. What others share is here too.

A strategy draws a small recipe and renders it, so that a file of ten million characters costs Hypothesis nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class HostileFile:
    """What is uploaded: a name that its owner gave it, bytes, and the options that were chosen on the page."""

    name: str
    content: bytes = field(repr=False)
    options: dict[str, Any] = field(default_factory=dict)

    def source(self, path: Path) -> dict[str, Any]:
        """Written to `path`, as a source of the import."""
        path.write_bytes(self.content)
        return {"kind": "file", "path": str(path), "name": self.name, "options": self.options}

    def __repr__(self) -> str:
        head = self.content[:200]
        return f"HostileFile({self.name!r}, {len(self.content):,} bytes: {head!r}, {self.options})"


ODD_TEXTS = (
    *(
        "",
        " ",
        "a",
        "text",
        "O",
        "1",
        "-5",
        "3.5",
        "true",
        "null",
        "NaN",
        "#N/A",
        "é",
        "日本",
        "😀",
        "‮abc",
        "__proto__",
    ),
    *(
        "<script>alert(1)</script>",
        "=1+1",
        "../../etc/passwd",
        "C:\\x",
        "a,b",
        "a;b|c\td",
        'say "hi"',
        '"',
        '""',
        "a\nb",
    ),
    *(
        "a\r\nb",
        "\r",
        "\x00",
        "\x1f",
        "\x85",
        "\u2028",
        "\ufeff",
        "\ufffe",
        "1e999",
        "9" * 30,
        "9" * 400,
        "0x10",
        "{}",
        "[]",
    ),
    *("label", "rating", "id", "tokens", "tags", "record_id", "metadata", "fields.text", "responses.x", "2020-99-99"),
)
NUMBERS = (*(0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30), *(0.5, -0.0, 1e300, 1e-320))
odd_text = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=12))
odd_name = st.one_of(odd_text, st.sampled_from(["n" * 300, "n" * 10**5, "é" * 5000, "a.b.c", "text-suggestion"]))
length = st.sampled_from([1, 2, 7, 100, 10_000])
REPEATED = 1_000_000  # characters that a small file is repeated to
LARGE_ONES = 50  # one file in so many is large


def rarely(draw: st.DrawFn) -> bool:
    """True once in a while: what takes seconds to read."""
    return draw(st.integers(1, LARGE_ONES)) == LARGE_ONES


ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "shift_jis")


def file_names(*suffixes: str) -> st.SearchStrategy[str]:
    """Names of uploads, most with one of these suffixes, some that lead elsewhere or say nothing."""
    stems = st.sampled_from(["data", "a b", "../../x", "..\\x", "é\n", "‮", "", ".hidden", "n" * 400, "con"])
    return st.builds(str.__add__, stems, st.sampled_from([*suffixes, suffixes[0], "", ".txt"]))


@st.composite
def damaged(draw: st.DrawFn, content: bytes, likely: int = 3) -> bytes:
    """The bytes as they are, or cut short, with bits turned, or with other bytes put in."""
    kind = draw(st.integers(0, likely + 3))
    if kind <= likely or not content:
        return content
    place = draw(st.integers(0, 2**30)) % len(content)
    if kind == likely + 1:
        return content[:place]
    if kind == likely + 2:
        return content[:place] + draw(st.binary(min_size=1, max_size=8)) + content[place:]
    turned = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        turned[draw(st.integers(0, 2**30)) % len(turned)] ^= 1 << draw(st.integers(0, 7))
    return bytes(turned)


# ---- delimited text -------------------------------------------------------------------------------------------------


@st.composite
def delimited_files(draw: st.DrawFn) -> HostileFile:
    """CSV and its kin: odd quotes, ragged rows, any header, any encoding; sometimes very wide or very long."""
    delimiter, end = draw(st.sampled_from([",", "\t", ";", "|"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    width, times = draw(st.integers(1, 5)), draw(st.sampled_from([1, 1, 1, 3, 40, 1000]))
    quoting = draw(st.sampled_from([str, _quoted, lambda cell: f'"{cell}"', lambda cell: f'{cell}"']))
    ragged = draw(st.sampled_from([0, 0, 0, 1]))
    cells = st.one_of(odd_text, odd_text, st.sampled_from(["x" * 200_000, '"' * 1001]))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width + ragged), min_size=1, max_size=5))
    text = "".join(delimiter.join(map(quoting, row)) + end for row in rows)
    text *= times if len(text) * times < REPEATED else 1
    text = draw(st.sampled_from(LARGE_TEXTS))() if rarely(draw) else text
    encoding = draw(st.sampled_from(ENCODINGS))
    content = text.encode(encoding, "replace") + draw(st.sampled_from([b"", b"", b"\xff\xfe", "é".encode("cp1252")]))
    options = draw(st.fixed_dictionaries({}, optional=_DELIMITED_OPTIONS)) if draw(st.booleans()) else {}
    return HostileFile(draw(file_names(".csv", ".tsv", ".tab")), draw(damaged(content)), options)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


_DELIMITED_OPTIONS: dict[str, Any] = {
    "delimiter": st.sampled_from([",", "\t", ";", None, "", '"', "\n", "\r", "\x00", ",,", "é", " "]),
    "header": st.booleans(),
    "encoding": st.sampled_from(
        [*ENCODINGS, "base64", "rot13", "idna", "punycode", "utf-7", "no-such", "unicode_escape"]
    ),
    "format": st.sampled_from(["delimited", "json", "jsonl", "conll", "parquet", "xml"]),
}
LARGE_TEXTS: tuple[Callable[[], str], ...] = (
    lambda: ",".join(f"c{i}" for i in range(100_000)) + "\n" + "," * 99_999 + "\n",
    lambda: "," * 3_000_000 + "\n" + "," * 3_000_000,
    lambda: "text,label\n" + "a" * 10_000_000 + ",b\n",
    lambda: "😀" * 10_000_000,
    lambda: "a" * 20_000_000,
    lambda: 'text,label\n"' + "open, never closed\n" * 200_000,
    lambda: ",".join(["é" * 10_000] * 900) + "\n" + ",".join(["1"] * 900),
    lambda: "a\n" * 1_000_000,
    lambda: "text,rating\n" + "".join(f"text number {i},{i % 3}{'9' * 10}\n" for i in range(60)),
)


# ---- JSON -----------------------------------------------------------------------------------------------------------

_JSON_LEAVES = st.one_of(
    odd_text.map(json.dumps),
    st.sampled_from([str(number) for number in NUMBERS]),
    st.sampled_from(["NaN", "-Infinity", "1e999", "-1e999", "1" + "0" * 500, "1" + "0" * 5000, "0.1e-400", "01",
    "+1", "."]),
    st.sampled_from(['"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\x"', '"\x01"', "undefined", "nul", "",
    "/*c*/1"]),
    st.builds(lambda n, a: a[0] * n + a[1:-1] + a[-1] * n, st.sampled_from([5, 20, 70, 300, 990, 1100, 50_000]),
    st.sampled_from(["[1]", "[]"])),
    st.sampled_from([70, 990, 50_000]).map(lambda n: '{"a":' * n + "1" + "}" * n),
)  # fmt: skip
json_value = st.recursive(
    _JSON_LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
        st.lists(st.tuples(odd_name, inner), max_size=3).map(lambda pairs: _object(pairs)),
    ),
    max_leaves=6,
)


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs) + "}"


@st.composite
def json_files(draw: st.DrawFn) -> HostileFile:
    """JSON and JSON Lines: any nesting, numbers, keys twice, types mixed by row; sometimes a million keys."""
    names = draw(st.lists(odd_name, min_size=1, max_size=3)) * draw(st.sampled_from([1, 1, 2]))
    row = st.tuples(*[json_value for _ in names]).map(lambda values: _object(list(zip(names, values, strict=True))))
    rows = draw(st.lists(st.one_of(row, row, row, json_value), min_size=1, max_size=5))
    rows *= draw(st.sampled_from([1, 1, 1, 50, 6000])) if sum(map(len, rows)) < 2000 else 1
    lines, listed = "\n".join(rows) + "\n", "[" + ",\n".join(rows) + "]"
    columns = _object([(name, listed) for name in names])
    text = draw(
        st.sampled_from([lines, lines, lines, listed, listed, columns, '{"version": 1, "data": ' + listed + "}"])
    )
    text = draw(st.sampled_from(LARGE_JSON))() if rarely(draw) else text
    content = text.encode(draw(st.sampled_from(ENCODINGS)), "replace")
    return HostileFile(draw(file_names(".jsonl", ".json")), draw(damaged(content)))


LARGE_JSON: tuple[Callable[[], str], ...] = (
    lambda: "[" + ",".join(["{}"] * 1_000_000) + "]",
    lambda: "[" + "[]," * 2_000_000 + "[]]",
    lambda: '{"a": [' + "1," * 2_000_000 + "1]}",
    lambda: '{"a": [' + "[]," * 2_000_000 + "[]]}\n{}\n",
    lambda: "[" * 1_000_000,
    lambda: '{"a":' * 300_000,
    lambda: json.dumps([{f"k{i}": 1 for i in range(300_000)}]),
    lambda: json.dumps({f"k{i}": [1] for i in range(300_000)}),
    lambda: "\n".join(json.dumps({f"k{i}_{j}": 1 for j in range(20)}) for i in range(5000)),
    lambda: json.dumps({"text": "x" * 10_000_000, "label": "a"}) + "\n" + json.dumps({"text": "😀" * 2_000_000}) + "\n",
    lambda: json.dumps({"n" * 5_000_000: 1}) + "\n{}\n",
    lambda: '{"a": -1}\n' * 10_000 + '{"a": 18446744073709551615}\n' * 3,
    lambda: '{"a": 1152921504606846977}\n' * 10_001 + '{"a": 0.5}\n',
    lambda: '{"a": [1152921504606846977]}\n' * 10_001 + '{"a": [0.5]}\n' * 3 + '{"a": [{"b": 1}]}\n',
)


# ---- CoNLL ----------------------------------------------------------------------------------------------------------


@st.composite
def conll_files(draw: st.DrawFn) -> HostileFile:
    """Tokens and tags in lines, with comments, other columns, and sentences that never end."""
    between = draw(st.sampled_from(["\t", " ", "  "]))
    tags = st.one_of(st.sampled_from(["O", "B-PER", "I-PER", "B-", "-DOCSTART-"]), odd_text)
    line = st.one_of(
        st.just(""),
        st.sampled_from(["# id = 1", "-DOCSTART- -X- O", "\t\t"]),
        st.tuples(odd_text, tags).map(between.join),
    )
    lines = draw(st.lists(line, min_size=1, max_size=8)) * draw(st.sampled_from([1, 1, 50, 3000]))
    content = "\n".join(lines).encode(draw(st.sampled_from(ENCODINGS)), "replace")
    return HostileFile(draw(file_names(".conll", ".bio")), draw(damaged(content)))
