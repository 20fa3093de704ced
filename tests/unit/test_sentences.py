"""Figures in words."""

from engine import TASKS, Metric
from ui import sentences, verdicts

METRICS = TASKS["text-classification"].metrics
REPORT = {
    "n": {"train": 272, "validation": 38, "test": 78},
    "metrics": {"accuracy": 68 / 78, "f1_macro": 0.861, "f1_micro": 0.872},
    "intervals": {"accuracy": [0.7805, 0.9292]},
    "per_label": [{"label": "billing"}],
    "baseline": {"name": "Always “billing”", "metrics": {"accuracy": 0.33}},
}


def test_verdict_says_right_of_how_many_the_interval_and_the_baseline() -> None:
    assert verdicts.verdict(REPORT, METRICS) == (
        "Right on 68 of 78 unseen texts (87 %, 95 % interval 78–93 %). Always “billing” would be right on 33 %."
    )


def test_verdict_without_test_rows_claims_nothing() -> None:
    report = {"n": {"train": 10, "validation": 0, "test": 0}, "metrics": None}
    assert verdicts.verdict(report, METRICS) == "There were no test rows, so nothing is known about unseen texts."


def test_verdict_without_figures_still_says_that_rows_were_tried() -> None:
    report = {"n": {"train": 10, "validation": 0, "test": 4}, "metrics": {}}
    assert "no figure that sums up the unseen rows" in verdicts.verdict(report, TASKS["chat-completion"].metrics)


def test_verdict_of_a_figure_names_it_and_the_baseline() -> None:
    metrics = {"perplexity": Metric("Perplexity", "perplexity", is_share=False, higher_is_better=False)}
    report = {
        **{"n": {"test": 40}, "metrics": {"perplexity": 12.345}},
        "baseline": {"name": "The base model before training", "metrics": {"perplexity": 131.2}},
    }
    said = "Perplexity 12.3 on 40 unseen rows; lower is better. The base model before training: 131."
    assert verdicts.verdict(report, metrics) == said
    report["metrics"]["perplexity"] = 140
    assert verdicts.verdict(report, metrics).endswith("The base model before training: 131. That is no better.")


def test_verdict_of_a_share_has_its_interval() -> None:
    report = {"n": {"test": 40}, "metrics": {"f1": 0.816}, "intervals": {"f1": [0.7, 0.9]}}
    said = "Entity F1 0.82 on 40 unseen rows (95 % interval 0.70–0.90)."
    assert verdicts.verdict(report, {"f1": Metric("Entity F1", "f1")}) == said


def test_row_counts_tell_ties_with_their_seed() -> None:
    counts = {"ties": 9, "duplicates": 0, "no labels": 1}
    assert sentences.row_counts(388, 400, counts, 42) == (
        "388 rows from 400 records · 9 ties drawn by lot (seed 42) · 1 row with no labels"
    )


def test_ready_line_tells_time_and_rows() -> None:
    assert sentences.ready((272, 38, 78), 118.0) == (
        "Ready · about 2 min here · 272 training, 38 validation, 78 test rows"
    )


def test_durations_and_clocks() -> None:
    assert [sentences.duration(s) for s in (0.4, 41, 90, 3725)] == ["0 s", "41 s", "2 min", "1 h 2 min"]
    assert [sentences.clock(s) for s in (41, 3725)] == ["0:41", "1:02:05"]


def test_times_are_relative_within_a_day() -> None:
    assert sentences.ago(1_000, 1_030) == "just now"
    assert sentences.ago(1_000, 1_000 + 7_200) == "2 h ago"
    assert sentences.ago(0, 10 * 86_400).endswith("1970")


def test_left_out_names_the_first_records() -> None:
    assert sentences.left_out("unanswered", 3, ["a", "b"]) == "3 records: unanswered (a, b, …)"
    assert sentences.left_out("unanswered", 1, ["a"]) == "1 record: unanswered (a)"


def test_tokens_say_where_the_model_stops_reading() -> None:
    assert sentences.tokens(31, None) == "31"
    assert sentences.tokens(312, 1021) == "312, cut after 1,021 characters"
    assert sentences.tokens(None, None) == ""
