"""SpanMarker: looks at every span of a text and says what it is. On transformers 4, in an overlay of its own."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from engine.errors import UserError
from engine.frameworks import _classification as classification
from engine.frameworks import _hf, _hf_arguments, base_models
from engine.frameworks import _spans as spans
from engine.frameworks._hf_config import HfLoopConfig
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig, knob
from engine.frameworks.overlays import importing
from engine.runs.events import Report
from engine.tasks.task import TaskData

OVERLAY = "span_marker"
ENCODER = "encoder"  # folder of the model with the encoder's own config and tokenizer, which SpanMarker reads by name
USUAL_LENGTH = 256
# Encoders that take positions, token types and a mask for every pair of tokens, as markers need (tried, each).
KINDS = "bert roberta xlm-roberta xlm-roberta-xl camembert electra mobilebert mpnet ernie rembert".split()


class SpanMarkerConfig(HfLoopConfig):
    """Fine-tuning of an encoder with markers around every span."""

    # Not in transformers 4, or without effect on rows that are all padded to one length.
    train_sampling_strategy: ClassVar[None]
    activation_checkpointing: ClassVar[None]

    entity_max_length: int = knob(
        8, "Longest span", "In words; the model never finds a longer one.", level="basic", ge=1, le=64
    )
    model_max_length: int | None = knob(
        None,
        "Longest text",
        "In tokens; a longer text is read in parts. Empty: what the base model can read, at most 256.",
        ge=16,
        le=131072,
    )
    marker_max_length: int = knob(
        128, "Markers at once", "Spans looked at in one go; fewer need less memory and more time.", ge=8, le=4096
    )
    metric_for_best_model: Literal["f1", "precision", "recall", "f1_macro", "loss"] = knob(
        "f1", "Best by", "The validation figure that chooses the checkpoint."
    )


class SpanMarker(Framework):
    name: ClassVar[str] = "span_marker"
    label: ClassVar[str] = "SpanMarker"
    summary: ClassVar[str] = "Finds spans by looking at every one of them. Strong, and slow on a CPU."
    requires: ClassVar[tuple[str, ...]] = ("span_marker", "torch", "accelerate", "evaluate")
    overlays: ClassVar[dict[str, str]] = {"token-classification": OVERLAY}
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {"token-classification": SpanMarkerConfig}
    config_objects: ClassVar[dict[str, str]] = {"args": "extra_arguments"}
    library_name: ClassVar[str] = "span-marker"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        "token-classification": (
            SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True),
            SuggestedModel("google-bert/bert-base-cased", 436, "English; upper and lower case tell names apart."),
            SuggestedModel("FacebookAI/roberta-base", 499, "English, stronger."),
            SuggestedModel("google-bert/bert-base-multilingual-cased", 714, "104 languages."),
            SuggestedModel("FacebookAI/xlm-roberta-base", 1115, "100 languages, stronger and slower."),
        )
    }

    def check_base(self, base: str, task: str) -> None:
        _hf.check_base(base, self.label)
        _hf.check_encoder(base, self.label)
        kind = json.loads((Path(base) / "config.json").read_text(encoding="utf-8")).get("model_type")
        if kind not in KINDS:
            raise UserError(
                f"The base model is of the type {kind!r}, which SpanMarker can't put markers into.",
                f"Choose one of the types {', '.join(KINDS)}, such as google-bert/bert-base-cased.",
            )

    def train(
        self, config: SpanMarkerConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report
    ) -> None:
        self.check_base(base, task)
        report.stage("loading")
        with importing(OVERLAY):
            from span_marker import SpanMarkerModel

        _hf.note_device(report, config.use_cpu)
        _hf.set_seed(config)
        lengths = {"entity_max_length": config.entity_max_length, "marker_max_length": config.marker_max_length}
        lengths["model_max_length"] = _longest(base, config.model_max_length)
        with _hf.quiet():
            model = SpanMarkerModel.from_pretrained(base, labels=spans.tag_names(data.info["classes"]), **lengths)
        _fit(model, config, data, out_dir, report)
        report.stage("saving")
        _save(model, base, out_dir)

    def load(self, model_dir: Path, task: str) -> Predictor:
        with importing(OVERLAY):
            from span_marker import SpanMarkerConfig, SpanMarkerModel

        with _hf.quiet():
            config = SpanMarkerConfig.from_pretrained(model_dir)
            config.encoder["_name_or_path"] = str(model_dir / ENCODER)
            model = SpanMarkerModel.from_pretrained(str(model_dir), config=config)
        return SpanMarkerPredictor(model.to(_hf.best_device()).eval())

    def usage(self, repo_id: str, task: str) -> str:
        return (
            "from huggingface_hub import snapshot_download\n"
            "from span_marker import SpanMarkerConfig, SpanMarkerModel  # needs transformers 4\n"
            "\n"
            f'folder = snapshot_download("{repo_id}")\n'
            "config = SpanMarkerConfig.from_pretrained(folder)\n"
            f'config.encoder["_name_or_path"] = folder + "/{ENCODER}"\n'
            "model = SpanMarkerModel.from_pretrained(folder, config=config)\n"
            'print(model.predict("A text with names in it."))\n'
        )


def _longest(base: str, wanted: int | None) -> int:
    """Tokens a text may have; two positions fewer than the encoder has, because SpanMarker counts them from 2."""
    from transformers import AutoConfig, AutoTokenizer

    encoder = AutoConfig.from_pretrained(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except ValueError as error:
        raise UserError(
            f"SpanMarker's transformers 4 can't read the base model's tokenizer: {error}",
            "Choose a base model from the Hub whose tokenizer was saved by transformers 4.",
        ) from error
    _hf.check_offsets(tokenizer, "SpanMarker")
    tokenizer.model_max_length = min(tokenizer.model_max_length, encoder.max_position_embeddings - 2)
    return _hf.longest(tokenizer, encoder, wanted) if wanted else min(USUAL_LENGTH, tokenizer.model_max_length)


def _fit(model: Any, config: SpanMarkerConfig, data: TaskData, out_dir: Path, report: Report) -> None:
    """Train with SpanMarker's own Trainer; `model` has its best weights then. Checkpoints are removed again."""
    import datasets
    import transformers
    from span_marker import Trainer
    from span_marker.model_card import ModelCardCallback

    from engine.frameworks._span_marker_rows import words_of

    datasets.disable_progress_bars()
    model.generate_model_card = str  # every checkpoint would have one, for which the Hub is asked
    checkpoints = out_dir.parent / "checkpoints"
    warm_up = "warmup_ratio" if config.warmup_steps < 1 else "warmup_steps"
    arguments = _hf_arguments.training_arguments(
        config,
        data,
        checkpoints,
        transformers.TrainingArguments,
        config.metric_for_best_model,
        **{"warmup_steps": 0, warm_up: config.warmup_steps if warm_up == "warmup_ratio" else int(config.warmup_steps)},
    )
    room = model.tokenizer.model_max_length - model.tokenizer.tokenizer.num_special_tokens_to_add()
    parts = {
        split: words_of(table, model.tokenizer.tokenizer, room, config.entity_max_length, split, report)
        for split, table in (("training", data.train), ("validation", data.validation))
        if table is not None
    }
    names = {name: i for i, name in enumerate(spans.tag_names(data.info["classes"]))}
    sets = {
        split: datasets.Dataset.from_dict(
            {"tokens": words.tokens, "ner_tags": [[names[tag] for tag in tags] for tags in words.tags]}
        )
        for split, words in parts.items()
    }
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=sets["training"],
        eval_dataset=sets.get("validation"),
        callbacks=[_hf.progress_callback(report)],
    )
    # SpanMarker's own figures come from a script on the Hub, and its model card is made of them.
    trainer.compute_metrics = lambda output: _figures(output, model, parts["validation"].spans, data.info["classes"])
    trainer.remove_callback(ModelCardCallback)
    trainer.remove_callback(transformers.PrinterCallback)
    if arguments.eval_strategy != "no" and config.early_stopping_patience:
        trainer.add_callback(_hf.early_stopping(config))
    report.stage("training")
    with _hf.quiet(), _hf.memory_errors(config.per_device_train_batch_size):
        trainer.train()
    _hf.note_end(report, trainer.state, arguments, data)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _figures(
    output: Any, model: Any, expected: list[list[tuple[int, int, str]]], classes: list[str]
) -> dict[str, float]:
    """f1, precision, recall and f1_macro of a validation. Spans are compared as (first word, word after the last)."""
    import numpy as np
    import torch

    from engine.evaluation.spans import span_figures

    logits, num_words = output.predictions[0], output.predictions[2]
    probabilities = torch.tensor(logits, dtype=torch.float32).softmax(-1).numpy()
    # A text with many spans is spread over several samples; flat, all candidates stand in the order of the texts.
    real = output.label_ids != -100
    scores, labels = probabilities.max(-1)[real], probabilities.argmax(-1)[real]
    ends = np.cumsum(real.sum(axis=1))
    predicted, place = [], 0
    for _ in expected:
        words = int(num_words[np.searchsorted(ends, place, side="right")])
        candidates = list(model.tokenizer.get_all_valid_spans(words, model.config.entity_max_length))
        taken = slice(place, place + len(candidates))
        predicted.append(_chosen(candidates, scores[taken], labels[taken], model.config))
        place += len(candidates)
    truth = [[_as_span(*span) for span in row] for row in expected]
    return span_figures(truth, predicted, classes)["metrics"]


def _chosen(candidates: list[tuple[int, int]], scores: Any, labels: Any, config: Any) -> list[dict[str, Any]]:
    """The surest candidates that are something and do not overlap, as SpanMarker itself chooses them."""
    taken: set[int] = set()
    chosen = []
    for i in sorted(range(len(candidates)), key=lambda i: -scores[i]):
        words = range(*candidates[i])
        if labels[i] != config.outside_id and taken.isdisjoint(words):
            taken.update(words)
            chosen.append(_as_span(*candidates[i], config.id2label[int(labels[i])]))
    return chosen


def _as_span(start: int, end: int, label: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def _save(model: Any, base: str, out_dir: Path) -> None:
    """What `load` reads: weights and tokenizer, and the encoder's own files in a folder of the model."""
    from transformers import AutoConfig

    encoder = AutoConfig.from_pretrained(base)
    encoder.vocab_size = model.config.encoder["vocab_size"]
    encoder.save_pretrained(out_dir / ENCODER)
    model.tokenizer.tokenizer.save_pretrained(out_dir / ENCODER)
    name = base_models.public_id(base)
    model.config.encoder["_name_or_path"] = Path(name).name if Path(name).is_absolute() else name
    with _hf.quiet():
        model.save_pretrained(out_dir, safe_serialization=True)
    (out_dir / "README.md").unlink()


class SpanMarkerPredictor:
    """A loaded model. `predict`: texts → their spans; a score is the probability of the label for just that span.

    Texts longer than the model reads are predicted in parts.
    """

    def __init__(self, model: Any, batch_size: int = 16) -> None:
        self.model, self.batch_size = model, batch_size
        inner = model.tokenizer.tokenizer
        self.room = model.tokenizer.model_max_length - inner.num_special_tokens_to_add()

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        from engine.frameworks._span_marker_rows import windows

        texts = classification.checked_inputs(inputs)
        outputs: list[list[dict[str, Any]]] = [[] for _ in texts]
        parts = [
            (i, window)
            for i, text in enumerate(texts)
            for window in windows(text, self.model.tokenizer.tokenizer, self.room)
        ]
        # Words, not texts: SpanMarker takes a list of one-word texts for the words of one.
        words = [[texts[i][start:end] for start, end in window.words] for i, window in parts]
        found = self.model.predict(words, batch_size=self.batch_size) if words else []
        for (i, window), entities in zip(parts, found, strict=True):
            for entity in entities:
                start = window.words[entity["word_start_index"]][0]
                end = window.words[entity["word_end_index"] - 1][1]
                outputs[i].append(spans.span_output(texts[i], start, end, entity["label"], entity["score"]))
        return outputs
