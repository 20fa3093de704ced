"""Unification: what several annotators answered to one question, as the value (or values) to learn from.

Called by the tasks and by `FeedbackDataset.compute_unified_responses`; it changes nothing and knows no task. Only
submitted answers vote. Suggestions are never used. Ties are drawn with the given seed, and counted.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.data.layout import RECORD_ID, from_arrow_value
from engine.data.questions import (
    LabelQuestion,
    MultiLabelQuestion,
    Question,
    RankingQuestion,
    RatingQuestion,
    TextQuestion,
)
from engine.data.strategies import strategy_of
from engine.errors import UserError

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

UNANSWERED = "unanswered"
NOT_SUBMITTED = "only drafts or discarded"


@dataclass(frozen=True)
class Unified:
    """The unified values of one question, in record order.

    `index`: (n_values,) 0-based position of each value's record; a record may have none, one, or (disagreement)
    several. `values`: Arrow array of the same length: string, list<string>, int32, or for rankings
    list<struct{value, rank}>. `tied`: positions of records that the seeded draw decided.
    `left_out`: reason → positions of the records without a value.
    """

    question: Question
    strategy: str
    n_records: int
    index: np.ndarray
    values: pa.Array
    tied: np.ndarray
    left_out: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def ties(self) -> int:
        """Number of records whose value was drawn among equals."""
        return len(self.tied)

    @property
    def unanswered(self) -> int:
        """Number of records to which nobody answered at all."""
        return len(self.left_out[UNANSWERED])

    @property
    def no_labels(self) -> int:
        """Number of multi-label values that hold no label: annotated, and nothing applies."""
        if not self.question.is_multi_label:
            return 0
        return pc.sum(pc.equal(pc.list_value_length(self.values), 0)).as_py() or 0

    def as_unified(self) -> list[list[dict[str, Any]] | None]:
        """Per record a list of {"value", "strategy"}, or None: what Argilla keeps in `record.unified_responses`.

        As there, a rating unified by mean, min or max is text ("3"), one unified by majority an int.
        """
        values = self.values.to_pylist()
        if pa.types.is_integer(self.values.type) and self.strategy in ("mean", "min", "max"):
            values = [str(value) for value in values]
        unified: list[list[dict[str, Any]] | None] = [None] * self.n_records
        for record, value in zip(self.index.tolist(), values, strict=True):
            entry = {"value": value, "strategy": self.strategy}
            if unified[record] is None:
                unified[record] = [entry]
            else:
                unified[record].append(entry)
        return unified


@dataclass(frozen=True)
class _Votes:
    """Submitted answers: `record[i]` gave `values[i]`. `seed` feeds the draw among equals."""

    question: Question
    n_records: int
    record: np.ndarray
    values: pa.Array
    record_ids: pa.ChunkedArray
    rng: np.random.Generator


# What a strategy gives: positions of records, their values, and the positions decided by a draw.
_Result = tuple[np.ndarray, pa.Array, np.ndarray]
_NO_TIES = np.empty(0, np.int64)


def unify(dataset: "FeedbackDataset", question: Question | str, strategy: Any = None, *, seed: int = 42) -> Unified:
    """Unify the submitted answers to `question`; `strategy` None is the question's default.

    Raises UserError for a strategy that the question lacks, and for an answer that is not among its values.
    """
    name = question if isinstance(question, str) else question.name
    question = dataset.question_by_name(name)
    strategy = strategy_of(question, strategy)
    record, values, answered = _submitted(dataset.responses(name), question)
    votes = _Votes(question, len(dataset), record, values, dataset.table[RECORD_ID], np.random.default_rng(seed))
    index, values, tied = _STRATEGIES[type(question)][strategy](votes)
    has_value = np.zeros(len(dataset), bool)
    has_value[index] = True
    left_out = {
        UNANSWERED: np.flatnonzero(~has_value & ~answered),
        NOT_SUBMITTED: np.flatnonzero(~has_value & answered),
    }
    return Unified(question, strategy, len(dataset), index, values, tied, left_out)


def _submitted(column: pa.ChunkedArray, question: Question) -> tuple[np.ndarray, pa.Array, np.ndarray]:
    """Submitted values with their record's position, and whether each record has any answer, of whatever status."""
    positions, values, answered = [_NO_TIES], [pa.array([], question.value_type)], [np.empty(0, bool)]
    start = 0
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.list_value_length(chunk), 0).to_numpy(zero_copy_only=False)
        flat = chunk.flatten()
        value = pc.struct_field(flat, "value")
        counts = pc.and_(pc.equal(pc.struct_field(flat, "status"), "submitted"), value.is_valid())
        counts = pc.fill_null(counts, False)
        position = np.repeat(np.arange(start, start + len(chunk), dtype=np.int64), lengths)
        positions.append(position[counts.to_numpy(zero_copy_only=False)])
        values.append(value.filter(counts))
        answered.append(lengths > 0)
        start += len(chunk)
    return np.concatenate(positions), pa.concat_arrays(values), np.concatenate(answered)


# ---- labels and ratings: whole columns at a time -------------------------------------------------------------------


def _every_answer(votes: _Votes) -> _Result:
    _codes(votes, votes.values, votes.record)
    return votes.record, votes.values, _NO_TIES


def _majority(votes: _Votes) -> _Result:
    options = _options(votes)
    codes = _codes(votes, votes.values, votes.record)
    keys, counts = np.unique(votes.record * len(options) + codes, return_counts=True)
    record = keys // len(options)
    starts, sizes = _runs(record)
    most = np.repeat(np.maximum.reduceat(counts, starts), sizes) if len(starts) else counts
    top = counts == most
    index, chosen, tied = _draw(record[top], keys[top] % len(options), votes.rng)
    return index, options.take(pa.array(chosen)), tied


def _multi_every_answer(votes: _Votes) -> _Result:
    _label_votes(votes)
    return votes.record, votes.values, _NO_TIES


def _multi_majority(votes: _Votes) -> _Result:
    """Labels that more than half of the answers hold, in order of first appearance.

    Where no label has a majority one of the chosen labels is drawn, unless more than half of the answers are empty.
    """
    options, n = _options(votes), votes.n_records
    vote, codes = _label_votes(votes)
    keys, first, counts = np.unique(votes.record[vote] * len(options) + codes, return_index=True, return_counts=True)
    record, code = keys // len(options), keys % len(options)
    voters = np.bincount(votes.record, minlength=n)
    empty = np.bincount(votes.record[pc.equal(pc.list_value_length(votes.values), 0).to_numpy(False)], minlength=n)
    chosen = 2 * counts > voters[record]
    settled = 2 * empty > voters
    settled[record[chosen]] = True
    undecided = ~settled[record]
    drawn, drawn_code, tied = _draw(record[undecided], code[undecided], votes.rng)
    all_records = np.concatenate([record[chosen], drawn])
    all_codes = np.concatenate([code[chosen], drawn_code])
    order = np.lexsort((np.concatenate([first[chosen], np.zeros(len(drawn), np.int64)]), all_records))
    index = np.flatnonzero(voters)
    sizes = np.bincount(all_records, minlength=n)[index]
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    values = pa.ListArray.from_arrays(offsets, options.take(pa.array(all_codes[order])))
    return index, values, tied


def _label_votes(votes: _Votes) -> tuple[np.ndarray, np.ndarray]:
    """Every (answer, label code) pair once, in order: a label named twice in one answer is one vote."""
    lengths = pc.list_value_length(votes.values).to_numpy(zero_copy_only=False)
    vote = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    codes = _codes(votes, votes.values.flatten(), votes.record[vote])
    _, once = np.unique(vote * len(_options(votes)) + codes, return_index=True)
    once.sort()
    return vote[once], codes[once]


def _rating_mean(votes: _Votes) -> _Result:
    """The mean rounded down to an allowed value, as Argilla 1.29 did: 4, 5, 5 gives 4."""
    _codes(votes, votes.values, votes.record)
    allowed = np.sort(np.array(votes.question.values))
    starts, sizes = _runs(votes.record)
    if not len(starts):
        return _NO_TIES, votes.values, _NO_TIES
    means = np.add.reduceat(votes.values.to_numpy().astype(np.int64), starts) / sizes
    below = allowed[np.searchsorted(allowed, means, side="right") - 1]
    return votes.record[starts], pa.array(below, pa.int32()), _NO_TIES


def _rating_extreme(pick: np.ufunc) -> Callable[[_Votes], _Result]:
    def extreme(votes: _Votes) -> _Result:
        _codes(votes, votes.values, votes.record)
        starts, _ = _runs(votes.record)
        if not len(starts):
            return _NO_TIES, votes.values, _NO_TIES
        chosen = pick.reduceat(votes.values.to_numpy(), starts)
        return votes.record[starts], pa.array(chosen, pa.int32()), _NO_TIES

    return extreme


def _options(votes: _Votes) -> pa.Array:
    if isinstance(votes.question, RatingQuestion):
        return pa.array(votes.question.values, pa.int32())
    return pa.array(votes.question.classes, pa.string())


def _codes(votes: _Votes, values: pa.Array, record: np.ndarray) -> np.ndarray:
    """Position of each value among the question's own; UserError names the first value that is not among them."""
    codes = pc.index_in(values, value_set=_options(votes))
    if codes.null_count:
        bad = np.flatnonzero(codes.is_null().to_numpy(zero_copy_only=False))
        _refuse_value(votes, int(record[bad[0]]), values[int(bad[0])].as_py(), len(np.unique(record[bad])) - 1)
    return codes.to_numpy().astype(np.int64)


def _refuse_value(votes: _Votes, record: int, value: Any, others: int) -> None:
    question = votes.question
    more = f" {others:,} more {'record has' if others == 1 else 'records have'} such an answer." if others else ""
    shown = ", ".join(question.classes[:30]) + (", …" if len(question.classes) > 30 else "")
    raise UserError(
        f"Record {votes.record_ids[record].as_py()!r} was answered with {value!r}, "
        f"which is not among the values of the question {question.name!r}.{more}",
        f"Its values: {shown}. Correct the answer, or add the value to the question.",
    )


def _runs(record: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of each run of equal record positions (which are in ascending order)."""
    starts = np.flatnonzero(np.concatenate([[True], record[1:] != record[:-1]])) if len(record) else _NO_TIES
    return starts, np.diff(np.concatenate([starts, [len(record)]]))


def _draw(record: np.ndarray, candidates: np.ndarray, rng: np.random.Generator) -> _Result:
    """One candidate for each record, drawn where there are several."""
    starts, sizes = _runs(record)
    pick = np.zeros(len(starts), np.int64)
    several = sizes > 1
    pick[several] = rng.integers(0, sizes[several])
    return record[starts], candidates[starts + pick], record[starts][several]


# ---- rankings and texts: record by record --------------------------------------------------------------------------

_RANKED = pa.list_(pa.struct({"value": pa.string(), "rank": pa.int64()}))
_Ranking = list[dict[str, Any]]  # [{"value", "rank"}], in the order the annotator gave


def _text_every_answer(votes: _Votes) -> _Result:
    return votes.record, votes.values, _NO_TIES


def _ranking_every_answer(votes: _Votes) -> _Result:
    rankings = [ranking for given in _rankings(votes).values() for ranking in given]
    return votes.record, pa.array(rankings, _RANKED), _NO_TIES


def _ranking_by(choose: Callable[[list[_Ranking], _Votes], tuple[_Ranking, bool]]) -> Callable[[_Votes], _Result]:
    def by(votes: _Votes) -> _Result:
        given = _rankings(votes)
        chosen = [choose(rankings, votes) for rankings in given.values()]
        index = np.fromiter(given, np.int64, len(given))
        tied = np.array([tie for _, tie in chosen], bool)
        return index, pa.array([ranking for ranking, _ in chosen], _RANKED), index[tied]

    return by


def _rankings(votes: _Votes) -> dict[int, list[_Ranking]]:
    """Record → its submitted rankings, in record order."""
    given: dict[int, list[_Ranking]] = defaultdict(list)
    for record, value in zip(votes.record.tolist(), votes.values.to_pylist(), strict=True):
        ranking = from_arrow_value(votes.question, value)
        for item in ranking:
            if item["value"] not in votes.question.classes:
                _refuse_value(votes, record, item["value"], 0)
        given[record].append(ranking)
    return given


def _ranks(ranking: _Ranking, votes: _Votes) -> tuple[int, ...]:
    """Rank of each of the question's items, in the question's order: how the annotator listed them says nothing.

    An item without a rank comes after every ranked one.
    """
    ranks = {item["value"]: item["rank"] for item in ranking if item["rank"] is not None}
    last = len(votes.question.classes) + 1
    return tuple(ranks.get(name, last) for name in votes.question.classes)


def _most_given(rankings: list[_Ranking], votes: _Votes) -> tuple[_Ranking, bool]:
    counts = Counter(_ranks(ranking, votes) for ranking in rankings)
    most = max(counts.values())
    best = [ranks for ranks, count in counts.items() if count == most]
    pick = best[int(votes.rng.integers(len(best)))] if len(best) > 1 else best[0]
    return next(r for r in rankings if _ranks(r, votes) == pick), len(best) > 1


def _mean_ranks(rankings: list[_Ranking], votes: _Votes) -> tuple[_Ranking, bool]:
    """Each item's mean rank, rounded half to even, best first; as Argilla 1.29 does it."""
    given: dict[str, list[int]] = defaultdict(list)
    for ranking in rankings:
        for item in ranking:
            if item["rank"] is not None:
                given[item["value"]].append(item["rank"])
    means = [{"value": name, "rank": round(sum(ranks) / len(ranks))} for name, ranks in given.items()]
    return sorted(means, key=lambda item: item["rank"]), False


def _least(rankings: list[_Ranking], votes: _Votes) -> tuple[_Ranking, bool]:
    return min(rankings, key=lambda ranking: _ranks(ranking, votes)), False


def _greatest(rankings: list[_Ranking], votes: _Votes) -> tuple[_Ranking, bool]:
    return max(rankings, key=lambda ranking: _ranks(ranking, votes)), False


_STRATEGIES: dict[type[Question], dict[str, Callable[[_Votes], _Result]]] = {
    LabelQuestion: {"majority": _majority, "disagreement": _every_answer},
    MultiLabelQuestion: {"majority": _multi_majority, "disagreement": _multi_every_answer},
    RatingQuestion: {
        "mean": _rating_mean,
        "majority": _majority,
        "min": _rating_extreme(np.minimum),
        "max": _rating_extreme(np.maximum),
        "disagreement": _every_answer,
    },
    RankingQuestion: {
        "majority": _ranking_by(_most_given),
        "mean": _ranking_by(_mean_ranks),
        "min": _ranking_by(_least),
        "max": _ranking_by(_greatest),
        "disagreement": _ranking_every_answer,
    },
    TextQuestion: {"disagreement": _text_every_answer},
}
