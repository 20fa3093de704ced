"""What the data tab shows of a dataset: its profile in figures, sentences, plots and a few records. No wiring."""

import os
from typing import Any

import gradio as gr
import pandas as pd

from engine import TASKS, FeedbackDataset, JobStatus
from ui import choices, markup, sentences, text, values
from ui.address import Address

SHOWN_LABELS = 30
SHOWN_BINS = 12
SHOWN_RECORDS = 5
SHOWN_CHARS = 160
LABEL_PLOT = {
    "x": "label",
    "y": "answers",
    "x_title": " ",
    "y_title": text.ANSWERS,
    "y_lim": [0, None],
    "height": 240,
    "show_label": False,
}
LENGTH_PLOT = {
    **{"x": "characters", "y": "records", "x_title": " ", "y_title": text.RECORDS, "y_lim": [0, None]},
    **{"height": 240, "show_label": False},
}


def progress(status: JobStatus) -> str:
    """The line of a dataset that is being read."""
    stage = text.IMPORT_STAGES.get(status.stage, text.IMPORTING)
    detail = (
        sentences.steps(status.step, status.total, text.RECORDS) if status.step else sentences.elapsed(status.elapsed)
    )
    return markup.working(stage + " …", detail, status.fraction)


def detected(found: dict[str, Any]) -> str:
    """How an uploaded file reads: its first rows under its column names."""
    columns = [str(name) for name in found["columns"]][:8]
    rows = [[values.shorten(value, 60) for value in row[:8]] for row in found.get("preview", [])[:3]]
    about = markup.line(text.FILE_DETECTED) + markup.line(sentences.detected(found), subdued=True)
    return about + markup.table(columns, rows) + markup.notes(found.get("notes") or [])


def overview(dataset: FeedbackDataset, profile: dict[str, Any]) -> str:
    """Name and the figures that say what this is."""
    figures = [(sentences.number(profile["records"]), text.RECORDS)]
    if profile.get("annotators", 0) > 1:
        figures.append((sentences.number(profile["annotators"]), text.ANNOTATORS))
    if profile["questions"]:
        figures.append((sentences.number(profile.get("answers", 0)), text.ANSWERS))
    figures += [
        (sentences.percent(question["agreement"]), text.AGREEMENT.format(question=question["name"]))
        for question in profile["questions"]
        if question.get("agreement") is not None
    ][:2]
    return markup.heading(dataset.name, sentences.source(dataset.schema.source)) + markup.tiles(figures)


def verdict(dataset: FeedbackDataset, address: Address) -> tuple[str, bool]:
    """What the data looks like, in a sentence, and whether one can go on with it."""
    name, roles = choices.suggested_task(dataset, address.task)
    if not name:
        return markup.line(text.NO_TASK_YET), False
    return markup.line(sentences.looks_like(TASKS[name].label, TASKS[name].roles, roles)), True


def findings(profile: dict[str, Any]) -> list[str]:
    """Sentences about what is missing, repeated or unanswered."""
    found = []
    duplicates = profile.get("duplicates", {})
    if duplicates.get("records"):
        found.append(sentences.duplicates(duplicates["records"], duplicates.get("texts", 0)))
    for field in profile["fields"]:
        if field.get("missing"):
            found.append(sentences.missing(field["missing"], field["name"]))
    for question in profile["questions"]:
        if question.get("unanswered"):
            found.append(sentences.unanswered(question["unanswered"], question["name"]))
    statuses = profile.get("statuses", {})
    left = {status: n for status, n in statuses.items() if n and status not in ("submitted", "missing", "pending")}
    if left:
        found.append(sentences.other_answers(left))
    return found


def fields_and_questions(dataset: FeedbackDataset, profile: dict[str, Any]) -> str:
    """The table of what records hold and what was asked."""
    by_name = {field["name"]: field for field in profile["fields"]}
    rows = [
        (
            field.name,
            text.FIELD,
            sentences.field_about(by_name.get(field.name, {})),
            sentences.missing_cell(by_name.get(field.name)),
        )
        for field in dataset.fields
    ]
    for question in profile["questions"]:
        about = sentences.question_about(question)
        rows.append((question["name"], text.QUESTION, about, sentences.number(question.get("unanswered", 0))))
    return markup.heading(text.COLUMNS_HEADING) + markup.table(text.COLUMNS_HEADERS, rows, numbers=(3,), stack=True)


def question_plot(profile: dict[str, Any], card: gr.Column, choice: gr.Dropdown, plot: gr.BarPlot) -> dict[Any, Any]:
    """The choice of question and its label counts; the card is hidden while no question has labels."""
    names = [question["name"] for question in profile["questions"] if question.get("label_counts")]
    if not names:
        return {card: gr.Column(visible=False)}
    shown = gr.Dropdown(choices=names, value=names[0], visible=len(names) > 1)
    return {card: gr.Column(visible=True), choice: shown, plot: label_counts(profile, names[0])}


def label_counts(profile: dict[str, Any], question: str) -> gr.BarPlot:
    counts = next((q["label_counts"] for q in profile["questions"] if q["name"] == question), {})
    top = sorted(counts.items(), key=lambda item: -item[1])[:SHOWN_LABELS]
    frame = pd.DataFrame({"label": [str(label) for label, _ in top], "answers": [n for _, n in top]})
    caption = text.MORE_LABELS.format(n=len(counts) - SHOWN_LABELS) if len(counts) > SHOWN_LABELS else None
    longest = max((len(str(label)) for label, _ in top), default=0)
    return gr.BarPlot(
        **{"value": frame, "sort": list(frame["label"]), "caption": caption},
        title=text.LABEL_COUNTS.format(question=question),
        x_label_angle=-40 if longest * len(top) > 36 else 0,
    )


def field_plot(profile: dict[str, Any], card: gr.Column, choice: gr.Dropdown, plot: gr.BarPlot) -> dict[Any, Any]:
    """The choice of field and how long its texts are; the longest first."""
    names = [field["name"] for field in profile["fields"] if field.get("length_histogram")]
    if not names:
        return {card: gr.Column(visible=False)}
    longest = max(names, key=lambda name: _median(profile, name))
    shown = gr.Dropdown(choices=names, value=longest, visible=len(names) > 1)
    return {card: gr.Column(visible=True), choice: shown, plot: lengths(profile, longest)}


def _median(profile: dict[str, Any], name: str) -> float:
    return next(field.get("median_chars") or 0 for field in profile["fields"] if field["name"] == name)


def lengths(profile: dict[str, Any], field: str) -> gr.BarPlot:
    """How many texts begin at each length; bins are joined two by two while they are too many for a phone."""
    histogram = next(f["length_histogram"] for f in profile["fields"] if f["name"] == field)
    edges, counts = list(histogram["edges"]), list(histogram["counts"])
    while len(counts) > SHOWN_BINS:
        counts = [sum(counts[i : i + 2]) for i in range(0, len(counts), 2)]
        edges = edges[::2] if len(edges) % 2 else [*edges[::2], edges[-1]]
    starts = [f"{edge:,.0f}" for edge in edges[: len(counts)]]
    if len(set(starts)) < len(starts):
        starts = [f"{edge:,.1f}" for edge in edges[: len(counts)]]
    frame = pd.DataFrame({"characters": starts, "records": counts})
    return gr.BarPlot(value=frame, sort=starts, title=text.TEXT_LENGTH.format(field=field))


def first_records(dataset: FeedbackDataset) -> str:
    """A few records as a table: the fields, and what annotators answered."""
    fields = [field.name for field in dataset.fields][:8]
    questions = [question.name for question in dataset.questions][:6]
    rows = []
    for sample in dataset.samples(0, SHOWN_RECORDS):
        answers = [answers_cell(sample.get(name)) for name in questions]
        rows.append([*(values.html(sample.get(name), SHOWN_CHARS) for name in fields), *answers])
    title = text.FIRST_RECORDS.format(n=min(SHOWN_RECORDS, len(dataset)))
    return markup.heading(title) + markup.table([*fields, *questions], rows, stack=True)


def answers_cell(answers: Any) -> str:
    """What the annotators of one record answered, each distinct answer once with its count."""
    counts: dict[str, int] = {}
    for answer in answers or ():
        shown = answer_text(answer["value"])
        counts[shown] = counts.get(shown, 0) + 1
    return ", ".join(f"{shown} ×{n}" if n > 1 else shown for shown, n in counts.items())


def answer_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " + ".join(map(str, value)) or text.NO_LABELS
    return values.shorten(value, 60)


def machine_line() -> str:
    """What this machine is, as far as the system says without loading anything."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    processor = text.GPU if os.path.exists("/proc/driver/nvidia/version") else text.CPU
    return text.MACHINE.format(processor=processor, cores=len(os.sched_getaffinity(0)), memory=gigabytes)
