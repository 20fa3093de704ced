"""`python -m engine …`: the only entry of every process but the page.

train FOLDER|RUN_FILE    a run directory as a worker, or a run file from a terminal
import|check|export|fetch|publish  FOLDER, as workers
predict                  --serve: the warm predict process; RUN_ID TEXT…: from a terminal
approve RUN_ID|REPO@COMMIT  let a model that was not trained here, or a base model's own code, run here
overlays [NAME …]        install the packages that some choices need apart from the others
docs                     write the parameter tables into README.md (--check: fail when they are stale)
"""

import argparse
import json
import os
import sys
from pathlib import Path

from engine import redaction
from engine.settings import Settings

# verb → function of engine/runs/work.py
WORK = {
    "train": "train",
    "train-prepared": "train_prepared",
    "import": "import_dataset",
    "check": "check",
    "export": "export",
    "fetch": "fetch",
    "publish": "publish",
}


def main() -> int:
    redaction.install()
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in WORK:
        verbs.add_parser(verb).add_argument("path", type=Path)
    predict = verbs.add_parser("predict")
    predict.add_argument("--serve", action="store_true")
    predict.add_argument("run_id", nargs="?")
    predict.add_argument("texts", nargs="*")
    verbs.add_parser("overlays").add_argument("names", nargs="*")
    verbs.add_parser("approve").add_argument("names", nargs="+")
    docs = verbs.add_parser("docs")
    docs.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.verb == "predict":
        return _predict(arguments)
    if arguments.verb == "approve":
        return _approve(arguments.names)
    if arguments.verb == "overlays":
        return _overlays(arguments.names)
    if arguments.verb == "docs":
        from engine.frameworks.parameter_tables import update_readme

        return update_readme(Path(__file__).parents[1] / "README.md", check=arguments.check)
    if arguments.verb == "train" and not arguments.path.is_dir():
        from engine.runs.launch import run_file

        return run_file(arguments.path.resolve(), Settings.from_env())
    return _work(arguments.verb, arguments.path.resolve())


def _work(verb: str, folder: Path) -> int:
    from engine.runs import work, worker

    return worker.run_job(folder, getattr(work, WORK[verb]))


def _overlays(names: list[str]) -> int:
    from engine.errors import UserError
    from engine.frameworks.overlays import OVERLAYS, install

    try:
        for name in names or OVERLAYS:
            print(install(name))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _approve(names: list[str]) -> int:
    from engine.errors import UserError
    from engine.runs.supervisor import Supervisor
    from engine.trust import RemoteCode, approve_code, approve_model

    supervisor = Supervisor(Settings.from_env())
    try:
        for name in names:
            if "@" in name:
                approve_code(RemoteCode.parse(name))
            else:
                run = supervisor.run(name)
                approve_model(run.model_dir, run.spec.remote_code)
            print(f"Approved: {name}")
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    if arguments.serve:
        from engine.prediction.worker import serve

        return serve()
    from engine.errors import UserError
    from engine.runs.supervisor import Supervisor

    supervisor = Supervisor(Settings.from_env())
    try:
        for given, output in zip(arguments.texts, supervisor.predict(arguments.run_id, arguments.texts), strict=True):
            print(json.dumps({"input": given, "output": output}, ensure_ascii=False))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        supervisor.close()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # everything is written: do not wait for a library's background threads
