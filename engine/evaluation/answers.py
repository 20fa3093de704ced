"""Exact match and F1 of extractive question answering, as in the SQuAD paper (Rajpurkar 2016), computed here.

Light: plain Python on strings.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """Lower case, without punctuation and English articles, single spaces: how the paper compares answers."""
    return " ".join(ARTICLES.sub(" ", answer.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, right: Sequence[str]) -> float:
    """1.0 when the normalised answer equals one of the right ones, else 0.0."""
    return float(normalised(answer) in {normalised(one) for one in right})


def f1(answer: str, right: Sequence[str]) -> float:
    """The best overlap in words with one of the right answers: harmonic mean of precision and recall (0 to 1)."""
    return max((_overlap(normalised(answer).split(), normalised(one).split()) for one in right), default=0.0)


def _overlap(guess: list[str], truth: list[str]) -> float:
    if not guess or not truth:  # all articles or punctuation: the paper's script then asks whether both are
        return float(guess == truth)
    same = sum((Counter(guess) & Counter(truth)).values())
    return 2 * same / (len(guess) + len(truth))


def figures(answers: Sequence[str], right: Sequence[Sequence[str]]) -> dict[str, float]:
    """Mean F1 and exact match over rows (shares, 0 to 1); `right`: the right answers of each row."""
    pairs = list(zip(answers, right, strict=True))
    n = max(1, len(pairs))
    return {"f1": sum(f1(*pair) for pair in pairs) / n, "exact_match": sum(exact_match(*pair) for pair in pairs) / n}
