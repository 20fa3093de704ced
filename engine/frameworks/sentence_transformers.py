"""Sentence Transformers: encoders that score how alike two sentences are, each on its own or both together."""

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from engine.errors import UserError
from engine.evaluation.similarity import best_threshold, is_binary, pairs_of
from engine.frameworks import _classification as classification
from engine.frameworks import _hf, _st_losses, base_models
from engine.frameworks import _st_models as models
from engine.frameworks._hf_arguments import training_arguments
from engine.frameworks._st_config import SentenceTransformersConfig
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig
from engine.runs.events import Report
from engine.tasks.sentence_similarity_rows import (
    CLASSES,
    LABEL,
    LABELLED_PAIRS,
    PAIRS,
    sentence_columns,
)
from engine.tasks.task import TaskData

TASK = "sentence-similarity"
THRESHOLD_ROWS = 2000  # on which the threshold is looked for
GRADED, BINARY = ("spearman", "pearson", "loss"), ("average_precision", "loss")
TOLD_APART, RANKED = ("triplet_accuracy", "loss"), ("mrr", "recall_at_1", "loss")


class SentenceTransformers(Framework):
    name: ClassVar[str] = "sentence-transformers"
    label: ClassVar[str] = "Sentence Transformers"
    summary: ClassVar[str] = "Trains encoders of sentences: as vectors to search among, or as pairs read together."
    requires: ClassVar[tuple[str, ...]] = ("sentence_transformers", "torch", "accelerate", "datasets")
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {TASK: SentenceTransformersConfig}
    config_objects: ClassVar[dict[str, str]] = {"args": "extra_arguments"}
    library_name: ClassVar[str] = "sentence-transformers"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        TASK: (
            SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True),
            SuggestedModel("BAAI/bge-small-en-v1.5", 133, "Small, English, a little stronger."),
            SuggestedModel("sentence-transformers/all-mpnet-base-v2", 438, "English, stronger, 4 times slower."),
            SuggestedModel("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", 471, "50 languages."),
            SuggestedModel(
                "cross-encoder/ms-marco-MiniLM-L6-v2", 91, "For a cross-encoder: English, question to text."
            ),
            SuggestedModel("BAAI/bge-reranker-base", 1112, "For a cross-encoder: English and Chinese, stronger."),
        )
    }

    def train(
        self, config: SentenceTransformersConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report
    ) -> None:
        choice = _st_losses.choose(config, data)
        _check_kind(config, base)
        report.stage("loading")
        device = _hf.note_device(report, config.use_cpu)
        _hf.set_seed(config)
        model = _new_model(config, base, device)
        for note in choice.notes:
            report.note(note)
        _note_truncated(model, config, data, report)
        _fit(model, choice, config, data, out_dir, report)
        scorer = (models.PairReader if config.cross_encoder else models.VectorComparer)(model)
        threshold = _threshold(scorer, data, report)
        report.stage("saving")
        with _hf.quiet():
            model.save_pretrained(str(out_dir), create_model_card=False)
        if threshold is not None:
            (out_dir / models.THRESHOLD_FILE).write_text(json.dumps({"threshold": threshold}) + "\n", encoding="utf-8")

    def load(self, model_dir: Path, task: str) -> Predictor:
        return models.load_predictor(model_dir)

    def load_base(self, base: str, task: str) -> Predictor | None:
        """As a cross-encoder if it is one; else by its vectors, also where a cross-encoder was trained from it, whose
        new layer says nothing before it was trained.
        """
        return models.load_predictor(base)

    def check_base(self, base: str, task: str) -> None:
        if not any((Path(base) / name).is_file() for name in ("config.json", "modules.json")):
            raise UserError(
                f"The base model {base} is not a Transformers model, so Sentence Transformers can't train it.",
                f"Choose an encoder of sentences, such as {base_models.EMBEDDED_ID}.",
            )
        if models.kind_of(base) == models.WRITER:
            raise UserError(
                f"The base model {base} writes text; sentences are compared by an encoder.",
                f"Choose an encoder of sentences, such as {base_models.EMBEDDED_ID}.",
            )

    def usage(self, repo_id: str, task: str) -> str:
        return (
            "from sentence_transformers import SentenceTransformer\n"
            "\n"
            f'model = SentenceTransformer("{repo_id}")\n'
            'vectors = model.encode(["A sentence.", "Much the same sentence.", "Something else."])\n'
            "print(model.similarity(vectors, vectors))\n"
        )

    def usage_of(self, repo_id: str, task: str, config: dict[str, Any]) -> str:
        if not config.get("cross_encoder"):
            return self.usage(repo_id, task)
        return (
            "from sentence_transformers import CrossEncoder\n"
            "\n"
            f'model = CrossEncoder("{repo_id}")\n'
            'pairs = [("A sentence.", "Much the same sentence."), ("A sentence.", "Something else.")]\n'
            "print(model.predict(pairs))\n"
        )


def _check_kind(config: SentenceTransformersConfig, base: str) -> None:
    if models.kind_of(base) == models.CROSS_ENCODER and not config.cross_encoder:
        raise UserError(
            f"The base model {base_models.public_id(base)} is a cross-encoder: it reads two sentences together and "
            "gives no vector of one.",
            "Switch Cross-encoder on, or choose an encoder of sentences.",
        )


def _new_model(config: SentenceTransformersConfig, base: str, device: str) -> Any:
    options: dict[str, Any] = {}
    if config.cross_encoder:
        # A base that told more classes apart gets a new layer of one output.
        options = {"num_labels": 1, "model_kwargs": {"ignore_mismatched_sizes": True}}
    model = models.load_model(base, cross_encoder=config.cross_encoder, device=device, **options)
    if config.cross_encoder:
        from torch import nn

        # What `predict` puts on top, kept in the model's files: a base's own may be on another scale.
        model.activation_fn = nn.Identity() if config.loss == "MSELoss" else nn.Sigmoid()
    limit = model.max_seq_length
    if config.max_length and limit and config.max_length > limit:
        raise UserError(
            f"Longest text: {config.max_length} tokens is more than the {limit} that this encoder reads.",
            f"Enter {limit} or less, or choose an encoder for long texts.",
        )
    if config.max_length:
        model.max_seq_length = config.max_length
    return model


def _note_truncated(model: Any, config: SentenceTransformersConfig, data: TaskData, report: Report) -> None:
    limit = model.max_seq_length
    if not limit:
        return
    if config.cross_encoder:
        pairs = pairs_of(data.train)
        lengths = (len(ids) for ids in model.tokenizer(*zip(*pairs, strict=True), verbose=False)["input_ids"])
        truncated = sum(length > limit for length in lengths)
        if truncated:
            report.note(
                f"{truncated} of {len(pairs)} training pairs are longer than {limit} tokens; the rest is not seen."
            )
        return
    texts = [text for name in sentence_columns(data.train.column_names) for text in data.train[name].to_pylist()]
    truncated = _hf.count_longer(model.tokenizer, texts, limit)
    classification.note_truncated(report, "training", truncated, len(texts), limit)


def _fit(
    model: Any,
    choice: _st_losses.Choice,
    config: SentenceTransformersConfig,
    data: TaskData,
    out_dir: Path,
    report: Report,
) -> None:
    """Train `model` in place; it ends with its best weights, and checkpoints are removed again."""
    import sentence_transformers
    from transformers import PrinterCallback

    kind = "CrossEncoder" if config.cross_encoder else "SentenceTransformer"
    checkpoints = out_dir.parent / "checkpoints"
    upstream = getattr(sentence_transformers, kind + "TrainingArguments")
    arguments = training_arguments(
        config, data, checkpoints, upstream, _best_by(config, data), batch_sampler=choice.sampler
    )
    # The grouping of rows by class that training needs may be impossible on few validation rows.
    with_loss = arguments.eval_strategy != "no" and data.info["format"] != CLASSES

    class Trainer(getattr(sentence_transformers, kind + "Trainer")):
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """None: publishing writes the card, and this one would first make examples for it."""

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(data.train, choice),
        eval_dataset=_dataset(data.validation, choice) if with_loss else None,
        loss=_st_losses.build(choice, config, model, data),
        evaluator=_evaluator(config, data) if arguments.eval_strategy != "no" else None,
        callbacks=[_hf.progress_callback(report)],
    )
    trainer.remove_callback(PrinterCallback)
    if arguments.eval_strategy != "no" and config.early_stopping_patience:
        trainer.add_callback(_hf.early_stopping(config))
    report.stage("training")
    with _hf.quiet(), _hf.memory_errors(config.per_device_train_batch_size):
        trainer.train()
    _hf.note_end(report, trainer.state, arguments, data)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _best_by(config: SentenceTransformersConfig, data: TaskData) -> str:
    """The validation figure that chooses the best checkpoint."""
    kind = data.info["format"]
    fitting = RANKED if kind == PAIRS else TOLD_APART
    if kind == LABELLED_PAIRS:
        fitting = BINARY if is_binary(data.train if data.validation is None else data.validation) else GRADED
    wanted = config.metric_for_best_model
    if wanted and (wanted not in fitting or (kind == CLASSES and wanted == "loss")):
        raise UserError(
            f"Best by: {wanted} is not measured on {kind} such as these.", f"Choose {fitting[0]}, or leave it empty."
        )
    return wanted or fitting[0]


def _dataset(table: pa.Table, choice: _st_losses.Choice) -> Any:
    """The columns in the order that the loss takes them, the label last."""
    from datasets import Dataset

    columns = {name: table[name].combine_chunks() for name in sentence_columns(table.column_names)}
    if choice.takes_label:
        columns[LABEL] = pa.array(choice.targets(table[LABEL].to_numpy()))
    return Dataset(pa.table(columns))


def _evaluator(config: SentenceTransformersConfig, data: TaskData) -> Any:
    """The report's own figures, on the validation rows."""
    from sentence_transformers.base.evaluation import BaseEvaluator

    best_by = _best_by(config, data)

    class Figures(BaseEvaluator):
        def __call__(self, model: Any, output_path: Any = None, epoch: float = -1, steps: int = -1) -> dict[str, float]:
            scorer = (models.PairReader if config.cross_encoder else models.VectorComparer)(model)
            return {best_by: 0.0} | scorer.score(data.validation)  # a figure that is not defined is no gain

    return Figures()


def _threshold(scorer: models.PairScorer, data: TaskData, report: Report) -> float | None:
    """For pairs labelled alike or not: the score from which on a pair is best called alike, never by test rows."""
    if data.info["format"] != LABELLED_PAIRS or not is_binary(data.train):
        return None
    split, table = ("training", data.train) if data.validation is None else ("validation", data.validation)
    table = table.slice(0, THRESHOLD_ROWS)
    labels = table[LABEL].to_numpy()
    threshold = best_threshold(labels == np.max(data.info["values"]), scorer.similarities(pairs_of(table)))
    report.note(f"A pair counts as alike from a similarity of {threshold:.3f} on: the best on the {split} rows.")
    return threshold
