"""Which loss of Sentence Transformers suits which rows, why, and what becomes of the labels. Worker only, but light."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.errors import UserError
from engine.frameworks._st_config import SentenceTransformersConfig
from engine.tasks.sentence_similarity_rows import (
    CLASSES,
    LABEL,
    LABELLED_PAIRS,
    LABELLED_TRIPLETS,
    PAIRS,
    TRIPLETS,
)
from engine.tasks.task import TaskData

RANKING = ("MultipleNegativesRankingLoss", "CachedMultipleNegativesRankingLoss")
TWO_LABELS = ("ContrastiveLoss", "OnlineContrastiveLoss")
ORDER = ("CoSENTLoss", "AnglELoss")
GROUPED = (
    "BatchAllTripletLoss",
    "BatchHardTripletLoss",
    "BatchSemiHardTripletLoss",
    "BatchHardSoftMarginTripletLoss",
)
# Format → the losses that can learn from it, the default first (of pairs with a label: see _default).
BI_ENCODER = {
    PAIRS: RANKING,
    LABELLED_PAIRS: ("CosineSimilarityLoss", *ORDER, *TWO_LABELS, "SoftmaxLoss"),
    TRIPLETS: (*RANKING, "TripletLoss"),
    LABELLED_TRIPLETS: (*RANKING, "TripletLoss", "MarginMSELoss"),
    CLASSES: GROUPED,
}
CROSS_ENCODER = {PAIRS: RANKING, LABELLED_PAIRS: ("BinaryCrossEntropyLoss", "MSELoss")}
WHY = {
    **dict.fromkeys(RANKING, "each sentence must find its own partner among all those of a batch"),
    "CosineSimilarityLoss": "the cosine of two sentences must come near their label",
    **dict.fromkeys(ORDER, "a pair with a higher label must score higher than one with a lower; only the order counts"),
    **dict.fromkeys(TWO_LABELS, "pairs with the higher label are drawn together, the others pushed apart"),
    "SoftmaxLoss": "the labels are taken as classes without an order, told from two sentences' vectors",
    "TripletLoss": "the like sentence must be nearer than the unlike one by a margin",
    "MarginMSELoss": "the label is taken as the margin between the two similarities of a triplet",
    **dict.fromkeys(GROUPED, "sentences of a class must be nearer to each other than to those of other classes"),
    "BinaryCrossEntropyLoss": "the score, between 0 and 1, must come near the label",
    "MSELoss": "the score must come near the label as it is",
}
LIMITS = {"CosineSimilarityLoss": (-1, 1), "BinaryCrossEntropyLoss": (0, 1)}  # what a label may be


@dataclass(frozen=True)
class Choice:
    """A loss for some rows: its name, what to tell, the sampler it needs, whether it takes the label, and how labels
    (n,) become its targets.
    """

    name: str
    notes: list[str]
    sampler: str
    takes_label: bool
    targets: Callable[[np.ndarray], np.ndarray] = field(default=lambda labels: labels)


def choose(config: SentenceTransformersConfig, data: TaskData) -> Choice:
    """The loss asked for, or the one that suits. Raises UserError when it does not fit rows, labels or batch size."""
    kind = data.info["format"]
    fitting = _fitting(config, kind)
    name = config.loss or (fitting[0] if kind != LABELLED_PAIRS else _default(config, data))
    if name not in fitting:
        model = "a cross-encoder" if config.cross_encoder else "a bi-encoder"
        raise UserError(
            f"{name} can't train {model} on {kind}.", f"Choose one of: {', '.join(fitting)}; or leave the loss empty."
        )
    sampler = config.batch_sampler or _sampler(name)
    _check_batch(config, name, sampler)
    chosen = "chosen by you" if config.loss else "another can be chosen in the settings"
    notes = [f"Learning from {kind} by {name} ({chosen}): {WHY[name]}."]
    takes_label = kind in (LABELLED_PAIRS, CLASSES) or name == "MarginMSELoss"
    if not takes_label and data.info["label"]:
        notes.append(f"{name} has no use for the label of a triplet. MarginMSELoss takes it as a margin.")
    targets, told = _targets(name, data) if kind == LABELLED_PAIRS else (lambda labels: labels, [])
    return Choice(name, notes + told, sampler, takes_label, targets)


def _fitting(config: SentenceTransformersConfig, kind: str) -> tuple[str, ...]:
    if not config.cross_encoder:
        return BI_ENCODER[kind]
    if kind not in CROSS_ENCODER:
        advice = "make two pairs of each triplet, labelled 1 and 0, in a formatting_func"
        if kind == CLASSES:
            advice = "make pairs of the sentences, labelled 1 for one class and 0 for two, in a formatting_func"
        raise UserError(
            f"A cross-encoder reads two sentences at a time, so it can't learn from {kind}.",
            f"Switch Cross-encoder off, or {advice}.",
        )
    return CROSS_ENCODER[kind]


def _default(config: SentenceTransformersConfig, data: TaskData) -> str:
    """For pairs with a label. Whole numbers: two of them say alike or not; more are grades, whose order is all that
    is known (a classifier of grades, SoftmaxLoss, would not make the cosine follow them).
    """
    if config.cross_encoder:
        return "BinaryCrossEntropyLoss"
    if data.info["label"] == "float":
        return "CosineSimilarityLoss"
    return "ContrastiveLoss" if len(_distinct(data)) <= 2 else "CoSENTLoss"


def _sampler(name: str) -> str:
    return "no_duplicates" if name in RANKING else "group_by_label" if name in GROUPED else "batch_sampler"


def _check_batch(config: SentenceTransformersConfig, name: str, sampler: str) -> None:
    size = config.per_device_train_batch_size
    if (name in GROUPED) != (sampler == "group_by_label"):
        raise UserError(
            f"{name} does not go with rows of a batch “{sampler}”.", "Leave “Rows of a batch” empty: it is chosen."
        )
    if name in GROUPED and (size < 4 or size % 2):
        raise UserError(
            f"Batch size: {name} needs an even number of at least 4, for two sentences of two classes; it is {size}.",
            "Enter 4, 8, 16 or more.",
        )
    if name in (*RANKING, *ORDER) and size < 2:
        raise UserError(f"Batch size: {name} compares the rows of a batch, so it needs at least 2.", "Enter 8 or more.")


def _distinct(data: TaskData) -> list[float]:
    return sorted(data.train[LABEL].unique().to_pylist())


def _targets(name: str, data: TaskData) -> tuple[Callable[[np.ndarray], np.ndarray], list[str]]:
    """How the labels of pairs become what the loss takes, and what to tell of it."""
    values = _distinct(data)
    if name in TWO_LABELS:
        if len(values) > 2:
            raise UserError(
                f"{name} takes two labels, alike and not alike; these rows have {len(values)}: {_listed(values)}.",
                "Choose CoSENTLoss for grades.",
            )
        told = [] if values == [0, 1] else [f"The label {values[-1]:g} is taken as alike, {values[0]:g} as not alike."]
        return lambda labels: (labels >= values[-1]).astype(np.int64), told
    if name == "SoftmaxLoss":
        if data.info["label"] != "int":
            raise UserError(
                "SoftmaxLoss takes classes, which are whole numbers; these labels are decimals.",
                "Choose CosineSimilarityLoss or CoSENTLoss.",
            )
        return lambda labels: np.searchsorted(classes_of(data), labels), []
    low, high = LIMITS.get(name, (-math.inf, math.inf))
    if low <= values[0] and values[-1] <= high:
        return lambda labels: labels.astype(np.float32), []
    bottom, top = data.info["range"] or (values[0], values[-1])
    told = [
        f"The labels go from {bottom:g} to {top:g}; {name} takes {low:g} to {high:g}, so they are scaled: "
        f"{bottom:g} becomes 0, {top:g} becomes 1. The model's scores are on that scale."
    ]
    return lambda labels: np.clip((labels - bottom) / (top - bottom), 0, 1).astype(np.float32), told


def classes_of(data: TaskData) -> np.ndarray:
    """All different labels of the rows, held-out ones included: a class that is only validated on has a place too."""
    return np.array(data.info["values"])


def _listed(values: list[float]) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:10])
    return shown + (", …" if len(values) > 10 else "")


def build(choice: Choice, config: SentenceTransformersConfig, model: Any, data: TaskData) -> Any:
    """The loss itself, for `model`."""
    from sentence_transformers.cross_encoder import losses as of_pairs
    from sentence_transformers.sentence_transformer import losses as of_vectors

    given: dict[str, Any] = {}
    if config.scale is not None and choice.name in (*RANKING, *ORDER):
        given["scale"] = config.scale
    if config.margin is not None and choice.name in (*TWO_LABELS, *GROUPED[:3]):
        given["margin"] = config.margin
    if config.margin is not None and choice.name == "TripletLoss":
        given["triplet_margin"] = config.margin
    if choice.name.startswith("Cached"):
        given["mini_batch_size"] = config.mini_batch_size
    if choice.name == "SoftmaxLoss":
        given |= {"embedding_dimension": model.get_embedding_dimension(), "num_labels": len(classes_of(data))}
    return getattr(of_pairs if config.cross_encoder else of_vectors, choice.name)(model, **given)
