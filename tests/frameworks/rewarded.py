"""A tiny language model of 64 words, and reward models whose best answer is known: for the tests of PPO, GRPO and RLOO.

The reward models are real sequence classifiers with weights set by hand, and read bytes where the policy reads words.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.registry import FRAMEWORKS
from engine.runs.events import Report
from engine.tasks.task import TaskData
from tests.frameworks.topics import Told

TASK = "proximal-policy-optimization"

LIKED = "e"
QUICK = {
    "reward_text": "completion",
    "learning_rate": 3e-3,
    "max_completion_length": 12,
    "per_device_train_batch_size": 16,
    "num_generations": 4,
    "max_steps": 32,
    "logging_steps": 1,
    "use_cpu": True,
}
# Words of two letters and a vowel: a fifth of them have the liked letter.
WORDS = ["".join(parts) for parts in itertools.product("bdfgklmnprst", "aeiou")]
PROMPTS = [f"{a} {b}" for a, b in itertools.combinations(WORDS[::5], 2)]


def policy(folder: Path, words: Sequence[str] = WORDS, *, ends: bool = True) -> str:
    """A Llama of 2 layers over whole words, random weights. → its folder.

    Not `ends`: it never writes a special token, which a text does not show and a reward of tokens would count.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokens = ["<pad>", "<s>", "</s>", "<unk>", *words]
    by_word = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="<unk>"))
    by_word.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=by_word, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(
        vocab_size=len(tokens), max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes
    )
    model = LlamaForCausalLM(config)
    if not ends:
        with torch.no_grad():  # one hidden feature is the same everywhere, and speaks against the special tokens
            model.model.embed_tokens.weight[:, 0] = 0.05
            for layer in model.model.layers:
                layer.self_attn.o_proj.weight[0] = layer.mlp.down_proj.weight[0] = 0.0
            model.lm_head.weight[: len(tokens) - len(words), 0] = -50.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def letter_reward(folder: Path, labels: Sequence[str] = ("reward",)) -> str:
    """A classifier over bytes whose last label's score grows with the share of the liked letter. → its folder."""
    from transformers import ByT5Tokenizer

    tokenizer = ByT5Tokenizer()
    liked = tokenizer(LIKED, add_special_tokens=False)["input_ids"]
    return _share_classifier(folder, tokenizer, 384, liked, labels)


def word_reward(folder: Path, policy_folder: str) -> str:
    """A classifier over the policy's own words: its score grows with the share of words that have the liked letter."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(policy_folder)
    liked = [i for word, i in tokenizer.get_vocab().items() if LIKED in word.lower() and "<" not in word]
    return _share_classifier(folder, tokenizer, len(tokenizer), liked, ("reward",))


def _share_classifier(folder: Path, tokenizer: Any, size: int, liked: list[int], labels: Sequence[str]) -> str:
    """A Llama whose last label's score grows with the share of `liked` tokens.

    Queries and keys are zero, so the last token attends to all alike; values pass on whether a token is liked.
    """
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    sizes = {"hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = LlamaConfig(vocab_size=size, num_labels=len(labels), pad_token_id=0, max_position_embeddings=256, **sizes)
    config.id2label, config.label2id = dict(enumerate(labels)), {label: i for i, label in enumerate(labels)}
    model = LlamaForSequenceClassification(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if not name.endswith("norm.weight"):
                weights.zero_()
        model.model.embed_tokens.weight[:, 1] = 2.0
        model.model.embed_tokens.weight[liked] = torch.tensor([2.0, 0, 0, 0])
        attention = model.model.layers[0].self_attn
        attention.v_proj.weight[0, 0] = 1.0
        attention.o_proj.weight[2, 0] = 1.0
        model.score.weight[-1, 2] = 1.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def prompt_data(train: int = 32, validation: int = 0, test: int = 8) -> TaskData:
    """Prompts of two words, in parts."""
    ends = np.cumsum([0, train, validation, test])
    tables = [
        pa.table({"record_id": [f"r{i}" for i in range(start, end)], "query": PROMPTS[start:end]})
        if end > start
        else None
        for start, end in itertools.pairwise(ends)
    ]
    return TaskData(*tables, {})


def gain_in_errors(rewards: Sequence[float]) -> float:
    """How many standard errors the last quarter's mean reward is above the first quarter's."""
    quarter = len(rewards) // 4
    first, last = np.asarray(rewards[:quarter]), np.asarray(rewards[-quarter:])
    error = np.sqrt(first.var(ddof=1) / quarter + last.var(ddof=1) / quarter)
    return float((last.mean() - first.mean()) / error)


def check_learned(rewards: Sequence[float], divergences: Sequence[float]) -> None:
    """The last quarter's mean reward is above the first's by two standard errors; KL stays under 10 nats."""
    assert gain_in_errors(rewards) >= 2
    assert max(divergences) < 10


def learn(framework: str, folder: Path, data: TaskData, told: Report | None = None, **settings: Any) -> Path:
    """Train GRPO or RLOO on the tiny policy with the reward of known optimum, in seconds. → the model's folder."""
    base = settings.pop("base", None) or policy(folder / "base")
    reward = settings.pop("reward_model", None) or letter_reward(folder / "reward")
    chosen = FRAMEWORKS[framework]
    config = chosen.configs[TASK](reward_model=reward, **(QUICK | settings))
    chosen.check_config(config, TASK)
    chosen.train(config, TASK, data, base, folder / "model", told or Told())
    return folder / "model"
