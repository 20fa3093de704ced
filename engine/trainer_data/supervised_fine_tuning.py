"""Supervised fine-tuning in the containers of its libraries' own trainers. See the package."""

from engine.trainer_data.containers import CANONICAL

RENDERERS = {"trl": CANONICAL}
