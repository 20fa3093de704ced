"""Every reference case by its verdict. See cases.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine import UserError
from tests.reference import cases

# Case → {"result"}, {"sizes"} of a split, or the beginning of the {"error"}: each looked at against its note.
FIXED = json.loads(Path(__file__).with_name("fixed.json").read_text(encoding="utf-8"))


def named(*verdicts: str) -> list[Any]:
    return [pytest.param(case, id=case["case"]) for case in cases.load(*verdicts)]


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize("case", named("KEEP"))
def test_kept_cases_give_the_ancestors_rows(case: dict[str, Any]) -> None:
    assert plain(cases.ours(case["given"])) in cases.expected(case)


@pytest.mark.parametrize("case", named("ERROR"))
def test_wrong_use_is_refused_in_words(case: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        cases.ours(case["given"])
    assert caught.value.message.endswith((".", "?"))
    assert caught.value.hint


@pytest.mark.parametrize("case", named("FIX"))
def test_defects_are_fixed(case: dict[str, Any]) -> None:
    wanted = FIXED[case["case"]]
    if "error" in wanted:
        with pytest.raises(UserError) as caught:
            cases.ours(case["given"])
        assert str(caught.value).startswith(wanted["error"])
    elif "sizes" in wanted:
        splits = cases.ours(case["given"])["splits"]
        assert {name: len(part["rows"]) for name, part in splits.items()} == wanted["sizes"]
    else:
        assert plain(cases.ours(case["given"])) == wanted["result"]


@pytest.mark.parametrize("case", named("FREE"))
def test_free_cases_give_rows_or_words(case: dict[str, Any]) -> None:
    try:
        assert cases.ours(case["given"])
    except UserError as error:
        assert error.hint
