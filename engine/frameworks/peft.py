"""PEFT: LoRA on a pretrained encoder. A small adapter is trained, the base model stays as it is."""

import json
from pathlib import Path
from typing import Any, ClassVar

from engine.errors import UserError
from engine.frameworks import _hf, _hf_answers, _hf_labels, _hf_tokens, base_models
from engine.frameworks._hf_arguments import validated_arguments
from engine.frameworks._peft_config import ALL_LINEAR, AdapterConfig, PeftAnswersConfig, PeftConfig, PeftTokensConfig
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

CELLS: dict[str, _hf.AdaptedCell] = {
    "text-classification": _hf_labels,
    "token-classification": _hf_tokens,
    "question-answering": _hf_answers,
}
LORA_RESERVED = {"task_type", "peft_type", "inference_mode", "base_model_name_or_path", "auto_mapping", "peft_version"}


EMBEDDED = SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True)
ROBERTA = SuggestedModel("FacebookAI/roberta-base", 499, "English; the base model of the LoRA paper's tests.")
MODERNBERT = SuggestedModel("answerdotai/ModernBERT-base", 599, "Newer, English, reads up to 8,192 tokens.")
XLM_ROBERTA = SuggestedModel("FacebookAI/xlm-roberta-base", 1115, "100 languages.")
ROBERTA_LARGE = SuggestedModel("FacebookAI/roberta-large", 1422, "Stronger; with LoRA it still fits a small GPU.")


class Peft(Framework):
    name: ClassVar[str] = "peft"
    label: ClassVar[str] = "PEFT (LoRA)"
    summary: ClassVar[str] = "Trains a small adapter beside a pretrained model: little memory, a file of about 1 MB."
    requires: ClassVar[tuple[str, ...]] = ("peft", "transformers", "torch", "accelerate", "datasets")
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {
        "text-classification": PeftConfig,
        "token-classification": PeftTokensConfig,
        "question-answering": PeftAnswersConfig,
    }
    config_objects: ClassVar[dict[str, str]] = {"peft_config": "lora_arguments", "args": "extra_arguments"}
    base_by_name: ClassVar[bool] = True
    library_name: ClassVar[str] = "peft"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        "text-classification": (EMBEDDED, ROBERTA, MODERNBERT, XLM_ROBERTA, ROBERTA_LARGE),
        "token-classification": (
            EMBEDDED,
            SuggestedModel("google-bert/bert-base-cased", 436, "English; tells capitals, which names have."),
            ROBERTA,
            XLM_ROBERTA,
            ROBERTA_LARGE,
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
            XLM_ROBERTA,
        ),
    }

    def train(self, config: AdapterConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        from peft import get_peft_model

        self.check_base(base, task)
        cell = CELLS[task]
        report.stage("loading")
        _hf.note_device(report, config.use_cpu)
        _hf.set_seed(config)
        tokenizer = _hf.load_tokenizer(base)
        model = cell.new_model(base, tokenizer, data.info)
        resized = model.config.vocab_size != _hf.load_config(base).vocab_size
        settings = lora_config(config, cell, model)
        try:
            adapted = get_peft_model(model, settings)
        except ValueError as error:
            raise UserError(f"PEFT refuses this adapter: {error}", "Change “Layers adapted”.") from error
        trainable, total = adapted.get_nb_trainable_parameters()
        report.note(f"Training {trainable:,} of {total:,} weights ({trainable / total:.1%}).")
        adapted = _hf.fit(adapted, tokenizer, config, data, out_dir, report, cell)
        report.stage("saving")
        # Others get the base model by its id, not from this machine's folder. Named only now: given an id while
        # training, PEFT would ask the Hub about it at every checkpoint.
        adapted.peft_config["default"].base_model_name_or_path = base_models.public_id(base)
        adapted.peft_config["default"].revision = base_models.revision(base)
        adapted.save_pretrained(out_dir, save_embedding_layers=resized)
        model.config.save_pretrained(out_dir)  # the class names, for which an adapter's config has no place
        tokenizer.save_pretrained(out_dir)
        (out_dir / "README.md").unlink(missing_ok=True)  # PEFT's empty card; publishing writes the real one

    def load(self, model_dir: Path, task: str) -> Predictor:
        from peft import PeftModel

        tokenizer = _hf.load_trained_tokenizer(model_dir)
        config = _hf.load_config(model_dir)
        base = base_models.locate(adapter_base(model_dir))
        if base is None:
            raise UserError(
                f"The base model {adapter_base(model_dir)} of this adapter is not on this machine.",
                "Fetch it: start a run on it, or put it into the Hub cache.",
            )
        model = CELLS[task].new_model(base, tokenizer, CELLS[task].info_of(config))
        model = PeftModel.from_pretrained(model, model_dir)
        return CELLS[task].predictor(model.to(_hf.best_device()), tokenizer)

    def usage(self, repo_id: str, task: str) -> str:
        return CELLS[task].adapter_usage(repo_id)

    def check_base(self, base: str, task: str) -> None:
        _hf.check_base(base, self.label)
        CELLS[task].check_base(base)


def lora_config(config: AdapterConfig, cell: _hf.AdaptedCell, model: Any) -> Any:
    """peft.LoraConfig as asked for. New layers that peft would take for the base model's are trained whole too."""
    import peft

    own = {
        "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "modules_to_save", "bias",
        "fan_in_fan_out", "init_lora_weights", "use_rslora", "use_dora",
    }  # fmt: skip
    extra = validated_arguments(config.lora_arguments, peft.LoraConfig, own, LORA_RESERVED)
    values = {name: getattr(config, name) for name in own}
    if values["target_modules"] == [ALL_LINEAR]:
        values["target_modules"] = ALL_LINEAR
    new = [name for name in cell.NEW_LAYERS if hasattr(model, name)]
    if new:
        values["modules_to_save"] = [*(values["modules_to_save"] or ()), *new]
        values["exclude_modules"] = [*(values["exclude_modules"] or ()), *new]
    return peft.LoraConfig(task_type=cell.PEFT_TYPE, **values, **extra)


def adapter_base(model_dir: Path) -> str:
    """The base model that an adapter's config names."""
    return json.loads((model_dir / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
