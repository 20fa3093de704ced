"""Pushing a run to the loopback Hub: what arrives, what is refused and in which words, and trying again."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import HfApi, snapshot_download

from engine.errors import UserError
from engine.publishing.hub import check_target, check_token, publish, zip_model
from engine.runs.events import Report
from engine.runs.run_directory import RunDirectory, RunSpec
from tests.hub_server import HubServer

KEPT = "The model is kept on this machine: publish again, without training again."
WEIGHTS = os.urandom(1024) * 6 * 1024  # 6 MB: sent on its own


class Told(Report):
    """Keeps what the worker would have written."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []
        self.steps: list[tuple[int, int | None]] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, step: int, total: int | None, **_: Any) -> None:
        self.steps.append((step, total))


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDirectory:
    """A finished run, as the train worker leaves it."""
    spec = RunSpec(
        title="Topics of support messages",
        dataset={
            "id": "d1",
            "source": {"kind": "file", "name": "messages.csv", "path": "/home/me/secret/messages.csv"},
        },
        task={"task": "text-classification", "fields": {"text": "text", "label": "topic"}, "strategy": "majority"},
        framework="transformers",
        base_model="/home/me/models/base",
        config={"learning_rate": 0.001},
        created_by="alice",
    )
    run_dir = RunDirectory.create(tmp_path / "runs", spec)
    (run_dir.model_dir / "nested").mkdir(parents=True)
    (run_dir.model_dir / "model.safetensors").write_bytes(WEIGHTS)
    (run_dir.model_dir / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (run_dir.model_dir / "nested" / "vocab.txt").write_text("a\nb\n", encoding="utf-8")
    (run_dir.model_dir / "README.md").write_text("the library's own card", encoding="utf-8")
    figures = {
        "n": {"train": 70, "validation": 10, "test": 20},
        "metrics": {"accuracy": 0.85, "f1_macro": 0.8, "f1_micro": 0.85},
        "mistakes": [{"record_id": "r7", "text": "my card number is 4111", "expected": ["billing"]}],
        "examples": [{"record_id": "r8", "input": "where is my parcel", "expected": "delivery"}],
    }
    run_dir.write_report(figures)
    return run_dir


def push(run_dir: RunDirectory, repo_id: str = "topics", token: str = "hf_alice", **options: Any) -> dict[str, Any]:
    return publish(
        run_dir, repo_id, token=token, report=options.pop("report", Report()), pauses=(0.01, 0.01), **options
    )


def refusal(run_dir: RunDirectory, *arguments: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(UserError) as refused:
        push(run_dir, *arguments, **options)
    return refused.value.message, refused.value.hint


def test_publish_makes_a_private_repository_with_model_card_figures_and_recipe(
    hub: HubServer, run_dir: RunDirectory, tmp_path: Path
) -> None:
    told = Told()
    result = push(run_dir, report=told)
    repo = hub.repo("model", "alice/topics")
    where = {"url": f"{hub.url}/alice/topics", "repo_id": "alice/topics", "commit": repo.branches["main"]}
    assert result == where | {"private": repo.private}
    assert repo.private is True
    back = Path(snapshot_download("alice/topics", token="hf_alice", endpoint=hub.url, cache_dir=tmp_path / "cache"))
    there = {path.relative_to(back).as_posix() for path in back.rglob("*") if path.is_file()}
    ours = {"README.md", "config.json", "model.safetensors", "nested/vocab.txt", "report.json", "run.json"}
    assert there == ours | {".gitattributes"}
    assert (back / "model.safetensors").read_bytes() == WEIGHTS
    assert "# Topics of support messages" in (back / "README.md").read_text(encoding="utf-8")
    assert told.stages == ["checking", "creating the repository", "uploading", "committing"]
    assert told.steps[-1][0] == told.steps[-1][1] > len(WEIGHTS)


def test_published_files_hold_no_rows_no_paths_and_no_token(hub: HubServer, run_dir: RunDirectory) -> None:
    push(run_dir, token="hf_alice")
    files = hub.files("model", "alice/topics")
    everything = b"\n".join(files.values())
    for kept_here in (b"4111", b"my parcel", b"/home/me", b"secret", str(run_dir.path).encode(), b"hf_alice"):
        assert kept_here not in everything
    recipe = RunSpec.model_validate_json(files["run.json"])
    assert recipe.dataset == {"source": {"kind": "file", "name": "messages.csv"}}
    assert (recipe.base_model, recipe.created_by, recipe.config) == ("a local folder", "", {"learning_rate": 0.001})
    assert json.loads(files["report.json"])["metrics"]["accuracy"] == 0.85


def test_published_recipe_keeps_the_hub_dataset_and_its_revision(hub: HubServer, run_dir: RunDirectory) -> None:
    source = {"kind": "hub", "id": "acme/support", "split": "train", "revision": "3f2a"}
    run_dir.write_spec(run_dir.spec.model_copy(update={"dataset": {"id": "20261122-1", "source": source}}))
    push(run_dir)
    assert json.loads(hub.files("model", "alice/topics")["run.json"])["dataset"] == {"source": source}


def test_publish_again_sends_nothing_and_makes_no_commit(hub: HubServer, run_dir: RunDirectory) -> None:
    first = push(run_dir)
    hub.requests.clear()
    assert push(run_dir) == first
    assert not any(method == "PUT" for method, _, _ in hub.requests)
    assert len(hub.repo("model", "alice/topics").commits) == 2


def test_publish_retries_a_commit_that_the_hub_did_not_take(hub: HubServer, run_dir: RunDirectory) -> None:
    told = Told()
    hub.fail_next("commit", status=503)
    push(run_dir, report=told)
    assert told.notes == ["The Hub did not answer as it should (503); trying again in 0.01 s."]
    assert hub.files("model", "alice/topics")["model.safetensors"] == WEIGHTS
    assert sum(method == "PUT" for method, _, _ in hub.requests) == 1


def test_publish_retries_the_creation_of_the_repository(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.fail_next("create", status=502)
    assert push(run_dir)["repo_id"] == "alice/topics"


def test_publish_after_a_failure_goes_on_where_it_stopped(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.fail_next("commit", status=503, times=3)
    assert refusal(run_dir) == ("The Hub answered 503 again and again.", f"Wait a few minutes. {KEPT}")
    hub.requests.clear()
    push(run_dir)
    assert hub.files("model", "alice/topics")["model.safetensors"] == WEIGHTS
    assert not any(method == "PUT" for method, _, _ in hub.requests)


def test_publish_survives_a_connection_cut_during_an_upload(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.fail_next("upload", drop=True)
    push(run_dir)
    assert hub.files("model", "alice/topics")["model.safetensors"] == WEIGHTS


def test_publish_says_when_the_hub_is_away(hub: HubServer, run_dir: RunDirectory) -> None:
    hub._http.shutdown()
    hub._http.server_close()
    assert refusal(run_dir) == ("The Hub (127.0.0.1) can't be reached: ConnectError.", f"Check the network. {KEPT}")


def test_publish_with_a_read_only_token_is_refused_before_anything_is_made(
    hub: HubServer, run_dir: RunDirectory
) -> None:
    assert refusal(run_dir, token="hf_alice:read") == (
        "The token of alice may only read.",
        "Make a token with write permission on the Hub (Settings, Access Tokens), or sign in with Hugging Face.",
    )
    assert hub.store.repos == {}


def test_publish_with_sign_in_that_may_only_read_is_refused_by_the_hub(hub: HubServer, run_dir: RunDirectory) -> None:
    message, hint = refusal(run_dir, token="hf_alice:openid,profile,read-repos")
    assert message.startswith("The Hub does not let you write to alice/topics. It says: ")
    assert hint == f"Sign in with an account that may write there, or choose another name. {KEPT}"


def test_publish_with_contribute_scope_creates_and_pushes_again(hub: HubServer, run_dir: RunDirectory) -> None:
    token = "hf_alice:openid,profile,contribute-repos"
    assert push(run_dir, token=token) == push(run_dir, token=token)


def test_publish_with_an_expired_sign_in_asks_to_sign_in_again(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.store.revoked.add("hf_alice")
    expected = ("The Hub does not accept this sign-in; it may have expired.", f"Sign in again. {KEPT}")
    assert refusal(run_dir) == expected


def test_publish_without_a_token_asks_to_sign_in(hub: HubServer, run_dir: RunDirectory) -> None:
    expected = ("You are not signed in.", "Sign in with Hugging Face, or set HF_TOKEN on your own machine.")
    assert refusal(run_dir, token="") == expected


def test_publish_under_a_stranger_is_refused_with_the_names_that_work(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.add_org("acme", alice="write")
    hub.add_org("readers", alice="read")
    assert refusal(run_dir, "bob/topics") == (
        "You are signed in as alice, and bob is neither you nor an organisation that you let in.",
        "Choose a name under one of: alice, acme.",
    )
    assert refusal(run_dir, "readers/topics")[0] == "Your role in readers is “read”, which may not create models there."
    assert push(run_dir, "acme/topics")["repo_id"] == "acme/topics"


def test_publish_refuses_a_name_that_no_repository_can_have(hub: HubServer, run_dir: RunDirectory) -> None:
    assert refusal(run_dir, "my topics!") == (
        "'alice/my topics!' can't be the name of a repository.",
        "Use letters, digits, “-”, “_” and “.”, at most 96 characters, as in alice/support-topics.",
    )


def test_publish_private_into_a_public_repository_is_refused(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.add_repo("model", "alice/topics")
    assert refusal(run_dir) == (
        "alice/topics exists and is public, but the model was to be private.",
        "Choose another name, or make that repository private in its settings on the Hub.",
    )
    assert push(run_dir, private=False)["repo_id"] == "alice/topics"


def test_publish_does_not_mix_with_weights_of_another_model(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.add_repo("model", "alice/topics", {"pytorch_model.bin": b"1", "notes.txt": "mine"}, private=True)
    assert refusal(run_dir) == (
        "alice/topics already holds another model (pytorch_model.bin), and the two would be loaded mixed up.",
        "Choose another name for this model.",
    )


def test_publish_over_an_earlier_push_removes_its_files_and_no_other(hub: HubServer, run_dir: RunDirectory) -> None:
    push(run_dir)
    hub.add_files("model", "alice/topics", {"notes.txt": "mine"})
    (run_dir.model_dir / "model.safetensors").rename(run_dir.model_dir / "adapter_model.safetensors")
    push(run_dir)
    there = set(hub.files("model", "alice/topics"))
    assert "notes.txt" in there and "adapter_model.safetensors" in there
    assert "model.safetensors" not in there


def test_publish_a_run_without_a_model_says_so(hub: HubServer, run_dir: RunDirectory) -> None:
    for path in sorted(run_dir.model_dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert refusal(run_dir) == (
        "The run “Topics of support messages” has no model to publish.",
        "Let it finish, or train it again.",
    )
    assert hub.store.repos == {}


def test_refusals_never_show_the_token(hub: HubServer, run_dir: RunDirectory) -> None:
    hub.fail_next("commit", status=400)
    with pytest.raises(UserError) as refused:
        push(run_dir, token="hf_alice")
    chain: BaseException | None = refused.value
    while chain:
        assert "hf_alice" not in f"{chain} {chain!r}"
        chain = chain.__cause__


def test_check_token_names_the_account_and_what_it_may(hub: HubServer) -> None:
    hub.add_org("acme", alice="admin")
    orgs = [{"name": "acme", "role": "admin"}]
    assert check_token("hf_alice") == {"name": "alice", "orgs": orgs, "can_write": True}
    assert check_token("hf_alice:read")["can_write"] is False
    assert check_token("hf_alice:openid,contribute-repos")["can_write"] is None


def test_check_target_tells_a_new_name_from_one_that_exists(hub: HubServer) -> None:
    hub.add_repo("model", "alice/old", private=True)
    assert check_target("new", "hf_alice") == {"repo_id": "alice/new", "exists": False, "private": None}
    assert check_target("alice/old", "hf_alice") == {"repo_id": "alice/old", "exists": True, "private": True}


def test_zip_holds_the_same_files_in_one_folder(run_dir: RunDirectory, tmp_path: Path) -> None:
    path = zip_model(run_dir)
    assert path.name == "messages-topic-transformers.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = {name.removeprefix("messages-topic-transformers/") for name in archive.namelist()}
        card = archive.read("messages-topic-transformers/README.md").decode()
        archive.extractall(tmp_path / "out")
    assert names == {"README.md", "config.json", "model.safetensors", "nested/vocab.txt", "report.json", "run.json"}
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "transformers"
    weights = tmp_path / "out" / "messages-topic-transformers" / "model.safetensors"
    assert weights.read_bytes() == WEIGHTS


def test_zip_can_be_written_where_it_is_asked_for(run_dir: RunDirectory, tmp_path: Path) -> None:
    path = zip_model(run_dir, tmp_path / "model.zip")
    assert zipfile.ZipFile(io.BytesIO(path.read_bytes())).namelist()[0].startswith("model/")
    assert not (tmp_path / "model.zip.part").exists()


def test_push_leaves_the_stored_token_alone(hub: HubServer, run_dir: RunDirectory, tmp_path: Path) -> None:
    push(run_dir)
    assert not (tmp_path / "hf_home" / "token").exists()
    assert HfApi(endpoint=hub.url, token="hf_alice").model_info("alice/topics").tags == [
        "annotune",
        "transformers",
        "text-classification",
    ]
