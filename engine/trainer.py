"""ArgillaTrainer: the whole line for notebooks and scripts, in the caller's process. Argilla 1.29's signature."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from engine import trust
from engine.data.feedback_dataset import FeedbackDataset
from engine.errors import UserError
from engine.evaluation.report import evaluate
from engine.frameworks import base_models, overlays
from engine.frameworks.framework import TrainerConfig
from engine.frameworks.python_objects import base_from_object, models_as_folders, spread_objects
from engine.frameworks.validation import config_class, validate_config
from engine.prediction.client import OverlayPredictor
from engine.registry import FRAMEWORKS, TASKS
from engine.runs import job
from engine.runs.events import Report
from engine.runs.run_directory import CardFacts, RunDirectory, RunSpec, SplitSpec
from engine.runs.work import package_versions, write_report
from engine.settings import Settings
from engine.tasks.preparation import prepare
from engine.tasks.training_task import TrainingTask
from engine.trust import RemoteCode, approve_model, check_model, running, vouch

RECORD = ".annotune"  # beside the model in an output folder: run.json and report.json
CARD_KWARGS = "model_card_kwargs"


class ArgillaTrainer:
    """Train `task` on `dataset` with `framework`. The data is prepared at once, so a bad row is refused here.

    `train_size` splits in two (train and test); `validation_size`, ours, takes a validation part out of it.
    `model`: a Hub id, a folder, or a loaded model. `remote_code`: "owner/name@commit" of a base model whose own code
    you have read and approve: it then runs, at exactly that commit. `filter_by`, `sort_by`, `max_records` choose the
    records.
    Raises UserError for anything the caller can put right.
    """

    def __init__(
        self,
        dataset: FeedbackDataset,
        task: TrainingTask,
        framework: str,
        lang: Any = None,
        model: Any = None,
        tokenizer: Any = None,
        train_size: float | None = None,
        seed: int | None = None,
        gpu_id: int = -1,
        filter_by: dict[str, Any] | None = None,
        sort_by: Any = None,
        max_records: int | None = None,
        framework_kwargs: dict[str, Any] | None = None,
        *,
        validation_size: float = 0.0,
        remote_code: str | None = None,
    ) -> None:
        self._framework = FRAMEWORKS[str(getattr(framework, "value", framework))]
        self._task = task
        self._config: TrainerConfig = config_class(self._framework.name, task.task)()
        self._scratch = tempfile.TemporaryDirectory(prefix="annotune-")
        self._output_dir: Path | None = None
        self._predictor: Any = None
        self.report: dict[str, Any] | None = None
        chosen = dataset.filter_by(**filter_by) if filter_by else dataset
        chosen = (chosen.sort_by(sort_by) if sort_by else chosen).head(max_records)
        self._spec = RunSpec(
            dataset={"name": dataset.name, "source": dataset.schema.source},
            task=task.to_dict(),
            framework=self._framework.name,
            base_model="",
            remote_code=None if remote_code is None else RemoteCode.parse(remote_code),
            split=_shares(train_size, validation_size, 42 if seed is None else seed),
        )
        if self._spec.remote_code is not None:
            trust.approve_code(self._spec.remote_code)
        self._prepared = prepare(chosen, task, self._spec.split)
        self._base_model, self._base = self._find_base(model, tokenizer, lang)
        _use_gpu(gpu_id)
        self._take_framework_kwargs(dict(framework_kwargs or {}))

    def _find_base(self, model: Any, tokenizer: Any, lang: Any) -> tuple[str, str | None]:
        """(the base model's public name, where it lies when that is known already)."""
        if lang is not None and model is None:
            model = f"blank:{lang}" if isinstance(lang, str) and len(lang) <= 3 else lang
        if model is None:
            model = self._framework.base_models[self._task.task][0].id
        if isinstance(model, (str, Path)) and tokenizer is None:
            return str(model), None
        if self._framework.base_by_name:
            raise UserError(
                f"{self._framework.label} finds its base model by name, so it can't train a model from memory.",
                "Give the Hub id or the folder of the base model, and no tokenizer.",
            )
        return base_from_object(model, tokenizer, Path(self._scratch.name) / "base")

    def _take_framework_kwargs(self, kwargs: dict[str, Any]) -> None:
        facts = kwargs.pop(CARD_KWARGS, {})
        unknown = set(facts) - set(CardFacts.model_fields)
        if unknown:
            raise UserError(
                f"{CARD_KWARGS} has {', '.join(sorted(unknown))}, which the card does not show.",
                f"Known: {', '.join(CardFacts.model_fields)}.",
            )
        self._spec = self._spec.model_copy(update={"card": CardFacts(**facts)})
        known = type(self._config).model_fields
        for name in kwargs:
            if name not in known:
                raise UserError(
                    f"framework_kwargs has {name!r}, which {self._framework.label} does not know.",
                    f"Known: {CARD_KWARGS}, {', '.join(known)}.",
                )
        self.update_config(**kwargs)

    # ---- configuration ------------------------------------------------------------------------------------------

    @property
    def config(self) -> TrainerConfig:
        """The hyperparameters that `train` will use."""
        return self._config

    def update_config(self, **kwargs: Any) -> None:
        """Change hyperparameters. Unknown keys and values out of bounds are refused; nothing changes then.

        The framework's own objects are taken too: `peft_config=LoraConfig(r=4)`, `args=TrainingArguments(...)`, and
        a model or pipeline for a reward model.
        """
        given = models_as_folders(type(self._config), kwargs, self._scratch and self._scratch.name)
        values = spread_objects(self._framework, type(self._config), given)
        merged = self._config.model_dump() | values
        self._config = validate_config(self._framework.name, self._task.task, merged)

    def get_trainer_kwargs(self) -> dict[str, Any]:
        return self._config.model_dump()

    def get_model_kwargs(self) -> dict[str, Any]:
        return {"pretrained_model_name_or_path": self._base_model}

    def __repr__(self) -> str:
        changed = self._config.model_dump(exclude_defaults=True)
        return (
            f"ArgillaTrainer({self._framework.label}, {self._task.task}, base model {self._base_model!r}, "
            f"{len(self._prepared.data.train):,} training rows, changed settings: {changed or 'none'})"
        )

    # ---- the line -------------------------------------------------------------------------------------------------

    def train(self, output_dir: str | Path) -> None:
        """Train, evaluate on the test part (`self.report`) and leave in `output_dir` what the library itself loads."""
        with running(self._spec.remote_code):
            self._train(Path(output_dir))

    def _train(self, output_dir: Path) -> None:
        report = PrintReport()
        base = self._base or self._framework.locate_base(self._base_model)
        if base is None:
            base = base_models.fetch(self._base_model, token=Settings.from_env().hf_token or None, report=report)
        self._framework.check_base(base, self._task.task)
        for name in self._framework.other_models(self._config, self._task.task):
            base_models.fetch(name, token=Settings.from_env().hf_token or None, report=report)
        self._framework.check_config(self._config, self._task.task)
        work = RunDirectory(Path(tempfile.mkdtemp(dir=self._scratch.name)))
        figures = self._train_here(work, base, report) if self._overlay is None else self._train_apart(work, base)
        spec = self._spec.model_copy(
            update={
                "base_model": self._base_model,
                "config": self._config.model_dump(exclude_defaults=True),
                "versions": package_versions(self._framework.requires) | self._overlay_versions(),
            }
        )
        run_dir = _run_directory(output_dir)
        shutil.copytree(work.model_dir, run_dir.model_dir, dirs_exist_ok=True)
        shutil.rmtree(work.path)
        run_dir.path.mkdir(exist_ok=True)
        run_dir.write_spec(spec)
        write_report(run_dir, spec, self._prepared, figures)
        self.report = run_dir.report
        self._attach(run_dir)

    def _train_here(self, work: RunDirectory, base: str, report: Report) -> dict[str, Any]:
        """Train in this process; → figures of the report."""
        task, data = self._task.task, self._prepared.data
        self._framework.train(self._config, task, data, base, work.model_dir, report)
        vouch(work.model_dir)
        return evaluate(self._framework.name, task, data, work.model_dir, report, base, self._config)

    def _train_apart(self, work: RunDirectory, base: str) -> dict[str, Any]:
        """Train in a process of its own, whose packages are the overlay's; → figures of the report."""
        overlays.install(self._overlay, PrintReport())
        self._prepared.data.save(work.data_dir)
        changed = self._config.model_dump(mode="json", exclude_defaults=True)
        work.write_spec(self._spec.model_copy(update={"base_model": base, "config": changed}))
        status = job.run_in_child("train-prepared", work.path, self._overlay)
        if status.state != "finished":
            raise UserError(status.message or "Training was cut off.", status.hint)
        return status.result["figures"]

    def predict(self, text: Any, as_argilla_records: bool = False, **options: Any) -> Any:
        """The task's outputs (README: what predict gives): for one input its output, for a list a list of them.

        `options` are those of the task: max_new_tokens, temperature, seed where text is generated.
        """
        if self._predictor is None:
            if self._output_dir is None:
                raise UserError("This model has not been trained yet.", "Call train(output_dir=...) first.")
            self._predictor = self._load(self._output_dir)
        about = TASKS[self._task.task]
        inputs, answer = about.as_inputs(text)
        known = about.predict_options.model_fields if about.predict_options else {}
        return answer(self._predictor.predict(inputs, **{name: options[name] for name in options if name in known}))

    def _load(self, model_dir: Path) -> Any:
        if self._overlay is None:
            check_model(model_dir)
            with running(self._spec.remote_code):
                return self._framework.load(model_dir, self._task.task)
        return OverlayPredictor(model_dir, self._framework.name, self._task.task)

    @property
    def _overlay(self) -> str | None:
        return self._framework.overlays.get(self._task.task)

    def _overlay_versions(self) -> dict[str, str]:
        return overlays.versions(self._overlay) if self._overlay else {}

    def save(self, output_dir: str | Path, generate_card: bool = True) -> None:
        """Copy the trained model to `output_dir`, with its card."""
        trained = self._trained()
        target = _run_directory(Path(output_dir))
        shutil.copytree(trained.model_dir, target.model_dir, dirs_exist_ok=True)
        if generate_card:
            shutil.copyfile(trained.card_file, target.model_dir / "README.md")

    def push_to_huggingface(
        self, repo_id: str, generate_card: bool = True, *, private: bool = True, token: str | None = None
    ) -> str:
        """Push the trained model with its card and report to the Hub; returns its address."""
        from engine.access import Access
        from engine.publishing.hub import publish

        access = token or Access(Settings.from_env()).token_for(None)
        if not access:
            raise UserError("Pushing needs a Hugging Face token.", "Pass token=..., or set HF_TOKEN.")
        return publish(self._trained(), repo_id, private=private, token=access, report=PrintReport())["url"]

    @classmethod
    def load(cls, output_dir: str | Path, *, approve: bool = False) -> "ArgillaTrainer":
        """A trained model back from the folder that `train` or `save` left: ready to predict, save and push.

        `approve`: you trust whoever made it with the code that loading it runs (pickles, Python files).
        """
        run_dir = _run_directory(Path(output_dir))
        if not run_dir.spec_file.is_file():
            raise UserError(f"{output_dir} holds no model trained here.", "Give the folder that train() left.")
        spec = run_dir.spec
        self = cls.__new__(cls)
        self._framework = FRAMEWORKS[spec.framework]
        self._task = TrainingTask.from_dict(spec.task)
        self._config = validate_config(spec.framework, self._task.task, spec.config)
        self._spec, self._base_model, self._base = spec, spec.base_model, None
        self._scratch, self._prepared = None, None
        self.report = run_dir.report
        if approve:
            approve_model(run_dir.model_dir, spec.remote_code)
        self._attach(run_dir)
        return self

    def _attach(self, run_dir: RunDirectory) -> None:
        self._output_dir, self._predictor = run_dir.model_dir, None

    def _trained(self) -> RunDirectory:
        if self._output_dir is None:
            raise UserError("This model has not been trained yet.", "Call train(output_dir=...) first.")
        return _run_directory(self._output_dir)


class PrintReport(Report):
    """Stages and notes as lines on the terminal; the frameworks print their own steps."""

    def stage(self, name: str) -> None:
        print(f"{name} …", flush=True)

    def note(self, text: str) -> None:
        print(text, flush=True)


def _run_directory(output_dir: Path) -> RunDirectory:
    """An output folder as a run directory: the model lies in it directly, the record in a hidden folder."""
    run_dir = RunDirectory(output_dir / RECORD)
    run_dir.model_dir = output_dir
    return run_dir


def _shares(train_size: float | None, validation_size: float, seed: int) -> SplitSpec:
    train = 1.0 if train_size is None else train_size
    if not 0 < train <= 1 or not 0 <= validation_size < 1 or train + validation_size > 1 + 1e-9:
        raise UserError(
            f"train_size must be above 0 and, with validation_size, at most 1; got {train_size} and {validation_size}.",
            "Use for example train_size=0.8.",
        )
    return SplitSpec(train=train, validation=validation_size, test=max(0.0, 1 - train - validation_size), seed=seed)


def _use_gpu(gpu_id: int) -> None:
    """-1 leaves the choice to the library (a GPU when there is one); another number must exist."""
    if gpu_id < 0:
        return
    import torch

    if gpu_id >= torch.cuda.device_count():
        raise UserError(
            f"There is no GPU number {gpu_id}: this machine has {torch.cuda.device_count()}.",
            "Leave gpu_id at -1 to let the library choose.",
        )
    torch.cuda.set_device(gpu_id)
