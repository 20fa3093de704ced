"""The test Hub's endpoints: one function each, listed in ROUTES. A request comes in, an Answer goes out.

Used by tests/hub_server.py only. Shapes follow what huggingface_hub 2.4 sends and reads.
"""

import base64
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests import hub_store as hub
from tests.hub_store import HubError, Repo

if TYPE_CHECKING:
    from tests.hub_server import _Handler as Request


@dataclass
class Answer:
    """Status, body (JSON, bytes, or the path of a file) and headers."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


def whoami(request: "Request") -> Answer:
    account = request.require_account()
    auth: dict[str, Any] = {"type": "oauth"}
    if not account.by_app:
        auth = {"type": "access_token", "accessToken": {"role": "read" if "read" in account.scopes else "write"}}
    body = {
        "type": "user",
        "id": hub.git_sha1(account.name.encode())[:24],
        "name": account.name,
        "fullname": account.name.title(),
        "email": f"{account.name}@example.org",
        "avatarUrl": f"{request.hub.url}/avatars/{account.name}.svg",
        "isPro": False,
        "orgs": [{"type": "org", "name": name, "roleInOrg": role} for name, role in account.orgs],
        "auth": auth,
    }
    return Answer(body=body)


def create(request: "Request") -> Answer:
    account, wanted = request.require_account(), request.json()
    owner, kind = wanted.get("organization") or account.name, wanted.get("type") or "model"
    repo_id = f"{owner}/{wanted['name']}"
    if not re.fullmatch(r"[\w-][\w.-]{0,95}", wanted["name"]):
        raise HubError(400, f"Invalid repo name: {wanted['name']}")
    if not account.may_create_in(owner):
        raise HubError(403, f"You don't have the rights to create a {kind} under the namespace {owner!r}")
    url = _page(request, kind, repo_id)
    if (kind, repo_id) in request.hub.store.repos:
        raise HubError(409, f"You already created this {kind} repo: {repo_id}", url=url)
    private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
    request.hub.store.create(kind, repo_id, account.name, private=private, gated=False, by_app=account.by_app)
    return Answer(body={"url": url, "name": repo_id})


def delete(request: "Request") -> Answer:
    account, wanted = request.require_account(), request.json()
    repo_id = f"{wanted.get('organization') or account.name}/{wanted['name']}"
    repo = request.find(wanted.get("type") or "model", repo_id)
    request.hub.store.check_write(repo, account)
    del request.hub.store.repos[repo.kind, repo.id]
    return Answer()


def settings(request: "Request", kind: str, id: str) -> Answer:
    repo, wanted = request.find(kind, id), request.json()
    request.hub.store.check_write(repo, request.account)
    if "visibility" in wanted or "private" in wanted:
        repo.private = wanted.get("visibility", "private" if wanted.get("private") else "public") == "private"
    repo.gated = bool(wanted.get("gated", repo.gated))
    return Answer(body={"private": repo.private, "gated": repo.gated})


def validate_yaml(request: "Request") -> Answer:
    faults = hub.card_faults(hub.card_data(request.json().get("content", "")))
    body = {"errors": [{"message": fault} for fault in faults], "warnings": []}
    return Answer(400 if faults else 200, body)


def list_repos(request: "Request", kind: str) -> Answer:
    found, wanted = [], request.query
    for repo in request.hub.store.repos.values():
        hidden = repo.private and not (request.account and request.account.may_read(repo))
        if f"{repo.kind}s" != kind or hidden or wanted.get("author", repo.owner) != repo.owner:
            continue
        if wanted.get("search", "").lower() in repo.id.lower():
            found.append(_info(request, repo, "main", blobs=False))
    return Answer(body=found[: int(wanted.get("limit", 100))])


def info(request: "Request", kind: str, id: str, rev: str = "") -> Answer:
    repo = request.find(kind, id)
    return Answer(body=_info(request, repo, rev or "main", blobs="blobs" in request.query))


def _info(request: "Request", repo: Repo, revision: str, *, blobs: bool) -> dict[str, Any]:
    commit = repo.commit_at(revision)
    readme = commit.tree.get("README.md")
    card = hub.card_data(request.hub.store.read(readme).decode()) if readme else {}
    siblings: list[dict[str, Any]] = []
    for path, blob in sorted(commit.tree.items()):
        siblings.append({"rfilename": path})
        if blobs:
            entry = hub.file_entry(path, blob)
            lfs = {"sha256": blob.sha256, **entry["lfs"]} if blob.lfs else None
            siblings[-1] |= {"size": blob.size, "blobId": blob.git_sha1} | ({"lfs": lfs} if lfs else {})
    return {
        "_id": hub.git_sha1(repo.id.encode())[:24],
        "id": repo.id,
        "author": repo.owner,
        "sha": commit.oid,
        "private": repo.private,
        "gated": "auto" if repo.gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [str(tag) for tag in card.get("tags") or []],
        "siblings": siblings,
        "cardData": card,
        "pipeline_tag": card.get("pipeline_tag"),
        "library_name": card.get("library_name"),
        "lastModified": _time(commit.when),
        "createdAt": _time(repo.created),
    }


def tree(request: "Request", kind: str, id: str, rev: str, path: str = "") -> Answer:
    commit = request.find(kind, id).commit_at(rev)
    listed = list(hub.entries(commit.tree, path.strip("/"), recursive=_yes(request.query.get("recursive"))))
    if path and not listed:
        raise HubError(404, f"{path} does not exist on {rev!r}", "EntryNotFound")
    return Answer(body=[_with_commit(entry, commit, request.query.get("expand")) for entry in listed])


def paths_info(request: "Request", kind: str, id: str, rev: str) -> Answer:
    commit, wanted, found = request.find(kind, id).commit_at(rev), request.json(), []
    paths = wanted.get("paths", [])
    for path in [paths] if isinstance(paths, str) else paths:
        if path in commit.tree:
            found.append(hub.file_entry(path, commit.tree[path]))
        elif any(other.startswith(path + "/") for other in commit.tree):
            found.append(hub.directory_entry(path))
    return Answer(body=[_with_commit(entry, commit, wanted.get("expand")) for entry in found])


def _with_commit(entry: dict[str, Any], commit: hub.Commit, expand: Any) -> dict[str, Any]:
    last = {"id": commit.oid, "title": commit.title, "date": _time(commit.when)}
    return entry | ({"lastCommit": last} if _yes(expand) else {})


def refs(request: "Request", kind: str, id: str) -> Answer:
    repo = request.find(kind, id)

    def listed(names: dict[str, str], prefix: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": prefix + name, "targetCommit": oid} for name, oid in names.items()]

    body = {"branches": listed(repo.branches, "refs/heads/"), "tags": listed(repo.tags, "refs/tags/"), "converts": []}
    return Answer(body=body)


def commits(request: "Request", kind: str, id: str, rev: str) -> Answer:
    repo = request.find(kind, id)
    upto = repo.commits.index(repo.commit_at(rev))
    body = [
        {"id": c.oid, "title": c.title, "message": "", "authors": [{"user": c.author}], "date": _time(c.when)}
        for c in reversed(repo.commits[: upto + 1])
    ]
    return Answer(body=body)


def new_ref(request: "Request", kind: str, id: str, what: str, name: str) -> Answer:
    repo, wanted = request.find(kind, id), request.json()
    request.hub.store.check_write(repo, request.account)
    names = repo.branches if what == "branch" else repo.tags
    # a tag's path names the revision and its body the tag; a branch's path is the branch
    label, start = (name, wanted.get("startingPoint", "main")) if what == "branch" else (wanted["tag"], name)
    if label in names:
        raise HubError(409, f"Reference {label} already exists")
    names[label] = repo.commit_at(start).oid
    return Answer()


def preupload(request: "Request", kind: str, id: str, rev: str) -> Answer:
    repo = request.find(kind, id)
    request.hub.store.check_write(repo, request.account)
    now, files = repo.commit_at(rev).tree, []
    for file in request.json()["files"]:
        lfs = hub.goes_to_lfs(file["path"], file["size"], base64.b64decode(file.get("sample", "")))
        known = now.get(file["path"])
        entry = {"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
        files.append(entry | ({"oid": known.etag} if known else {}))
    return Answer(body={"files": files})


def commit(request: "Request", kind: str, id: str, rev: str) -> Answer:
    repo, store = request.find(kind, id), request.hub.store
    account = store.check_write(repo, request.account)
    added, deleted, header = {}, [], {}
    for line in request.body().splitlines():
        key, value = (item := json.loads(line))["key"], item["value"]
        if key == "header":
            header = value
        elif key == "file":
            added[value["path"]] = store.regular_blob(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if not store.has_blob(value["oid"]):
                raise HubError(400, f"LFS file {value['path']} was not uploaded")
            added[value["path"]] = store.lfs_blob(value["oid"])
        elif key in ("deletedFile", "deletedFolder"):
            deleted.append(value["path"].rstrip("/"))
    _check_commit(request, repo, rev, header, added)
    made = store.commit(repo, rev, added, deleted, header.get("summary", ""), account.name)
    url = f"{_page(request, repo.kind, repo.id)}/commit/{made.oid}"
    return Answer(body={"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})


def _check_commit(request: "Request", repo: Repo, branch: str, header: dict, added: dict[str, hub.Blob]) -> None:
    parent = header.get("parentCommit")
    if parent and not repo.commit_at(branch).oid.startswith(parent):
        raise HubError(412, "The branch has moved since the parent commit")
    if "README.md" in added:
        faults = hub.card_faults(hub.card_data(request.hub.store.read(added["README.md"]).decode()))
        if faults:
            raise HubError(400, "Invalid metadata in README.md: " + "; ".join(faults))


def lfs_batch(request: "Request", kind: str, id: str) -> Answer:
    repo = request.find(kind, id)
    request.hub.store.check_write(repo, request.account)
    objects = []
    for wanted in request.json()["objects"]:
        answer = {"oid": wanted["oid"], "size": wanted["size"]}
        if not request.hub.store.has_blob(wanted["oid"]):
            href = f"{request.hub.url}/lfs/{wanted['oid']}"
            answer["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
        objects.append(answer)
    return Answer(body={"transfer": "basic", "objects": objects})


def upload(request: "Request", oid: str) -> Answer:
    sha256, _ = request.hub.store.write_blob(request.body_chunks())
    if sha256 != oid:
        (request.hub.store.blobs / sha256).unlink()
        raise HubError(400, f"The content's sha256 is {sha256}, not {oid}")
    return Answer()


def verify(request: "Request", oid: str) -> Answer:
    if not request.hub.store.has_blob(oid):
        raise HubError(404, f"LFS object {oid} was not uploaded")
    return Answer(body={"message": "ok"})


def resolve(request: "Request", kind: str, id: str, rev: str, path: str) -> Answer:
    repo = request.find(kind, id)
    request.hub.store.open_gate(repo, request.account)
    commit = repo.commit_at(rev)
    headers = {"X-Repo-Commit": commit.oid}
    blob = commit.tree.get(path)
    if blob is None:
        headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
        return Answer(404, {"error": "Entry not found"}, headers)
    headers["ETag"] = f'"{blob.git_sha1}"'
    if blob.lfs:
        headers |= {"X-Linked-ETag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size)}
    return Answer(body=request.hub.store.blobs / blob.sha256, headers=headers)


def control(request: "Request") -> Answer:
    """For tests that run the server as a process: {"fail": {"what", "status"?, "drop"?, "times"?}}."""
    request.hub.fail_next(**request.json()["fail"])
    return Answer(body={"ok": True})


def openid_configuration(request: "Request") -> Answer:
    return Answer(body=request.hub.sign_in.configuration())


def sign_in_keys(request: "Request") -> Answer:
    return Answer(body=request.hub.sign_in.keys())


def authorize(request: "Request") -> Answer:
    cookie = re.search(r"(?:^|;\s*)login_as=([\w.-]+)", request.headers.get("Cookie", ""))
    name = request.query.get("login_as") or (cookie.group(1) if cookie else "")
    if not name:
        page = request.hub.sign_in.page(request.query).encode()
        return Answer(body=page, headers={"Content-Type": "text/html; charset=utf-8"})
    return Answer(302, headers={"Location": request.hub.sign_in.authorize(name, request.query)})


def sign_in_token(request: "Request") -> Answer:
    form, (client, _) = request.json(), request.basic_auth()
    return Answer(body=request.hub.sign_in.exchange(form.get("code", ""), client or form.get("client_id", "")))


def userinfo(request: "Request") -> Answer:
    return Answer(body=request.hub.sign_in.claims(request.require_account().name))


def _page(request: "Request", kind: str, repo_id: str) -> str:
    return f"{request.hub.url}/{'' if kind == 'model' else kind + 's/'}{quote(repo_id)}"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def _yes(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


API = r"/api/(?P<kind>models|datasets|spaces)/(?P<id>.+?)"
REV = r"(?P<rev>[^/]+)"
WEB = r"/(?P<kind>datasets/|spaces/|)(?P<id>[^/]+(?:/[^/]+)?)"

# name (of the fault that fail_next injects), method, path, function; the first that matches answers
ROUTES = [
    (name, method, re.compile(path), function)
    for name, method, path, function in [
        ("control", "POST", r"/_control", control),
        ("sign-in", "GET", r"/\.well-known/openid-configuration", openid_configuration),
        ("sign-in", "GET", r"/oauth/jwks", sign_in_keys),
        ("sign-in", "GET", r"/oauth/authorize", authorize),
        ("sign-in-token", "POST", r"/oauth/token", sign_in_token),
        ("userinfo", "GET", r"/oauth/userinfo", userinfo),
        ("whoami", "GET", r"/api/whoami-v2", whoami),
        ("create", "POST", r"/api/repos/create", create),
        ("delete", "DELETE", r"/api/repos/delete", delete),
        ("validate-yaml", "POST", r"/api/validate-yaml", validate_yaml),
        ("list", "GET", r"/api/(?P<kind>models|datasets|spaces)", list_repos),
        ("info", "GET", rf"{API}/revision/{REV}", info),
        ("tree", "GET", rf"{API}/tree/{REV}(?:/(?P<path>.*))?", tree),
        ("paths-info", "POST", rf"{API}/paths-info/{REV}", paths_info),
        ("refs", "GET", rf"{API}/refs", refs),
        ("commits", "GET", rf"{API}/commits/{REV}", commits),
        ("settings", "PUT", rf"{API}/settings", settings),
        ("new-ref", "POST", rf"{API}/(?P<what>branch|tag)/(?P<name>[^/]+)", new_ref),
        ("preupload", "POST", rf"{API}/preupload/{REV}", preupload),
        ("commit", "POST", rf"{API}/commit/{REV}", commit),
        ("info", "GET", r"/api/(?P<kind>models|datasets|spaces)/(?P<id>[^/]+(?:/[^/]+)?)", info),
        ("lfs-batch", "POST", rf"{WEB}\.git/info/lfs/objects/batch", lfs_batch),
        ("upload", "PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", upload),
        ("verify", "POST", r"/lfs/(?P<oid>[0-9a-f]{64})/verify", verify),
        ("resolve", "GET", rf"{WEB}/(?:resolve|raw)/{REV}/(?P<path>.+)", resolve),
    ]
]
