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
from engine.frameworks.overlays import python_path
from engine.registry import FRAMEWORKS
from engine.runs.job import worker_environment

ANSWER_SECONDS = 300.0  # loading a large model on a slow disk included


class PredictClient:
    """One warm process (an overlay or a provider has its own) for live predictions, and one for each file, so that a
    file never blocks a person.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: dict[tuple[str | None, bool], PredictProcess] = {}

    def predict(
        self,
        model_dir: Path,
        framework: str,
        task: str,
        inputs: list[Any],
        *,
        options: dict[str, Any] | None = None,
        base_model: str | None = None,
        secrets: dict[str, str] | None = None,
        remote_code: dict[str, str] | None = None,
    ) -> list[Any]:
        """One output for each input, in order, by the model in `model_dir`, or by `base_model` as it was before.

        Raises UserError with the model's own words.
        """
        request = {"model_dir": str(model_dir), "framework": framework, "task": task, "inputs": inputs}
        request |= {"options": options or {}, "base_model": base_model, "secrets": secrets or {}}
        request["remote_code"] = remote_code
        with self._lock:
            for answer in self._process(framework, task).ask(request):
                if "result" in answer:
                    return answer["result"]
        raise AssertionError("a request ends with a result or an error")

    def _process(self, framework: str, task: str) -> "PredictProcess":
        """The warm process for such models, started when there is none or the last one died."""
        key = FRAMEWORKS[framework].overlays.get(task), FRAMEWORKS[framework].needs_network
        process = self._processes.get(key)
        if process is not None and not process.alive:
            process.close()
            process = None
        self._processes[key] = process or PredictProcess(*key)
        return self._processes[key]

    def predict_file(
        self,
        model_dir: Path,
        framework: str,
        task: str,
        *,
        info: dict[str, Any],
        input: Path,
        output: Path,
        columns: dict[str, str],
        secrets: dict[str, str] | None = None,
        remote_code: dict[str, str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yields {"step", "total"} while it works, and at last {"path", "rows", "empty", "columns"}."""
        request = {"model_dir": str(model_dir), "framework": framework, "task": task}
        request |= {"info": info, "input": str(input), "output": str(output), "columns": columns}
        request |= {"secrets": secrets or {}, "remote_code": remote_code}
        process = PredictProcess(FRAMEWORKS[framework].overlays.get(task), FRAMEWORKS[framework].needs_network)
        try:
            for answer in process.ask(request):
                yield answer.get("progress") or answer["result"]
        finally:
            process.close()

    def close(self) -> None:
        with self._lock:
            for process in self._processes.values():
                process.close()
            self._processes.clear()


class PredictProcess:
    """A running `python -m engine predict --serve`, with nothing in its environment that it does not need.

    Raises UserError when its overlay is not installed.
    """

    def __init__(self, overlay: str | None = None, needs_network: bool = False) -> None:
        offline = {} if needs_network else {"HF_HUB_OFFLINE": "1"}
        environment = worker_environment(**offline, PYTHONPATH=python_path(overlay))
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


class OverlayPredictor:
    """A model whose packages are an overlay's, for scripts: loaded in a process that ends with this one."""

    def __init__(self, model_dir: Path, framework: str, task: str) -> None:
        self._client = PredictClient()
        self._model = {"model_dir": model_dir, "framework": framework, "task": task}

    def predict(self, inputs: list[Any], **options: Any) -> list[Any]:
        return self._client.predict(**self._model, inputs=inputs, options=options)
