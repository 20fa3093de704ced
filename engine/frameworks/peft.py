"""PEFT: LoRA on a pretrained encoder. A small adapter is trained, the base model stays as it is."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from engine.errors import UserError
from engine.frameworks import _hf, base_models
from engine.frameworks._hf_arguments import validated_arguments
from engine.frameworks._hf_config import HfTrainingConfig
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig, knob
from engine.runs.events import Report
from engine.tasks.task import TaskData

ALL_LINEAR = "all-linear"
LORA_RESERVED = {"task_type", "peft_type", "inference_mode", "base_model_name_or_path", "auto_mapping", "peft_version"}


class PeftConfig(HfTrainingConfig):
    """A LoRA adapter (Hu 2021), and the training of it."""

    # An adapter starts from nothing: the paper and PEFT's own guides train it ten times faster than whole models.
    learning_rate: float = knob(
        1e-3, "Learning rate", "Largest step size. LoRA takes about ten times that of whole models.", level="basic",
        gt=0, lt=1,
    )  # fmt: skip
    r: int = knob(8, "Rank", "Width of the adapter: larger learns more, and weighs more.", level="basic", ge=1, le=1024)
    max_length: int | None = knob(
        None,
        "Longest text",
        "In tokens; the rest of a longer text is not seen. Empty: what the base model can read, at most 512.",
        ge=4,
        le=131072,
    )
    lora_alpha: int = knob(16, "Alpha", "The adapter's part is scaled by alpha / rank.", ge=1, le=4096)
    lora_dropout: float = knob(0.1, "Dropout", "Of the adapter's input while training.", ge=0, lt=1)
    target_modules: list[str] | None = knob(
        [ALL_LINEAR],
        "Layers adapted",
        "Names such as query; all-linear: every linear layer. Empty: PEFT's choice.",
    )
    exclude_modules: list[str] | None = knob(None, "Layers left out", "Names of layers that get no adapter.")
    modules_to_save: list[str] | None = knob(
        None, "Layers trained whole", "Besides the classification layer, which always is."
    )
    bias: Literal["none", "all", "lora_only"] = knob(
        "none", "Biases trained", "Of all layers, of adapted ones, or none."
    )
    fan_in_fan_out: bool = knob(False, "Transposed weights", "For GPT-2 and others that store weights as (in, out).")
    init_lora_weights: bool = knob(True, "Start from zero", "The adapter changes nothing at first. Leave it on.")
    use_rslora: bool = knob(False, "Rank-stabilised", "Scale by alpha / √rank (Kalajdzievski 2023): for large ranks.")
    use_dora: bool = knob(False, "DoRA", "Learn size and direction apart (Liu 2024): better at low rank, slower.")
    lora_arguments: dict[str, Any] = knob(
        {},
        "More LoRA arguments",
        "Any other argument of peft.LoraConfig, as JSON.",
        json_schema_extra={"widget": "json"},
    )

    @field_validator("target_modules", "exclude_modules", "modules_to_save", mode="before")
    @classmethod
    def _one_name_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class Peft(Framework):
    name: ClassVar[str] = "peft"
    label: ClassVar[str] = "PEFT (LoRA)"
    summary: ClassVar[str] = "Trains a small adapter beside a pretrained model: little memory, a file of about 1 MB."
    requires: ClassVar[tuple[str, ...]] = ("peft", "transformers", "torch", "accelerate", "datasets")
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {"text-classification": PeftConfig}
    config_objects: ClassVar[dict[str, str]] = {"peft_config": "lora_arguments", "args": "extra_arguments"}
    base_by_name: ClassVar[bool] = True
    library_name: ClassVar[str] = "peft"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        "text-classification": (
            SuggestedModel(base_models.EMBEDDED_ID, 91, "Small and fast, English. Needs no download.", embedded=True),
            SuggestedModel("FacebookAI/roberta-base", 499, "English; the base model of the LoRA paper's tests."),
            SuggestedModel("answerdotai/ModernBERT-base", 599, "Newer, English, reads up to 8,192 tokens."),
            SuggestedModel("FacebookAI/xlm-roberta-base", 1115, "100 languages."),
            SuggestedModel("FacebookAI/roberta-large", 1422, "Stronger; with LoRA it still fits a small GPU."),
        )
    }

    def train(self, config: PeftConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        from peft import get_peft_model
        from transformers import AutoConfig

        _hf.check_base(base, self.label)
        report.stage("loading")
        _hf.note_device(report, config.use_cpu)
        _hf.set_seed(config)
        tokenizer = _hf.load_tokenizer(base)
        model = _hf.load_classifier(base, tokenizer, data.info)
        resized = model.config.vocab_size != AutoConfig.from_pretrained(base).vocab_size
        settings = lora_config(config)
        try:
            adapted = get_peft_model(model, settings)
        except ValueError as error:
            raise UserError(f"PEFT refuses this adapter: {error}", "Change “Layers adapted”.") from error
        trainable, total = adapted.get_nb_trainable_parameters()
        report.note(f"Training {trainable:,} of {total:,} weights ({trainable / total:.1%}).")
        adapted = _hf.fit(adapted, tokenizer, config, data, out_dir, report)
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
        from transformers import AutoConfig, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        config = AutoConfig.from_pretrained(model_dir)
        base = base_models.locate(adapter_base(model_dir))
        if base is None:
            raise UserError(
                f"The base model {adapter_base(model_dir)} of this adapter is not on this machine.",
                "Fetch it: start a run on it, or put it into the Hub cache.",
            )
        info = {
            "classes": [config.id2label[i] for i in range(config.num_labels)],
            "multi_label": config.problem_type == "multi_label_classification",
        }
        model = PeftModel.from_pretrained(_hf.load_classifier(base, tokenizer, info), model_dir)
        return _hf.SequenceClassifier(model.to(_hf.best_device()), tokenizer)

    def usage(self, repo_id: str, task: str) -> str:
        return (
            "from peft import AutoPeftModelForSequenceClassification as AutoModel\n"
            "from transformers import AutoConfig, AutoTokenizer, pipeline\n"
            "\n"
            f'repo = "{repo_id}"\n'
            "config = AutoConfig.from_pretrained(repo)\n"
            "model = AutoModel.from_pretrained(repo, id2label=config.id2label, problem_type=config.problem_type)\n"
            'print(pipeline("text-classification", model, tokenizer=AutoTokenizer.from_pretrained(repo), top_k=None)'
            '("A text to classify."))\n'
        )


def lora_config(config: PeftConfig) -> Any:
    """peft.LoraConfig as asked for."""
    from peft import LoraConfig, TaskType

    own = {
        "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "modules_to_save", "bias",
        "fan_in_fan_out", "init_lora_weights", "use_rslora", "use_dora",
    }  # fmt: skip
    extra = validated_arguments(config.lora_arguments, LoraConfig, own, LORA_RESERVED)
    values = {name: getattr(config, name) for name in own}
    if values["target_modules"] == [ALL_LINEAR]:
        values["target_modules"] = ALL_LINEAR
    return LoraConfig(task_type=TaskType.SEQ_CLS, **values, **extra)


def adapter_base(model_dir: Path) -> str:
    """The base model that an adapter's config names."""
    return json.loads((model_dir / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
