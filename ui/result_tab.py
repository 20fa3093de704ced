"""④ Result: how good the model is on rows it never saw, in words first, then by label, then its worst mistakes."""

from typing import Any

import gradio as gr

from engine import TASKS, public_report
from ui import markup, sentences, text, values, verdicts
from ui.address import Address
from ui.people import Context
from ui.shell import Shell, Tab, Updates

SHOWN_MISTAKES = 10


class ResultTab(Tab):
    """The report of a finished run. Draws what report.json says and computes nothing."""

    def __init__(self, context: Context, shell: Shell, *, leads_on: bool = False) -> None:
        self.context, self.shell = context, shell
        with gr.Row(visible=False, elem_classes="card next-step", elem_id="result") as self.group:
            with gr.Column(scale=4):
                self.sentence = gr.HTML(elem_id="result-sentence")
                self.figures = gr.HTML(elem_id="result-figures")
            self.forward = gr.Button(
                text.TO_PUBLISH, variant="primary", scale=0, min_width=220, visible=leads_on, elem_id="result-continue"
            )
        self.nothing = gr.HTML(markup.line(text.NO_RESULT_YET, subdued=True), visible=False, elem_id="no-result")
        self.outputs = [self.group, self.nothing, self.sentence, self.figures]

    def build_details(self) -> None:
        """What stands behind the sentence: label by label, confusion, mistakes."""
        with gr.Column(visible=False) as self.details:
            with gr.Row(elem_classes="two-columns"):
                with gr.Column(elem_classes="card", visible=False) as self.labels_card:
                    self.labels = gr.HTML(elem_id="per-label")
                with gr.Column(elem_classes="card", visible=False) as self.confusion_card:
                    self.confusion = gr.HTML(elem_id="confusion")
            with gr.Column(elem_classes="card", visible=False) as self.samples_card:
                self.samples = gr.HTML(elem_id="samples")
            with gr.Column(elem_classes="card", visible=False) as self.mistakes_card:
                self.mistakes = gr.HTML(elem_id="mistakes")
            self.account = gr.HTML(elem_id="result-account")
        self.cards = {  # card → what stands in it, and what draws that from a report
            self.labels_card: (self.labels, per_label),
            self.confusion_card: (self.confusion, confusion),
            self.samples_card: (self.samples, samples),
            self.mistakes_card: (self.mistakes, mistakes),
        }
        self.outputs += [self.details, *self.cards, *(shown for shown, _ in self.cards.values()), self.account]

    def show(self, address: Address) -> Updates:
        """The report of the address's run, once there is one."""
        return self._shown(self.context.supervisor.run(address.run).report if address.run else None)

    def show_to_visitor(self, address: Address) -> Updates:
        """The report as it is published: without texts of the data."""
        run_dir = self.context.supervisor.run(address.run) if address.run else None
        return self._shown(public_report(run_dir.report, run_dir.spec) if run_dir and run_dir.report else None)

    def _shown(self, report: dict[str, Any] | None) -> Updates:
        if report is None:
            hidden = {self.group: gr.Row(visible=False), self.details: gr.Column(visible=False)}
            return hidden | {self.nothing: gr.HTML(visible=True)}
        metrics = TASKS[report["task"]].metrics
        return {
            self.group: gr.Row(visible=True),
            self.details: gr.Column(visible=True),
            self.nothing: gr.HTML(visible=False),
            self.sentence: markup.headline(verdicts.verdict(report, metrics)),
            self.figures: markup.tiles(verdicts.figures(report, metrics)),
            self.account: markup.notes(verdicts.account(report)),
            **{shown: draw(report) for shown, draw in self.cards.values()},
            **{card: gr.Column(visible=bool(draw(report))) for card, (_, draw) in self.cards.items()},
        }


def per_label(report: dict[str, Any]) -> str:
    """Precision, recall and F1 of each label, with the number of rows behind them."""
    rows = [
        (
            row["label"],
            verdicts.share(row["precision"]),
            verdicts.share(row["recall"]),
            verdicts.share(row["f1"]),
            sentences.number(row["n"]),
        )
        for row in report.get("per_label") or ()
    ]
    if not rows:
        return ""
    title = markup.heading(text.PER_LABEL, text.PER_LABEL_BELOW)
    return title + markup.table(text.PER_LABEL_HEADERS, rows, numbers=(1, 2, 3, 4))


def confusion(report: dict[str, Any]) -> str:
    """The confusion matrix; for several labels a row, right and wrong of each label."""
    if report.get("confusion"):
        found = report["confusion"]
        drawn = markup.confusion(found["labels"], found["matrix"], rows=text.TRUE_LABEL, columns=text.PREDICTED_LABEL)
        return markup.heading(text.CONFUSION, text.CONFUSION_BELOW) + drawn
    rows = [
        (row["label"], row["tp"], row["fn"], row["fp"], row["tn"]) for row in report.get("per_label_confusion") or ()
    ]
    if not rows:
        return ""
    title = markup.heading(text.CONFUSION_MULTI, text.CONFUSION_MULTI_BELOW)
    return title + markup.table(text.CONFUSION_MULTI_HEADERS, rows, numbers=(1, 2, 3, 4))


def samples(report: dict[str, Any]) -> str:
    """What it wrote, beside what stood in the data, and what the base model wrote where that is known."""
    found = (report.get("samples") or ())[:SHOWN_MISTAKES]
    compared = any("base" in row for row in found)
    rows = [
        [values.html(row["input"]), *(values.answer(row.get(key), None) for key in ("expected", "predicted"))]
        + ([values.answer(row.get("base"), None)] if compared else [])
        for row in found
    ]
    if not rows:
        return ""
    headers = [*text.SAMPLES_HEADERS, *([text.SAMPLES_BEFORE] if compared else [])]
    return markup.heading(text.SAMPLES, text.SAMPLES_BELOW) + markup.table(headers, rows, stack=True)


def mistakes(report: dict[str, Any]) -> str:
    """The test rows it got most wrong, the worst first."""
    found = (report.get("mistakes") or ())[:SHOWN_MISTAKES]
    sure = "per_label_confusion" in report or "confusion" in report  # its score is that of the wrong label
    score = sentences.percent if sure else sentences.score
    rows = [
        (
            values.html(row["text"], 160),
            values.answer(row["expected"], row["text"]),
            values.answer(row["predicted"], row["text"]),
            score(row["score"]) if row.get("score") is not None else "",
        )
        for row in found
    ]
    if not rows:
        return ""
    shown = 4 if any(row[3] for row in rows) else 3
    headers = [*text.MISTAKES_HEADERS[:3], text.MISTAKES_HEADERS[3] if sure else text.SCORE][:shown]
    title = markup.heading(text.MISTAKES, text.MISTAKES_BELOW)
    return title + markup.table(headers, [row[:shown] for row in rows], numbers=(3,), stack=True)
