"""Who is better than whom: rankings and ratings as pairs with a margin. Called by engine/tasks/preferences.py."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from engine.data.questions import Question
from engine.tasks.turns import Turn

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

TIES, DISAGREEMENTS = "ties", "pairs on which annotators disagree"


@dataclass
class Group:
    """What is known of the responses to one prompt: response → its ratings, and the record it stood in last."""

    prompt: str
    history: list[Turn]
    ratings: dict[str, list[float]] = field(default_factory=dict)
    records: dict[str, str] = field(default_factory=dict)

    def add(self, response: str, ratings: list[float], record_id: str) -> None:
        """Ratings of a response; those of an equal response are its ratings too."""
        self.ratings.setdefault(response, []).extend(ratings)
        self.records[response] = record_id


def pairs(verdicts: Sequence[Sequence[float | None]], counts: Counter) -> Iterator[tuple[int, int, float]]:
    """(better, worse, mean distance) of each two items that the annotators, on average, tell apart.

    `verdicts[k][i]`: how good annotator k finds item i; greater is better, None is no opinion. Ties, and pairs that
    some annotators order the other way round, are added to `counts`.
    """
    for i, j in combinations(range(len(verdicts[0]) if verdicts else 0), 2):
        gaps = [v[i] - v[j] for v in verdicts if v[i] is not None and v[j] is not None]
        if not gaps:
            continue
        mean = sum(gaps) / len(gaps)
        if abs(mean) < 1e-9:
            counts[TIES] += 1
            continue
        counts[DISAGREEMENTS] += min(gaps) < 0 < max(gaps)
        yield (i, j, mean) if mean > 0 else (j, i, -mean)


def goodness(answer: dict[str, list[Any]], items: Sequence[str]) -> list[float | None]:
    """One annotator's ranking ({"value": items, "rank": ranks}, 1 is best) as more-is-better, one each of `items`."""
    ranks = dict(zip(answer["value"], answer["rank"], strict=True))
    return [None if ranks.get(item) is None else -float(ranks[item]) for item in items]


def ranked_fields(question: Question, dataset: "FeedbackDataset") -> dict[str, str]:
    """Item of a ranking question → the field whose text it ranks; empty unless each item names a field of its own.

    An item names a field by the field's name or title; its own name or the text shown for it may be meant.
    """
    shown = question.values if isinstance(question.values, dict) else {}
    names: dict[str, str] = {}
    for about in reversed(dataset.fields):  # of two fields that could be meant, the first
        names |= {_plain(about.title or about.name): about.name}
    names |= {_plain(about.name): about.name for about in dataset.fields}
    found = {item: names.get(_plain(item)) or names.get(_plain(str(shown.get(item, "")))) for item in question.classes}
    if len(found) < 2 or None in found.values() or len(set(found.values())) < len(found):
        return {}
    return found


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
