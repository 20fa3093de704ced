"""Transformers: fine-tune a whole pretrained encoder with Hugging Face's Trainer."""

from pathlib import Path
from typing import ClassVar

from engine.frameworks import _hf, base_models
from engine.frameworks._hf_config import HfTrainingConfig
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData


class TransformersConfig(HfTrainingConfig):
    """Fine-tuning of all weights."""

    freeze_base_model: bool = knob(
        False, "Train the new layer only", "The pretrained layers stay as they are: fast, and usually weaker."
    )


class Transformers(Framework):
    name: ClassVar[str] = "transformers"
    label: ClassVar[str] = "Transformers"
    summary: ClassVar[str] = "Trains all of a pretrained model. Best with several hundred rows or more; likes a GPU."
    requires: ClassVar[tuple[str, ...]] = ("transformers", "torch", "accelerate", "datasets")
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {"text-classification": TransformersConfig}
    config_objects: ClassVar[dict[str, str]] = {"args": "extra_arguments"}
    library_name: ClassVar[str] = "transformers"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        "text-classification": (
            SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True),
            SuggestedModel("distilbert/distilroberta-base", 331, "A good size for English on a small GPU."),
            SuggestedModel("answerdotai/ModernBERT-base", 599, "Newer, English, reads up to 8,192 tokens."),
            SuggestedModel("google-bert/bert-base-multilingual-cased", 714, "104 languages."),
            SuggestedModel("FacebookAI/xlm-roberta-base", 1115, "100 languages, stronger and slower."),
        )
    }

    def train(
        self, config: TransformersConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report
    ) -> None:
        _hf.check_base(base, self.label)
        report.stage("loading")
        _hf.note_device(report, config.use_cpu)
        _hf.set_seed(config)
        tokenizer = _hf.load_tokenizer(base)
        model = _hf.load_classifier(base, tokenizer, data.info)
        if config.freeze_base_model:
            for parameter in model.base_model.parameters():
                parameter.requires_grad = False
        model = _hf.fit(model, tokenizer, config, data, out_dir, report)
        report.stage("saving")
        with _hf.quiet():
            model.save_pretrained(out_dir)
        tokenizer.save_pretrained(out_dir)

    def load(self, model_dir: Path, task: str) -> Predictor:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        with _hf.quiet():
            model = AutoModelForSequenceClassification.from_pretrained(model_dir, use_safetensors=True)
        return _hf.SequenceClassifier(model.to(_hf.best_device()), AutoTokenizer.from_pretrained(model_dir))

    def usage(self, repo_id: str, task: str) -> str:
        return (
            "from transformers import pipeline\n"
            "\n"
            f'classify = pipeline("text-classification", model="{repo_id}", top_k=None)\n'
            'print(classify("A text to classify."))\n'
        )
