"""The [training] block of spaCy's default config, and its optimizer's."""

from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED

OURS = SHARED | {
    "architecture": "the component's model block",
    "metric_for_best_model": "score_weights",
    "batch_start": "batcher.size.start",
    "batch_stop": "batcher.size.stop",
    "batch_compound": "batcher.size.compound",
    "batch_tolerance": "batcher.tolerance",
    "logging_steps": "points of the plot",
    **dict.fromkeys(
        ["ngram_size", "width", "depth", "window_size", "include_static_vectors", "threshold"], "the component's config"
    ),
    **dict.fromkeys(["embed_size", "hidden_width", "maxout_pieces"], "the recognizer's config"),
    "use_pipeline_tok2vec": "a Tok2VecListener in place of a Tok2Vec",
    "freeze_tok2vec": "frozen_components",
}
DIFFERENT = {
    "max_epochs": "20: without validation rows upstream would do 20,000 steps",
    "eval_frequency": "after each epoch at the latest: small data would wait for 10 epochs",
}


def upstream(task: str) -> dict[str, Any]:
    import spacy

    training = spacy.blank("en").config.interpolate()["training"]
    return training | training["optimizer"] | {"seed": 42}  # the ancestor's seed; spaCy's own is 0
