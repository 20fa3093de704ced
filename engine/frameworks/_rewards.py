"""Reward models: what a run may be rewarded by, found, checked and asked. For PPO, GRPO and RLOO.

Any model that scores texts will do, whatever its architecture: a completion is decoded, read by the reward model's own
tokenizer, and scored. Finished runs of Annotune are known by their id.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from engine import trust
from engine.errors import UserError
from engine.frameworks import base_models
from engine.frameworks.framework import TrainerConfig, knob
from engine.paths import NAME, inside
from engine.registry import FRAMEWORKS
from engine.runs.run_directory import RunDirectory
from engine.settings import Settings

SCORING_TASKS = ("reward-modeling", "text-classification")
FAVOURED = ("positive", "pos")  # labels that a sentiment model is rewarded for unless another is named
PYTHON_RECORD = ".annotune"  # where ArgillaTrainer.train leaves run.json
BATCH = 32

Score = Callable[[Sequence[str]], list[float]]


class RewardConfig(TrainerConfig):
    """Who scores the completions, and how."""

    reward_model: str = knob(
        "",
        "Reward model",
        "Scores what the model writes: a finished run, a Hub id or a folder of a reward model or text classifier.",
        level="basic",
        json_schema_extra={"widget": "run", "tasks": list(SCORING_TASKS), "model_folder": True},
    )
    reward_label: str = knob(
        "",
        "Rewarded label",
        "Of a reward model with several labels. Empty: the one called positive.",
    )
    reward_output: Literal["logit", "probability"] = knob(
        "logit",
        "Reward",
        "The label's raw score, or its probability (0 to 1), as the reward model gives it.",
    )
    reward_text: Literal["prompt and completion", "completion"] = knob(
        "prompt and completion",
        "Scored text",
        "What the reward model reads. When it is too long for it, the end is kept.",
    )


def locate(name: str) -> Path | None:
    """The folder of a reward model: a finished run's, a local folder, or one in the Hub cache. None: fetch it first.

    Raises UserError for a folder that is no model.
    """
    base_models.check_name(name)
    runs = Settings.from_env().runs_dir
    if NAME.fullmatch(name) and (runs / name / "model").is_dir():
        return inside(runs, name) / "model"
    folder = Path(name).expanduser()
    if (folder / "adapter_config.json").is_file() or _record(folder):
        return folder.resolve()
    found = base_models.locate(name)
    return Path(found) if found else None


def to_fetch(config: RewardConfig) -> list[str]:
    """The reward model, when it has to be downloaded."""
    return [config.reward_model] if config.reward_model and locate(config.reward_model) is None else []


def check(config: RewardConfig) -> None:
    """Raise UserError unless the reward model is here and says what to reward. Reads its configs only."""
    if not config.reward_model.strip():
        raise UserError(
            "No reward model is chosen.",
            "Choose a finished run of reward modelling or text classification, a Hub id or a folder: reward_model=….",
        )
    folder = _found(config)
    labels = _labels(folder)
    if labels is None and _record(folder) is None:
        raise UserError(
            f"{config.reward_model} can't score texts: it is no sequence classifier and no run of Annotune.",
            "Choose a reward model or a text classifier.",
        )
    if labels is not None:
        chosen_label(labels, config)
    else:
        _scoring_framework(folder, config.reward_model)


def load(config: RewardConfig, device: str) -> "Scorer":
    """The reward model, ready to score. Raises UserError when it is missing or can't score."""
    check(config)
    folder = _found(config)
    record = _record(folder)
    own_words = record is not None and record.spec.task["task"] == "reward-modeling"
    if own_words or _labels(folder) is None:
        return Scorer(_by_framework(folder, config), config)
    return Scorer(_by_classifier(folder, config, device), config)


class Scorer:
    """Prompts and completions → rewards, as TRL's trainers call a reward function."""

    __name__ = "reward"

    def __init__(self, score: Score, config: RewardConfig) -> None:
        self._score, self._whole = score, config.reward_text == "prompt and completion"

    def __call__(self, prompts: Sequence[str], completions: Sequence[str], **_: Any) -> list[float]:
        pairs = zip(prompts, completions, strict=True)
        texts = [prompt + completion if self._whole else completion for prompt, completion in pairs]
        scores = self._score([text if text.strip() else " " for text in texts])
        if not all(map(math.isfinite, scores)):
            raise UserError(
                "The reward model gave a score that is not a number.", "Look at it on its own, or choose another."
            )
        return scores


def chosen_label(labels: list[str], config: RewardConfig) -> int:
    """Position of the rewarded label. Raises UserError when it is not among `labels`, or none is named."""
    if len(labels) == 1:
        return 0
    wanted = [config.reward_label.casefold()] if config.reward_label else FAVOURED
    for position, label in enumerate(labels):
        if label.casefold() in wanted:
            return position
    named = f"has no label {config.reward_label!r}" if config.reward_label else "has several labels, none “positive”"
    raise UserError(
        f"The reward model {config.reward_model} {named}.",
        f"Set “Rewarded label” (reward_label) to one of: {', '.join(labels)}.",
    )


def _found(config: RewardConfig) -> Path:
    folder = locate(config.reward_model)
    if folder is None:
        raise UserError(
            f"The reward model {config.reward_model} is not on this machine.",
            "Fetch it first, or choose a finished run or a folder.",
        )
    return folder


def _record(folder: Path) -> RunDirectory | None:
    """The run that made the model in `folder`, where its run file is at hand."""
    for place in (folder.parent, folder / PYTHON_RECORD):
        if (place / "run.json").is_file():
            return RunDirectory(place)
    return None


def _labels(folder: Path) -> list[str] | None:
    """The labels of a sequence classifier (or an adapter for one), in their order; None: it is none."""
    adapter, config = folder / "adapter_config.json", folder / "config.json"
    if adapter.is_file() and _read(adapter).get("task_type") != "SEQ_CLS":
        return None
    if not config.is_file():
        return ["reward"] if adapter.is_file() else None
    about = _read(config)
    kinds = about.get("architectures") or []
    if not adapter.is_file() and not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        return None
    named = about.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    return [named[key] for key in sorted(named, key=int)]


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _scoring_framework(folder: Path, name: str) -> tuple[Any, str]:
    """(framework, task) of the run that made the model in `folder`. Raises UserError when it can't score here."""
    spec = _record(folder).spec
    task, framework = spec.task["task"], FRAMEWORKS[spec.framework]
    if task not in SCORING_TASKS:
        raise UserError(
            f"The run {name} is of {task}, which gives no scores.",
            f"Choose a run of {' or '.join(SCORING_TASKS)}.",
        )
    if framework.needs_network or task in framework.overlays:
        raise UserError(
            f"The run {name} was made with {framework.label}, which can't score texts inside another training.",
            "Choose a run of another framework.",
        )
    return framework, task


def _by_framework(folder: Path, config: RewardConfig) -> Score:
    """Scores by the framework that made the model: a reward, or the chosen label's probability."""
    framework, task = _scoring_framework(folder, config.reward_model)
    predictor = framework.load(folder, task)

    def score(texts: Sequence[str]) -> list[float]:
        outputs = predictor.predict(list(texts))
        if not isinstance(outputs[0], list):
            return [float(output) for output in outputs]
        labels = [entry["label"] for entry in outputs[0]]
        wanted = labels[chosen_label(labels, config)]
        return [next(entry["score"] for entry in output if entry["label"] == wanted) for output in outputs]

    return score


def _by_classifier(folder: Path, config: RewardConfig, device: str) -> Score:
    """Scores of the chosen label by a sequence classifier."""
    import torch

    model, tokenizer = _load_classifier(folder, config)
    model.to(device).eval()
    position = chosen_label([model.config.id2label[i] for i in range(model.config.num_labels)], config)
    exclusive = model.config.num_labels > 1 and model.config.problem_type != "multi_label_classification"

    def score(texts: Sequence[str]) -> list[float]:
        rewards: list[float] = []
        for start in range(0, len(texts), BATCH):
            chosen = list(texts[start : start + BATCH])
            batch = tokenizer(chosen, truncation=True, padding=True, return_tensors="pt").to(model.device)
            with torch.inference_mode():
                logits = model(**batch).logits.float()
            if config.reward_output == "probability":
                logits = logits.softmax(-1) if exclusive else logits.sigmoid()
            rewards += logits[:, position].tolist()
        return rewards

    return score


def _load_classifier(folder: Path, config: RewardConfig) -> tuple[Any, Any]:
    """A sequence classifier, with its adapter where it is one, and its tokenizer, which keeps the end of long texts."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from engine.frameworks import _hf

    adapter = folder / "adapter_config.json"
    weights = _adapted_base(adapter, config) if adapter.is_file() else str(folder)
    about = _hf.load_config(folder if (folder / "config.json").is_file() else weights)
    if about.num_labels != len(_labels(folder)):
        about.num_labels = len(_labels(folder))
    tokenizer = _hf.load_tokenizer(str(folder if (folder / "tokenizer_config.json").is_file() else weights))
    with _hf.quiet():
        model = AutoModelForSequenceClassification.from_pretrained(
            weights,
            config=about,
            use_safetensors=True,
            trust_remote_code=trust.may_run(weights),
            dtype=torch.float32,
        )
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    if adapter.is_file():
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, folder)
    tokenizer.truncation_side = "left"
    positions = getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    return model, tokenizer


def _adapted_base(adapter: Path, config: RewardConfig) -> str:
    name = _read(adapter)["base_model_name_or_path"]
    base = base_models.locate(name)
    if base is None:
        raise UserError(
            f"The reward model {config.reward_model} is an adapter of {name}, which is not on this machine.",
            "Fetch it first, or choose another reward model.",
        )
    return base
