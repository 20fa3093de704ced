"""Asking a tuned model at the provider, several inputs at a time. Called by the openai framework."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from engine.frameworks import _openai_rows as rows
from engine.frameworks._openai_client import host, in_words, open_client

AT_ONCE = 6  # requests
LABEL_TOKENS = 16  # room that an answer of labels gets at least

log = logging.getLogger(__name__)


class OpenAIPredictor:
    """A tuned model by its name. `predict`: inputs of the task → outputs in its shape, by chat completions.

    The key is looked for at each call, so a key that was changed or taken away counts at once.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about

    def predict(
        self,
        inputs: Sequence[Any],
        *,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        max_new_tokens: int | None = None,
    ) -> list[Any]:
        """One output for each input, in order. Raises UserError in words at the first that the provider refuses."""
        asked = {"temperature": temperature, "top_p": top_p}
        tokens = self._answer_tokens() or max_new_tokens
        asked |= {name: value for name, value in (("seed", seed), ("max_tokens", tokens)) if value is not None}
        questions = [rows.question(given, self.about) for given in inputs]
        with open_client(self.about["base_url"]) as client:
            pool = ThreadPoolExecutor(AT_ONCE)
            try:
                with in_words(client, "answer", self.about["model"]):
                    answers = list(pool.map(lambda messages: self._ask(client, messages, asked), questions))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # who stops this does not wait for answers
        outputs = [rows.output(answer, self.about) for answer in answers]
        unclear = [answer for answer, (_, understood) in zip(answers, outputs, strict=True) if not understood]
        if unclear:
            where = host(self.about["base_url"])
            log.warning("%d of %d answers of %s name no label: %r", len(unclear), len(answers), where, unclear[0][:80])
        return [given for given, _ in outputs]

    def score(self, table: pa.Table) -> dict[str, float]:
        """Nothing: the provider tells no loss of rows that it was not given to train on."""
        return {}

    def _ask(self, client: Any, messages: list[dict[str, str]], asked: dict[str, Any]) -> str:
        answer = client.chat.completions.create(model=self.about["model"], messages=messages, **asked)
        return answer.choices[0].message.content or ""

    def _answer_tokens(self) -> int | None:
        """Where the answer is one of known labels: room for all of them (a token is a byte or more)."""
        if "classes" not in self.about:
            return None
        return max(LABEL_TOKENS, len(self.about.get("separator", ", ").join(self.about["classes"]).encode()))
