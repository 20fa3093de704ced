"""What the test Hub keeps: repositories, commits, file contents on disk, accounts and what their tokens allow.

Used by tests/hub_server.py only; knows nothing of HTTP beyond the status and error code of a refusal.
"""

import hashlib
import re
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

KINDS = ("model", "dataset", "space")
READ_ALL = {"read-repos", "write-repos", "manage-repos"}
WRITE_ALL = {"write-repos", "manage-repos"}
FIRST_FILE = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
LFS_SUFFIXES = (
    ".safetensors .bin .onnx .parquet .arrow .npz .npy .pkl .joblib .pt .pth .ckpt .zip .gz .tar .model .h5 .msgpack"
).split()


class HubError(Exception):
    """A refusal: HTTP status, the Hub's error code (X-Error-Code) and a sentence (X-Error-Message)."""

    def __init__(self, status: int, message: str, code: str = "", **extra: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.extra = status, message, code, extra


@dataclass(frozen=True)
class Blob:
    """One stored content. `lfs`: it came through large file storage, so its git object is a pointer."""

    sha256: str
    size: int
    lfs: bool
    git_sha1: str

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_sha1


@dataclass(frozen=True)
class Commit:
    """A state of a repository: every path with its content."""

    oid: str
    title: str
    author: str
    when: float
    tree: dict[str, Blob]


@dataclass
class Repo:
    """A repository. `by_app`: made through an OAuth token that may touch only what it made."""

    kind: str
    id: str
    private: bool
    gated: bool
    by_app: bool = False
    granted: set[str] = field(default_factory=set)  # user names let through the gate
    commits: list[Commit] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    created: float = field(default_factory=time.time)

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def commit_at(self, revision: str) -> Commit:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        for commit in self.commits:
            if commit.oid == oid:
                return commit
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


@dataclass(frozen=True)
class Account:
    """Who asks. `scopes`: empty for a token that may do everything, {"read"} for a read-only one, else OAuth scopes."""

    name: str
    scopes: frozenset[str] = frozenset()
    orgs: tuple[tuple[str, str], ...] = ()  # (organisation, role)

    @property
    def by_app(self) -> bool:
        return "openid" in self.scopes or "contribute-repos" in self.scopes

    def _role_in(self, owner: str) -> str | None:
        return "admin" if owner == self.name else dict(self.orgs).get(owner)

    def may_read(self, repo: Repo) -> bool:
        if self._role_in(repo.owner) is None:
            return False
        return not self.by_app or bool(self.scopes & READ_ALL) or ("contribute-repos" in self.scopes and repo.by_app)

    def may_create_in(self, owner: str) -> bool:
        if self._role_in(owner) not in ("admin", "write", "contributor") or "read" in self.scopes:
            return False
        return not self.by_app or bool(self.scopes & (WRITE_ALL | {"contribute-repos"}))

    def may_write(self, repo: Repo) -> bool:
        if not self.may_create_in(repo.owner):
            return False
        return not self.by_app or bool(self.scopes & WRITE_ALL) or repo.by_app


class Store:
    """All repositories and accounts. One lock: requests come from many threads."""

    def __init__(self, root: Path) -> None:
        self.blobs = root / "blobs"
        self.blobs.mkdir(parents=True)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.orgs: dict[str, dict[str, str]] = {}  # user → {organisation: role}
        self.revoked: set[str] = set()
        self.lock = threading.RLock()

    def account(self, token: str | None) -> Account | None:
        """The account of `hf_<user>` or `hf_<user>:<scope>,<scope>`; None without a token; 401 for any other text."""
        if not token:
            return None
        found = re.fullmatch(r"hf_([\w.-]+)(?::([\w,-]+))?", token)
        if not found or token in self.revoked:
            raise HubError(401, "Invalid credentials in Authorization header")
        name, scopes = found.group(1), frozenset((found.group(2) or "").split(",")) - {""}
        return Account(name, scopes, tuple(self.orgs.get(name, {}).items()))

    # contents

    def write_blob(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Store a content while hashing it; gives (sha256, size)."""
        sha, size, part = hashlib.sha256(), 0, self.blobs / f"{uuid.uuid4().hex}.part"
        try:
            with part.open("wb") as file:
                for chunk in chunks:
                    sha.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            part.replace(self.blobs / sha.hexdigest())
        finally:
            part.unlink(missing_ok=True)
        return sha.hexdigest(), size

    def has_blob(self, sha256: str) -> bool:
        return bool(re.fullmatch(r"[0-9a-f]{64}", sha256)) and (self.blobs / sha256).is_file()

    def read(self, blob: Blob) -> bytes:
        return (self.blobs / blob.sha256).read_bytes()

    def regular_blob(self, content: bytes) -> Blob:
        sha256, size = self.write_blob([content])
        return Blob(sha256, size, lfs=False, git_sha1=git_sha1(content))

    def lfs_blob(self, sha256: str) -> Blob:
        size = (self.blobs / sha256).stat().st_size
        return Blob(sha256, size, lfs=True, git_sha1=git_sha1(lfs_pointer(sha256, size)))

    # repositories

    def create(self, kind: str, repo_id: str, author: str, *, private: bool, gated: bool, by_app: bool) -> Repo:
        with self.lock:
            repo = Repo(kind, repo_id, private, gated, by_app)
            self.repos[kind, repo_id] = repo
            self.commit(repo, "main", {".gitattributes": self.regular_blob(FIRST_FILE)}, [], "initial commit", author)
            return repo

    def commit(
        self, repo: Repo, branch: str, added: dict[str, Blob], deleted: list[str], title: str, author: str
    ) -> Commit:
        with self.lock:
            tree = dict(repo.commit_at(branch).tree) if repo.commits else {}
            for gone in deleted:
                tree = {path: b for path, b in tree.items() if path != gone and not path.startswith(gone + "/")}
            seed = f"{repo.id}{len(repo.commits)}{time.time_ns()}{title}"
            commit = Commit(hashlib.sha1(seed.encode()).hexdigest(), title, author, time.time(), tree | added)
            repo.commits.append(commit)
            repo.branches[branch] = commit.oid
            return commit

    def find(self, kind: str, repo_id: str, account: Account | None) -> Repo:
        """The repository, if it is there for this account: a private one does not exist for others."""
        repo = self.repos.get((kind, repo_id))
        if repo is None or (repo.private and not (account and account.may_read(repo))):
            raise HubError(404 if account else 401, "Repository not found", "RepoNotFound")
        return repo

    def open_gate(self, repo: Repo, account: Account | None) -> None:
        """Refuses the files of a gated repository to whoever was not let in."""
        if not repo.gated or (account and (account.name in repo.granted or account.may_read(repo))):
            return
        message = f"Access to {repo.kind} {repo.id} is restricted. You must have access to it and be authenticated."
        raise HubError(403 if account else 401, message, "GatedRepo")

    def check_write(self, repo: Repo, account: Account | None) -> Account:
        if account is None:
            raise HubError(401, "Invalid username or password.")
        if not account.may_write(repo):
            message = f"You don't have the rights to write to {repo.kind} {repo.id} with this token"
            raise HubError(403, message)
        return account


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def goes_to_lfs(path: str, size: int, sample: bytes) -> bool:
    return size > 10 * 1024**2 or path.lower().endswith(tuple(LFS_SUFFIXES)) or b"\0" in sample


def entries(tree: dict[str, Blob], folder: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
    """Files and directories below `folder`, as the tree endpoint lists them."""
    prefix, seen = f"{folder}/" if folder else "", set()
    for path, blob in sorted(tree.items()):
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            directory = prefix + "/".join(parts[:depth])
            if directory not in seen:
                seen.add(directory)
                yield directory_entry(directory)
        if recursive or len(parts) == 1:
            yield file_entry(path, blob)


def directory_entry(path: str) -> dict[str, Any]:
    return {"type": "directory", "oid": git_sha1(path.encode()), "size": 0, "path": path}


def file_entry(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": blob.git_sha1, "size": blob.size, "path": path}
    if blob.lfs:
        pointer = len(lfs_pointer(blob.sha256, blob.size))
        entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": pointer}
    return entry


def card_data(readme: str) -> dict[str, Any]:
    """The YAML block on top of a card; {} when there is none. Raises HubError 400 when it is not YAML."""
    found = re.match(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", readme, re.DOTALL)
    if not found:
        return {}
    try:
        data = yaml.safe_load(found.group(1))
    except yaml.YAMLError as error:
        raise HubError(400, f"Invalid metadata in README.md: {error}") from error
    return data if isinstance(data, dict) else {}


LICENSES = set(
    "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigcode-openrail-m afl-3.0 artistic-2.0"
    " bsl-1.0 bsd bsd-2-clause bsd-3-clause cc cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0"
    " cc-by-nc-4.0 cc-by-nc-sa-4.0 cc-by-nc-nd-4.0 cc-by-nd-4.0 epl-2.0 eupl-1.1 gpl gpl-2.0 gpl-3.0 lgpl lgpl-3.0"
    " agpl-3.0 isc mpl-2.0 odc-by odbl pddl postgresql llama2 llama3 llama3.1 llama3.2 llama3.3 gemma unlicense wtfpl"
    " unknown other".split()
)


def card_faults(data: dict[str, Any]) -> list[str]:
    """What the Hub would refuse in a card's metadata: licence names, ids, tags, evaluation results."""
    faults = []
    if data.get("license") and data["license"] not in LICENSES:
        faults.append(f'"license" must be one of [...], found {data["license"]!r}')
    for key in ("base_model", "datasets"):
        for value in _as_list(data.get(key)):
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", str(value)):
                faults.append(f'"{key}" with value "{value}" is not valid. Use an id from the Hub.')
    if any(not isinstance(tag, str) for tag in _as_list(data.get("tags"))):
        faults.append('"tags" must be strings')
    for model in _as_list(data.get("model-index")):
        results = model.get("results") if isinstance(model, dict) else None
        if not model.get("name") or not isinstance(results, list):
            faults.append('"model-index[0]" must have a name and results')
            continue
        for result in results:
            if not (result.get("task", {}).get("type") and result.get("dataset", {}).get("type")):
                faults.append('"model-index[0].results[0]" must name a task and a dataset')
            if any("type" not in m or "value" not in m for m in result.get("metrics", [{}])):
                faults.append('"model-index[0].results[0].metrics" must have a type and a value')
    return faults


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
