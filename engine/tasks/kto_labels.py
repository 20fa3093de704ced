"""Good or bad: what a rating, or a label of two classes, says of an answer. Called by engine/tasks/kto.py."""

from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.data.questions import Question
from engine.data.strategies import strategy_of
from engine.data.unification import unify

if TYPE_CHECKING:
    from engine.tasks.sample_task import Account

GOOD_NAMES = frozenset(
    "true yes good 1 positive desirable like liked up thumbs_up accept accepted chosen correct helpful ok "
    "approve approved pass".split()
)
BAD_NAMES = frozenset(
    "false no bad 0 -1 negative undesirable dislike disliked down thumbs_down reject rejected incorrect wrong "
    "unhelpful disapprove disapproved fail".split()
)


def good_class(question: Question) -> str | None:
    """The class of a two-class question that means good; of a rating its middle, as text; None: it can't be told."""
    if pa.types.is_integer(question.value_type):
        return f"{middle(question):g}"
    plain = {name: name.strip().lower().replace(" ", "_").replace("-", "_") for name in question.classes}
    plain |= {name: name.strip() for name in question.classes if name.strip() == "-1"}
    good = [name for name, word in plain.items() if word in GOOD_NAMES]
    bad = [name for name, word in plain.items() if word in BAD_NAMES]
    return good[0] if len(good) == 1 and len(bad) == 1 else None


def middle(question: Question) -> float:
    """The middle of a rating question's scale."""
    values = [int(name) for name in question.classes]
    return (min(values) + max(values)) / 2


def verdicts_of(account: "Account", question: Question) -> tuple[dict[int, list[bool | None]], dict[int, str]]:
    """Record position → whether its answer is good (None: rated in the middle), and → why it has no verdict.

    By the task's strategy. The mean of ratings is not rounded: 3.5 of 1 to 5 is good.
    """
    strategy = strategy_of(question, account.definition.strategy)
    is_rating = pa.types.is_integer(question.value_type)
    averaged = is_rating and strategy == "mean"
    unified = unify(account.dataset, question, "disagreement" if averaged else strategy, seed=account.seed)
    given: dict[int, list] = defaultdict(list)
    for index, value in zip(unified.index.tolist(), unified.values.to_pylist(), strict=True):
        given[index].append(value)
    if averaged:
        given = {index: [sum(ratings) / len(ratings)] for index, ratings in given.items()}
    account.counts["ties"] += unified.ties
    if is_rating:
        centre = middle(question)
        verdicts = {i: [None if v == centre else v > centre for v in values] for i, values in given.items()}
    else:
        good = good_class(question)
        verdicts = {index: [value == good for value in values] for index, values in given.items()}
    return verdicts, {int(i): reason for reason, positions in unified.left_out.items() for i in positions}
