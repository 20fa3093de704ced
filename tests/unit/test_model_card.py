"""The model card: what its metadata and its text say, and what must never get into it."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from engine.publishing.model_card import build_card, card_text
from engine.publishing.provenance import suggested_name
from engine.registry import FRAMEWORKS
from engine.runs.run_directory import RunDirectory, RunSpec
from tests.hub_store import card_data, card_faults

SPEC: dict[str, Any] = {
    "title": "Topics of support messages",
    "dataset": {"source": {"kind": "hub", "id": "acme/support", "subset": "en", "revision": "3f2a"}},
    "task": {"task": "text-classification", "fields": {"text": "text", "label": "topic"}, "strategy": "majority"},
    "framework": "transformers",
    "base_model": "sentence-transformers/all-MiniLM-L6-v2",
    "config": {"learning_rate": 0.001},
    "versions": {"python": "3.11.9", "torch": "2.13.0"},
}
REPORT: dict[str, Any] = {
    "n": {"train": 272, "validation": 38, "test": 78},
    "metrics": {"accuracy": 0.87179, "f1_macro": 0.85, "f1_micro": 0.87179},
    "intervals": {"accuracy": [0.78, 0.93]},
    "baseline": {"name": "Always “billing”", "metrics": {"accuracy": 0.333, "f1_macro": 0.1, "f1_micro": 0.333}},
    "per_label": [
        {"label": "billing", "precision": 0.9, "recall": 0.8, "f1": 0.847, "n": 26},
        {"label": "refund", "precision": 1.0, "recall": 0.5, "f1": 0.667, "n": 4},
    ],
    "confusion": {"labels": ["billing", "refund"], "matrix": [[21, 5], [2, 2]]},
    "counts": {"ties": 9},
    "left_out": {"unanswered": 12},
}


def card(report: dict[str, Any] = REPORT, files: tuple[str, ...] = ("model.safetensors",), **changes: Any) -> str:
    return card_text(RunSpec(**(SPEC | changes)), report, "alice/topics", list(files))


def test_metadata_is_what_the_hub_reads_and_accepts() -> None:
    data = card_data(card())
    assert card_faults(data) == []
    assert data["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert data["datasets"] == ["acme/support"]
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-classification")
    assert data["tags"] == ["annotune", "transformers", "text-classification"]
    assert data["metrics"] == ["accuracy", "f1"]
    result = data["model-index"][0]["results"][0]
    assert data["model-index"][0]["name"] == "topics"
    assert (result["dataset"]["type"], result["dataset"]["revision"]) == ("acme/support", "3f2a")
    assert result["metrics"][0] == {"type": "accuracy", "value": 0.8718, "name": "Accuracy"}


def test_adapter_is_peft_s_whatever_trained_it() -> None:
    assert card_data(card(files=("adapter_config.json", "adapter_model.safetensors")))["library_name"] == "peft"


def test_figures_stand_beside_the_baseline_with_their_number_of_rows() -> None:
    text = card()
    assert "On 78 rows held out from training, on which nothing was selected:" in text
    assert "| Figure | This model | 95 % interval | Always “billing” |" in text
    assert "| Accuracy | 0.872 | 0.780 to 0.930 | 0.333 |" in text
    assert "| refund | 1.000 | 0.500 | 0.667 | 4 |" in text


def test_training_data_is_told_with_its_account() -> None:
    text = card()
    for row in (
        "| Source | acme/support |",
        "| Subset | en |",
        "| Revision | 3f2a |",
        "| Label | “topic” |",
        "| Several answers to one record | unified by “majority” |",
        "| Rows for training | 272 |",
        "| Split | by record, equal texts kept together, seed 42 |",
        "| Left out: unanswered | 12 |",
        "| Ties | 9 |",
    ):
        assert row in text


def test_hyperparameters_are_the_real_values_asked_for_or_default() -> None:
    text = card()
    default = FRAMEWORKS["transformers"].configs["text-classification"]().model_dump()["num_train_epochs"]
    assert "| Learning rate | `learning_rate` | 0.001 |" in text
    assert f"`num_train_epochs` | {default} |" in text


def test_usage_is_the_framework_s_own_with_the_repository_s_name() -> None:
    assert FRAMEWORKS["transformers"].usage("alice/topics", "text-classification").strip() in card()


def test_limits_name_the_small_numbers() -> None:
    text = card()
    assert "- It has learned from 272 rows; texts of another kind may surprise it." in text
    assert "- 78 test rows are few: the true figures may differ by several points." in text
    assert "- Labels with fewer than 10 test rows, whose figures say little: “refund” (4)." in text
    assert "pickle" not in text


def test_model_no_better_than_the_baseline_says_so() -> None:
    report = REPORT | {"metrics": {"accuracy": 0.333, "f1_macro": 0.1, "f1_micro": 0.333}}
    assert "- Accuracy is no better than that of the baseline (Always “billing”)." in card(report)


def test_pickle_in_the_folder_is_warned_of() -> None:
    text = card(files=("model.safetensors", "model_head.pkl"))
    assert (
        "- `model_head.pkl` is a Python pickle: loading it runs code, so load it only if you trust its source." in text
    )


def test_report_without_test_rows_gives_no_figures() -> None:
    text = card({"n": {"train": 400, "validation": 0, "test": 0}, "metrics": None})
    assert "No rows were held out from training, so nothing here says how good it is" in text
    assert "model-index" not in text and card_faults(card_data(text)) == []


@pytest.mark.parametrize("report", [{}, {"metrics": {"accuracy": 0.5}}, {"n": {}, "per_label": []}])
def test_card_is_made_from_a_report_that_lacks_keys(report: dict[str, Any]) -> None:
    text = card(report)
    assert card_faults(card_data(text)) == []
    assert ModelCard(text).data.library_name == "transformers"


def test_multi_label_card_says_any_number_of_labels() -> None:
    report = REPORT | {"info": {"classes": ["joy", "anger"], "multi_label": True}}
    assert "It gives a text any number of these labels: “joy”, “anger”." in card(report)


def test_text_of_people_can_form_no_markup() -> None:
    bad = "a|b\n\n# x <script>alert(1)</script> ![i](http://e.vil/x.png) `rm`"
    rows = [{"label": bad, "precision": 1, "recall": 1, "f1": 1, "n": 50}]
    text = card(REPORT | {"per_label": rows}, title=bad, dataset={"source": {"kind": "file", "name": bad}})
    assert "<script>" not in text and "![i]" not in text and "\n# x" not in text
    assert r"a\|b \# x &lt;script&gt;alert(1)&lt;/script&gt; !\[i\](http://e.vil/x.png) \`rm\`" in text
    assert card_faults(card_data(text)) == []


def test_local_base_model_and_file_leave_no_path(tmp_path: Path) -> None:
    source = {"kind": "file", "path": "/home/me/private/messages.csv", "name": "messages.csv"}
    text = card(base_model=str(tmp_path), dataset={"source": source})
    assert "from a local folder on messages.csv." in text
    assert str(tmp_path) not in text and "/home/me" not in text
    assert "base_model" not in card_data(text) and "datasets" not in card_data(text)


def test_blank_pipeline_declares_its_language() -> None:
    text = card(base_model="blank:en")
    assert "from a blank `en` pipeline" in text
    assert card_data(text)["language"] == "en" and "base_model" not in card_data(text)
    assert "was not declared" not in text


def test_formatting_cell_is_said_to_be_kept_in_the_recipe() -> None:
    text = card(task={"task": "text-classification", "code": "def formatting_func(s): ...", "code_sha256": "0"})
    assert "| Rows | made by a Python function, kept in run.json |" in text


def test_card_of_a_run_directory_suggests_a_name(tmp_path: Path) -> None:
    run_dir = RunDirectory.create(tmp_path, RunSpec(**SPEC))
    assert suggested_name(run_dir.spec) == "support-topic-transformers"
    assert "your-name/support-topic-transformers" in build_card(run_dir)
    assert "alice/topics" in build_card(run_dir, "alice/topics")
