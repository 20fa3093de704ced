"""sentence_transformers.SentenceTransformerTrainingArguments, and the losses' arguments."""

from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED, TRAINER_DIFFERENT, defaults

OURS = SHARED | {
    "cross_encoder": "CrossEncoder and its trainer, in place of SentenceTransformer and its",
    "loss": "the trainer's loss; empty: by the format of the rows",
    "scale": "the losses' argument; empty: their default",
    "margin": "the losses' argument (TripletLoss: triplet_margin); empty: their default",
    "mini_batch_size": "the cached losses' argument, with their default",
}
DIFFERENT = TRAINER_DIFFERENT | {
    "learning_rate": "2e-5: what its documentation trains with",
    "per_device_train_batch_size": "16: what its documentation trains with",
    "warmup_steps": "a tenth of the steps, as in its documentation",
    "batch_sampler": "empty: what the loss needs (its documentation's advice for each)",
}


def upstream(task: str) -> dict[str, Any]:
    from sentence_transformers import SentenceTransformerTrainingArguments

    return defaults(SentenceTransformerTrainingArguments)
