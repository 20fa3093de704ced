"""TrainingTask: what to learn from a dataset. Chosen fields and questions, or a function from a sample to rows.

Made in Python (`TrainingTask.for_…`, Argilla's names and argument order) or by the page (`from_code`). It reads no
data: the task's own file (engine/tasks/<name>.py) does.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.data.fields import Field
from engine.data.questions import Question
from engine.data.strategies import QuestionUnification, strategy_of
from engine.errors import UserError


@dataclass(frozen=True)
class TrainingTask:
    """One task on one dataset: either `fields` (role → name of a field or question), or a way to format samples.

    `strategy` unifies the answers to the chosen question; None is the question's default. `formatting_func` runs in
    the caller's process; `code` is its source as typed on the page and runs in the sandbox. `function` is the name
    of a Python function that a run was made with, when only the run file is left of it.
    """

    task: str
    fields: dict[str, str] = field(default_factory=dict)
    strategy: str | None = None
    formatting_func: Callable[[dict[str, Any]], Any] | None = None
    code: str | None = None
    function: str | None = None

    @property
    def is_formatted(self) -> bool:
        """Whether rows come from a function (or a cell's code) and not from chosen fields and questions."""
        return self.formatting_func is not None or self.code is not None or self.function is not None

    @classmethod
    def for_text_classification(
        cls,
        formatting_func: Callable[[dict[str, Any]], Any] | None = None,
        text: Field | str | None = None,
        label: Question | QuestionUnification | str | None = None,
        label_strategy: str | None = None,
    ) -> "TrainingTask":
        """Texts and their labels. Give `text` and `label` (with a strategy), or a `formatting_func`, not both.

        `formatting_func(sample)` gives (text, label) or (text, [label, …]), a list or generator of them, or None.
        Names are accepted in place of Field and Question objects.
        """
        task = "text-classification"
        if formatting_func is not None:
            _refuse_both(text=text, label=label, label_strategy=label_strategy)
            return cls(task, formatting_func=_callable(formatting_func))
        if label is None:
            raise UserError(
                "Text classification needs a label question, and none was given.",
                "Give label=dataset.question_by_name(…), or a formatting_func.",
            )
        if text is None:
            raise UserError(
                "Text classification needs a text field, and none was given.",
                "Give text=dataset.field_by_name(…), or a formatting_func.",
            )
        name, strategy = _label(label, label_strategy)
        return cls(task, {"text": _text_field(text), "label": name}, strategy)

    @classmethod
    def from_code(cls, task: str, code: str) -> "TrainingTask":
        """A task whose rows are given by the `formatting_func` that `code` defines; it runs in the sandbox only."""
        return cls(task, code=code)

    def to_dict(self) -> dict[str, Any]:
        """What goes into a run file: {"task", "fields", "strategy"}, {"task", "code", "code_sha256"}, or, for a Python
        function, which can't be stored, {"task", "function"} with its name.
        """
        if self.code is not None:
            return {"task": self.task, "code": self.code, "code_sha256": _sha256(self.code)}
        if self.is_formatted:
            return {"task": self.task, "function": self.function or _name(self.formatting_func)}
        return {"task": self.task, "fields": dict(self.fields), "strategy": self.strategy}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "TrainingTask":
        """The inverse of `to_dict`. Raises UserError for an unknown key, or code that does not match its checksum."""
        unknown = sorted(set(data) - {"task", "fields", "strategy", "code", "code_sha256", "function"})
        if unknown or "task" not in data:
            raise UserError(
                f"The task of the run file has an unknown key {unknown[0]!r}."
                if unknown
                else "The task of the run file has no name.",
                "Its keys are: task, fields, strategy, code, code_sha256, function.",
            )
        code = data.get("code")
        if code is not None and data.get("code_sha256", _sha256(code)) != _sha256(code):
            raise UserError(
                "The formatting code in the run file is not the code that its checksum belongs to.",
                "If you changed the code on purpose, remove code_sha256 from the run file.",
            )
        return cls(data["task"], dict(data.get("fields") or {}), data.get("strategy"), None, code, data.get("function"))


def _refuse_both(**given: Any) -> None:
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise UserError(
            f"A formatting_func was given together with {' and '.join(names)}; only one of the two ways can be used.",
            "Give text and label, or a formatting_func, not both.",
        )


def _callable(formatting_func: Any) -> Callable[[dict[str, Any]], Any]:
    if not callable(formatting_func):
        raise UserError(
            f"formatting_func must be a function that takes a sample; {type(formatting_func).__name__} was given.",
            "Fields and questions are given by name: text=…, label=….",
        )
    return formatting_func


def _text_field(text: Any) -> str:
    if isinstance(text, str):
        return text
    if isinstance(text, Field) and text.type == "text":
        return text.name
    what = f"a field of type {text.type!r}" if isinstance(text, Field) else f"{type(text).__name__}"
    raise UserError(f"text must be a text field; {what} was given.", "Give text=dataset.field_by_name(…).")


def _label(label: Any, strategy: Any) -> tuple[str, str | None]:
    """Name of the label question and the strategy; a question given by name is checked when the rows are made."""
    if isinstance(label, QuestionUnification):
        if strategy is not None:
            raise UserError(
                f"label_strategy was given, but {type(label).__name__} already holds the strategy {label.strategy!r}.",
                "Leave label_strategy out.",
            )
        label, strategy = label.question, label.strategy
    if isinstance(label, str):
        return label, None if strategy is None else str(getattr(strategy, "value", strategy))
    if not isinstance(label, Question):
        raise UserError(
            f"label must be a question; {type(label).__name__} was given.", "Give label=dataset.question_by_name(…)."
        )
    check_label_question(label)
    return label.name, strategy_of(label, strategy)


def check_label_question(question: Question) -> None:
    """Raises UserError unless the answers to `question` are classes that one value can be unified from."""
    if not (question.classes and question.strategies):
        kind = question.type.replace("_", " ")
        raise UserError(
            f"The {kind} question {question.name!r} can't be the label of a text classification.",
            "Choose a label, multi-label, rating or ranking question.",
        )


def _sha256(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
