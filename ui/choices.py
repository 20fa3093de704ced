"""The choices of the address as the engine takes them: a TrainingTask, a RunSpec, and what is true about them."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine import (
    EXAMPLES,
    FRAMEWORKS,
    TASKS,
    FeedbackDataset,
    Framework,
    JobStatus,
    Question,
    Readiness,
    RemoteCode,
    RunSpec,
    SplitSpec,
    SuggestedModel,
    Task,
    TrainingTask,
    UserError,
    approved_code,
    check_code,
    frameworks_for,
)
from ui import markup, sentences, text
from ui.address import Address
from ui.people import Context


def data_is_ready(context: Context, address: Address) -> bool:
    """Whether a dataset is chosen and has been read."""
    return bool(address.dataset) and context.supervisor.dataset_status(address.dataset).state == "finished"


def with_defaults(address: Address) -> Address:
    """The address with the first framework of its task and that framework's first base model, where none is chosen."""
    able = frameworks_for(address.task)
    names = [name for name in able if not FRAMEWORKS[name].missing()] or able
    framework = address.framework if address.framework in able else names[0]
    base = address.base or FRAMEWORKS[framework].base_models[address.task][0].id
    return address.having(framework=framework, base=base)


def with_task(address: Address, dataset: FeedbackDataset) -> Address:
    """The address with the task and roles that the data suggests, where none are chosen."""
    if address.task in TASKS and (address.roles or address.code):
        return address
    name, roles = suggested_task(dataset, address.task)
    if not name:
        raise UserError(text.NO_TASK_YET, text.NO_TASK_HINT)
    return address.having(task=name, roles=roles, strategy="")


def suggested_task(dataset: FeedbackDataset, asked_for: str = "") -> tuple[str, dict[str, str]]:
    """The task that was asked for, or the example's own, or the first that these fields and questions fit, with its
    roles filled; ("", {}) when none does.
    """
    fits = fitting_tasks(dataset)
    if asked_for in fits:
        return asked_for, fits[asked_for]
    return next(iter(fits.items()), ("", {}))


def fitting_tasks(dataset: FeedbackDataset) -> dict[str, dict[str, str]]:
    """Task → its roles filled, for every task that these fields and questions fit; an example's own come first."""
    source = dataset.schema.source
    example = EXAMPLES.get(source.get("name")) if source.get("kind") == "example" else None
    names = dict.fromkeys([*(example.tasks if example else ()), *TASKS])
    found = {name: TASKS[name].suggest(dataset) for name in names}
    return {name: roles for name, roles in found.items() if roles}


def lacking(task: Task, dataset: FeedbackDataset) -> str:
    """Why a task does not fit the data: the roles that none of its columns can take."""
    found = task.candidates(dataset)
    needed = [about for role, about in task.roles.items() if not found[role]]
    required = [about for about in needed if not about.optional]
    return sentences.lacks(required or (needed if len(needed) == len(task.roles) else []))


def takes_strategy(task: Task) -> bool:
    """Whether several answers to the chosen question are unified, so that there is a strategy to choose."""
    return "label_strategy" in inspect.signature(getattr(TrainingTask, task.constructor)).parameters


def target(address: Address, dataset: FeedbackDataset) -> str:
    """What is to be learned, for a run's title: the question, or else the task; the task too when a cell makes rows."""
    questions = [] if address.code else chosen_questions(address, dataset)
    return questions[0].name if questions else TASKS[address.task].label


def chosen_questions(address: Address, dataset: FeedbackDataset) -> list[Question]:
    """The questions chosen for the task's roles, in the roles' order."""
    names = [address.roles.get(role) for role, about in TASKS[address.task].roles.items() if about.kind != "template"]
    by_name = {question.name: question for question in dataset.questions}
    return [by_name[name] for name in names if name in by_name]


def training_task(address: Address) -> TrainingTask:
    """The definition of the task: the cell's code when it is used, else the chosen fields and questions."""
    if address.code:
        check_code(address.cell)
        return TrainingTask.from_code(address.task, address.cell)
    return TrainingTask(address.task, dict(address.roles), address.strategy or None)


def config_class(address: Address) -> Any:
    """The config of the chosen framework for the chosen task."""
    return FRAMEWORKS[address.framework].configs[address.task]


def split_values(train: float, validation: float, seed: float) -> dict[str, Any]:
    """Percentages as the address keeps them, test rows being the rest; nothing when they are the defaults."""
    train, validation = (train or 0) / 100, (validation or 0) / 100
    shares = {"train": train, "validation": validation, "test": 1 - train - validation}
    values = {name: round(share, 6) for name, share in shares.items()} | {"seed": int(seed or 0)}
    return {} if values == SplitSpec().model_dump() else values


def split_spec(address: Address) -> SplitSpec:
    """The shares of the rows. Raises UserError when one is out of bounds."""
    try:
        return SplitSpec(**address.split)
    except ValueError as error:
        raise UserError(text.SPLIT_WRONG, text.SPLIT_WRONG_HINT) from error


def run_spec(context: Context, address: Address, created_by: str = "") -> RunSpec:
    """What is asked of a run with these choices."""
    dataset = context.supervisor.dataset(address.dataset)
    kinds = {field.name: "field" for field in dataset.fields} | {q.name: "question" for q in dataset.questions}
    return RunSpec(
        title=sentences.run_title(FRAMEWORKS[address.framework].label, target(address, dataset)),
        dataset={
            "id": address.dataset,
            "name": dataset.name,
            "source": dataset.schema.source,
            "derived": [derived.model_dump() for derived in dataset.schema.derived],
            "kinds": kinds,
        },
        task=training_task(address).to_dict(),
        framework=address.framework,
        base_model=address.base,
        remote_code=approved_code(address.base),
        config=address.config,
        split=split_spec(address),
        created_by=created_by,
    )


@dataclass(frozen=True)
class ReadyLine:
    """What the Ready line says; `sizes`: rows of train, validation and test, once they are known.

    `fetchable`: only the base model is missing, and nothing is fetching it. `code`: what its owner may approve.
    """

    ready: bool
    sentence: str
    sizes: tuple[int, int, int] | None = None
    fetchable: bool = False
    code: RemoteCode | None = None


def ready_line(context: Context, address: Address) -> ReadyLine:
    """Whether a run with these choices can start, and what blocks it when not."""
    try:
        spec = run_spec(context, address)
    except UserError as error:
        return ReadyLine(False, str(error))
    found = context.supervisor.readiness(spec)
    if found.ready:
        return ReadyLine(True, sentences.ready(found.sizes, found.seconds), found.sizes)
    status = fetch_status(context, address) if found.fetchable else None
    fetchable = found.fetchable and not (status and status.live)
    return ReadyLine(False, _why(found, status), found.sizes, fetchable, found.code)


def _why(found: Readiness, fetching: JobStatus | None) -> str:
    if fetching is None or fetching.state == "finished":
        return sentences.not_ready(found.blocking)
    if fetching.live:
        return sentences.fetching(fetching)
    return sentences.not_ready([f"{fetching.message} {fetching.hint}".strip()])


def must_be_fetched(address: Address) -> bool:
    """Whether a base model has to be downloaded first; a folder that is no model is left to the Ready line."""
    try:
        return bool(address.base) and FRAMEWORKS[address.framework].locate_base(address.base) is None
    except UserError:
        return False


def fetch_status(context: Context, address: Address) -> JobStatus | None:
    """How the download of what the choice needs goes; None when none was asked for."""
    try:
        fetch_id = context.supervisor.fetch_id(address.framework, address.task, address.base)
        return context.supervisor.fetch_status(fetch_id)
    except UserError:
        return None


def base_choices(framework: Framework, models: Sequence[SuggestedModel]) -> list[tuple[str, str]]:
    """The suggested base models; one that is not on this machine says first what its download comes to."""
    here = {model.id: model.embedded or framework.locate_base(model.id) is not None for model in models}
    return [(sentences.base_model(model, here[model.id]), model.id) for model in models]


def fetch_label(address: Address) -> str:
    """What the button that downloads says: how much, where it is known."""
    suggested = {model.id: model.size_mb for model in FRAMEWORKS[address.framework].base_models[address.task]}
    return sentences.fetch(suggested.get(address.base, 0) if must_be_fetched(address) else 0)


def base_note(address: Address) -> str:
    """A sentence on the chosen base model, when it is one of the suggestions."""
    for model in FRAMEWORKS[address.framework].base_models[address.task]:
        if model.id == address.base:
            return markup.line(sentences.base_note(model), subdued=True)
    return ""
