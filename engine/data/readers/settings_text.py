"""YAML and JSON that someone else wrote, as plain values: what describes an export or a repository, not its rows.

YAML's traps are closed here: Python objects, aliases that unfold to billions of values, merge keys, endless numbers.
"""

from typing import Any

import yaml
from pydantic import ValidationError

from engine.data.readers.json_files import parse_json

MAX_CHARACTERS = 1024**2
MAX_VALUES = 500_000
MAX_DEPTH = 30
LONGEST_NUMBER = 100

_Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there


class _Loader(_Safe):
    """Safe YAML where a Python object is None: old versions wrote ids as such, and they are of no use here."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge keys are left as they are: a few lines of them multiply into millions of keys."""

    def number(self, node: yaml.ScalarNode) -> Any:
        if len(node.value) > LONGEST_NUMBER:
            raise ValueError(f"it holds a number of {len(node.value):,} digits")
        kind = node.tag.rsplit(":", 1)[-1]
        return self.construct_yaml_int(node) if kind == "int" else self.construct_yaml_float(node)


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, _suffix, _node: None)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)


def parse_settings(text: str) -> Any:
    """Dicts with text keys, lists, texts, numbers, true, false and None. Raises ValueError with a reason in words."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has more than {MAX_CHARACTERS:,} characters")
    try:
        value = parse_json(text) if text.lstrip().startswith("{") else _yaml(text)
    except (yaml.YAMLError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(in_short(error)) from error
    return _Plain().of(value)


def in_short(error: Exception) -> str:
    """What an error says, on one line of a readable length."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
    if isinstance(error, KeyError):
        return f"{str(error)[:60]} is missing"
    if isinstance(error, (TypeError, AttributeError, IndexError)):
        return "something in it is of another kind than Argilla writes"
    return " ".join(str(error).split())[:200] or type(error).__name__


def _yaml(text: str) -> Any:
    depth = 0
    for event in yaml.parse(text, _Safe):  # libyaml's loader follows any depth, to the end of the process
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    return yaml.load(text, _Loader)


class _Plain:
    """Copies values as JSON knows them, and gives up when there are too many: aliases may unfold without end."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise ValueError(f"it holds more than {MAX_VALUES:,} values, or more than {MAX_DEPTH} levels of them")
        if isinstance(value, dict):
            return {self._text(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [self.of(item, depth + 1) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self._text(value)

    @staticmethod
    def _text(value: Any) -> str:
        return str(value).encode("utf-8", "replace").decode()
