"""The test Hub, driven by the unmodified huggingface_hub client."""

import hashlib
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub_server import HubServer

BIG = os.urandom(1024) * 11 * 1024  # 11 MB, so it goes through large file storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(BIG)
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 384}', encoding="utf-8")
    (folder / "README.md").write_text("---\nlibrary_name: setfit\ntags:\n- annotune\n---\n# Card\n", encoding="utf-8")
    return folder


def alice(hub: HubServer, token: str = "hf_alice") -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def test_push_and_snapshot_download_give_the_same_bytes(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    api = alice(hub)
    api.create_repo("alice/model", private=True)
    pushed = api.upload_folder(repo_id="alice/model", folder_path=folder, commit_message="Push")
    back = Path(
        snapshot_download(
            "alice/model", endpoint=hub.url, token="hf_alice", cache_dir=tmp_path / "cache", revision="main"
        )
    )
    assert back.name == pushed.oid
    for path in folder.rglob("*"):
        if path.is_file():
            assert (back / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_second_push_of_the_same_folder_uploads_nothing(hub: HubServer, folder: Path) -> None:
    api = alice(hub)
    api.create_repo("alice/model")
    first = api.upload_folder(repo_id="alice/model", folder_path=folder)
    hub.requests.clear()
    second = api.upload_folder(repo_id="alice/model", folder_path=folder)
    assert second.oid == first.oid
    assert [request for request in hub.requests if request[0] == "PUT"] == []
    assert len(hub.repo("model", "alice/model").commits) == 2


def test_info_tree_and_card_of_a_pushed_model(hub: HubServer, folder: Path) -> None:
    api = alice(hub)
    api.create_repo("alice/model")
    api.upload_folder(repo_id="alice/model", folder_path=folder)
    info = api.model_info("alice/model", files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings}
    assert sizes["model.safetensors"] == len(BIG)
    assert (info.library_name, info.tags, info.private) == ("setfit", ["annotune"], False)
    listed = {entry.path: entry for entry in api.list_repo_tree("alice/model", recursive=True)}
    assert set(listed) == {".gitattributes", "1_Pooling", "1_Pooling/config.json", "README.md", "model.safetensors"}
    assert listed["model.safetensors"].lfs.sha256 == hashlib.sha256(BIG).hexdigest()
    assert [e.path for e in api.list_repo_tree("alice/model", path_in_repo="1_Pooling")] == ["1_Pooling/config.json"]
    assert [c.title for c in api.list_repo_commits("alice/model")][-1] == "initial commit"
    assert [ref.name for ref in api.list_repo_refs("alice/model").branches] == ["main"]
    assert [e.path for e in api.get_paths_info("alice/model", ["README.md", "nothing"])] == ["README.md"]


def test_create_refuses_an_existing_repository_unless_told(hub: HubServer) -> None:
    api = alice(hub)
    api.create_repo("alice/model")
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_repo("alice/model")
    assert refused.value.response.status_code == 409
    assert api.create_repo("alice/model", exist_ok=True).repo_id == "alice/model"


def test_private_repository_does_not_exist_for_others(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"a.csv": "text\nhello\n"}, private=True)
    for token in ("hf_bob", False):
        with pytest.raises(RepositoryNotFoundError):
            HfApi(endpoint=hub.url, token=token).dataset_info("alice/notes")
    assert alice(hub).dataset_info("alice/notes").private is True


def test_gated_repository_shows_itself_but_keeps_its_files(hub: HubServer, tmp_path: Path) -> None:
    hub.add_repo("model", "meta/llama", {"config.json": "{}"}, gated=True, granted=("alice",))
    bob = HfApi(endpoint=hub.url, token="hf_bob")
    assert bob.model_info("meta/llama").gated == "auto"
    with pytest.raises(GatedRepoError):
        bob.hf_hub_download("meta/llama", "config.json", cache_dir=tmp_path)
    assert Path(alice(hub).hf_hub_download("meta/llama", "config.json", cache_dir=tmp_path)).read_text() == "{}"


def test_missing_revision_and_missing_file_have_their_own_errors(hub: HubServer, tmp_path: Path) -> None:
    hub.add_repo("model", "alice/model", {"config.json": "{}"})
    api = alice(hub)
    with pytest.raises(RevisionNotFoundError):
        api.model_info("alice/model", revision="v9")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("alice/model", "nothing.json", cache_dir=tmp_path)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("alice/nothing")


def test_older_revision_and_tag_keep_their_files(hub: HubServer, tmp_path: Path) -> None:
    hub.add_repo("dataset", "alice/notes", {"a.csv": "one"})
    first = hub.repo("dataset", "alice/notes").commit_at("main").oid
    api = alice(hub)
    api.create_tag("alice/notes", tag="v1", repo_type="dataset")
    hub.add_files("dataset", "alice/notes", {"a.csv": "two"})
    for revision, text in ((first, "one"), ("v1", "one"), ("main", "two")):
        path = api.hf_hub_download("alice/notes", "a.csv", repo_type="dataset", revision=revision, cache_dir=tmp_path)
        assert Path(path).read_text() == text


@pytest.mark.parametrize("token", ["hf_alice:read", "hf_bob"])
def test_token_without_write_permission_cannot_create_or_push(hub: HubServer, folder: Path, token: str) -> None:
    hub.add_repo("model", "alice/model")
    api = HfApi(endpoint=hub.url, token=token)
    for attempt in (
        lambda: api.create_repo("alice/other"),
        lambda: api.upload_folder(repo_id="alice/model", folder_path=folder),
    ):
        with pytest.raises(HfHubHTTPError) as refused:
            attempt()
        assert refused.value.response.status_code == 403


def test_contribute_scope_writes_only_what_the_app_made(hub: HubServer, folder: Path) -> None:
    hub.add_repo("model", "alice/by-hand")
    api = alice(hub, "hf_alice:openid,profile,contribute-repos")
    api.create_repo("alice/by-app")
    assert api.upload_folder(repo_id="alice/by-app", folder_path=folder).oid
    with pytest.raises(HfHubHTTPError) as refused:
        api.upload_folder(repo_id="alice/by-hand", folder_path=folder)
    assert refused.value.response.status_code == 403


def test_whoami_names_organisations_and_role(hub: HubServer) -> None:
    hub.add_org("acme", alice="admin")
    me = HfApi(endpoint=hub.url, token="hf_alice:read").whoami()
    assert (me["name"], me["auth"]["accessToken"]["role"]) == ("alice", "read")
    assert [(org["name"], org["roleInOrg"]) for org in me["orgs"]] == [("acme", "admin")]
    with pytest.raises(HfHubHTTPError):
        HfApi(endpoint=hub.url, token="mock-oauth-token").whoami()


def test_card_with_bad_metadata_is_refused_before_upload(hub: HubServer, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mine\n---\n", encoding="utf-8")
    api = alice(hub)
    api.create_repo("alice/model")
    with pytest.raises(ValueError, match='"license" must be one of'):
        api.upload_folder(repo_id="alice/model", folder_path=folder)
    assert set(hub.files("model", "alice/model")) == {".gitattributes"}


def test_fault_on_commit_leaves_the_uploaded_content_for_the_next_push(hub: HubServer, folder: Path) -> None:
    api = alice(hub)
    api.create_repo("alice/model")
    hub.fail_next("commit", status=503)
    with pytest.raises(HfHubHTTPError) as failed:
        api.upload_folder(repo_id="alice/model", folder_path=folder)
    assert failed.value.response.status_code == 503
    hub.requests.clear()
    api.upload_folder(repo_id="alice/model", folder_path=folder)
    assert hub.files("model", "alice/model")["model.safetensors"] == BIG
    assert not any(method == "PUT" for method, _, _ in hub.requests)


def test_connection_cut_during_upload_stores_nothing(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(min(seconds, 0.01)))  # the client waits 23 s in all
    api = alice(hub)
    api.create_repo("alice/model")
    hub.fail_next("upload", drop=True, times=50)
    with pytest.raises(RuntimeError, match="Error while uploading 'model.safetensors'"):
        api.upload_folder(repo_id="alice/model", folder_path=folder)
    assert set(hub.files("model", "alice/model")) == {".gitattributes"}
    assert not hub.store.has_blob(hashlib.sha256(BIG).hexdigest())


def test_range_request_gives_the_bytes_asked_for(hub: HubServer) -> None:
    hub.add_repo("dataset", "alice/notes", {"a.bin": bytes(range(100))})
    address = f"{hub.url}/datasets/alice/notes/resolve/main/a.bin"
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Range": "bytes=10-19"})) as answer:
        assert (answer.status, answer.read()) == (206, bytes(range(10, 20)))
        assert answer.headers["Content-Range"] == "bytes 10-19/100"


def test_sign_in_gives_a_token_of_the_account_and_scopes(hub: HubServer) -> None:
    query = {
        "client_id": "c",
        "redirect_uri": "http://127.0.0.1/back",
        "scope": "openid contribute-repos",
        "nonce": "n",
    }
    assert 'name="login_as"' in hub.sign_in.page(query)
    code = hub.sign_in.authorize("bob", query).split("code=")[1].split("&")[0]
    tokens = hub.sign_in.exchange(code, "c")
    assert tokens["access_token"] == "hf_bob:openid,contribute-repos"
    assert HfApi(endpoint=hub.url, token=tokens["access_token"]).whoami()["name"] == "bob"


def test_server_runs_as_a_process_with_a_folder_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    (tmp_path / "a.csv").write_text("text\nhello\n", encoding="utf-8")
    script = Path(__file__).parents[1] / "hub_server.py"
    command = [sys.executable, str(script), "--repo", f"dataset:alice/notes:{tmp_path}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        api = HfApi(endpoint=process.stdout.readline().strip(), token=False)
        assert api.list_repo_files("alice/notes", repo_type="dataset") == [".gitattributes", "a.csv"]
    finally:
        process.kill()
        process.wait()


def test_single_name_repository_is_found(hub: HubServer, tmp_path: Path) -> None:
    hub.add_repo("model", "gpt2", {"config.json": "{}"})
    api = HfApi(endpoint=hub.url, token=False)
    assert api.model_info("gpt2").id == "gpt2"
    assert Path(api.hf_hub_download("gpt2", "config.json", cache_dir=tmp_path)).read_text() == "{}"
    assert api.model_info("gpt2", revision="main").sha
