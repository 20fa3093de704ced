"""Reward models with TRL's RewardTrainer, on encoders and language models: one output, the score of a text.

Texts are tokenised here and not by TRL, which puts the end-of-text token behind each and fails where there is none
(TRL 1.16, reward_trainer.py: endswith(None)). A language model's tokenizer is set to add that token itself and is saved
so: whoever loads the model reads texts as it learned them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from engine import trust
from engine.errors import UserError
from engine.frameworks import _hf, base_models
from engine.frameworks import _trl_common as common
from engine.frameworks._classification import checked_inputs
from engine.frameworks.framework import Predictor, SuggestedModel, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData

SCORE = "score"  # the name of the only output
BATCH = 32


class Config(common.TrlConfig):
    """Hyperparameters of RewardTrainer."""

    usual_learning_rate: ClassVar[float] = 1e-4

    use_margin: bool = knob(
        True,
        "Use margins",
        "A pair that annotators tell far apart must get scores far apart (Touvron 2023). Where margins are known.",
    )
    center_rewards_coefficient: float | None = knob(
        None, "Centre scores", "Pulls the mean score to 0 (Eisenstein 2023): 0.01 is usual. Empty: not.", ge=0
    )
    disable_dropout: bool = knob(True, "No dropout", "The model's own dropout is off while it learns.")


BASE_MODELS = (
    SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True),
    SuggestedModel("distilbert/distilroberta-base", 331, "The guide's; English, for a small GPU."),
    SuggestedModel("answerdotai/ModernBERT-base", 599, "Newer, English, reads up to 8,192 tokens."),
    SuggestedModel("HuggingFaceTB/SmolLM2-135M-Instruct", 269, "A language model; English."),
    SuggestedModel("Qwen/Qwen3-0.6B", 1503, "A language model; many languages, long texts."),
)


def check_base(base: str) -> None:
    """Raise UserError unless `base` is an encoder or a causal language model, by its config.json alone."""
    _hf.check_base(base, "TRL")
    config = json.loads((Path(base) / "config.json").read_text(encoding="utf-8"))
    if config.get("is_encoder_decoder"):
        raise UserError(
            f"The base model is a sequence-to-sequence model ({config.get('model_type')}), which has no one place to "
            "read a score from.",
            "Choose an encoder such as distilbert/distilroberta-base, or a language model.",
        )


def train(config: Config, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
    """Train from the base model at `base`; leave in `out_dir` the model or its adapter, and the tokenizer."""
    from datasets import disable_progress_bars
    from trl import RewardConfig, RewardTrainer

    check_base(base)
    disable_progress_bars()  # of the trainer's own look at the rows; the events say what is happening
    report.stage("loading")
    _hf.note_device(report, config.use_cpu)
    _hf.set_seed(config)
    tokenizer = load_tokenizer(base)
    model = load_scorer(base, tokenizer, config)
    tokenizer.model_max_length = _longest(tokenizer, model, config)  # saved: whoever loads it cuts as in training
    train_set, validation_set = datasets(config, data, tokenizer, report)
    own = {"max_length": tokenizer.model_max_length}
    with _hf.quiet():
        trainer = RewardTrainer(
            model=model,
            args=common.training_arguments(config, data, out_dir.parent / "checkpoints", RewardConfig, **own),
            train_dataset=train_set,
            eval_dataset=validation_set,
            processing_class=tokenizer,
            peft_config=common.lora(config, "SEQ_CLS"),
        )
    model = common.fit(trainer, config, data, report)
    report.stage("saving")
    common.save(model, tokenizer, base, out_dir)


def load_tokenizer(base: str) -> Any:
    """The base's tokenizer, with a padding token if it had none, that ends a text with the end-of-text token it has."""
    tokenizer = _hf.load_tokenizer(base)
    end = tokenizer.eos_token_id
    if end is None or not tokenizer.is_fast or end in tokenizer("a")["input_ids"][-1:] or tokenizer.sep_token_id:
        return tokenizer
    from tokenizers.processors import Sequence as InTurn
    from tokenizers.processors import TemplateProcessing

    ending = TemplateProcessing(single="$A " + tokenizer.eos_token, special_tokens=[(tokenizer.eos_token, end)])
    backend = tokenizer.backend_tokenizer
    backend.post_processor = ending if backend.post_processor is None else InTurn([backend.post_processor, ending])
    return tokenizer


def load_scorer(base: str, tokenizer: Any, config: Config | None = None) -> Any:
    """The model at `base` with one output, in 32 bits (in 4 where `config` asks for QLoRA)."""
    import torch
    from transformers import AutoModelForSequenceClassification

    quantized = common.four_bits(config) if config is not None and config.load_in_4bit else {}
    with _hf.quiet():
        model = AutoModelForSequenceClassification.from_pretrained(
            base,
            num_labels=1,
            id2label={0: SCORE},
            label2id={SCORE: 0},
            ignore_mismatched_sizes=True,  # a base that classified gets a new layer
            use_safetensors=True,
            trust_remote_code=trust.may_run(base),
            dtype=torch.float32,
            **quantized,
        )
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def _longest(tokenizer: Any, model: Any, config: Config) -> int:
    """Tokens of a text: as a classifier's for an encoder, as a writer's for a language model."""
    if tokenizer.eos_token_id is None or tokenizer.sep_token_id is not None:
        return _hf.longest(tokenizer, model.config, config.max_length)
    return common.window(tokenizer, model.config, config.max_length)


def datasets(config: Config, data: TaskData, tokenizer: Any, report: Report) -> tuple[Any, Any]:
    """Training and validation pairs as token ids, as RewardTrainer takes them; what was cut is told."""
    made = []
    for split, table in (("training", data.train), ("validation", data.validation)):
        made.append(None if table is None else _encode(config, table, tokenizer, split, report))
    return made[0], made[1]


def _encode(config: Config, table: pa.Table, tokenizer: Any, split: str, report: Report) -> Any:
    from datasets import Dataset

    limit, rows, longer, alike = tokenizer.model_max_length, [], 0, 0
    for row in table.to_pylist():
        both = [(row.get("prompt") or "") + row[side] for side in ("chosen", "rejected")]
        chosen, rejected = tokenizer(both, truncation=True, max_length=limit)["input_ids"]
        at_limit = limit in (len(chosen), len(rejected))
        longer += at_limit and _hf.count_longer(tokenizer, both, limit) > 0
        alike += chosen == rejected
        if chosen != rejected:
            rows.append((chosen, rejected, row.get("margin") or 0.0))
    if longer:
        report.note(f"{longer:,} of {len(table):,} {split} pairs have a text longer than {limit:,} tokens; it is cut.")
    if alike:
        report.note(f"{alike:,} {split} pairs are left out: within {limit:,} tokens both texts are the same.")
    if not rows:
        raise UserError(
            f"There is nothing to learn in the {len(table):,} {split} pairs: within {limit:,} tokens both texts of "
            "every pair are the same.",
            "Raise “Longest row”, or shorten the prompts.",
        )
    ids = pa.list_(pa.int64())
    columns = {"chosen_ids": pa.array([row[0] for row in rows], ids)}
    columns["rejected_ids"] = pa.array([row[1] for row in rows], ids)
    if config.use_margin and "margin" in table.column_names:
        columns["margin"] = pa.array([row[2] for row in rows], pa.float64())
    return Dataset(pa.table(columns))


class Scorer:
    """A loaded reward model. `predict`: texts → scores; logits[0, 0] of the model for each."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    def predict(self, inputs: Sequence[str]) -> list[float]:
        """One score each, in order; higher is better, and only differences mean something."""
        import torch

        texts = checked_inputs(inputs)
        scores = [0.0] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of one length waste no padding
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = self.tokenizer(
                [texts[i] for i in chosen], truncation=True, padding=True, padding_side="right", return_tensors="pt"
            ).to(self.model.device)
            with torch.inference_mode():
                logits = self.model(**batch).logits.float()[:, 0].tolist()
            for i, score in zip(chosen, logits, strict=True):
                scores[i] = score
        return scores


def load(model_dir: Path) -> Predictor:
    """What `train` left, whole or an adapter, on this machine's best device."""
    tokenizer = _hf.load_trained_tokenizer(model_dir)
    if not (model_dir / "adapter_config.json").is_file():
        return Scorer(load_scorer(str(model_dir), tokenizer).to(_hf.best_device()), tokenizer)
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_scorer(common.adapter_base(model_dir), tokenizer), model_dir)
    return Scorer(model.to(_hf.best_device()), tokenizer)


def load_base(base: str) -> None:
    """A base model has no scores yet: its last layer is drawn at random."""
    return None


def usage(repo_id: str) -> str:
    return (
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n"
        "\n"
        f'repo = "{repo_id}"  # an adapter needs the package peft too\n'
        "tokenizer = AutoTokenizer.from_pretrained(repo)\n"
        "model = AutoModelForSequenceClassification.from_pretrained(repo, num_labels=1).eval()\n"
        'inputs = tokenizer("A text to score.", truncation=True, return_tensors="pt")\n'
        "print(model(**inputs).logits[0, 0].item())\n"
    )
