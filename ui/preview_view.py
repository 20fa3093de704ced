"""What the task tab's preview shows: the first records, the rows they give, why some give none. No wiring."""

from pathlib import Path
from typing import Any

import gradio as gr

from engine import (
    FRAMEWORKS,
    FeedbackDataset,
    Preview,
    UserError,
    frameworks_for,
    locate,
    longest_input,
    preview,
)
from ui import choices, data_view, markup, sentences, text
from ui.address import Address
from ui.people import Context

SHOWN = 20
SHOWN_CHARS = 220


def show(context: Context, address: Address, counts: gr.HTML, rows: gr.HTML) -> dict[Any, Any]:
    """The preview of the chosen task, or in its place why there is none."""
    dataset = context.supervisor.dataset(address.dataset)
    try:
        found = preview(dataset, choices.training_task(address), n=SHOWN, **reading(address))
        sentence = account(context, dataset, address, found)
    except UserError as error:
        return {counts: markup.problem(error.message, error.hint), rows: ""}
    printed = markup.heading(text.PRINTED) + markup.log(found.stdout.splitlines()) if found.stdout else ""
    return {counts: markup.heading(text.PREVIEW_HEADING) + sentence, rows: table(dataset, address, found) + printed}


def account(context: Context, dataset: FeedbackDataset, address: Address, found: Preview) -> str:
    """How many rows of how many records, and why records were left out: of all for dropdowns, of these for a cell."""
    if address.code:
        shown = {name: n for name, n in found.counts.items() if n}
        return markup.line(sentences.cell_counts(len(found.records), shown))
    spec = choices.run_spec(context, choices.with_defaults(address))
    rows = context.supervisor.check(spec)
    if not rows.rows:
        raise UserError(" ".join(rows.blocking))
    reasons = [sentences.left_out(reason, n, rows.left_out_records[reason]) for reason, n in rows.left_out.items()]
    sentence = sentences.row_counts(rows.rows, len(dataset), rows.counts, spec.split.seed)
    return markup.line(sentence) + markup.details(sentences.left_out_in_all(rows.left_out), reasons)


def table(dataset: FeedbackDataset, address: Address, found: Preview) -> str:
    """One line a record: what goes in, what annotators said, and the row or the reason why there is none."""
    asked = [] if address.code else choices.chosen_questions(address)
    samples = dataset.samples(0, len(found.records))
    lines = []
    for record, sample in zip(found.records, samples, strict=False):
        answers = [data_view.answers_cell(sample.get(name)) for name in asked]
        lines.append(
            [
                goes_in(record, address),
                *answers,
                comes_out(record),
                sentences.tokens(record["tokens"], record["cut_at"]),
            ]
        )
    headers = [text.GOES_IN, *(text.ANSWERED.format(question=name) for name in asked), text.COMES_OUT, text.TOKENS]
    return markup.table(headers, lines, numbers=(len(headers) - 1,), stack=True)


def goes_in(record: dict[str, Any], address: Address) -> str:
    """The chosen field's text; for a cell, which sees all of them, every field."""
    chosen = [name for name in address.roles.values() if name in record["input"]]
    if chosen and not address.code:
        return data_view.shorten(record["input"][chosen[0]], SHOWN_CHARS)
    return data_view.shorten("; ".join(f"{name}: {value}" for name, value in record["input"].items()), SHOWN_CHARS)


def comes_out(record: dict[str, Any]) -> str:
    """The rows of one record as labels (with the text where it is not one of the fields), or why there is none."""
    if not record["rows"]:
        return markup.reason(record["reason"] or text.NO_ROW)
    inputs = {str(value) for value in record["input"].values()}
    return markup.Raw("<br>".join(_row(row, inputs) for row in record["rows"]))


def _row(row: dict[str, Any], inputs: set[str]) -> str:
    parts = []
    for value in row.values():
        if isinstance(value, (list, tuple)):
            parts.append(markup.chips(list(map(str, value)) or [text.NO_LABELS]))
        elif str(value) not in inputs:
            parts.append(markup.cell(data_view.shorten(value)))
    return " → ".join(parts)


def reading(address: Address) -> dict[str, Any]:
    """How the base model that would be used reads a text: its tokenizer and how much, where it lies on this machine."""
    names = frameworks_for(address.task)
    framework = address.framework if address.framework in names else names[0]
    base = address.base or FRAMEWORKS[framework].base_models[address.task][0].id
    try:
        folder = locate(base)
    except UserError:
        return {}
    path = Path(folder or "") / "tokenizer.json"
    if not folder or not path.is_file():
        return {}
    return {"tokenizer_file": path, "max_length": address.config.get("max_length") or longest_input(folder)}
