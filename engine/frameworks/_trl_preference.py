"""What DPO and KTO share: rows as TRL takes them, what of them is cut, and held-out figures beside the reference.

The reference is the base model. Where it lies, and what the run was told, is noted beside the model's folder, for the
report: it is needed to score rows, and not to write.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.errors import UserError
from engine.frameworks import _hf, _trl_sft
from engine.frameworks import _trl_common as common
from engine.frameworks._generation import Generator
from engine.frameworks.framework import knob
from engine.runs.events import Report
from engine.tasks.task import TaskData

REFERENCE = "reference.json"


class PreferenceConfig(common.TrlConfig):
    """Hyperparameters that DPOTrainer and KTOTrainer share."""

    beta: float = knob(
        0.1,
        "Beta",
        "How closely the model stays to where it started: larger is closer.",
        gt=0,
        le=100,
    )
    prompts_as_chat: bool | None = knob(
        None,
        "Prompts as chat",
        "Write prompt and answer in the base model's chat template. Empty: where the data are conversations.",
    )
    disable_dropout: bool = knob(True, "No dropout", "The model's own dropout is off while it learns.")
    precompute_ref_log_probs: bool = knob(
        False, "Reference first", "Ask the reference model once, before training, and free its memory."
    )


@dataclass(frozen=True)
class Setup:
    """What a trainer is made of. `reference`: None where the model is its own; `adapter`: a LoraConfig, or None."""

    config: PreferenceConfig
    data: TaskData
    model: Any
    tokenizer: Any
    max_length: int
    as_chat: bool
    checkpoints: Path
    reference: Any
    adapter: Any

    def rows(self, table: pa.Table | None, answers: tuple[str, ...]) -> Any:
        """Canonical rows as a dataset in TRL's format: texts, or with the chat template lists of messages."""
        return rows_for(table, answers, self.as_chat)

    def arguments(self, cls: type, **own: Any) -> Any:
        """TRL's config for this run; `own` is stronger than the hyperparameters."""
        own |= {"max_length": self.max_length}
        return common.training_arguments(self.config, self.data, self.checkpoints, cls, **own)


def is_chat(config: PreferenceConfig, data: TaskData) -> bool:
    """Whether prompts are written with the chat template."""
    return data.info.get("chat", False) if config.prompts_as_chat is None else config.prompts_as_chat


def rows_for(table: pa.Table | None, answers: tuple[str, ...], as_chat: bool) -> Any:
    """Canonical rows as a dataset in TRL's format: texts, or with the chat template lists of messages."""
    from datasets import Dataset

    if table is None:
        return None
    kept = [name for name in ("label",) if name in table.column_names]
    columns = {name: table[name].to_pylist() for name in ("prompt", *answers, *kept)}
    if as_chat:
        before = table["history"].to_pylist() if "history" in table.column_names else [None] * len(table)
        columns["prompt"] = [
            [*(turns or ()), {"role": "user", "content": prompt}]
            for turns, prompt in zip(before, columns["prompt"], strict=True)
        ]
        for name in answers:
            columns[name] = [[{"role": "assistant", "content": text}] for text in columns[name]]
    return Dataset.from_dict(columns)


@contextmanager
def said_in_words(max_length: int) -> Iterator[None]:
    """What TRL and a chat template refuse while a trainer is made, as UserError."""
    from datasets import disable_progress_bars
    from jinja2 import TemplateError

    disable_progress_bars()  # of the trainer's own tokenising; the events say what is happening
    try:
        with _hf.quiet():
            yield
    except TemplateError as error:
        raise UserError(
            f"The base model's chat template refuses a conversation: {error}.",
            "Choose another base model, or leave out what it names (a system message, two turns of one speaker).",
        ) from error
    except (IndexError, StopIteration) as error:
        raise _nothing_left(max_length) from error
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"TRL refuses these settings: {error}", "Change the setting named.") from error


def note_cut(dataset: Any, given: int, split: str, answers: tuple[str, ...], max_length: int, report: Report) -> None:
    """Tell what TRL dropped and will cut of a prepared dataset. Raises UserError when nothing is left."""
    if len(dataset) < given:
        report.note(
            f"{given - len(dataset):,} of {given:,} {split} rows are left out: their prompts alone fill the "
            f"{max_length:,} tokens that a row may have."
        )
    if not len(dataset):
        raise _nothing_left(max_length)
    lengths = zip(dataset["prompt_ids"], *(dataset[name] for name in answers), strict=True)
    over = [max(0, len(prompt) + max(map(len, texts)) - max_length) for prompt, *texts in lengths]
    if any(over):
        report.note(
            f"{sum(map(bool, over)):,} of {len(dataset):,} {split} rows are longer than {max_length:,} tokens; the "
            f"end of the answer is cut: {sum(over):,} tokens."
        )


def _nothing_left(max_length: int) -> UserError:
    return UserError(
        f"There is nothing to learn: all prompts alone fill the {max_length:,} tokens that a row may have.",
        "Raise “Longest row”, shorten the prompts, or choose a base model for long texts.",
    )


def run(
    config: PreferenceConfig,
    data: TaskData,
    base: str,
    out_dir: Path,
    report: Report,
    make: Callable[[Setup], Any],
    answers: tuple[str, ...],
) -> None:
    """Train from the base model at `base`; leave in `out_dir` the model or its adapter, and the tokenizer.

    `make` gives the trainer; `answers` are the columns of token ids that it prepares beside prompt_ids.
    """
    common.check_writer(base, "TRL")
    report.stage("loading")
    _hf.note_device(report, config.use_cpu)
    _hf.set_seed(config)
    as_chat = is_chat(config, data)
    tokenizer = common.load_writer_tokenizer(base, report if as_chat else None)
    model = common.load_causal_lm(base, config)
    max_length = common.window(tokenizer, model.config, config.max_length)
    # An adapter is its own reference, switched off; so is a model that is asked before it learns.
    reference = None if config.use_lora or config.precompute_ref_log_probs else common.load_causal_lm(base)
    checkpoints, adapter = out_dir.parent / "checkpoints", common.lora(config)
    setup = Setup(config, data, model, tokenizer, max_length, as_chat, checkpoints, reference, adapter)
    with said_in_words(max_length):
        trainer = make(setup)
    note_cut(trainer.train_dataset, len(data.train), "training", answers, max_length, report)
    if data.validation is not None:
        note_cut(trainer.eval_dataset, len(data.validation), "validation", answers, max_length, report)
    model = common.fit(trainer, config, data, report)
    report.stage("saving")
    common.save(model, tokenizer, base, out_dir)
    (out_dir / _trl_sft.PROMPT_FORMAT).write_text(json.dumps({"chat": as_chat}) + "\n", encoding="utf-8")
    told = {"base": base, "as_chat": as_chat, "config": config.model_dump(mode="json")}
    (out_dir.parent / REFERENCE).write_text(json.dumps(told) + "\n", encoding="utf-8")


class Tuned(Generator):
    """A trained model: writes answers, and is compared with its reference on canonical rows.

    `make`: gives the trainer that works out rewards, of the config class `config`; `figures`: its eval_ figures → ours.
    """

    def __init__(
        self, model_dir: Path, config: type[PreferenceConfig], make: Callable[[Setup], Any], figures: dict[str, str]
    ) -> None:
        super().__init__(*common.load_trained(model_dir), as_chat=_trl_sft.is_chat(model_dir))
        self.noted, self.config_class, self.make, self.figures = model_dir.parent / REFERENCE, config, make, figures

    def score(self, table: pa.Table) -> dict[str, float]:
        """Figures on held-out rows, as TRL's trainer works them out; none where every prompt fills the window.

        Raises UserError where the run's reference is no longer known.
        """
        from transformers import PrinterCallback

        if not self.noted.is_file():
            raise UserError(
                "Which model this one started from is no longer known, so its rewards can't be worked out.",
                "Its figures stand in the report of its run.",
            )
        noted = json.loads(self.noted.read_text(encoding="utf-8"))
        config = self.config_class(**noted["config"])
        data = TaskData(table, table, None, {})
        reference = common.load_causal_lm(noted["base"])
        max_length = common.window(self.tokenizer, reference.config, config.max_length)
        with tempfile.TemporaryDirectory(prefix="annotune-score-") as scratch, said_in_words(max_length):
            setup = Setup(
                config, data, self.model, self.tokenizer, max_length, noted["as_chat"], Path(scratch), reference, None
            )
            trainer = self.make(setup)
            trainer.remove_callback(PrinterCallback)
            if not len(trainer.eval_dataset):
                return {}
            found = trainer.evaluate()
        return {ours: found[theirs] for ours, theirs in self.figures.items() if theirs in found}


class Untuned(Generator):
    """The base model, which is the reference itself: all its rewards are 0, so its figures are known beforehand."""

    def __init__(self, base: str, figures: dict[str, float]) -> None:
        super().__init__(common.load_causal_lm(base).to(_hf.best_device()), common.load_writer_tokenizer(base))
        self.figures = figures

    def score(self, table: pa.Table) -> dict[str, float]:
        """The figures of a model that is its own reference."""
        return dict(self.figures)
