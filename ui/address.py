"""What a person has chosen, as the page's address carries it: a reload or a shared link loses no choice.

The hidden `address` textbox of each page holds the query string; it is the page's only state beside the components.
"""

import json
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

_JSON = ("roles", "config", "split")


@dataclass(frozen=True)
class Address:
    """Every choice of the line. `roles`: role → field or question; `config`: what differs from the defaults."""

    dataset: str = ""
    step: int = 1
    task: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    strategy: str = ""
    code: bool = False
    framework: str = ""
    base: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    cell: str = ""  # the formatting cell's code: kept by the browser (`drafts`), never in an address

    @classmethod
    def parse(cls, query: str, drafts: dict[str, str] | None = None) -> "Address":
        """The choices in a query string; what can't be read is left out, and the engine checks the rest.

        `drafts`: dataset id → the code typed for it, from this browser.
        """
        given = dict(parse_qsl(query.lstrip("?")))
        values: dict[str, Any] = {f.name: given[f.name] for f in fields(cls) if f.name in given and f.name != "cell"}
        values["run"] = given.get("id", values.get("run", ""))
        values["step"] = int(values["step"]) if values.get("step", "") in tuple("12345") else 1
        values["code"] = values.get("code") == "1"
        for name in _JSON:
            values[name] = _object(values.get(name, ""))
        values["cell"] = (drafts or {}).get(values.get("dataset", ""), "")
        return cls(**values)

    def query(self) -> str:
        """The query string, without what is not chosen."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "cell"}
        for name in _JSON:
            values[name] = json.dumps(values[name], separators=(",", ":")) if values[name] else ""
        values["code"] = "1" if self.code else ""
        values["step"] = self.step if self.step > 1 else ""
        return urlencode({name: value for name, value in values.items() if value != ""})

    def having(self, **changes: Any) -> "Address":
        return replace(self, **changes)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:  # a link cut in half: the choice is asked again
        return {}
    return value if isinstance(value, dict) else {}
