"""Sentence similarity in the container of Sentence Transformers' own trainer: a dataset of its columns."""

from engine.trainer_data.containers import CANONICAL

RENDERERS = {"sentence-transformers": CANONICAL}
