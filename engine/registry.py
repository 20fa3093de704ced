"""The two tables of the product: which tasks and which frameworks exist. Names only; nothing is imported to list them.

Adding a task: write engine/tasks/<name>.py and add its line to TASKS.
Adding a framework: write engine/frameworks/<name>.py and add its line to FRAMEWORKS.
Then run `make contract`: the contract tests walk these tables and already cover the new line. The ui does not change.
"""

import difflib
import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from engine.errors import UserError


class Registry(Mapping[str, Any]):
    """Name → one shared instance of the class behind "module:Class", imported on first use."""

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._entries = entries

    def __getitem__(self, name: str) -> Any:
        if name not in self._entries:
            close = difflib.get_close_matches(str(name), self._entries, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise UserError(f"There is no {self.kind} named {name!r}.{meant}", f"Choose one of: {', '.join(self)}.")
        return _instance(self._entries[name])

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@cache
def _instance(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)()


TASKS = Registry(
    "task",
    {
        "text-classification": "engine.tasks.text_classification:TextClassification",
        "token-classification": "engine.tasks.token_classification:TokenClassification",
        "question-answering": "engine.tasks.question_answering:QuestionAnswering",
        "sentence-similarity": "engine.tasks.sentence_similarity:SentenceSimilarity",
        "text2text": "engine.tasks.text2text:Text2Text",
        "supervised-fine-tuning": "engine.tasks.supervised_fine_tuning:SupervisedFineTuning",
        "reward-modeling": "engine.tasks.reward_modeling:RewardModeling",
        "direct-preference-optimization": "engine.tasks.direct_preference_optimization:DirectPreferenceOptimization",
        "kto": "engine.tasks.kto:Kto",
        "proximal-policy-optimization": "engine.tasks.proximal_policy_optimization:ProximalPolicyOptimization",
        "chat-completion": "engine.tasks.chat_completion:ChatCompletion",
    },
)

FRAMEWORKS = Registry(
    "framework",
    {
        "setfit": "engine.frameworks.setfit:SetFit",
        "spacy": "engine.frameworks.spacy:SpaCy",
        "transformers": "engine.frameworks.transformers:Transformers",
        "peft": "engine.frameworks.peft:Peft",
        "span_marker": "engine.frameworks.span_marker:SpanMarker",
        "sentence-transformers": "engine.frameworks.sentence_transformers:SentenceTransformers",
        "trl": "engine.frameworks.trl:Trl",
        "grpo": "engine.frameworks.grpo:Grpo",
        "rloo": "engine.frameworks.rloo:Rloo",
        "openai": "engine.frameworks.openai:OpenAI",
    },
)


def frameworks_for(task: str) -> list[str]:
    """Names of the frameworks that have a config for `task`, in the table's order."""
    return [name for name, framework in FRAMEWORKS.items() if task in framework.configs]
