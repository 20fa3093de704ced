"""TrainingTask: what to learn from a dataset. Chosen fields and questions, or a function from a sample to rows.

Made in Python (`TrainingTask.for_…`, Argilla's names and argument order) or by the page (`from_code`). It reads no
data: the task's own file (engine/tasks/<name>.py) does.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.data.fields import Field
from engine.data.questions import Question
from engine.data.strategies import QuestionUnification, strategy_of
from engine.errors import UserError
from engine.registry import TASKS
from engine.tasks.task import Role, Task

Formatting = Callable[[dict[str, Any]], Any]
Column = Field | Question | str  # or its name, or a template


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
    formatting_func: Formatting | None = None
    code: str | None = None
    function: str | None = None

    @property
    def is_formatted(self) -> bool:
        """Whether rows come from a function (or a cell's code) and not from chosen fields and questions."""
        return self.formatting_func is not None or self.code is not None or self.function is not None

    @classmethod
    def for_text_classification(
        cls,
        formatting_func: Formatting | None = None,
        text: Column | None = None,
        label: Column | QuestionUnification | None = None,
        label_strategy: str | None = None,
    ) -> "TrainingTask":
        """Texts and their labels. Give `text` and `label` (with a strategy), or a `formatting_func`, not both.

        `formatting_func(sample)` gives (text, label) or (text, [label, …]), a list or generator of them, or None.
        Names are accepted in place of Field and Question objects.
        """
        return cls.define("text-classification", formatting_func, label_strategy, text=text, label=label)

    @classmethod
    def for_token_classification(
        cls,
        formatting_func: Formatting | None = None,
        text: Column | None = None,
        spans: Column | None = None,
        *,
        tokens: Column | None = None,
        tags: Column | None = None,
    ) -> "TrainingTask":
        """Texts and labelled spans in them: a span question (or a column of spans), or columns of words and tags.

        `formatting_func(sample)` gives (text, [(start, end, label), …]) or (tokens, tags).
        """
        return cls.define("token-classification", formatting_func, text=text, spans=spans, tokens=tokens, tags=tags)

    @classmethod
    def for_question_answering(
        cls,
        formatting_func: Formatting | None = None,
        question: Column | None = None,
        context: Column | None = None,
        answer: Column | None = None,
    ) -> "TrainingTask":
        """Questions answered by a part of a context. `formatting_func(sample)` gives (question, context, answer)."""
        return cls.define("question-answering", formatting_func, question=question, context=context, answer=answer)

    @classmethod
    def for_sentence_similarity(
        cls,
        texts: Sequence[Column] | None = None,
        label: Column | QuestionUnification | None = None,
        formatting_func: Formatting | None = None,
        label_strategy: str | None = None,
    ) -> "TrainingTask":
        """Two or three texts that are alike or not, with or without a label.

        `formatting_func(sample)` gives a dict with sentence-1, sentence-2 and perhaps sentence-3 and label, or with
        sentence and label.
        """
        given = list(texts or ())
        if texts is not None and not 2 <= len(given) <= 3:
            raise UserError(f"texts must be two or three text fields; {len(given)} were given.", "Give a list of them.")
        named = {f"sentence-{i}": text for i, text in enumerate(given, 1)}
        return cls.define("sentence-similarity", formatting_func, label_strategy, label=label, **named)

    @classmethod
    def for_text2text(
        cls,
        formatting_func: Formatting | None = None,
        text: Column | None = None,
        target: Column | None = None,
    ) -> "TrainingTask":
        """Texts and what they are to be turned into. `formatting_func(sample)` gives (text, target)."""
        return cls.define("text2text", formatting_func, text=text, target=target)

    @classmethod
    def for_supervised_fine_tuning(
        cls,
        formatting_func: Formatting | None = None,
        *,
        prompt: Column | None = None,
        completion: Column | None = None,
        text: Column | None = None,
        messages: Column | None = None,
    ) -> "TrainingTask":
        """What a language model is to write: a prompt (a template) and its completion, a whole text, or messages.

        `formatting_func(sample)` gives a text, a (prompt, completion) pair, or a list of {"role", "content"}.
        """
        return cls.define(
            "supervised-fine-tuning",
            formatting_func,
            prompt=prompt,
            completion=completion,
            text=text,
            messages=messages,
        )

    @classmethod
    def for_reward_modeling(
        cls,
        formatting_func: Formatting | None = None,
        *,
        prompt: Column | None = None,
        chosen: Column | None = None,
        rejected: Column | None = None,
        response: Column | None = None,
        preference: Column | None = None,
    ) -> "TrainingTask":
        """Pairs of a better and a worse text: two columns, a ranking of fields, or ratings of a response.

        `formatting_func(sample)` gives (chosen, rejected).
        """
        given = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        return cls.define("reward-modeling", formatting_func, **given, response=response, preference=preference)

    @classmethod
    def for_proximal_policy_optimization(
        cls, formatting_func: Formatting | None = None, *, prompt: Column | None = None
    ) -> "TrainingTask":
        """Prompts that a model answers and is rewarded for. `formatting_func(sample)` gives a text."""
        return cls.define("proximal-policy-optimization", formatting_func, prompt=prompt)

    @classmethod
    def for_direct_preference_optimization(
        cls,
        formatting_func: Formatting | None = None,
        *,
        prompt: Column | None = None,
        chosen: Column | None = None,
        rejected: Column | None = None,
        response: Column | None = None,
        preference: Column | None = None,
    ) -> "TrainingTask":
        """Prompts with a better and a worse answer. `formatting_func(sample)` gives (prompt, chosen, rejected)."""
        given = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        return cls.define(
            "direct-preference-optimization", formatting_func, **given, response=response, preference=preference
        )

    @classmethod
    def for_kto(
        cls,
        formatting_func: Formatting | None = None,
        *,
        prompt: Column | None = None,
        completion: Column | None = None,
        label: Column | QuestionUnification | None = None,
        label_strategy: str | None = None,
        chosen: Column | None = None,
        rejected: Column | None = None,
    ) -> "TrainingTask":
        """Prompts and completions that are good or bad: by a rating or label, or by chosen and rejected columns.

        `formatting_func(sample)` gives (prompt, completion, True or False).
        """
        given = {"prompt": prompt, "completion": completion, "label": label}
        return cls.define("kto", formatting_func, label_strategy, **given, chosen=chosen, rejected=rejected)

    @classmethod
    def for_chat_completion(
        cls,
        formatting_func: Formatting | None = None,
        *,
        messages: Column | None = None,
        system: Column | None = None,
        user: Column | None = None,
        assistant: Column | None = None,
    ) -> "TrainingTask":
        """Conversations: a column of messages, or templates for the roles.

        `formatting_func(sample)` gives turns (chat, turn, role, content).
        """
        return cls.define(
            "chat-completion", formatting_func, messages=messages, system=system, user=user, assistant=assistant
        )

    @classmethod
    def define(
        cls, task: str, formatting_func: Formatting | None = None, strategy: str | None = None, **given: Any
    ) -> "TrainingTask":
        """A task by its name, with a Field, Question, unification, name or template for each of its roles.

        Raises UserError when a function and columns are given together, or a role that is needed is not.
        """
        about = TASKS[task]
        given = {role: value for role, value in given.items() if value is not None}
        if formatting_func is not None:
            _refuse_both(**given, **({} if strategy is None else {"label_strategy": strategy}))
            return cls(task, formatting_func=_callable(formatting_func))
        chosen: dict[str, str] = {}
        for role, value in given.items():
            chosen[role], strategy = _chosen(about, role, value, strategy)
        for role, wanted in about.roles.items():
            if role not in chosen and not wanted.optional:
                raise UserError(
                    f"{about.label} needs {role}=…, and none was given.",
                    f"Give {_example_of(role, wanted)}, or a formatting_func.",
                )
        return cls(task, chosen, strategy)

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


def _callable(formatting_func: Any) -> Formatting:
    if not callable(formatting_func):
        raise UserError(
            f"formatting_func must be a function that takes a sample; {type(formatting_func).__name__} was given.",
            "Fields and questions are given by name: text=…, label=….",
        )
    return formatting_func


def _example_of(role: str, about: Role) -> str:
    if about.kind == "template":
        return f'{role}="a template with {{column}} names"'
    return f"{role}=dataset.{'question' if about.kind == 'question' else 'field'}_by_name(…)"


def _chosen(task: Task, role: str, value: Any, strategy: Any) -> tuple[str, str | None]:
    """Name (or template) given for a role, and the strategy; what is given by name is checked when rows are made."""
    about = task.roles[role]
    if isinstance(value, QuestionUnification):
        if strategy is not None:
            raise UserError(
                f"label_strategy was given, but {type(value).__name__} already holds the strategy {value.strategy!r}.",
                "Leave label_strategy out.",
            )
        value, strategy = value.question, value.strategy
    if isinstance(value, str):
        return value, None if strategy is None else str(getattr(strategy, "value", strategy))
    if isinstance(value, Field) and about.kind != "question":
        if value.type not in about.types:
            raise UserError(
                f"{role} must be a {about.types[0]} field; a field of type {value.type!r} was given.",
                f"Give {role}=dataset.field_by_name(…).",
            )
        return (f"{{{value.name}}}" if about.kind == "template" else value.name), strategy
    if isinstance(value, Question) and about.kind != "field":
        if about.kind == "question" and not task.accepts(role, value):
            kind = value.type.replace("_", " ")
            raise UserError(
                f"The {kind} question {value.name!r} can't be the {role} of {task.label.lower()}.",
                f"{about.help or 'Choose another question.'} Or write a formatting_func.",
            )
        name = f"{{{value.name}}}" if about.kind == "template" else value.name
        return name, strategy_of(value, strategy) if value.strategies else strategy
    wanted = {"field": "a text field", "question": "a question", "column": "a field or a question"}
    what = wanted.get(about.kind, "a template, a field or a question")
    kind = "question" if about.kind == "question" else "field"
    raise UserError(
        f"{role} must be {what}; {type(value).__name__} was given.",
        f"Give {role}=dataset.{kind}_by_name(…).",
    )


def check_label_question(question: Question) -> None:
    """Raises UserError unless the answers to `question` are classes that one value can be unified from."""
    if not (question.classes and question.strategies):
        kind = question.type.replace("_", " ")
        raise UserError(
            f"The {kind} question {question.name!r} can't be the label of text classification.",
            "Choose a label, multi-label, rating or ranking question.",
        )


def _sha256(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
