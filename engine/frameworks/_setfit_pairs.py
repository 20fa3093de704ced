"""The pairs of texts that SetFit trains on, kept within bounds: unbounded, 310 rows make 73,736 of them."""

from typing import Any

import numpy as np

from engine.frameworks._setfit_config import SetFitConfig
from engine.runs.events import Report

# Upstream lists every pair's indices before drawing any: 2,000 rows are 2 million, 20,000 rows would be 200 million.
ROWS_PAIRED = 2000


def capped_trainer(config: SetFitConfig, report: Report) -> type:
    """setfit.Trainer that makes at most `config.max_pairs` pairs and tells their number."""
    from setfit import Trainer

    class CappedTrainer(Trainer):
        def get_dataset(self, x: list, y: list, args: Any, max_pairs: int = -1) -> tuple[Any, Any]:
            rows = len(x)
            if config.max_pairs is not None and rows > ROWS_PAIRED:
                x, y = _some_rows(x, y, config.seed)
                report.note(
                    f"Pairs are drawn among {ROWS_PAIRED:,} of the {rows:,} rows; the head learns from all rows."
                )
            limit = pair_limit(config, len(x), max_pairs)
            dataset, loss = super().get_dataset(x, y, args, max_pairs=-1 if limit is None else limit)
            if "sentence_1" not in dataset.column_names:  # triplet losses make their own groups from the rows
                return dataset, loss
            if config.max_pairs is not None and len(dataset) > config.max_pairs:
                dataset = dataset.select(range(config.max_pairs))  # alike, unlike, alike, …: a prefix stays balanced
            used = len(dataset) if config.max_steps <= 0 else min(len(dataset), config.max_steps * config.batch_size)
            possible = len(x) * (len(x) + 1) // 2
            report.note(f"Training on {used:,} pairs of texts ({len(x):,} rows make {possible:,} different ones).")
            return dataset, loss

    return CappedTrainer


def pair_limit(config: SetFitConfig, rows: int, upstream: int) -> int | None:
    """How many pairs upstream need look for: the smallest of what is asked for, what the steps use, and our cap.

    Looking for fewer finds the same first pairs, without making all the others. None: every pair.
    """
    wanted = None if config.num_iterations is None else 2 * config.num_iterations * rows
    limits = [limit for limit in (config.max_pairs, wanted, upstream if upstream > 0 else None) if limit is not None]
    return min(limits) if limits else None


def _some_rows(x: list, y: list, seed: int) -> tuple[list, list]:
    """ROWS_PAIRED rows, at least one of every label where there is room, in their old order."""
    order = np.random.default_rng(seed).permutation(len(x))
    seen: set = set()
    first = [i for i in order if not (_key(y[i]) in seen or seen.add(_key(y[i])))]
    chosen = list(dict.fromkeys([*first, *order]))[:ROWS_PAIRED]
    chosen.sort()
    return [x[i] for i in chosen], [y[i] for i in chosen]


def _key(target: Any) -> Any:
    return tuple(target) if isinstance(target, list) else target
