"""Rates by person, and sizes: the refusal says how much is allowed and when to go on."""

from pathlib import Path

import pytest

from engine import UserError, limits
from engine.limits import RATES, RateLimits, check_code, check_file, check_inputs


@pytest.mark.parametrize("action", RATES)
def test_one_too_many_is_refused_in_words_and_others_go_on(action: str) -> None:
    rates, rate = RateLimits(strict=True), RATES[action]
    for _ in range(rate.times):
        rates.spend(action, "alice")
    with pytest.raises(UserError, match=f"That is more than {rate.times} {rate.what} in ") as refused:
        rates.spend(action, "alice")
    assert refused.value.hint.startswith("Go on in ")
    rates.spend(action, "bob")


def test_what_was_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    rates = RateLimits(strict=True)
    for _ in range(RATES["predict"].times):
        rates.spend("predict", "alice")
    with pytest.raises(UserError, match="Go on in 60 seconds."):
        rates.spend("predict", "alice")
    now[0] += 61
    rates.spend("predict", "alice")


def test_refused_calls_do_not_keep_a_person_out_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    rates = RateLimits(strict=True)
    for _ in range(RATES["preview"].times):
        rates.spend("preview", "alice")
    now[0] = 59.5
    for _ in range(100):
        with pytest.raises(UserError, match="Go on in 1 second."):
            rates.spend("preview", "alice")
    now[0] = 61
    rates.spend("preview", "alice")


def test_nothing_is_counted_on_a_personal_machine() -> None:
    rates = RateLimits(strict=False)
    for _ in range(1000):
        rates.spend("predict", "me")


def test_memory_does_not_grow_with_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    rates = RateLimits(strict=True)
    for visitor in range(5000):
        now[0] += 10
        rates.spend("preview", f"visitor {visitor}")
    assert len(rates._times) <= 1001


@pytest.mark.parametrize("inputs", [["x" * 200_001], [{"question": "x" * 100_001, "context": "y" * 100_000}]])
def test_too_much_to_predict_at_once_is_refused(inputs: list) -> None:
    with pytest.raises(UserError, match="That is 200,001 characters; at most 200,000 are predicted at once."):
        check_inputs(inputs)


def test_what_fits_is_predicted() -> None:
    check_inputs(["x" * 200_000])
    check_inputs([["a", ["b", "c"]], [{"role": "user", "content": "hello"}]])


def test_file_too_large_to_predict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"text\n")
    check_file(path)
    with path.open("r+b") as file:
        file.truncate(limits.PREDICT_FILE_BYTES + 1_000_000)  # holes, not bytes
    with pytest.raises(UserError, match="The file has 201 MB; at most 200 MB are predicted at once."):
        check_file(path)


def test_cell_longer_than_people_write_is_refused() -> None:
    check_code("x" * limits.CODE_CHARACTERS)
    with pytest.raises(UserError, match="at most 100,000 are run"):
        check_code("x" * (limits.CODE_CHARACTERS + 1))
