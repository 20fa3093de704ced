"""Datasets on the Hub, with the unmodified client against the loopback server: found, pinned, read, or refused."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.data.feedback_dataset import FeedbackDataset
from engine.data.readers import import_source, list_splits, read_source
from engine.errors import UserError
from tests.hub_server import HubServer

TRAIN, TEST = "text,label\nGood.,pos\nBad.,neg\n", "text,label\nSo so.,neg\nFine.,pos\nFine indeed.,pos\n"


def _parquet(rows: list[dict]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def _refused(source: dict, token: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read_source({"kind": "hub"} | source, token=token)
    return str(caught.value)


def test_hub_dataset_is_read_at_the_commit_that_is_noted(hub: HubServer, tmp_path: Path) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": TRAIN})
    first = hub.repo("dataset", "alice/notes").commit_at("main").oid
    dataset = import_source({"kind": "hub", "id": "alice/notes"}, tmp_path)
    assert dataset.values("text").to_pylist() == ["Good.", "Bad."]
    assert dataset.schema.source == {"kind": "hub", "id": "alice/notes", "split": "train", "revision": first}
    hub.add_files("dataset", "alice/notes", {"train.csv": TEST})
    assert len(read_source({"kind": "hub", "id": "alice/notes"})) == 3
    assert len(read_source(dataset.schema.source)) == 2


def test_hub_dataset_with_several_splits_takes_train_and_says_so(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": TRAIN, "test.csv": TEST})
    dataset = read_source({"kind": "hub", "id": "alice/notes"})
    assert len(dataset) == 2
    assert "There are the splits train, test; “train” was read." in dataset.schema.notes
    assert len(FeedbackDataset.from_huggingface("alice/notes", split="test")) == 3


def test_hub_dataset_with_unknown_split_lists_them(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": TRAIN, "test.csv": TEST})
    assert _refused({"id": "alice/notes", "split": "dev"}) == "“notes” has no split 'dev'. Its splits: train, test."


def test_hub_dataset_follows_the_configs_of_its_readme(hub: HubServer) -> None:
    readme = (
        "---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/part-*.csv\n"
        "- config_name: de\n  data_files: de.csv\n---\n# Notes\n"
    )
    files = {"README.md": readme, "en/part-1.csv": TRAIN, "en/part-2.csv": TEST, "de.csv": TRAIN}
    hub.add_repo("dataset", "alice/notes", files)
    assert list_splits("alice/notes") == {"en": ["train"], "de": ["train"]}
    assert len(read_source({"kind": "hub", "id": "alice/notes", "subset": "en"})) == 5
    assert _refused({"id": "alice/notes"}) == "“notes” has several subsets: en, de. Choose one of them as the subset."


def test_hub_dataset_without_plain_files_is_read_from_the_hubs_parquet_copy(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"notes.py": "print('never run')"})
    rows = [{"text": "Good.", "label": "pos"}, {"text": "Bad.", "label": "neg"}]
    hub.add_files("dataset", "alice/notes", {"default/train/0000.parquet": _parquet(rows)})
    repo = hub.repo("dataset", "alice/notes")
    repo.branches["refs/convert/parquet"], repo.branches["main"] = repo.commits[-1].oid, repo.commits[-2].oid
    dataset = read_source({"kind": "hub", "id": "alice/notes"})
    assert dataset.values("text").to_pylist() == ["Good.", "Bad."]
    assert dataset.schema.source["revision"] == repo.commits[-1].oid
    assert dataset.schema.notes == [
        "The Hub's Parquet copy was read, because the repository holds no plain data files."
    ]
    assert list_splits("alice/notes") == {"default": ["train"]}


def test_hub_argilla_export_is_recognised(hub: HubServer) -> None:
    settings = (
        "fields:\n- {name: text, required: true, type: text}\n"
        "questions:\n- {name: q, type: label_selection, labels: [a, b]}\n"
    )
    row = {
        "text": "x",
        "q": [{"user_id": None, "value": "b", "status": "submitted"}],
        "external_id": "e",
        "metadata": "{}",
    }
    hub.add_repo(
        "dataset", "alice/feedback", {"argilla.yaml": settings, "data/train-00000-of-00001.parquet": _parquet([row])}
    )
    dataset = read_source({"kind": "hub", "id": "alice/feedback"})
    assert [q.name for q in dataset.questions] == ["q"]
    assert dataset.records[0].responses[0].values["q"].value == "b"


def test_hub_private_dataset_needs_the_token(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/secret", {"train.csv": TRAIN}, private=True)
    assert len(read_source({"kind": "hub", "id": "alice/secret"}, token="hf_alice")) == 2
    assert _refused({"id": "alice/secret"}) == (
        "There is no dataset alice/secret on the Hub, or it is private and this account may not see it. "
        "Check the spelling. If it is private, sign in first."
    )


def test_hub_private_dataset_is_not_read_with_the_machine_owners_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("dataset", "alice/secret", {"train.csv": TRAIN}, private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    assert "may not see it" in _refused({"id": "alice/secret"})


def test_hub_private_dataset_in_a_script_uses_the_scripts_own_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("dataset", "alice/secret", {"train.csv": TRAIN}, private=True)
    assert len(FeedbackDataset.from_huggingface("alice/secret", token="hf_alice")) == 2
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    dataset = FeedbackDataset.from_huggingface("alice/secret")
    assert "hf_alice" not in dataset.schema.model_dump_json()
    with pytest.raises(UserError):
        FeedbackDataset.from_huggingface("alice/secret", token=False)


def test_hub_dataset_that_does_not_exist_is_refused(hub: HubServer) -> None:
    assert _refused({"id": "alice/nothing"}, token="hf_bob") == (
        "There is no dataset alice/nothing on the Hub, or it is private and this account may not see it. "
        "Check the spelling."
    )


def test_hub_gated_dataset_says_where_to_accept(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/gated", {"train.csv": TRAIN}, gated=True, granted=("carol",))
    assert _refused({"id": "alice/gated"}, token="hf_bob") == (
        "The dataset alice/gated is gated: its owner grants access person by person. "
        "Open huggingface.co/datasets/alice/gated, ask for access there, then try again."
    )
    assert len(read_source({"kind": "hub", "id": "alice/gated"}, token="hf_carol")) == 2


def test_hub_dataset_without_rows_says_what_it_holds(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/pictures", {"one.png": b"\x89PNG", "README.md": "# Pictures"})
    assert _refused({"id": "alice/pictures"}) == (
        "“pictures” holds no file that can be read as rows. "
        "Parquet, CSV, TSV, JSON, JSONL and CoNLL are read; it holds: README.md, one.png."
    )


def test_hub_unknown_revision_is_refused(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": TRAIN})
    assert _refused({"id": "alice/notes", "revision": "v9"}) == (
        "The dataset alice/notes has no revision 'v9'. Leave the revision empty for the newest one."
    )


def test_hub_malformed_id_is_refused(hub: HubServer) -> None:
    assert _refused({"id": "not a/valid id"}) == (
        "'not a/valid id' is not the id of a dataset. Write it as owner/name, for example argilla/emotion."
    )
    assert _refused({"id": " "}) == "No dataset was named. Write its id, for example argilla/emotion."


def test_hub_offline_is_said(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert _refused({"id": "alice/notes"}) == (
        "The Hub can't be reached, so the dataset alice/notes can't be fetched. "
        "Check the connection (and HF_HUB_OFFLINE), or load the data from a file."
    )


def test_hub_that_does_not_answer_is_said(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": TRAIN})
    hub.fail_next("info", drop=True, times=9)
    assert "can't be reached" in _refused({"id": "alice/notes"})


def test_hub_failure_leaves_nothing_behind(hub: HubServer, tmp_path: Path) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": TRAIN})
    hub.fail_next("resolve", status=403, times=9)
    with pytest.raises(UserError):
        import_source({"kind": "hub", "id": "alice/notes"}, tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_hub_address_of_the_page_is_understood(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"train.csv": TRAIN})
    assert len(read_source({"kind": "hub", "id": "https://huggingface.co/datasets/alice/notes"})) == 2
