"""Token classification by spaCy: an entity recognizer, its training and its predictor. Worker only.

Texts are cut into tokens by the pipeline, in training as in prediction, so that both see the same ones.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from engine.frameworks import _classification as classification
from engine.frameworks import _spans as spans
from engine.frameworks._spacy_config import SpacyNerConfig
from engine.frameworks._spacy_pipeline import add_component, check_tok2vec, tok2vec_listener
from engine.runs.events import Report

NAME = "ner"


def add_recognizer(nlp: Any, config: SpacyNerConfig, info: dict[str, Any]) -> list[str]:
    """Add a new recognizer in place of the base's own. → names of the base's components that stay as they are."""
    if NAME in nlp.pipe_names:
        nlp.remove_pipe(NAME)
    check_tok2vec(nlp, config)
    return add_component(nlp, config, NAME, {"model": _model(config, nlp)})


def _model(config: SpacyNerConfig, nlp: Any) -> dict[str, Any]:
    """The recognizer's model block: spaCy's own default."""
    tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": True if config.include_static_vectors else None,
        "width": config.width,
        "depth": config.depth,
        "embed_size": config.embed_size,
        "window_size": config.window_size,
        "maxout_pieces": 3,
        "subword_features": True,
    }
    return {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": config.hidden_width,
        "maxout_pieces": config.maxout_pieces,
        "use_upper": True,
        "tok2vec": tok2vec_listener(nlp) if config.use_pipeline_tok2vec else tok2vec,
    }


class Entities:
    """The recognizer as a component to train (see _spacy_training.Component)."""

    name = NAME
    labels = None  # spaCy takes them from the rows, most frequent first

    def __init__(self, config: SpacyNerConfig, info: dict[str, Any]) -> None:
        self.metric, self.classes = config.metric_for_best_model, info["classes"]

    def annotate(self, table: pa.Table, documents: list[Any], report: Report) -> None:
        """The rows' spans as entities of the documents; what does not fit their tokens is told."""
        from spacy.tokens import Span

        losses = spans.Losses()
        for document, (_, found, _) in zip(documents, spans.span_rows(table), strict=True):
            fitted = spans.aligned(found, [(token.idx, token.idx + len(token)) for token in document])
            losses.add(fitted)
            document.set_ents([Span(document, first, stop, label=label) for first, stop, label in fitted.chunks])
        spans.note_losses(report, "training", losses)

    def figures(self, table: pa.Table, documents: list[Any]) -> dict[str, float]:
        """f1, precision, recall and f1_macro of the entities that the documents were given."""
        from engine.evaluation.spans import span_figures

        predicted = [_found(document) for document in documents]
        return span_figures(table["spans"].to_pylist(), predicted, self.classes)["metrics"]


class EntityPredictor:
    """A loaded pipeline. `predict`: texts → their spans; the recognizer gives no scores, so each score is None."""

    def __init__(self, nlp: Any) -> None:
        self.nlp = nlp
        nlp.max_length = 2**31 - 1
        nlp.select_pipes(enable=[pipe for pipe in nlp.pipe_names if pipe in (NAME, "tok2vec")])

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        return [_found(document) for document in self.nlp.pipe(classification.checked_inputs(inputs))]


def _found(document: Any) -> list[dict[str, Any]]:
    return [
        spans.span_output(document.text, entity.start_char, entity.end_char, entity.label_, None)
        for entity in document.ents
    ]
