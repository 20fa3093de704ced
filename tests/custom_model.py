"""A tiny classifier that only code of its own repository can load: a bag of words over the embedded tokenizer."""

import json
from pathlib import Path

from tests import models

CONFIGURATION = """
from transformers import PreTrainedConfig


class BagConfig(PreTrainedConfig):
    model_type = "annotune_bag"

    def __init__(self, vocab_size=30522, hidden_size=16, **kwargs):
        self.vocab_size, self.hidden_size, self.max_position_embeddings = vocab_size, hidden_size, 128
        super().__init__(**kwargs)
"""

MODELING = """
import os
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from .configuration_bag import BagConfig

VERSION = "one"
Path(os.environ["HOME"], "code-that-ran.txt").open("a").write(VERSION + "\\n")


class BagForSequenceClassification(PreTrainedModel):
    config_class = BagConfig
    base_model_prefix = "bag"

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids=None, attention_mask=None, labels=None, **kwargs):
        mask = attention_mask.unsqueeze(-1).float()
        logits = self.classifier((self.words(input_ids) * mask).sum(1) / mask.sum(1).clamp(min=1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
"""


def files() -> dict[str, bytes | str]:
    """The repository: weights, configs, tokenizer, and the code that loads them."""
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    encoder = Path(models.encoder())
    config = {
        "model_type": "annotune_bag",
        "architectures": ["BagForSequenceClassification"],
        "auto_map": {
            "AutoConfig": "configuration_bag.BagConfig",
            "AutoModelForSequenceClassification": "modeling_bag.BagForSequenceClassification",
        },
        "vocab_size": 30522,
        "hidden_size": 16,
    }
    return {
        "config.json": json.dumps(config),
        "configuration_bag.py": CONFIGURATION,
        "modeling_bag.py": MODELING,
        "model.safetensors": save({"words.weight": torch.randn(30522, 16)}, metadata={"format": "pt"}),
        "tokenizer.json": (encoder / "tokenizer.json").read_bytes(),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}),
    }
