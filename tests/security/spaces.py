"""A Space as the tests of who may do what find it: the owner's data and runs, and calls of every endpoint."""

import re
from pathlib import Path
from typing import Any

from engine import RunSpec
from engine.data.readers import import_source
from engine.runs.events import EventWriter
from engine.runs.run_directory import RunDirectory
from tests.page.conftest import App
from tests.security.space_client import Call, SpaceClient, values_of

REFUSALS = ("Sign in to work here.", "its data, runs and models are not open to you")
CANARY = "canary-7f3a91"  # stands in everything that is nobody's but the owner's
DATASET, RUN, HIDDEN_RUN, PUBLIC_RUN = (f"20260101-00000{n}-abcdef" for n in range(4))
EXAMPLE = "dataset=example-support_messages&task=text-classification"
PRIVATE = [
    f"dataset={DATASET}",
    f"run={RUN}",
    f"id={HIDDEN_RUN}",
    f"{EXAMPLE}&run={RUN}",
    f"dataset={DATASET}&run={PUBLIC_RUN}",
    f"dataset={DATASET}&step=3&task=text-classification&framework=setfit&code=1",
    f"run=no-such-run-{CANARY[:3]}",
]
VISITORS = ["nobody", "forged", "bob", "erin", "alice_elsewhere"]
OWNERS = ["alice", "carol", "dave"]
PATIENCE = 60.0  # seconds


def plant(home: Path) -> None:
    """Data and runs of the owner: two that are theirs alone, one that they published for all."""
    rows = home.parent / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"{CANARY} {i},{'ab'[i % 2]}\n" for i in range(40)))
    dataset = home / "datasets" / DATASET
    import_source({"kind": "file", "path": str(rows)}, dataset)
    EventWriter(dataset / "events.jsonl").write("finished", result={})
    for run_id, published in ((RUN, None), (HIDDEN_RUN, {"private": True}), (PUBLIC_RUN, {"private": False})):
        run_dir = RunDirectory(home / "runs" / run_id)
        (run_dir.model_dir).mkdir(parents=True)
        (run_dir.model_dir / "model.safetensors").write_bytes(CANARY.encode())
        run_dir.write_spec(spec(run_id))
        run_dir.write_report(report())
        run_dir.card_file.write_text("---\n---\nThe card" + CANARY * (published != {"private": False}))
        run_dir.log_file.write_text(CANARY)
        EventWriter(run_dir.events_file).write("finished", result={})
        if published:
            run_dir.publish_dir.mkdir()
            about = {"url": "https://huggingface.co/alice/topics", "repo_id": "alice/topics"}
            EventWriter(run_dir.publish_dir / "events.jsonl").write("finished", result=about | published)


def spec(run_id: str) -> RunSpec:
    mine = run_id != PUBLIC_RUN
    return RunSpec(
        title="Topics for all" if not mine else f"Run {CANARY}",
        dataset={"id": DATASET, "name": "rows", "source": {"kind": "file", "name": "rows.csv", "path": CANARY}},
        task={"task": "text-classification", "fields": {"text": "text", "label": "label"}},
        framework="setfit",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        created_by="alice",
    )


def report() -> dict[str, Any]:
    example = {"input": CANARY, "text": CANARY, "expected": "a", "predicted": "b", "score": 0.9, "record_id": "1"}
    return {
        "task": "text-classification",
        "n": {"train": 30, "validation": 2, "test": 8},
        "metrics": {"accuracy": 0.75, "f1_macro": 0.7},
        "intervals": {"accuracy": [0.4, 0.9]},
        "mistakes": [example],
        "samples": [example],
        "examples": [example],
        "info": {"classes": ["a", "b"]},
    }


def endpoints(client: SpaceClient, names: set[str]) -> list[dict[str, Any]]:
    return [d for d in client.config()["dependencies"] if d["backend_fn"] and name_of(d) in names]


def name_of(endpoint: dict[str, Any]) -> str:
    return re.sub(r"_\d+$", "", endpoint["api_name"])


def calls_of(client: SpaceClient, names: set[str], query: str) -> list[Call]:
    """A call of each endpoint with the page's own values, but for the address and every text that could name a run."""
    config = client.config()
    texts = {c["id"] for c in config["components"] if c["type"] == "textbox"}
    found = []
    for endpoint in endpoints(client, names):
        given: dict[int, Any] = {
            number: RUN for number in endpoint["inputs"] if number in texts and PRIVATE[0] in query
        }
        given |= {number: query for number in endpoint["inputs"][:1]}
        found.append((endpoint["id"], values_of(config, endpoint, given)))
    return found


def call_of(client: SpaceClient, name: str, query: str) -> Call:
    return calls_of(client, {name}, query)[0]


def refused(answer: str) -> bool:
    return any(words in answer for words in REFUSALS)


def kept(app: App) -> set[str]:
    """Everything in the data folder but what is made for all: the examples."""
    found = {str(path.relative_to(app.home)) for path in app.home.rglob("*")}
    return {path for path in found if not path.startswith("datasets/example-") and not path.startswith("runs.db-")}
