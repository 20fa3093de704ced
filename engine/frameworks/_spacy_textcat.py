"""Text classification by spaCy: what its training and its predictor know of categories. Worker only."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from engine.frameworks import _classification as classification
from engine.frameworks._spacy_config import SpacyConfig
from engine.frameworks._spacy_pipeline import component_name
from engine.runs.events import Report


class Categories:
    """The categorizer as a component to train (see _spacy_training.Component)."""

    def __init__(self, config: SpacyConfig, info: dict[str, Any]) -> None:
        self.config, self.info = config, info
        self.name = component_name(info)
        self.labels = tuple(info["classes"])
        self.metric = config.metric_for_best_model or classification.primary_metric(info)

    def annotate(self, table: pa.Table, documents: list[Any], report: Report) -> None:
        """Every class of every document as 0 or 1."""
        for document, target in zip(documents, classification.targets(table, self.info), strict=True):
            chosen = target if self.info["multi_label"] else [i == target for i in range(len(self.labels))]
            document.cats = dict(zip(self.labels, map(float, chosen), strict=True))

    def figures(self, table: pa.Table, documents: list[Any]) -> dict[str, float]:
        """accuracy, f1_macro and f1_micro of the categories that the documents were given."""
        predicted = []
        for document in documents:
            row = [document.cats[label] for label in self.labels]
            if self.info["multi_label"]:
                predicted.append([int(score >= self.config.threshold) for score in row])
            else:
                predicted.append(max(range(len(row)), key=row.__getitem__))
        return classification.scores(classification.targets(table, self.info), predicted, self.info)


class CategoryPredictor:
    """A loaded pipeline. `predict`: texts → every class as {"label", "score"}, best first."""

    def __init__(self, nlp: Any) -> None:
        name = "textcat_multilabel" if "textcat_multilabel" in nlp.pipe_names else "textcat"
        self.nlp, self.classes = nlp, list(nlp.get_pipe(name).labels)
        nlp.max_length = 2**31 - 1
        nlp.select_pipes(enable=[pipe for pipe in nlp.pipe_names if pipe in (name, "tok2vec")])

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        docs = self.nlp.pipe(classification.checked_inputs(inputs))
        return [classification.ranked(self.classes, [doc.cats[label] for label in self.classes]) for doc in docs]
