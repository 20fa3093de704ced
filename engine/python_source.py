"""A run as Python in the guide's style: what the page shows under "Show as Python"."""

from engine.registry import TASKS
from engine.runs.run_directory import RunSpec


def python_source(spec: RunSpec) -> str:
    """A script that trains the same run: same data, task, framework, base model, seed and hyperparameters."""
    names = ["ArgillaTrainer", *(["DerivedQuestion"] if spec.dataset.get("derived") else []), "FeedbackDataset"]
    lines = [f"from engine import {', '.join(names)}, TrainingTask", "", f"dataset = {_dataset(spec)}"]
    lines += _derived(spec)
    if spec.task.get("code"):
        call = f"task = TrainingTask.{TASKS[spec.task['task']].constructor}(formatting_func=formatting_func)"
        lines += ["", spec.task["code"].rstrip(), "", call]
    else:
        lines += _task(spec)
    split, code = spec.split, spec.remote_code
    lines += [
        "trainer = ArgillaTrainer(",
        "    dataset=dataset,",
        "    task=task,",
        f"    framework={spec.framework!r},",
        f"    model={spec.base_model!r},",
        *([f"    remote_code={str(code)!r},  # you approve it by running this"] if code else []),
        f"    train_size={split.train!r},",
        f"    validation_size={split.validation!r},",
        f"    seed={split.seed!r},",
    ]
    if spec.filter_by:
        lines.append(f"    filter_by={spec.filter_by!r},")
    if spec.sort_by:
        lines.append(f"    sort_by={spec.sort_by!r},")
    if spec.max_records:
        lines.append(f"    max_records={spec.max_records!r},")
    lines.append(")")
    if spec.config:
        lines.append("trainer.update_config(" + ", ".join(f"{k}={v!r}" for k, v in spec.config.items()) + ")")
    lines += ['trainer.train(output_dir="my_model")', f"trainer.predict({_input(spec)})"]
    return "\n".join(lines) + "\n"


def _dataset(spec: RunSpec) -> str:
    source = spec.dataset.get("source", {})
    if source.get("kind") == "hub":
        extra = "".join(f", {k}={source[k]!r}" for k in ("subset", "split", "revision") if source.get(k))
        return f"FeedbackDataset.from_huggingface({source['id']!r}{extra})"
    if source.get("kind") == "example":
        return f"FeedbackDataset.example({source['name']!r})" if source.get("name") else "FeedbackDataset.example()"
    options = "".join(f", {k}={v!r}" for k, v in source.get("options", {}).items())
    return f"FeedbackDataset.from_file({source.get('name') or spec.dataset.get('name', 'data')!r}{options})"


def _input(spec: RunSpec) -> str:
    """Something to predict, in the shape of the task."""
    task = TASKS[spec.task["task"]]
    if len(task.inputs) == 1:
        return repr(task.as_input(dict.fromkeys(task.inputs, "This is awesome!"))).replace("'", '"')
    return repr(task.as_input({part: f"{label} …" for part, label in task.inputs.items()}))


def _derived(spec: RunSpec) -> list[str]:
    """Questions made from columns, when they are part of the run."""
    derived = spec.dataset.get("derived")
    if not derived:
        return []
    items = [f"    DerivedQuestion.model_validate({entry!r})," for entry in derived]
    return [
        "dataset = dataset.with_questions_from_fields([",
        *items,
        "])",
    ]


def _task(spec: RunSpec) -> list[str]:
    task = TASKS[spec.task["task"]]
    derived = {entry["question"]["name"]: "question" for entry in spec.dataset.get("derived") or ()}
    kinds = derived | (spec.dataset.get("kinds") or {})
    lines = [f"task = TrainingTask.{task.constructor}("]
    lines += [f"    {argument}," for argument in task.python_arguments(spec.task["fields"], kinds)]
    if spec.task.get("strategy"):
        lines.append(f"    label_strategy={spec.task['strategy']!r},")
    return [*lines, ")"]
