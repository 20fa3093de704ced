"""⑤ The warm predict process: reads one JSON request a line, keeps recently used models loaded, answers one line each.

Started by engine/prediction/client.py; ends when its stdin does, or after a while without requests. The
process for providers' models holds their keys, and no other does.
"""

import gc
import json
import os
import select
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from engine.errors import UserError
from engine.frameworks.framework import Framework
from engine.prediction.files import predict_file
from engine.registry import FRAMEWORKS
from engine.runs.work import hand_over
from engine.runs.worker import in_words
from engine.trust import RemoteCode, check_model, running

IDLE_SECONDS = 15 * 60
MEMORY_SHARE = 0.25  # of the machine's memory; above it the model not used for longest is dropped
MAX_MODELS = 4

Send = Callable[[dict[str, Any]], None]


def serve() -> int:
    """Answer requests from stdin until it closes. stdout is kept for answers: what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    models = Models()

    def send(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message, ensure_ascii=False) + "\n")

    while True:
        ready, _, _ = select.select([sys.stdin], [], [], IDLE_SECONDS)
        line = sys.stdin.buffer.readline() if ready else b""
        if not line:
            return 0
        _answer(json.loads(line), models, send)


def _answer(request: dict[str, Any], models: "Models", send: Send) -> None:
    """Exactly one final line for a request: {"result"} or {"error"}; before it any number of {"progress"}."""
    code = request.get("remote_code")
    try:
        with running(RemoteCode(**code) if code else None):
            predictor = models.get(request)
        if "inputs" in request:
            send({"result": predictor.predict(request["inputs"], **request.get("options", {}))})
        else:
            paths = Path(request["input"]), Path(request["output"])
            progress = lambda step, total: send({"progress": {"step": step, "total": total}})  # noqa: E731
            task, info, columns = request["task"], request["info"], request["columns"]
            send({"result": predict_file(predictor, task, info, *paths, columns, progress)})
    except UserError as error:
        send({"error": {"message": error.message, "hint": error.hint}})
    except Exception as error:
        import traceback

        traceback.print_exc()
        message, hint = in_words(error)
        send({"error": {"message": message, "hint": hint}})


class Models:
    """Loaded models by folder, dropped by least recent use."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def get(self, request: dict[str, Any]) -> Any:
        """The model that a request is about, loaded now or before. Raises UserError when it is gone."""
        framework, task = FRAMEWORKS[request["framework"]], request["task"]
        for name in framework.secrets:
            os.environ.pop(name, None)  # a key that was taken back is gone here too
        hand_over(framework, request.get("secrets") or {})
        base_model, model_dir = request.get("base_model"), Path(request["model_dir"])
        if not base_model and not model_dir.is_dir():
            raise UserError("This model is no longer on the disk.", "Choose another run.")
        key = (base_model or str(model_dir), task)
        if key not in self._loaded:
            if not base_model:
                check_model(model_dir)
            self._make_room()
            self._loaded[key] = (
                self._load_base(framework, base_model, task) if base_model else framework.load(model_dir, task)
            )
        self._loaded.move_to_end(key)
        return self._loaded[key]

    @staticmethod
    def _load_base(framework: Framework, base_model: str, task: str) -> Any:
        base = framework.locate_base(base_model)
        predictor = framework.load_base(base, task) if base else None
        if predictor is None:
            raise UserError(f"The base model {base_model} can't be tried here.", "Try the trained model alone.")
        return predictor

    def _make_room(self) -> None:
        limit = MEMORY_SHARE * psutil.virtual_memory().total
        while self._loaded and (len(self._loaded) >= MAX_MODELS or psutil.Process().memory_info().rss > limit):
            self._loaded.popitem(last=False)
            gc.collect()
