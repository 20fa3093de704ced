"""Models that run code: a base model's own Python files, and pickles. Nothing runs without a record made here."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import ArgillaTrainer, FeedbackDataset, RunSpec, Settings, Supervisor, TrainingTask, UserError, trust
from engine.frameworks import base_models
from engine.runs.run_directory import RunDirectory
from tests import custom_model
from tests.hub_server import HubServer

ROOT = Path(__file__).parents[2]
REPO = "ann/bag"
MODULES = "configuration_bag.py, modeling_bag.py"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own for this process and its workers; the code says in it when it ran."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANNOTUNE_HOME", str(tmp_path / "annotune"))
    return tmp_path


@pytest.fixture
def supervisor(home: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(Settings.from_env())
    yield supervisor
    supervisor.close()


@pytest.fixture
def repo(hub: HubServer, home: Path) -> trust.RemoteCode:
    """The custom model on the Hub, and its code at the newest commit."""
    hub.add_repo("model", REPO)
    return trust.RemoteCode(repo=REPO, commit=hub.add_files("model", REPO, custom_model.files()))


def ran(home: Path) -> list[str]:
    """Which versions of the code have run, in order, each once."""
    path = home / "code-that-ran.txt"
    return list(dict.fromkeys(path.read_text().split())) if path.is_file() else []


def folder_of(path: Path) -> Path:
    path.mkdir()
    for name, content in custom_model.files().items():
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def wait_for(status: Any) -> Any:
    deadline = time.monotonic() + 240
    while status().live:
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
    return status()


def spec(dataset_id: str, **changes: Any) -> RunSpec:
    values = {
        "dataset": {"id": dataset_id, "name": "Support messages", "source": {"kind": "example"}},
        "task": {"task": "text-classification", "fields": {"text": "text", "label": "topic"}, "strategy": "majority"},
        "framework": "transformers",
        "base_model": REPO,
        "config": {"max_steps": 2},
    }
    return RunSpec(**values | changes)


# ---- code of a repository -------------------------------------------------------------------------------------------


def test_model_that_needs_code_is_refused_naming_repository_and_commit(repo: trust.RemoteCode, home: Path) -> None:
    with pytest.raises(trust.CodeNotApproved) as caught:
        base_models.fetch(REPO)
    assert caught.value.code == repo
    assert str(caught.value) == (
        f"The base model {REPO} is loaded by Python code of its own ({MODULES}), which would run with all rights of "
        f"this app. At commit {repo.commit} it is not approved. Read that code first. The owner of this installation "
        f"can then approve exactly this commit, on the page or with: python -m engine approve {repo}. Or choose a base "
        "model that needs no code."
    )
    with pytest.raises(trust.CodeNotApproved):
        base_models.locate(REPO)
    assert list((home / "hf_home").rglob("*.py")) == [], "its code is not even fetched"


def test_approval_counts_only_for_the_run_that_carries_it_and_for_its_very_commit(
    repo: trust.RemoteCode, hub: HubServer, home: Path
) -> None:
    trust.approve_code(repo)
    with pytest.raises(trust.CodeNotApproved):
        base_models.fetch(REPO)  # no run names it
    with trust.running(repo):
        folder = Path(base_models.fetch(REPO))
        assert folder.name == repo.commit and (folder / "modeling_bag.py").is_file()
        assert trust.may_run(folder)
    assert not trust.may_run(folder)
    changed = custom_model.MODELING.replace('"one"', '"two"')
    newer = trust.RemoteCode(repo=REPO, commit=hub.add_files("model", REPO, {"modeling_bag.py": changed}))
    with trust.running(newer), pytest.raises(trust.CodeNotApproved) as caught:
        base_models.fetch(REPO)
    assert caught.value.code == newer
    with trust.running(repo):
        assert base_models.locate(REPO) == str(folder), "the approved commit, not the newest"


def test_code_of_another_repository_is_refused_although_approved(home: Path) -> None:
    folder = folder_of(home / "bag")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "eve/code--configuration_bag.BagConfig"}
    (folder / "config.json").write_text(json.dumps(config))
    code = trust.identity(folder)
    trust.approve_code(code)
    with trust.running(code), pytest.raises(UserError, match=r"code of other repositories \(eve/code\)"):
        base_models.locate(str(folder))


@pytest.mark.parametrize(
    "files,found",
    [
        ({"config.json": {"model_type": "bert", "auto_map": {"AutoModel": "m.X"}}}, []),
        ({"config.json": {"model_type": "eve", "auto_map": {"AutoModel": "m.X"}}}, ["m.py"]),
        ({"modules.json": [{"type": "sentence_transformers.models.Pooling"}, {"type": "own.Part"}]}, ["own.py"]),
        ({"0_Part/config.json": {"model_type": "eve", "auto_map": {"AutoModel": "m.X"}}}, ["m.py"]),
        (
            {
                "config.json": {"model_type": "eve"},
                "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["tok.Slow", None]}},
            },
            ["tok.py"],
        ),
    ],
)
def test_needed_files_are_read_off_the_configs(files: dict[str, Any], found: list[str], tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    assert trust.modules(tmp_path) == found


@pytest.mark.parametrize("text", ["ann/bag", "ann/bag@main", "ann/bag@" + "a" * 39, "@" + "a" * 40])
def test_approval_names_a_whole_commit(text: str) -> None:
    with pytest.raises(UserError, match="does not name a repository and a commit"):
        trust.RemoteCode.parse(text)


@pytest.mark.slow
def test_page_run_and_run_file_from_elsewhere(
    repo: trust.RemoteCode, supervisor: Supervisor, home: Path, hub: HubServer
) -> None:
    from engine import approve_code, approved_code

    dataset_id = supervisor.import_dataset({"kind": "example"})
    wait_for(lambda: supervisor.dataset_status(dataset_id))
    fetch_id = supervisor.fetch("transformers", "text-classification", REPO)
    assert repo.commit in wait_for(lambda: supervisor.fetch_status(fetch_id)).message
    found = supervisor.readiness(spec(dataset_id))
    assert found.code == repo and not found.ready
    with pytest.raises(trust.CodeNotApproved):  # a run file from elsewhere may say what it likes
        supervisor.start(spec(dataset_id, remote_code=repo))
    approve_code(found.code)
    asked = spec(dataset_id, remote_code=approved_code(REPO))
    assert asked.remote_code == repo and supervisor.readiness(asked).fetchable
    fetch_id = supervisor.fetch("transformers", "text-classification", REPO)
    assert wait_for(lambda: supervisor.fetch_status(fetch_id)).state == "finished"
    changed = custom_model.MODELING.replace('"one"', '"two"')
    hub.add_files("model", REPO, {"modeling_bag.py": changed})
    run_id = supervisor.start(asked)
    status = wait_for(lambda: supervisor.status(run_id))
    assert status.state == "finished", status.message + supervisor.log_tail(run_id)
    assert json.loads(supervisor.run(run_id).spec_file.read_text())["remote_code"] == repo.model_dump()
    assert supervisor.predict(run_id, ["My invoice is wrong"])[0][0]["score"] > 0
    assert ran(home) == ["one"], "at exactly that commit"

    elsewhere = home / "elsewhere"
    environment = os.environ | {"ANNOTUNE_HOME": str(elsewhere), "HOME": str(home / "other")}
    (home / "other").mkdir()
    run_file = home / "run.json"
    run_file.write_text(spec("", dataset={"source": {"kind": "example"}}, remote_code=repo).model_dump_json())

    def command(*arguments: str) -> subprocess.CompletedProcess:
        line = [sys.executable, "-m", "engine", *arguments]
        return subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True)

    refused = command("train", str(run_file))
    assert refused.returncode == 1 and f"python -m engine approve {repo}" in refused.stdout
    assert ran(home / "other") == []
    assert command("approve", str(repo)).stdout == f"Approved: {repo}\n"
    done = command("train", str(run_file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(home / "other") == ["one"]


@pytest.mark.slow
def test_script_trains_with_code_that_it_names(home: Path) -> None:
    folder = folder_of(home / "bag")
    code = trust.identity(folder)
    with pytest.raises(trust.CodeNotApproved):
        trainer(str(folder)).train(home / "refused")
    with pytest.raises(trust.CodeNotApproved):
        trainer(str(folder), remote_code=f"{code.repo}@{'0' * 40}").train(home / "refused")
    assert ran(home) == []
    trainer(str(folder), remote_code=str(code)).train(home / "mine")
    assert RunDirectory(home / "mine" / ".annotune").spec.remote_code == code
    assert ArgillaTrainer.load(home / "mine").predict("hello")[0]["score"] > 0
    with (home / "mine" / "modeling_bag.py").open("a") as file:
        file.write("\n# changed\n")
    with pytest.raises(UserError, match=r"runs code that lies in its folder \(modeling_bag.py\)"):
        ArgillaTrainer.load(home / "mine").predict("hello")
    assert ArgillaTrainer.load(home / "mine", approve=True).predict("hello")[0]["score"] > 0


def trainer(model: str | None = None, framework: str = "transformers", **arguments: Any) -> ArgillaTrainer:
    dataset = FeedbackDataset.example()
    task = TrainingTask.for_text_classification(
        text=dataset.field_by_name("text"), label=dataset.question_by_name("topic")
    )
    made = ArgillaTrainer(
        dataset=dataset, task=task, framework=framework, model=model, train_size=0.8, max_records=60, **arguments
    )
    made.update_config(max_steps=2)
    return made


# ---- pickles --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pickled_head_is_loaded_only_where_it_was_trained_or_approved(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(framework="setfit").train(home / "model")
    assert (home / "model" / "model_head.pkl").is_file()
    shutil.copytree(home / "model", home / "moved")  # a folder takes its right along on the machine that made it
    assert len(ArgillaTrainer.load(home / "moved").predict("hello")) == 5

    monkeypatch.setenv("ANNOTUNE_HOME", str(home / "another"))  # as on the machine of whoever it is sent to
    with pytest.raises(UserError) as caught:
        ArgillaTrainer.load(home / "moved").predict("hello")
    assert str(caught.value) == (
        "Loading this model runs code that lies in its folder (model_head.pkl). It was not trained by this "
        "installation, and its owner has not approved it. Approve it only if you trust whoever made it: under “Try it” "
        "on the run's page, with python -m engine approve RUN_ID, or in Python with ArgillaTrainer.load(folder, "
        "approve=True)."
    )
    another = Supervisor(Settings.from_env())
    run_dir = another.settings.runs_dir / "20260101-000000-abcdef"
    shutil.copytree(home / "moved" / ".annotune", run_dir)
    shutil.copytree(home / "moved", run_dir / "model")
    (run_dir / "events.jsonl").write_text('{"kind": "finished", "ts": 1, "result": {}}\n')
    with pytest.raises(UserError, match="model_head.pkl"):
        another.predict(run_dir.name, ["hello"])
    assert trust.unapproved(run_dir / "model") == ["model_head.pkl"]
    trust.approve_model(run_dir / "model", None)
    assert len(another.predict(run_dir.name, ["hello"])[0]) == 5
    (run_dir / "model" / "model_head.pkl").write_bytes(b"another")
    assert trust.unapproved(run_dir / "model") == ["model_head.pkl"], "the file, not its name"
    another.close()


def test_planted_pickle_is_never_opened(home: Path) -> None:
    from engine import FRAMEWORKS

    folder = home / "foreign"
    shutil.copytree(base_models.locate(base_models.EMBEDDED_ID), folder)
    (folder / "config_setfit.json").write_text('{"labels": ["a", "b"]}')
    (folder / "model_head.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(home / "owned").encode() + b"'\ntR.")
    with pytest.raises(UserError, match="model_head.pkl"):
        FRAMEWORKS["setfit"].load(folder, "text-classification")
    assert not (home / "owned").exists()
