"""Transformers: fine-tune a whole pretrained model with Hugging Face's Trainer. What differs by task: CELLS."""

from pathlib import Path
from typing import ClassVar

from engine.frameworks import _hf, _hf_answers, _hf_labels, _hf_seq2seq, _hf_tokens, base_models
from engine.frameworks._hf_config import (
    HfAnswersConfig,
    HfLoopConfig,
    HfSeq2SeqConfig,
    HfTokensConfig,
    HfTrainingConfig,
)
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData

CELLS: dict[str, _hf.Cell] = {
    "text-classification": _hf_labels,
    "token-classification": _hf_tokens,
    "question-answering": _hf_answers,
    "text2text": _hf_seq2seq,
}


class NewLayer(TrainerConfig):
    """For tasks that put a new layer on the base model."""

    freeze_base_model: bool = knob(
        False, "Train the new layer only", "The pretrained layers stay as they are: fast, and usually weaker."
    )


class TransformersConfig(NewLayer, HfTrainingConfig):
    """Fine-tuning of all weights."""


class TransformersTokensConfig(NewLayer, HfTokensConfig):
    """Fine-tuning of all weights for token classification."""


class TransformersAnswersConfig(NewLayer, HfAnswersConfig):
    """Fine-tuning of all weights for question answering."""


EMBEDDED = SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True)
DISTILROBERTA = SuggestedModel("distilbert/distilroberta-base", 331, "A good size for English on a small GPU.")
MODERNBERT = SuggestedModel("answerdotai/ModernBERT-base", 599, "Newer, English, reads up to 8,192 tokens.")
XLM_ROBERTA = SuggestedModel("FacebookAI/xlm-roberta-base", 1115, "100 languages, stronger and slower.")


class Transformers(Framework):
    name: ClassVar[str] = "transformers"
    label: ClassVar[str] = "Transformers"
    summary: ClassVar[str] = "Trains all of a pretrained model. Best with several hundred rows or more; likes a GPU."
    requires: ClassVar[tuple[str, ...]] = ("transformers", "torch", "accelerate", "datasets")
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {
        "text-classification": TransformersConfig,
        "token-classification": TransformersTokensConfig,
        "question-answering": TransformersAnswersConfig,
        "text2text": HfSeq2SeqConfig,
    }
    config_objects: ClassVar[dict[str, str]] = {"args": "extra_arguments"}
    library_name: ClassVar[str] = "transformers"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        "text-classification": (
            EMBEDDED,
            DISTILROBERTA,
            MODERNBERT,
            SuggestedModel("google-bert/bert-base-multilingual-cased", 714, "104 languages."),
            XLM_ROBERTA,
        ),
        "token-classification": (
            EMBEDDED,
            DISTILROBERTA,
            SuggestedModel("google-bert/bert-base-cased", 436, "English; tells capitals, which names have."),
            MODERNBERT,
            XLM_ROBERTA,
        ),
        "question-answering": (
            SuggestedModel(
                base_models.EMBEDDED_ID,
                91,
                "Small, English; needs thousands of rows. Needs no download.",
                embedded=True,
            ),
            SuggestedModel("distilbert/distilbert-base-cased-distilled-squad", 261, "English, and answers already."),
            SuggestedModel("deepset/roberta-base-squad2", 496, "English, stronger, and answers already."),
            MODERNBERT,
            XLM_ROBERTA,
        ),
        "text2text": (
            SuggestedModel("google-t5/t5-small", 242, "Small and quick to train; English, French, German, Romanian."),
            SuggestedModel("google/flan-t5-small", 308, "As small, and trained on many instructions."),
            SuggestedModel("google/flan-t5-base", 990, "Stronger; likes a GPU."),
            SuggestedModel("facebook/bart-base", 558, "English; good at rewriting and summaries."),
        ),
    }

    def train(self, config: HfLoopConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        self.check_base(base, task)
        cell = CELLS[task]
        report.stage("loading")
        _hf.note_device(report, config.use_cpu)
        _hf.set_seed(config)
        tokenizer = _hf.load_tokenizer(base)
        model = cell.new_model(base, tokenizer, data.info)
        if getattr(config, "freeze_base_model", False):
            for parameter in model.base_model.parameters():
                parameter.requires_grad = False
        model = _hf.fit(model, tokenizer, config, data, out_dir, report, cell)
        report.stage("saving")
        with _hf.quiet():
            model.save_pretrained(out_dir)
        tokenizer.save_pretrained(out_dir)

    def load(self, model_dir: Path, task: str) -> Predictor:
        model = _hf.load_trained(CELLS[task].MODEL, model_dir)
        return CELLS[task].predictor(model, _hf.load_trained_tokenizer(model_dir))

    def load_base(self, base: str, task: str) -> Predictor | None:
        return self.load(Path(base), task) if CELLS[task].WRITES_BEFORE else None

    def usage(self, repo_id: str, task: str) -> str:
        return CELLS[task].usage(repo_id)

    def check_base(self, base: str, task: str) -> None:
        _hf.check_base(base, self.label)
        CELLS[task].check_base(base)
