"""How long until the page answers, against a bare Gradio hello page started beside it; and what it weighs."""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
PAIRS = 5
HELLO = """
import gradio as gr
with gr.Blocks() as demo:
    gr.Markdown("hello")
demo.launch(server_name="127.0.0.1", server_port={port}, quiet=True)
"""


def measure() -> list[tuple[str, float, float, str]]:
    ratios, memory = [], 0.0
    for _ in range(PAIRS):
        ours, memory = first_answer([sys.executable, "app.py"])
        hello, bare_memory = first_answer([sys.executable, "-c", HELLO])
        ratios.append(ours / hello)
        print(f"  page {ours:.2f} s, {memory:.0f} MB   hello {hello:.2f} s, {bare_memory:.0f} MB", flush=True)
    return [
        (f"page's first answer ÷ bare Gradio's, median of {PAIRS}", statistics.median(ratios), 1.25, "×"),
        ("resident memory of the page process", memory, 350, "MB"),
    ]


def first_answer(command: list[str]) -> tuple[float, float]:
    """(seconds until GET / is answered with 200, MB resident right after)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            "ANNOTUNE_HOME": home,
            "ANNOTUNE_NO_BROWSER": "1",
        }
        command = [part.replace("{port}", str(port)) for part in command]
        started = time.monotonic()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, **quiet)
        try:
            _wait(f"http://127.0.0.1:{port}/", process)
            seconds = time.monotonic() - started
            return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
        finally:
            process.terminate()
            process.wait()


def _wait(address: str, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the page did not answer")
