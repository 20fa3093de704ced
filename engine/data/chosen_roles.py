"""Correcting what a column was taken for: its derived question changes, the rows stay. Called by the page."""

import json
from pathlib import Path

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.profile import PROFILE_FILE, profile
from engine.data.questions import RatingQuestion
from engine.data.roles import ColumnRole, Role, derived_for, guess_roles, role_as
from engine.runs.run_directory import write_text


def column_roles(dataset: FeedbackDataset) -> list[ColumnRole]:
    """Every column as it is used now: a target if a question is derived from it, else as guessed, but no target."""
    chosen: dict[str, Role] = {}
    for derived in dataset.schema.derived:
        rating = isinstance(derived.question, RatingQuestion)
        chosen[derived.field] = "multi-label" if derived.question.is_multi_label else "rating" if rating else "label"
    columns = []
    for guess in guess_roles(dataset):
        role = chosen.get(guess.name, "other" if guess.is_target else guess.role)
        columns.append(guess if role == guess.role else role_as(dataset, guess.name, role))
    return columns


def change_role(folder: Path, column: str, role: Role) -> FeedbackDataset:
    """Use `column` of the dataset stored in `folder` as `role`, and count anew. Raises UserError when it can't be."""
    dataset = FeedbackDataset.load(folder)
    kept = [derived for derived in dataset.schema.derived if derived.field != column]
    changed = role_as(dataset, column, role)
    dataset = dataset.with_questions_from_fields(kept + ([derived_for(changed)] if changed.is_target else []))
    found = profile(dataset)
    dataset.save_schema(folder)
    write_text(folder / PROFILE_FILE, json.dumps(found, ensure_ascii=False))
    return dataset
