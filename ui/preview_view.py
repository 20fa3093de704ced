"""What the task tab's preview shows: the first records, the rows they give, why some give none. No wiring."""

from pathlib import Path
from typing import Any

import gradio as gr

from engine import (
    FRAMEWORKS,
    CellError,
    FeedbackDataset,
    Preview,
    UserError,
    frameworks_for,
    locate,
    longest_input,
    preview,
)
from ui import choices, data_view, drawn, markup, sentences, text, values
from ui.address import Address
from ui.people import Context

SHOWN = 20
SHOWN_ROWS = 3  # of one record
SHOWN_CHARS = 220


def show(context: Context, address: Address, counts: gr.HTML, rows: gr.HTML) -> dict[Any, Any]:
    """The preview of the chosen task, or in its place why there is none."""
    dataset = context.supervisor.dataset(address.dataset)
    try:
        found = preview(dataset, choices.training_task(address), n=SHOWN, **reading(address))
        sentence = account(context, dataset, address, found)
    except CellError as error:
        return {counts: markup.problem(error.message, error.hint), rows: printed(error.stdout) + failed_on(error)}
    except UserError as error:
        return {counts: markup.problem(error.message, error.hint), rows: ""}
    shown = table(dataset, address, found) + printed(found.stdout)
    return {counts: markup.heading(text.PREVIEW_HEADING) + sentence, rows: shown}


def failed_on(error: CellError) -> str:
    """The record on which a cell failed, for the person who looks for the reason."""
    if not error.record:
        return ""
    return markup.heading(text.FAILED_ON.format(number=f"{error.index + 1:,}")) + markup.log([error.record])


def printed(stdout: str) -> str:
    """What a cell printed, as text: it could be anything."""
    return markup.heading(text.PRINTED) + markup.log(stdout.splitlines()) if stdout else ""


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
    """One line a record: the row that it gives, or why there is none, with what annotators said of it."""
    questions = [] if address.code else choices.chosen_questions(address, dataset)
    asked = [question.name for question in questions if question.classifies]
    labelled = all(values.LABELLED >= row.keys() for record in found.records for row in record["rows"])
    colours = drawn.colours_of(
        span for record in found.records for row in record["rows"] for span in row.get("spans") or ()
    )
    counted = any(record["tokens"] is not None for record in found.records)
    lines = []
    for record, sample in zip(found.records, dataset.samples(0, len(found.records)), strict=False):
        answers = [data_view.answers_cell(sample.get(name)) for name in asked]
        row = (
            [goes_in(record, address), *answers, comes_out(record)]
            if labelled
            else [drawn_rows(record, colours), *answers]
        )
        lines.append(row + [sentences.tokens(record["tokens"], record["cut_at"])] * counted)
    answered = [text.ANSWERED.format(question=name) for name in asked]
    headers = [text.GOES_IN, *answered, text.COMES_OUT] if labelled else [text.ROW, *answered]
    return markup.table(headers + [text.TOKENS] * counted, lines, numbers=(len(headers),), stack=True)


def drawn_rows(record: dict[str, Any], colours: dict[str, int]) -> str:
    """The rows of one record one below the other; without any, why, and what the record holds."""
    if record["rows"]:
        return drawn.stacked([values.row(row, colours=colours) for row in record["rows"][:SHOWN_ROWS]])
    held = values.shorten(record["input"], SHOWN_CHARS)
    return drawn.stacked([markup.reason(record["reason"] or text.NO_ROW), held])


def goes_in(record: dict[str, Any], address: Address) -> str:
    """The chosen field's text; for a cell, which sees all of them, every field."""
    chosen = [name for name in address.roles.values() if name in record["input"]]
    if chosen and not address.code:
        return values.shorten(record["input"][chosen[0]], SHOWN_CHARS)
    return values.shorten(record["input"], SHOWN_CHARS)


def comes_out(record: dict[str, Any]) -> str:
    """The rows of one record as labels (with the text where it is not one of the fields), or why there is none."""
    if not record["rows"]:
        return markup.reason(record["reason"] or text.NO_ROW)
    inputs = {str(value) for value in record["input"].values()}
    return drawn.lines([_row(row, inputs) for row in record["rows"]])


def _row(row: dict[str, Any], inputs: set[str]) -> markup.Raw:
    parts = []
    for value in row.values():
        if isinstance(value, (list, tuple)):
            parts.append(markup.chips(list(map(str, value)) or [text.NO_LABELS]))
        elif str(value) not in inputs:
            parts.append(markup.cell(values.shorten(value)))
    return markup.Raw(" → ".join(parts))


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
