"""SpanMarkerConfig's arguments and transformers 4's TrainingArguments, as the overlay has them."""

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

from engine.frameworks.overlays import install, python_path
from tests.contract.upstream.dataclass_defaults import SHARED, TRAINER_DIFFERENT

OURS = SHARED
DIFFERENT = TRAINER_DIFFERENT | {"metric_for_best_model": "f1: what the report is about"}

# Run with the overlay first on the path, where transformers is another one than here.
PRINT_DEFAULTS = """
import dataclasses, inspect, json
from span_marker import SpanMarkerConfig
from transformers import TrainingArguments
found = {}
for field in dataclasses.fields(TrainingArguments):
    made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    found[field.name] = getattr(made, "value", made)
for name, parameter in inspect.signature(SpanMarkerConfig.__init__).parameters.items():
    if parameter.default is not inspect.Parameter.empty:
        found[name] = parameter.default
print(json.dumps(found, default=str))
"""


@cache
def upstream(task: str) -> dict[str, Any]:
    install("span_marker")
    env = os.environ | {"PYTHONPATH": python_path("span_marker"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", PRINT_DEFAULTS], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
