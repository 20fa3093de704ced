"""SetFit: a sentence encoder trained on pairs of texts, then a small head. For few examples a label."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from engine import trust
from engine.errors import UserError
from engine.frameworks import _classification as classification
from engine.frameworks import _hf, base_models
from engine.frameworks._hf_arguments import RESERVED, validated_arguments
from engine.frameworks._setfit_config import SetFitConfig
from engine.frameworks._setfit_pairs import capped_trainer
from engine.frameworks._setfit_selection import Selection, logistic_regression, probabilities
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

OWN_ARGUMENTS = (
    "max_steps", "sampling_strategy", "num_iterations", "head_learning_rate", "margin", "end_to_end", "use_amp",
    "warmup_proportion", "l2_weight", "max_length", "samples_per_label", "seed", "logging_steps",
)  # fmt: skip


class SetFit(Framework):
    name: ClassVar[str] = "setfit"
    label: ClassVar[str] = "SetFit"
    summary: ClassVar[str] = "Best with few examples: 8 to 100 rows a label. Fast on a CPU."
    requires: ClassVar[tuple[str, ...]] = ("setfit", "sentence_transformers", "torch", "sklearn", "datasets")
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {"text-classification": SetFitConfig}
    config_objects: ClassVar[dict[str, str]] = {"args": "extra_arguments"}
    library_name: ClassVar[str] = "setfit"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        "text-classification": (
            SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True),
            SuggestedModel("BAAI/bge-small-en-v1.5", 133, "Small, English, a little stronger."),
            SuggestedModel("sentence-transformers/paraphrase-mpnet-base-v2", 438, "English, stronger, 4 times slower."),
            SuggestedModel("intfloat/multilingual-e5-small", 471, "100 languages."),
            SuggestedModel(
                "sentence-transformers/paraphrase-multilingual-mpnet-base-v2", 1112, "50 languages, stronger, slower."
            ),
        )
    }

    def train(self, config: SetFitConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        from transformers import set_seed

        report.stage("loading")
        _hf.note_device(report)
        set_seed(config.seed)
        _check(config, data)
        model = new_model(config, data, base)
        _note_truncated(model, data, report)
        checkpoints = out_dir.parent / "checkpoints"
        trainer, selection = _trainer(model, config, data, checkpoints, report)
        report.stage("training")
        with _hf.quiet(), _hf.memory_errors(config.batch_size):
            trainer.train_embeddings(*trainer.dataset_to_parameters(trainer.train_dataset))
            selection.end(trainer.st_trainer.state)
            report.note("The encoder is trained; fitting the head.")
            trainer.train_classifier(*trainer.dataset_to_parameters(trainer.train_dataset))
        selection.report_final(model, trainer.st_trainer.state.global_step)
        report.stage("saving")
        with _hf.quiet():
            model.save_pretrained(out_dir)
        (out_dir / "README.md").unlink(missing_ok=True)  # SetFit's card; publishing writes the real one
        shutil.rmtree(checkpoints, ignore_errors=True)

    def load(self, model_dir: Path, task: str) -> Predictor:
        from setfit import SetFitModel

        trust.check_model(model_dir)  # the head is a pickle
        options = {"device": _hf.best_device(), "trust_remote_code": trust.may_run(model_dir)}
        with _hf.quiet():
            return SetFitPredictor(SetFitModel.from_pretrained(str(model_dir), **options))

    def usage(self, repo_id: str, task: str) -> str:
        return (
            "from setfit import SetFitModel\n"
            "\n"
            f'model = SetFitModel.from_pretrained("{repo_id}")\n'
            'texts = ["A text to classify."]\n'
            "print(model.labels, model.predict(texts), model.predict_proba(texts))\n"
        )


class SetFitPredictor:
    """A loaded SetFit model. `predict`: texts → every class as {"label", "score"}, best first."""

    def __init__(self, model: Any) -> None:
        self.model, self.classes = model, model.labels

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        texts = classification.checked_inputs(inputs)
        if not texts:
            return []
        return [classification.ranked(self.classes, row) for row in probabilities(self.model, texts)]


def new_model(config: SetFitConfig, data: TaskData, base: str) -> Any:
    """The base encoder with an untrained head.

    Built here and not by SetFitModel.from_pretrained, which would unpickle a model_head.pkl lying in the folder.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel

    if not any((Path(base) / name).is_file() for name in ("config.json", "modules.json")):
        raise UserError(
            f"The base model {base} is not a sentence encoder, so SetFit can't train it.",
            "Choose a Sentence Transformers model, such as sentence-transformers/paraphrase-mpnet-base-v2.",
        )
    with _hf.quiet():
        body = SentenceTransformer(
            base,
            device=_hf.best_device(),
            local_files_only=True,
            trust_remote_code=trust.may_run(base),
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )
    limit = body.get_max_seq_length()
    if config.max_length and limit and config.max_length > limit:
        raise UserError(
            f"Longest text: {config.max_length} tokens is more than the {limit} that this encoder reads.",
            f"Enter {limit} or less, or choose an encoder for long texts.",
        )
    if config.max_length:
        body.max_seq_length = config.max_length
    return SetFitModel(
        model_body=body,
        model_head=_head(config, data, body),
        multi_target_strategy=config.multi_target_strategy if data.info["multi_label"] else None,
        normalize_embeddings=config.normalize_embeddings,
        labels=list(data.info["classes"]),
    )


def _head(config: SetFitConfig, data: TaskData, body: Any) -> Any:
    from setfit import SetFitHead
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier

    if config.use_differentiable_head:
        return SetFitHead(
            in_features=body.get_embedding_dimension(),
            out_features=len(data.info["classes"]),
            device=body.device,
            multitarget=data.info["multi_label"],
        )
    regression = logistic_regression(config)
    if not data.info["multi_label"]:
        return regression
    heads = {
        "one-vs-rest": OneVsRestClassifier,
        "multi-output": MultiOutputClassifier,
        "classifier-chain": ClassifierChain,
    }
    return heads[config.multi_target_strategy](regression)


def _check(config: SetFitConfig, data: TaskData) -> None:
    """Settings that do not go with these rows or this machine, said before anything is loaded."""
    import torch

    if config.use_amp and not torch.cuda.is_available():
        raise UserError("Mixed precision needs a GPU, and there is none here.", "Turn mixed precision off.")
    if not data.info["multi_label"]:
        return
    if "Triplet" in config.loss or config.loss == "SupConLoss":
        raise UserError(
            f"{config.loss} takes one label a row, and these rows may have several.", "Choose CosineSimilarityLoss."
        )
    counts = np.asarray(classification.targets(data.train, data.info)).sum(axis=0)
    constant = [label for label, n in zip(data.info["classes"], counts, strict=True) if n in (0, len(data.train))]
    if constant and config.multi_target_strategy != "one-vs-rest" and not config.use_differentiable_head:
        raise UserError(
            f"With {config.multi_target_strategy} every label needs training rows with it and rows without it; "
            f"“{constant[0]}” has only one kind.",
            "Choose one-vs-rest.",
        )


def _note_truncated(model: Any, data: TaskData, report: Report) -> None:
    limit, texts = model.model_body.get_max_seq_length(), classification.texts(data.train)
    if limit:
        truncated = _hf.count_longer(model.model_body.tokenizer, texts, limit)
        classification.note_truncated(report, "training", truncated, len(texts), limit)


def _trainer(model: Any, config: SetFitConfig, data: TaskData, checkpoints: Path, report: Report) -> tuple[Any, Any]:
    from setfit.model_card import ModelCardCallback
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    selection = Selection(model, config, data, checkpoints, report)
    trainer = capped_trainer(config, report)(
        model=model,
        args=_arguments(config, checkpoints),
        train_dataset=_dataset(data),
        callbacks=[selection.callback()],
    )
    for callback in (ProgressCallback, PrinterCallback, ModelCardCallback):
        trainer.remove_callback(callback)
    return trainer, selection


def _arguments(config: SetFitConfig, checkpoints: Path) -> Any:
    from setfit import TrainingArguments
    from setfit.compat import losses
    from setfit.losses import SupConLoss

    reserved = RESERVED | {"evaluation_strategy", "metric_for_best_model", "logging_strategy", "eval_max_steps"}
    extra = validated_arguments(config.extra_arguments, TrainingArguments, set(type(config).model_fields), reserved)
    distances = losses.BatchHardTripletLossDistanceFunction
    return TrainingArguments(
        output_dir=str(checkpoints),
        batch_size=(config.batch_size, config.head_batch_size),
        num_epochs=(config.num_epochs, config.head_num_epochs),
        body_learning_rate=(config.body_learning_rate, config.body_classifier_learning_rate),
        loss=SupConLoss if config.loss == "SupConLoss" else getattr(losses, config.loss),
        distance_metric=getattr(distances, config.distance_metric),
        save_strategy="no",
        report_to="none",  # SetFit's own default is every tracker that is installed
        show_progress_bar=False,
        **{name: getattr(config, name) for name in OWN_ARGUMENTS},
        **extra,
    )


def _dataset(data: TaskData) -> Any:
    from datasets import Dataset

    targets = classification.targets(data.train, data.info)
    return Dataset.from_dict({"text": classification.texts(data.train), "label": targets})
