"""Which loss of Sentence Transformers learns from which rows, and what becomes of their labels."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine import UserError
from engine.frameworks._st_config import SentenceTransformersConfig
from engine.frameworks._st_losses import choose
from engine.tasks.task import TaskData


def data_of(labels: list[Any], kind: str = "pairs with a label", limits: list[float] | None = None) -> TaskData:
    whole = all(isinstance(label, int) for label in labels)
    values = sorted(set(labels)) if whole else None
    info = {"format": kind, "label": "int" if whole else "float", "values": values, "range": limits}
    n = [str(i) for i in range(len(labels))]
    return TaskData(pa.table({"record_id": n, "sentence-1": n, "sentence-2": n, "label": labels}), None, None, info)


@pytest.mark.parametrize(
    "labels,cross_encoder,loss",
    [
        ([0, 1, 1], False, "ContrastiveLoss"),
        ([0, 0, 2, 1], False, "CoSENTLoss"),
        ([0.0, 1.0], False, "CosineSimilarityLoss"),
        ([0, 2, 1], True, "BinaryCrossEntropyLoss"),
    ],
)
def test_loss_follows_the_labels(labels: list[Any], cross_encoder: bool, loss: str) -> None:
    choice = choose(SentenceTransformersConfig(cross_encoder=cross_encoder), data_of(labels))
    assert choice.name == loss
    assert choice.notes[0].startswith(f"Learning from pairs with a label by {loss} (another can be chosen")


def test_labels_outside_a_losss_range_are_scaled_and_told() -> None:
    choice = choose(SentenceTransformersConfig(), data_of([1.0, 5.0, 3.0]))
    assert choice.targets(np.array([1.0, 3.0, 5.0, 6.0])).tolist() == [0, 0.5, 1, 1]
    assert choice.notes[1] == (
        "The labels go from 1 to 5; CosineSimilarityLoss takes -1 to 1, so they are scaled: 1 becomes 0, 5 becomes 1. "
        "The model's scores are on that scale."
    )
    by_question = choose(SentenceTransformersConfig(cross_encoder=True), data_of([2, 3], limits=[1, 5]))
    assert by_question.targets(np.array([2, 3])).tolist() == [0.25, 0.5]
    as_they_are = choose(SentenceTransformersConfig(), data_of([-0.5, 1.0]))
    assert as_they_are.targets(np.array([-0.5, 1.0])).tolist() == [-0.5, 1.0]
    assert len(as_they_are.notes) == 1
    two = choose(SentenceTransformersConfig(), data_of([3, 7]))
    assert two.targets(np.array([3, 7])).tolist() == [0, 1]
    assert two.notes[1] == "The label 7 is taken as alike, 3 as not alike."


@pytest.mark.parametrize(
    "config,labels,kind,message",
    [
        (
            {"loss": "TripletLoss"},
            [0, 1],
            "pairs with a label",
            "TripletLoss can't train a bi-encoder on pairs with a label.",
        ),
        (
            {"loss": "ContrastiveLoss"},
            [0, 1, 2],
            "pairs with a label",
            "ContrastiveLoss takes two labels, alike and not alike; these rows have 3: 0, 1, 2.",
        ),
        (
            {"loss": "SoftmaxLoss"},
            [0.5, 1.0],
            "pairs with a label",
            "SoftmaxLoss takes classes, which are whole numbers; these labels are decimals.",
        ),
        (
            {"cross_encoder": True},
            [0, 1],
            "triplets",
            "A cross-encoder reads two sentences at a time, so it can't learn from triplets.",
        ),
        (
            {"cross_encoder": True},
            [0, 1],
            "sentences with a class",
            "A cross-encoder reads two sentences at a time, so it can't learn from sentences with a class.",
        ),
        (
            {"per_device_train_batch_size": 5},
            [0, 1],
            "sentences with a class",
            "Batch size: BatchAllTripletLoss needs an even number of at least 4, for two sentences of two classes; "
            "it is 5.",
        ),
        (
            {"batch_sampler": "group_by_label"},
            [0, 1],
            "pairs",
            "MultipleNegativesRankingLoss does not go with rows of a batch “group_by_label”.",
        ),
    ],
)
def test_losses_that_do_not_fit_are_refused(config: dict[str, Any], labels: list[Any], kind: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        choose(SentenceTransformersConfig(**config), data_of(labels, kind))
    assert caught.value.message == message
    assert caught.value.hint
