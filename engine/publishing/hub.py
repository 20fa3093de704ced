"""⑥ Pushing a run to the Hub, and asking beforehand whether that will work. Called by the publish worker and the page.

The token is passed in and handed to each call; it is stored nowhere and stands in no message. Nothing here depends on
whether files travel by Xet or by LFS.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import httpx, validate_repo_id

from engine.errors import UserError
from engine.publishing.bundle import Content, bundle, zip_model
from engine.runs.events import Report
from engine.runs.run_directory import RunDirectory

__all__ = ["check_target", "check_token", "publish", "zip_model"]

PAUSES = (1.0, 4.0, 10.0)  # seconds before each further try
PASSING = frozenset({408, 429, 500, 502, 503, 504})  # answers that a later try may not get
BIG = 5 * 1024**2  # bytes; files above it are sent one by one, so that the bar moves
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".onnx", ".gguf", ".pkl", ".joblib", ".msgpack")
WRITER_ROLES = ("admin", "write", "contributor")
KEPT = "The model is kept on this machine: publish again, without training again."

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """Where a push would go. `exists`: it is there already; then `private` says how it is seen."""

    repo_id: str
    exists: bool = False
    private: bool | None = None


def check_token(token: str) -> dict[str, Any]:
    """Whose token this is: {"name", "orgs": [{"name", "role"}], "can_write": bool or None when the Hub does not say}.

    Raises UserError when the Hub does not accept it or can't be reached.
    """
    if not token:
        raise UserError("You are not signed in.", "Sign in with Hugging Face, or set HF_TOKEN on your own machine.")
    who = _attempt(lambda: _api(token).whoami(), pauses=())
    orgs = [{"name": org["name"], "role": org.get("roleInOrg", "")} for org in who.get("orgs") or [] if org.get("name")]
    return {"name": who["name"], "orgs": orgs, "can_write": _can_write(who.get("auth") or {})}


def check_target(repo_id: str, token: str) -> dict[str, Any]:
    """Whether a model can be pushed there: {"repo_id" in full, "exists", "private"}.

    A name without a namespace goes to the account of the token. Raises UserError that says why not.
    """
    return asdict(_target(repo_id, token))


def publish(
    run_dir: RunDirectory,
    repo_id: str,
    *,
    private: bool = True,
    token: str,
    report: Report,
    pauses: Sequence[float] = PAUSES,
) -> dict[str, Any]:
    """Push the run's model, card, figures and recipe in one commit: {"url", "repo_id", "commit", "private"}.

    Calling it again after a failure sends only what is missing. Files of an earlier push that this one does not have
    are removed; nothing else in the repository is. Raises UserError in words when the Hub refuses or is away.
    """
    report.stage("checking")
    target = _target(repo_id, token)
    if target.exists and private and not target.private:
        raise UserError(
            f"{target.repo_id} exists and is public, but the model was to be private.",
            "Choose another name, or make that repository private in its settings on the Hub.",
        )
    files = bundle(run_dir, target.repo_id)
    api = _api(token)
    old = _old_files(api, target, files)
    report.stage("creating the repository")
    _attempt(lambda: api.create_repo(target.repo_id, private=private, exist_ok=True), target.repo_id, report, pauses)
    if target.exists and target.private and not private:
        report.note(f"{target.repo_id} is private and stays so; its settings on the Hub can change that.")
    title = f"Add {run_dir.spec.framework} model" + (f": {run_dir.spec.title}" if run_dir.spec.title else "")
    commit = _attempt(lambda: _push(api, target.repo_id, files, old, title, report), target.repo_id, report, pauses)
    seen = {"private": target.private if target.exists else private}
    return {"url": f"{api.endpoint}/{target.repo_id}", "repo_id": target.repo_id, "commit": commit} | seen


def _push(api: HfApi, repo_id: str, files: dict[str, Content], old: list[str], title: str, report: Report) -> str:
    """Upload the contents, then commit them all at once. → the commit's id."""
    additions = [
        CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
        for path, content in files.items()
    ]
    total, sent = sum(addition.upload_info.size for addition in additions), 0
    report.stage("uploading")
    small = [addition for addition in additions if addition.upload_info.size <= BIG]
    for group in [small, *([addition] for addition in additions if addition.upload_info.size > BIG)]:
        report.progress(sent, total, file=group[0].path_in_repo)
        api.preupload_lfs_files(repo_id, additions=group, free_memory=False)
        sent += sum(addition.upload_info.size for addition in group)
    report.progress(total, total)
    report.stage("committing")
    operations = [*additions, *(CommitOperationDelete(path, is_folder=False) for path in old)]
    return str(api.create_commit(repo_id, operations, commit_message=title[:200]).oid)


def _target(repo_id: str, token: str) -> Target:
    who = check_token(token)
    repo_id = repo_id.strip()
    repo_id = repo_id if "/" in repo_id else f"{who['name']}/{repo_id}"
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise UserError(
            f"{repo_id!r} can't be the name of a repository.",
            "Use letters, digits, “-”, “_” and “.”, at most 96 characters, as in alice/support-topics.",
        ) from error
    _check_namespace(repo_id.split("/")[0], who)
    try:
        info = _attempt(lambda: _api(token).model_info(repo_id), repo_id, pauses=(), let=RepositoryNotFoundError)
    except RepositoryNotFoundError:
        return Target(repo_id)
    return Target(repo_id, exists=True, private=bool(info.private))


def _check_namespace(namespace: str, who: dict[str, Any]) -> None:
    roles = {org["name"].casefold(): org["role"] for org in who["orgs"]} | {who["name"].casefold(): "admin"}
    role = roles.get(namespace.casefold())
    if role is None:
        mine = ", ".join([who["name"], *(org["name"] for org in who["orgs"] if org["role"] in WRITER_ROLES)])
        raise UserError(
            f"You are signed in as {who['name']}, and {namespace} is neither you nor an organisation that you let in.",
            f"Choose a name under one of: {mine}.",
        )
    if role and role not in WRITER_ROLES:
        raise UserError(
            f"Your role in {namespace} is “{role}”, which may not create models there.",
            f"Ask an admin of {namespace}, or publish under {who['name']}.",
        )
    if who["can_write"] is False:
        raise UserError(
            f"The token of {who['name']} may only read.",
            "Make a token with write permission on the Hub (Settings, Access Tokens), or sign in with Hugging Face.",
        )


def _can_write(auth: dict[str, Any]) -> bool | None:
    """What whoami says of the token: "read" and "write" are plain; finer permissions show when they are used."""
    role = (auth.get("accessToken") or {}).get("role")
    return {"read": False, "write": True}.get(role)


def _old_files(api: HfApi, target: Target, files: dict[str, Content]) -> list[str]:
    """Files that an earlier push of ours left and this one lacks. Raises UserError at weights that are not ours."""
    if not target.exists:
        return []
    there = set(_attempt(lambda: api.list_repo_files(target.repo_id), target.repo_id, pauses=()))
    ours = _listed_files(api, target.repo_id) if "report.json" in there else set()
    foreign = sorted(path for path in there - ours - set(files) if path.lower().endswith(WEIGHTS))
    if foreign:
        raise UserError(
            f"{target.repo_id} already holds another model ({foreign[0]}), and the two would be loaded mixed up.",
            "Choose another name for this model.",
        )
    return sorted((there & ours) - set(files))


def _listed_files(api: HfApi, repo_id: str) -> set[str]:
    """The files that the report.json of an earlier push names as its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = _attempt(lambda: api.hf_hub_download(repo_id, "report.json", local_dir=folder), repo_id, pauses=())
        try:
            listed = json.loads(Path(path).read_text(encoding="utf-8")).get("files", [])
        except (ValueError, AttributeError):  # a report.json that is not ours
            return set()
    return {path for path in listed if isinstance(path, str)} if isinstance(listed, list) else set()


def _api(token: str) -> HfApi:
    return HfApi(token=token, library_name="annotune")


def _attempt(
    call: Callable[[], T],
    repo_id: str = "",
    report: Report | None = None,
    pauses: Sequence[float] = PAUSES,
    let: type[Exception] | tuple[()] = (),
) -> T:
    """`call()`, tried again after each pause while the fault may pass; then UserError. `let`: errors left as they are.

    The client itself retries most calls, but not the one that creates a repository nor a commit on the LFS path.
    """
    for pause in (*pauses, None):
        try:
            return call()
        except let:
            raise
        except (HfHubHTTPError, httpx.HTTPError, OSError, RuntimeError) as error:
            if pause is None or not _may_pass(error):
                raise _in_words(error, repo_id) from error
            if report:
                report.note(f"The Hub did not answer as it should ({_fault(error)}); trying again in {pause:g} s.")
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _cause(error: Exception) -> Exception:
    """The client wraps what stopped an upload in a RuntimeError."""
    return error.__cause__ if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception) else error


def _may_pass(error: Exception) -> bool:
    error = _cause(error)
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    if isinstance(error, OfflineModeIsEnabled):
        return False
    # RuntimeError without a cause: how hf_xet tells of a broken transfer
    return isinstance(error, httpx.TransportError | ConnectionError | TimeoutError | RuntimeError)


def _fault(error: Exception) -> str:
    error = _cause(error)
    return str(error.response.status_code) if isinstance(error, HfHubHTTPError) else type(error).__name__


def _in_words(error: Exception, repo_id: str) -> Exception:
    error = _cause(error)
    host = urlsplit(HfApi().endpoint).hostname
    if isinstance(error, OfflineModeIsEnabled):
        return UserError("This machine is set to work offline (HF_HUB_OFFLINE=1).", "Unset it to reach the Hub.")
    if isinstance(error, HfHubHTTPError):
        return _answer_in_words(error, repo_id)
    if isinstance(error, httpx.HTTPError | ConnectionError | TimeoutError | RuntimeError):
        return UserError(f"The Hub ({host}) can't be reached: {type(error).__name__}.", f"Check the network. {KEPT}")
    return error  # an OSError of this machine, such as a full disk


def _answer_in_words(error: HfHubHTTPError, repo_id: str) -> UserError:
    status = error.response.status_code
    said = f" It says: {error.server_message}." if error.server_message else ""
    said = said.replace("..", ".")
    if status == 401 and not isinstance(error, RepositoryNotFoundError):
        return UserError("The Hub does not accept this sign-in; it may have expired.", f"Sign in again. {KEPT}")
    if status in (402, 403):
        hint = f"Sign in with an account that may write there, or choose another name. {KEPT}"
        return UserError(f"The Hub does not let you write to {repo_id}.{said}", hint)
    if status in (401, 404):
        return UserError(f"The Hub has no repository {repo_id} for you.{said}", f"It may have been removed. {KEPT}")
    if status in PASSING:
        return UserError(f"The Hub answered {status} again and again.", f"Wait a few minutes. {KEPT}")
    return UserError(f"The Hub refused {repo_id or 'the request'} (status {status}).{said}", KEPT)
