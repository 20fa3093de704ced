"""How near generated texts come to the texts that were wanted: chrF by sacrebleu, and exact match.

Called in workers: importing sacrebleu takes a moment.
"""

from collections.abc import Sequence


def figures(generated: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """chrF of the whole corpus (Popović 2015; sacrebleu's default: characters to 6-grams, β = 2), and exact match.

    Both are shares, 0 to 1; exact match is told apart from capitals but not from spaces at the ends.
    """
    from sacrebleu.metrics import CHRF

    if not wanted:
        return {"chrf": 0.0, "exact_match": 0.0}
    same = sum(a.strip() == b.strip() for a, b in zip(generated, wanted, strict=True))
    chrf = CHRF().corpus_score(list(generated), [list(wanted)]).score / 100
    return {"chrf": chrf, "exact_match": same / len(wanted)}


def row_chrf(generated: Sequence[str], wanted: Sequence[str]) -> list[float]:
    """chrF of each row (0 to 1), to show the worst first."""
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    return [metric.sentence_score(a, [b]).score / 100 for a, b in zip(generated, wanted, strict=True)]
