"""A causal language model that answers prompts and messages: the Predictor of every task that writes text.

Called by the _trl_*.py files. Prompts longer than the model's window lose their beginning.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from engine.errors import UserError
from engine.tasks.generation import GenerationOptions

IGNORED = -100  # the label of a token that takes no part in the loss
TOKENS_AT_ONCE = 2048  # of a batch that is scored: logits are this many times the vocabulary


class Generator:
    """A loaded language model. `predict`: prompts (str, or messages as a list of {"role", "content"}) → texts.

    `as_chat`: a prompt that is a str is what a user says, and is written with the chat template; otherwise it is
    text to be continued.
    """

    def __init__(self, model: Any, tokenizer: Any, *, as_chat: bool = False, batch_size: int = 8) -> None:
        self.model, self.tokenizer, self.as_chat, self.batch_size = model.eval(), tokenizer, as_chat, batch_size
        self.model.config.use_cache = True

    def predict(self, inputs: Sequence[Any], **options: Any) -> list[Any]:
        """One text each, in order. `options`: fields of GenerationOptions."""
        chosen = GenerationOptions(**options)
        prompts = [self.prompt_ids(given) for given in inputs]
        texts: list[str] = [""] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # prompts of one length waste no padding
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            for i, text in zip(batch, self._generate([prompts[i] for i in batch], chosen), strict=True):
                texts[i] = text
        return texts

    def prompt_ids(self, given: Any) -> list[int]:
        """Token ids of one input. Raises UserError when it is neither a text nor messages, or is empty."""
        if isinstance(given, str) and given.strip() and not self.as_chat:
            return self.tokenizer(given)["input_ids"]
        messages = [{"role": "user", "content": given}] if isinstance(given, str) and given.strip() else given
        if not _are_messages(messages):
            raise UserError(
                f"An input must be a text, or a list of messages with role and content; found {str(given)[:80]!r}.",
                'Give for example "Write a greeting." or [{"role": "user", "content": "Write a greeting."}].',
            )
        return chat_ids(self.tokenizer, messages, add_generation_prompt=True)

    def _generate(self, prompts: list[list[int]], options: GenerationOptions) -> list[str]:
        import torch

        kept = [ids[-self._room(options.max_new_tokens) :] for ids in prompts]
        batch = self.tokenizer.pad({"input_ids": kept}, padding_side="left", return_tensors="pt").to(self.model.device)
        sampling = {"do_sample": options.temperature > 0, "temperature": None, "top_p": None, "top_k": None}
        if options.temperature > 0:
            sampling |= {"temperature": options.temperature, "top_p": options.top_p, "top_k": 0}
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(options.seed)
            written = self.model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=options.max_new_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
                **sampling,
            )
        return self.tokenizer.batch_decode(written[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)

    def _room(self, new_tokens: int) -> int:
        """Tokens of a prompt that leave room for the answer in the model's window; at least one."""
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 2**30
        return max(1, positions - new_tokens)

    def token_scores(self, rows: Sequence[tuple[list[int], list[int]]]) -> dict[str, float]:
        """Of (token ids, labels) rows: "loss" (nats a labelled token), "perplexity", "token_accuracy".

        Labels equal the ids where a token counts, else IGNORED; the first token of a row is never predicted.
        """
        import math

        total, right, counted = 0.0, 0, 0
        for batch in _batches(rows):
            loss, hits, n = self._score(batch)
            total, right, counted = total + loss, right + hits, counted + n
        if not counted:
            return {}
        loss = total / counted
        perplexity = math.exp(min(loss, 700))  # beyond it a float is infinite, which no report can hold
        return {"loss": loss, "perplexity": perplexity, "token_accuracy": right / counted}

    def _score(self, rows: list[tuple[list[int], list[int]]]) -> tuple[float, int, int]:
        """(summed loss, tokens guessed right, tokens counted) of one batch."""
        import torch
        from torch.nn import functional

        width = max(len(ids) for ids, _ in rows)
        ids = torch.full((len(rows), width), self.tokenizer.pad_token_id or 0)
        labels, mask = torch.full((len(rows), width), IGNORED), torch.zeros((len(rows), width), dtype=torch.long)
        for i, (row, targets) in enumerate(rows):
            ids[i, : len(row)], labels[i, : len(row)] = torch.tensor(row), torch.tensor(targets)
            mask[i, : len(row)] = 1
        device = self.model.device
        with torch.inference_mode():
            logits = self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits[:, :-1].float()
        wanted = labels[:, 1:].to(device)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
        ).item()
        counted = wanted != IGNORED
        return loss, int(((logits.argmax(-1) == wanted) & counted).sum()), int(counted.sum())


def chat_ids(tokenizer: Any, messages: list[dict[str, str]], *, add_generation_prompt: bool = False) -> list[int]:
    """Token ids of messages in the tokenizer's chat template."""
    written = tokenizer.apply_chat_template(
        messages, add_generation_prompt=add_generation_prompt, tokenize=True, return_dict=True
    )
    return list(written["input_ids"])


def _are_messages(given: Any) -> bool:
    return (
        isinstance(given, list)
        and bool(given)
        and all(isinstance(message, dict) and {"role", "content"} <= message.keys() for message in given)
    )


def _batches(rows: Sequence[tuple[list[int], list[int]]]) -> Iterator[list[tuple[list[int], list[int]]]]:
    """Rows by length, so many at once that a batch stays small."""
    batch: list[tuple[list[int], list[int]]] = []
    for row in sorted(rows, key=lambda row: len(row[0])):
        if batch and (len(batch) + 1) * len(row[0]) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
