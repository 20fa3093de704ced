"""The page's side of the warm predict process: started when first asked, restarted when it died."""

import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.runs.job import worker_environment

ANSWER_SECONDS = 300.0  # loading a large model on a slow disk included


class PredictClient:
    """One warm process for live predictions, and one of its own for each file, so that a file never blocks a person."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: PredictProcess | None = None

    def predict(self, model_dir: Path, framework: str, task: str, inputs: list[Any]) -> list[Any]:
        """One output for each input, in order. Raises UserError with the model's own words."""
        request = {"model_dir": str(model_dir), "framework": framework, "task": task, "inputs": inputs}
        with self._lock:
            if self._process is not None and not self._process.alive:
                self._process.close()
                self._process = None
            self._process = self._process or PredictProcess()
            for answer in self._process.ask(request):
                if "result" in answer:
                    return answer["result"]
        raise AssertionError("a request ends with a result or an error")

    def predict_file(
        self,
        model_dir: Path,
        framework: str,
        task: str,
        *,
        info: dict[str, Any],
        input: Path,
        output: Path,
        text_column: str | None,
    ) -> Iterator[dict[str, Any]]:
        """Yields {"step", "total"} while it works, and at last {"path", "rows", "empty", "text_column"}."""
        request = {"model_dir": str(model_dir), "framework": framework, "task": task}
        request |= {"info": info, "input": str(input), "output": str(output), "text_column": text_column}
        process = PredictProcess()
        try:
            for answer in process.ask(request):
                yield answer.get("progress") or answer["result"]
        finally:
            process.close()

    def close(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.close()
                self._process = None


class PredictProcess:
    """A running `python -m engine predict --serve`, with nothing in its environment that it does not need."""

    def __init__(self) -> None:
        environment = worker_environment(HF_HUB_OFFLINE="1", PYTHONPATH=str(Path(__file__).parents[2]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine", "predict", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,  # a bug there is told in the app's own log
            env=environment,
            start_new_session=True,
        )
        self._buffer = b""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields progress lines and then the result. Raises UserError for an error, a death, or silence."""
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # _line tells what happened
        while True:
            answer = json.loads(self._line())
            if "error" in answer:
                raise UserError(answer["error"]["message"], answer["error"]["hint"])
            yield answer
            if "result" in answer:
                return

    def _line(self) -> bytes:
        deadline = time.monotonic() + ANSWER_SECONDS
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = self._process.stdout.read1(1 << 16) if ready else b""
            if not chunk:
                self.close()
                ended = "ended before it answered; the machine may be out of memory"
                what = ended if ready else "did not answer in time"
                raise UserError(f"The predict process {what}.", "Try again, or use a smaller model.")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
