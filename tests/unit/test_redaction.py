"""Secrets are blotted out of what a process writes, whoever writes it."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine import Settings, Supervisor, UserError
from engine.redaction import holds_secret, redacted
from engine.runs.events import EventWriter, read_events

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "aB3" * 11


@pytest.mark.parametrize(
    "text,left",
    [
        (f"Authorization: Bearer {TOKEN}.", "Authorization: Bearer •••."),
        ("key sk-proj-" + "x1" * 12, "key •••"),
        ("hf_oauth_eyJhbGci_-" + "x.y" * 9, "•••"),
        ("https://ann:pa55word@example.org/data.csv", "https://•••@example.org/data.csv"),
        ("https://ghp_0123@example.org/data.csv", "https://•••@example.org/data.csv"),
    ],
)
def test_what_looks_secret_is_blotted_out_unasked(text: str, left: str) -> None:
    assert redacted(text) == left and holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "hf_hub_download(repo_id, local_dir)",
        "https://huggingface.co/@ann",
        "see ann@example.org",
        "sk-learn",
        "https://a.org/x, https://b.org/y",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert redacted(text) == text and not holds_secret(text)


def test_every_stream_of_a_process_is_redacted() -> None:
    script = (
        "from engine import redaction; redaction.install(); redaction.remember('s3cret:word')\n"
        "import logging, sys, warnings, urllib.parse\n"
        "print('out', 's3cret:word'); print('err s3cret:word', file=sys.stderr)\n"
        "sys.stdout.writelines(['s3cret:word'])\n"
        "logging.getLogger('a').error('log %s', 's3cret:word'); warnings.warn('warn s3cret:word')\n"
        "print(urllib.parse.quote('s3cret:word', safe=''))\n"
        "raise RuntimeError('raised s3cret:word')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert "s3cret" not in said.replace("s3cret:word')", "")  # the source line that a traceback may quote
    assert said.count("•••") >= 6 and "raised •••" in said


def test_events_and_messages_hold_no_secret(tmp_path: Path) -> None:
    EventWriter(tmp_path / "events.jsonl").write("failed", message=f"The server said: {TOKEN}")
    assert read_events(tmp_path / "events.jsonl")[0]["message"] == "The server said: •••"
    error = UserError(f"It said {TOKEN}.", f"Not {TOKEN}.")
    assert (error.message, error.hint, str(error)) == ("It said •••.", "Not •••.", "It said •••. Not •••.")


def test_secret_in_what_is_asked_for_is_refused_before_it_is_written(tmp_path: Path) -> None:
    supervisor = Supervisor(Settings(data_root=tmp_path))
    for call in (
        lambda: supervisor.import_dataset({"kind": "hub", "id": "https://ann:pa55word@huggingface.co/datasets/a/b"}),
        lambda: supervisor.fetch("setfit", "text-classification", f"https://{TOKEN}@huggingface.co/a/b"),
    ):
        with pytest.raises(UserError, match="holds a token or a password"):
            call()
    assert not any(b"pa55word" in p.read_bytes() or TOKEN.encode() in p.read_bytes() for p in tmp_path.rglob("*.*"))
    assert list((tmp_path / "datasets").iterdir()) == []
