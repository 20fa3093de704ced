"""Annotune's engine: annotated data in, a tested fine-tuned model out. Public names, each imported on first use.

from engine import ArgillaTrainer, FeedbackDataset, TrainingTask
"""

import importlib
from typing import Any

_PUBLIC = {
    "engine.errors": ("UserError",),
    "engine.settings": ("Settings",),
    "engine.registry": ("FRAMEWORKS", "TASKS", "frameworks_for"),
    "engine.trainer": ("ArgillaTrainer",),
    "engine.data.feedback_dataset": ("FeedbackDataset",),
    "engine.data.fields": ("Field", "TextField"),
    "engine.data.questions": (
        "LabelQuestion",
        "MultiLabelQuestion",
        "Question",
        "RankingQuestion",
        "RatingQuestion",
        "SpanQuestion",
        "TextQuestion",
    ),
    "engine.data.records": (
        "FeedbackRecord",
        "RankingValueSchema",
        "ResponseSchema",
        "SpanValueSchema",
        "SuggestionSchema",
        "ValueSchema",
    ),
    "engine.data.derived": ("DerivedQuestion",),
    "engine.data.examples": ("EXAMPLES", "Example"),
    "engine.data.strategies": (
        "LabelQuestionStrategy",
        "LabelQuestionUnification",
        "MultiLabelQuestionStrategy",
        "MultiLabelQuestionUnification",
        "RankingQuestionStrategy",
        "RankingQuestionUnification",
        "RatingQuestionStrategy",
        "RatingQuestionUnification",
        "TextQuestionStrategy",
    ),
    "engine.data.filters": ("FloatMetadataFilter", "IntegerMetadataFilter", "SortBy", "TermsMetadataFilter"),
    "engine.data.roles": ("ROLES", "ColumnRole", "derived_for", "guess_roles"),
    "engine.data.chosen_roles": ("change_role", "column_roles"),
    "engine.data.readers": ("inspect_file", "list_splits"),
    "engine.tasks.training_task": ("TrainingTask",),
    "engine.tasks.preview": ("Preview", "preview"),
    "engine.tasks.task": ("Metric", "Role", "Task"),
    "engine.formatting": (
        *("CellError", "CellResult", "Limits", "SandboxUnavailable", "run_formatting_cell"),
        *("keep_warm", "why_unavailable"),
    ),
    "engine.frameworks.base_models": ("approved_code", "locate", "longest_input"),
    "engine.frameworks.framework": ("Framework", "SuggestedModel"),
    "engine.frameworks.validation": ("validate_config",),
    "engine.runs.run_directory": ("RunDirectory", "RunSpec", "SplitSpec"),
    "engine.runs.job": ("JobStatus",),
    "engine.runs.supervisor": ("Supervisor",),
    "engine.runs.store": ("RunSummary",),
    "engine.runs.readiness": ("Readiness",),
    "engine.publishing.bundle": ("public_report", "public_spec"),
    "engine.publishing.model_card": ("build_card",),
    "engine.publishing.provenance": ("suggested_name",),
    "engine.publishing.hub": ("check_target", "check_token"),
    "engine.python_source": ("python_source",),
    "engine.access": ("Access",),
    "engine.trust": ("RemoteCode", "approve_code", "approve_model", "unapproved"),
    "engine.limits": ("REQUEST_BYTES", "SPACE_UPLOAD_BYTES", "RateLimits", "check_code"),
    "engine.uploads": ("Uploads",),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
