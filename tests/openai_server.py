"""An OpenAI-style API on the loopback, for tests: files, fine-tuning jobs with events and checkpoints, models, chat.

Speaks the endpoints that the unmodified SDK uses. A job moves on each time it is asked for, so nothing depends on a
clock. The tuned model remembers its rows, and answers what it has not seen as the row that shares most words with it.
In a test: `with OpenAIServer() as server: ...`; as a process, for a look by hand: `python tests/openai_server.py`.
It must not know the product.
"""

import argparse
import json
import re
import threading
import time
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-test-0123456789abcdef"
CLOSED = "Fine-tuning is no longer available to this organization."
FEWEST_ROWS = 10
STEPS_A_LOOK = 2  # steps that a running job makes between two questions
BASE_ANSWER = "I have not been tuned."


class ApiError(Exception):
    """An answer that is an error, in the API's shape."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class OpenAIServer:
    """`url` is what OPENAI_BASE_URL is to be; `requests` lists (method, path) of all it answered, refused ones too."""

    def __init__(self, port: int = 0, *, key: str = KEY, steps: int = 6) -> None:
        self.key, self.steps = key, steps
        self.closed = False  # no new jobs for this account (the wind-down)
        self.held = False  # running jobs do not go on
        self.checkpoints = False  # a job keeps a checkpoint after each question
        self.failure = ""  # what the next jobs fail with
        self.requests: list[tuple[str, str]] = []
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self.bodies: list[dict[str, Any]] = []  # of jobs that were asked for
        self.asked: list[dict[str, Any]] = []  # bodies of chat completions
        self.memory: dict[str, list[tuple[list[dict[str, str]], str]]] = {}
        self.models: dict[str, str | None] = {
            "gpt-4.1-mini-2025-04-14": "2027-01-14",
            "gpt-4o-mini-2024-07-18": "2027-01-14",
            "gpt-3.5-turbo-0125": "2026-10-23",
            "gpt-next": None,
            "text-embedding-3-small": None,
        }
        self._faults: list[dict[str, Any]] = []
        self._lock = threading.RLock()
        self._count = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"api": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "OpenAIServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def fail_next(self, path: str, *, status: int, times: int = 1, code: str | None = None, after: str = "") -> None:
        """Answer the next `times` requests whose path holds `path` with an error; `after`: the retry-after header."""
        self._faults.append({"path": path, "status": status, "times": times, "code": code, "after": after})

    # what the handler calls

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> tuple[Any, str]:
        """(what to send, retry-after). Raises ApiError."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self._faults:
                if fault["path"] in path and fault["times"] > 0:
                    fault["times"] -= 1
                    error = ApiError(fault["status"], "Injected fault.", fault["code"])
                    error.after = fault["after"]
                    raise error
            if headers.get("Authorization") != f"Bearer {self.key}":
                given = (headers.get("Authorization") or "").removeprefix("Bearer ")
                raise ApiError(401, f"Incorrect API key provided: {given}.", "invalid_api_key")  # it repeats the key
            for verb, pattern, work in self._routes():
                found = re.fullmatch(pattern, path)
                if verb == method and found:
                    return work(*found.groups(), query=query, headers=headers, body=body), ""
            raise ApiError(404, f"Unknown request URL: {method} {path}.")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        jobs = "/v1/fine_tuning/jobs"
        return [
            ("POST", "/v1/files", self._upload),
            ("DELETE", "/v1/files/([^/]+)", self._delete_file),
            ("POST", jobs, self._create),
            ("GET", jobs, lambda query, **_: _page(list(self.jobs.values())[::-1], query)),
            ("GET", jobs + "/([^/]+)", lambda job_id, **_: self._look(job_id)),
            ("POST", jobs + "/([^/]+)/cancel", self._cancel),
            ("GET", jobs + "/([^/]+)/events", lambda job_id, query, **_: _page(self.events[job_id][::-1], query)),
            ("GET", jobs + "/([^/]+)/checkpoints", lambda job_id, query, **_: _page(self.kept[job_id][::-1], query)),
            ("GET", "/v1/models", lambda **_: {"object": "list", "data": [_model(*m) for m in self.models.items()]}),
            ("POST", "/v1/chat/completions", self._chat),
        ]

    def _upload(self, headers: Any, body: bytes, **_: Any) -> dict[str, Any]:
        parts = BytesParser(policy=HTTP).parsebytes(
            b"Content-Type: " + headers["Content-Type"].encode() + b"\n\n" + body
        )
        fields = {part.get_param("name", header="content-disposition"): part for part in parts.iter_parts()}
        file_id = self._id("file")
        self.files[file_id] = fields["file"].get_payload(decode=True)
        purpose = fields["purpose"].get_payload(decode=True).decode().strip()
        return {"id": file_id, "object": "file", "bytes": len(self.files[file_id]), "created_at": _now(),
                "filename": fields["file"].get_filename(), "purpose": purpose, "status": "processed"}  # fmt: skip

    def _delete_file(self, file_id: str, **_: Any) -> dict[str, Any]:
        del self.files[file_id]
        return {"id": file_id, "object": "file", "deleted": True}

    def _create(self, body: bytes, **_: Any) -> dict[str, Any]:
        asked = json.loads(body)
        self.bodies.append(asked)
        if self.closed:
            raise ApiError(403, CLOSED, "fine_tuning_unavailable")
        if asked["model"] not in self.models:
            raise ApiError(404, f"The model `{asked['model']}` does not exist.", "model_not_found")
        if asked["training_file"] not in self.files:
            raise ApiError(400, "invalid training_file", "invalid_value")
        job_id = self._id("ftjob")
        self.jobs[job_id] = {
            "id": job_id, "object": "fine_tuning.job", "created_at": _now(), "model": asked["model"],
            "organization_id": "org-test", "status": "validating_files", "fine_tuned_model": None, "error": None,
            "hyperparameters": {"n_epochs": 3}, "method": _method(asked), "result_files": [], "finished_at": None,
            "seed": asked.get("seed", 0), "training_file": asked["training_file"], "trained_tokens": None,
            "validation_file": asked.get("validation_file"), "suffix": asked.get("suffix"), "step": 0,
        }  # fmt: skip
        self.events[job_id], self.kept[job_id] = [], []
        self._tell(job_id, "Created fine-tuning job: " + job_id)
        return self.jobs[job_id]

    def _look(self, job_id: str) -> dict[str, Any]:
        if job_id not in self.jobs:
            raise ApiError(404, f"Could not find fine tune: {job_id}")
        job = self.jobs[job_id]
        shown = dict(job)
        if not self.held:
            self._move_on(job)
        return shown

    def _move_on(self, job: dict[str, Any]) -> None:
        """One step of a job's life: files checked, queued, running, succeeded."""
        rows = [json.loads(line) for line in self.files[job["training_file"]].decode().splitlines()]
        if job["status"] == "validating_files":
            wrong = self.failure or _wrong(rows)
            job["status"] = "failed" if wrong else "queued"
            job["error"] = (
                {"code": "invalid_training_file", "message": wrong, "param": "training_file"} if wrong else None
            )
            self._tell(job["id"], wrong or "Files validated, moving job to queued state", "error" if wrong else "info")
        elif job["status"] == "queued":
            job["status"] = "running"
            self._tell(job["id"], "Fine-tuning job started")
        elif job["status"] == "running":
            for _ in range(min(STEPS_A_LOOK, self.steps - job["step"])):
                self._train_step(job)
            if job["step"] == self.steps:
                self._succeed(job, rows)

    def _train_step(self, job: dict[str, Any]) -> None:
        job["step"] += 1
        step, loss = job["step"], round(2 / (1 + job["step"]), 4)
        data = {"step": step, "total_steps": self.steps, "train_loss": loss, "train_mean_token_accuracy": 1 - loss / 2}
        data |= {"valid_loss": loss + 0.1} if job["validation_file"] else {}
        self._tell(job["id"], f"Step {step}/{self.steps}: training loss={loss}", kind="metrics", data=data)
        if self.checkpoints:
            self.kept[job["id"]].append(self._checkpoint(job, loss))

    def _checkpoint(self, job: dict[str, Any], loss: float) -> dict[str, Any]:
        name = f"{_tuned_name(job)}:ckpt-step-{job['step']}"
        self._remember(name, job)
        return {"id": self._id("ftckpt"), "object": "fine_tuning.job.checkpoint", "created_at": _now(),
                "fine_tuned_model_checkpoint": name, "fine_tuning_job_id": job["id"], "step_number": job["step"],
                "metrics": {"step": job["step"], "train_loss": loss}}  # fmt: skip

    def _succeed(self, job: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        job |= {"status": "succeeded", "finished_at": _now(), "fine_tuned_model": _tuned_name(job)}
        job["trained_tokens"] = sum(len(str(row)) for row in rows) // 4
        self._remember(job["fine_tuned_model"], job)
        self._tell(job["id"], "New fine-tuned model created")

    def _remember(self, name: str, job: dict[str, Any]) -> None:
        rows = [json.loads(line)["messages"] for line in self.files[job["training_file"]].decode().splitlines()]
        self.models[name] = self.models[job["model"]]
        self.memory[name] = [(messages[:-1], messages[-1]["content"]) for messages in rows]

    def _cancel(self, job_id: str, **_: Any) -> dict[str, Any]:
        job = self.jobs[job_id]
        if job["status"] in ("succeeded", "failed", "cancelled"):
            raise ApiError(400, f"Job has already completed: {job_id}")
        job["status"] = "cancelled"
        self._tell(job_id, "The job has been cancelled")
        return job

    def _chat(self, body: bytes, **_: Any) -> dict[str, Any]:
        asked = json.loads(body)
        self.asked.append(asked)
        if asked["model"] not in self.models:
            raise ApiError(404, f"The model `{asked['model']}` does not exist.", "model_not_found")
        content = _recall(self.memory.get(asked["model"], []), asked["messages"])
        return {"id": self._id("chatcmpl"), "object": "chat.completion", "created": _now(), "model": asked["model"],
                "choices": [{"index": 0, "message": {"role": "assistant", "content": content},
                             "finish_reason": "stop", "logprobs": None}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}  # fmt: skip

    def _tell(self, job_id: str, message: str, level: str = "info", kind: str = "message", data: Any = None) -> None:
        event = {"object": "fine_tuning.job.event", "id": self._id("ftevent"), "created_at": _now(), "level": level}
        self.events[job_id].append(event | {"message": message, "type": kind, "data": data})

    def _id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}-{self._count:04d}"


def _page(items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """Items after the id `after`, at most `limit`."""
    start = next((i + 1 for i, item in enumerate(items) if item["id"] == query.get("after")), 0)
    part = items[start : start + int(query.get("limit", 20))]
    return {"object": "list", "data": part, "has_more": start + len(part) < len(items)}


def _method(asked: dict[str, Any]) -> dict[str, Any]:
    given = asked["method"]["supervised"]["hyperparameters"]
    chosen = {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 2.0} | given
    return {"type": asked["method"]["type"], "supervised": {"hyperparameters": chosen}}


def _wrong(rows: list[dict[str, Any]]) -> str:
    """Why a training file is refused, as the provider says it; empty when it is not."""
    if len(rows) < FEWEST_ROWS:
        return f"Training file has {len(rows)} example(s), but must have at least {FEWEST_ROWS} examples"
    for number, row in enumerate(rows, start=1):
        messages = row.get("messages") or []
        if not messages or messages[-1]["role"] != "assistant":
            return f"Invalid file format. Example {number} must end with an assistant message"
        if not all(isinstance(message.get("content"), str) and message["content"] for message in messages):
            return f"Invalid file format. Example {number} has a message without content"
    return ""


def _tuned_name(job: dict[str, Any]) -> str:
    return f"ft:{job['model']}:acme:{job['suffix'] or ''}:{job['id'][-4:]}"


def _recall(memory: list[tuple[list[dict[str, str]], str]], messages: list[dict[str, str]]) -> str:
    """The answer of the row with these messages, or of the one whose last message shares most words with theirs."""
    for asked, answer in memory:
        if asked == messages:
            return answer
    words = _words(messages[-1]["content"])
    nearest = max(memory, key=lambda row: len(words & _words(row[0][-1]["content"])) if row[0] else 0, default=None)
    return nearest[1] if nearest else BASE_ANSWER


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _model(name: str, ends: str | None) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "system", "shutdown_date": ends}


def _now() -> int:
    return int(time.time())


class _Handler(BaseHTTPRequestHandler):
    api: OpenAIServer
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        status, after = 200, ""
        try:
            answer, after = self.api.answer(self.command, url.path, query, self.headers, body)
        except ApiError as error:
            status, after = error.status, getattr(error, "after", "")
            answer = {"error": {"message": error.message, "type": "invalid_request_error", "param": None,
                                "code": error.code}}  # fmt: skip
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if after:
            self.send_header("Retry-After", after)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        """Tests look at `requests` instead."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8766)
    with OpenAIServer(parser.parse_args().port) as running:
        print(f"OPENAI_BASE_URL={running.url} OPENAI_API_KEY={KEY}", flush=True)
        threading.Event().wait()
