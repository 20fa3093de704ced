"""Ordinary Python works in a cell as anywhere: nothing that a person would write for data is in the way."""

import datetime
import decimal
from textwrap import dedent

import pytest

from engine.formatting import CellError, Limits, run_formatting_cell

SAMPLE = {
    "text": "Hello, World! Café 😀 costs 3.50 €",
    "label": [{"value": "b", "status": "submitted"}, {"value": "a", "status": "submitted"}, {"value": "b"}],
    "metadata": '{"n": 3}',
    "number": 7,
}
# What the cell's lines give for SAMPLE. `return` stands in the last line.
HONEST = {
    "Counter": ("return Counter(a['value'] for a in sample['label']).most_common(1)[0][0]", "b"),
    "collections": (
        """
        from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
        by = defaultdict(list)
        for answer in sample['label']:
            by[answer['value']].append(answer)
        Point = namedtuple('Point', 'x y')
        return list(OrderedDict.fromkeys(by)) + [deque([1, 2], maxlen=1)[0], Point(1, 2).y]
        """,
        ["b", "a", 2, 2],
    ),
    "re": (
        "import re\nreturn re.sub(r'(\\d+)\\.(\\d+)', r'\\1,\\2', sample['text'])",
        "Hello, World! Café 😀 costs 3,50 €",
    ),
    "a callable in re.sub": ("import re\nreturn re.sub(r'o', lambda m: m[0].upper(), 'foo')", "fOO"),
    "random with a seed": ("import random\nreturn random.Random(3).choice('abc')", "a"),
    "random": ("import random\nreturn random.sample([5], 1)[0] + random.randint(1, 1)", 6),
    "json": ("import json\nreturn json.loads(sample['metadata'])['n']", 3),
    "math": ("import math\nreturn [math.floor(math.pi), math.comb(4, 2), math.isclose(0.1 + 0.2, 0.3)]", [3, 6, True]),
    "statistics": ("import statistics\nreturn [statistics.mean([1, 2, 3]), statistics.mode('aab')]", [2, "a"]),
    "statistics: normal": ("import statistics\nreturn statistics.NormalDist(0, 1).cdf(0)", 0.5),
    "datetime": (
        "import datetime as d\nreturn (d.datetime(2026, 1, 31) + d.timedelta(days=1)).strftime('%d %b %Y')",
        "01 Feb 2026",
    ),
    "strptime": (
        "from datetime import datetime\nreturn datetime.strptime('2026-02-03', '%Y-%m-%d').isoformat()",
        "2026-02-03T00:00:00",
    ),
    "time": (
        "import time\nreturn time.time() > 1.7e9 and time.monotonic() > 0 and time.localtime().tm_year > 2025",
        True,
    ),
    "a short sleep": ("import time\ntime.sleep(0.01)\nreturn 1", 1),
    "uuid": (
        "import uuid\nreturn [len(str(uuid.uuid4())), str(uuid.uuid5(uuid.NAMESPACE_DNS, 'a'))[:8]]",
        [36, "4f3f2898"],
    ),
    "itertools": (
        "import itertools as i\nreturn [''.join(p) for p in i.permutations('ab')] + list(i.islice(i.count(3), 2))",
        ["ab", "ba", 3, 4],
    ),
    "functools": (
        """
        import functools
        @functools.lru_cache
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)
        def told(f):
            @functools.wraps(f)
            def inner(*a):
                return f.__name__, f(*a)
            return inner
        return list(told(fib)(30)) + [functools.reduce(lambda a, b: a * b, [1, 2, 3])]
        """,
        ["fib", 832040, 6],
    ),
    "string": ("import string\nreturn string.Template('$a!').substitute(a='x') + string.ascii_lowercase[:2]", "x!ab"),
    "textwrap": ("import textwrap\nreturn textwrap.shorten(sample['text'], 12)", "Hello, [...]"),
    "unicodedata": (
        "import unicodedata as u\nreturn u.normalize('NFD', 'é')[0] + u.name('😀') + '\\N{BULLET}'",
        "eGRINNING FACE•",
    ),
    "html": ("import html\nreturn html.unescape('&lt;b&gt;') + html.escape('<')", "<b>&lt;"),
    "html.parser": (
        """
        from html.parser import HTMLParser
        class Text(HTMLParser):
            def __init__(self):
                super().__init__()
                self.seen = []
            def handle_data(self, data):
                self.seen.append(data)
        parser = Text()
        parser.feed('<p>one <b>two</b></p>')
        return ''.join(parser.seen)
        """,
        "one two",
    ),
    "hashlib": (
        "import hashlib\nreturn [hashlib.md5(b'a').hexdigest()[:4], hashlib.sha256(b'a').hexdigest()[:4], "
        "hashlib.blake2b(b'a').hexdigest()[:4], hashlib.new('sha3_256', b'a').hexdigest()[:4]]",
        ["0cc1", "ca97", "333f", "8008"],
    ),
    "base64 and zlib": (
        "import base64, zlib\nreturn base64.b64encode(zlib.decompress(zlib.compress(b'a'))).decode()",
        "YQ==",
    ),
    "dataclasses": (
        """
        from dataclasses import asdict, dataclass, field
        @dataclass(order=True)
        class Row:
            text: str
            labels: list = field(default_factory=list)
        return asdict(Row('a', ['b']))
        """,
        {"text": "a", "labels": ["b"]},
    ),
    "typing": (
        """
        from typing import Generic, NamedTuple, Optional, TypedDict, TypeVar
        T = TypeVar('T')
        class Box(Generic[T]):
            def __init__(self, value: Optional[T] = None):
                self.value = value
        class Pair(NamedTuple):
            a: int
            b: str = 'x'
        return [Box(3).value, *Pair(1)]
        """,
        [3, 1, "x"],
    ),
    "enum": (
        "import enum\nclass Colour(enum.Enum):\n    RED = 'red'\nreturn [Colour('red').name, Colour.RED.value]",
        ["RED", "red"],
    ),
    "abc and inheritance": (
        """
        from abc import ABC, abstractmethod
        class Base(ABC):
            @abstractmethod
            def run(self): ...
            def twice(self):
                return self.run() * 2
        class Child(Base):
            def run(self):
                return super().__repr__()[:0] + 'x'
        return Child().twice()
        """,
        "xx",
    ),
    "decimal and fractions": (
        "from decimal import Decimal as D\nfrom fractions import Fraction as F\nreturn str(D('0.1') + 1), str(F(1, 3))",
        [["1.1", "1/3"]],
    ),
    "csv": ("import csv, io\nreturn list(csv.reader(io.StringIO('a,\"b,c\"')))[0]", ["a", "b,c"]),
    "difflib": ("import difflib\nreturn difflib.get_close_matches('helo', ['hello', 'x'])", ["hello"]),
    "urllib.parse": ("from urllib.parse import urlparse\nreturn urlparse('https://a.b/c?d=e').netloc", "a.b"),
    "codecs": (
        "return 'é'.encode('latin-1').hex() + 'é'.encode('utf-16-le').hex() + 'a'.encode('idna').decode()",
        "e9e900a",
    ),
    "formatting": (
        "return f'{3.14159:.2f} {1234567:,} {\"x\":>3} {0.5:%} {255:#x}'",
        "3.14 1,234,567   x 50.000000% 0xff",
    ),
    "match": (
        "match sample:\n    case {'number': int(n)} if n > 5:\n        return n\n    case _:\n        return None",
        7,
    ),
    "comprehensions, walrus, unpacking": (
        "first, *rest = [y for x in 'abc' if (y := x.upper())]\nreturn [first, *rest]",
        ["A", "B", "C"],
    ),
    "exceptions": (
        "try:\n    sample['missing']\nexcept KeyError as error:\n    return str(error)\nfinally:\n    pass",
        "'missing'",
    ),
    "a context manager": (
        """
        from contextlib import contextmanager
        seen = []
        @contextmanager
        def around():
            seen.append('in')
            yield
            seen.append('out')
        with around():
            pass
        return seen
        """,
        ["in", "out"],
    ),
    "sorting": (
        "import operator, heapq, bisect\nreturn sorted({'b': 1, 'a': 2}.items(), key=operator.itemgetter(1))",
        [["b", 1], ["a", 2]],
    ),
    "copy": ("import copy\nother = copy.deepcopy(sample)\nother['label'].clear()\nreturn len(sample['label'])", 3),
    "logging": ("import logging\nlogging.getLogger('x').warning('told')\nreturn 1", 1),
    "pprint": ("import pprint\nreturn pprint.pformat({'a': 1})", "{'a': 1}"),
    "a large piece of work": ("return sum(i * i for i in range(200_000))", 2666646666700000),
    "a megabyte of text": ("return len('x' * 10**6)", 10**6),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_code_works(name: str) -> None:
    body, expected = HONEST[name]
    lines = dedent(body).strip("\n").split("\n")
    code = "def formatting_func(sample):\n" + "\n".join(f"    {line}" for line in lines)
    (rows,) = run_formatting_cell(code, [SAMPLE]).rows
    assert rows == (expected if isinstance(expected, list) else [expected])


WHOLE = {
    "helpers, constants and classes beside the function": """
        LABELS = {"a": "first", "b": "second"}
        class Votes:
            def __init__(self, sample):
                self.values = [answer["value"] for answer in sample["label"]]
            def top(self):
                return max(set(self.values), key=self.values.count)
        def name_of(value):
            return LABELS[value]
        def formatting_func(sample):
            return sample["number"], name_of(Votes(sample).top())
    """,
    "a generator": """
        def formatting_func(sample):
            for number in range(2):
                yield number, "x"
    """,
    "a lambda": """
        formatting_func = lambda sample: sample["number"]
    """,
    "a partial": """
        from functools import partial
        def rows(sample, factor):
            return sample["number"] * factor
        formatting_func = partial(rows, factor=2)
    """,
    "state over records": """
        seen = set()
        def formatting_func(sample):
            if sample["number"] in seen:
                return None
            seen.add(sample["number"])
            return sample["number"]
    """,
}


@pytest.mark.parametrize(
    ("name", "rows"),
    list(zip(WHOLE, [[[7, "second"]], [[0, "x"], [1, "x"]], [7], [14], [7]], strict=True)),
)
def test_honest_cells_work(name: str, rows: list) -> None:
    assert run_formatting_cell(dedent(WHOLE[name]), [SAMPLE]).rows == [rows]


def test_values_that_are_no_json_arrive_whole() -> None:
    sample = {"when": datetime.datetime(2026, 1, 2, 3), "price": decimal.Decimal("1.10"), "raw": b"\xff", "none": None}
    code = "import math\ndef formatting_func(s):\n"
    code += "    return s['when'].year, str(s['price']), s['raw'][0], s['none'], math.isnan(s['nan'])"
    (rows,) = run_formatting_cell(code, [sample | {"nan": float("nan")}]).rows
    assert rows == [[2026, "1.10", 255, None, True]]


def test_a_set_keeps_its_order_from_one_process_to_the_next() -> None:
    code = "def formatting_func(sample):\n    return [''.join({'one', 'two', 'three', 'four', 'five', 'six'})]"
    assert run_formatting_cell(code, [SAMPLE]).rows == run_formatting_cell(code, [SAMPLE]).rows


def test_what_is_printed_is_kept_up_to_a_limit() -> None:
    code = "import sys\ndef formatting_func(sample):\n    print('é' * 10, file=sys.stderr)\n    print('x' * 10_000)\n"
    assert len(run_formatting_cell(code, [SAMPLE] * 20).stdout) == 64_000


def test_a_row_that_is_many_megabytes_in_all_arrives_in_parts() -> None:
    code = "def formatting_func(sample):\n    return [str(i) * 1000 for i in range(400)]"
    rows = run_formatting_cell(code, [SAMPLE] * 40).rows
    assert [len(row) for row in rows] == [400] * 40 and rows[39][399] == "399" * 1000


def test_samples_of_many_megabytes_arrive_one_by_one() -> None:
    samples = [{"text": "x"}] * 20 + [{"text": "y" * (3 << 20)}] * 20
    rows = run_formatting_cell("def formatting_func(sample):\n    return len(sample['text'])", samples).rows
    assert rows == [[1]] * 20 + [[3 << 20]] * 20


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import numpy", "'numpy' is not available in a cell. These modules are: abc, array,"),
        ("import xml.etree.ElementTree", "'xml.etree.ElementTree' is not available in a cell."),
        ("open('/etc/passwd')", "PermissionError: [Errno 1] Operation not permitted: '/etc/passwd'"),
        ("return float('nan')", "nan is no number that a row can hold"),
        ("return 2 ** 80", "Integer exceeds 64-bit range"),
        ("return '\\ud83d'", "str is not valid UTF-8: surrogates not allowed"),
        ("import datetime\n    return datetime.date(2026, 1, 1)", "lists and dicts, and no date"),
    ],
)
def test_what_can_not_be_is_said_in_words(body: str, message: str) -> None:
    with pytest.raises(CellError) as caught:
        run_formatting_cell(f"def formatting_func(sample):\n    {body}\n", [SAMPLE])
    assert message in caught.value.message
    assert caught.value.index == 0 and "Hello, World!" in caught.value.record


def test_limits_name_the_record_and_the_line() -> None:
    code = (
        "def formatting_func(sample):\n    if sample['n'] == 3:\n        while True:\n            pass\n    return 1\n"
    )
    with pytest.raises(CellError) as caught:
        run_formatting_cell(code, [{"n": n} for n in range(6)], limits=Limits(sample_seconds=0.3))
    assert (caught.value.kind, caught.value.index) == ("timeout", 3)
    assert caught.value.line in (3, 4) and caught.value.record == "{'n': 3}"
