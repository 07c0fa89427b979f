"""Judges a running Hub by huggingface_hub, unmodified and without xet; 2.4.0 and 0.36.2 are known to pass.

Arguments: the JSON line that the simulator printed when it was ready, and a name for the repository.
The simulator must run with `--page 3 --multipart-above 100000 --chunk 40000`, without faults.
Exits non-zero on the first difference.
"""

import hashlib
import json
import os
import random
import sys
import tempfile
import urllib.request
from pathlib import Path

READY = json.loads(sys.argv[1])
HOME = tempfile.mkdtemp(prefix="hub-judge-")
os.environ.update(
    HF_ENDPOINT=READY["hub"],
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HOME=HOME,
)

import huggingface_hub  # noqa: E402  (the environment is read on import)
from huggingface_hub import (  # noqa: E402
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (  # noqa: E402
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

TOKENS = {(one["user"], one["role"]): one["token"] for one in READY["tokens"]}
MINE, READING, OTHER = TOKENS["me", "write"], TOKENS["me", "read"], TOKENS["other", "write"]
REPO = "me/" + sys.argv[2]
KIND = {"repo_id": REPO, "repo_type": "dataset"}
CHANCE = random.Random(7)
api = HfApi(token=MINE)


def inspect(path, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(f"{READY['hub']}/__sim/{path}", method=method)) as reply:
        return reply.read()


def files():
    lines = inspect(f"files?repo={REPO}").decode().splitlines()
    return {one["path"]: one for one in map(json.loads, lines) if one["path"] != ".gitattributes"}


def noise(size):
    """Binary from its first bytes on, as an encrypted file is."""
    return b"RCLONE\0\0" + CHANCE.randbytes(size - 8)


def refused(kind, act, status=None, words=""):
    try:
        act()
    except kind as error:
        assert status in (None, error.response.status_code), error
        assert words in str(error), error
        return
    raise AssertionError(f"nothing was refused, {kind} was expected")


def fetched(path, **more):
    local = hf_hub_download(filename=path, token=MINE, **KIND, **more)
    return Path(local).read_bytes()


def accounts():
    who = api.whoami()
    assert who["name"] == "me" and who["auth"]["accessToken"]["role"] == "write", who
    assert [org["name"] for org in who["orgs"]] == ["acme"], who
    # Not every generation has an error of its own here.
    refused(Exception, lambda: HfApi(token="hf_wrong").whoami(), 401)

    refused(RepositoryNotFoundError, lambda: api.repo_info(**KIND))
    url = api.create_repo(private=True, **KIND)
    assert url.repo_id == REPO, url
    assert api.create_repo(private=True, exist_ok=True, **KIND).repo_id == REPO
    refused(HfHubHTTPError, lambda: api.create_repo(private=True, **KIND), 409)
    refused(HfHubHTTPError, lambda: HfApi(token=OTHER).create_repo(private=True, **KIND), 403)

    # Private: nobody else can tell that it is there, and reading needs no right to write.
    for token in (OTHER, False):
        refused(RepositoryNotFoundError, lambda token=token: HfApi(token=token).repo_info(**KIND))
    assert HfApi(token=READING).repo_info(**KIND).private
    add = CommitOperationAdd("読むだけ.txt", b"x")
    refused(
        HfHubHTTPError,
        lambda: HfApi(token=READING).create_commit(operations=[add], commit_message="no", **KIND),
        403,
    )
    assert api.repo_exists(**KIND) and not api.repo_exists("me/無い".encode().hex(), repo_type="dataset")


def single_files():
    text, small, large = "こんにちは\n".encode(), noise(5_000), noise(150_000)
    for path, content in (("読んで.txt", text), ("会議/録音 #1.bin", small), ("会議/大きい", large)):
        api.upload_file(path_or_fileobj=content, path_in_repo=path, **KIND)
        assert fetched(path, cache_dir=f"{HOME}/{len(content)}") == content, path
    there = files()
    assert {path: one["lfs"] for path, one in there.items()} == {
        "読んで.txt": False,
        "会議/録音 #1.bin": True,
        "会議/大きい": True,
    }, there
    assert there["会議/大きい"]["sha256"] == hashlib.sha256(large).hexdigest()

    # The same again is no commit.
    before = api.repo_info(**KIND).sha
    api.upload_file(path_or_fileobj=large, path_in_repo="会議/大きい", **KIND)
    assert api.repo_info(**KIND).sha == before

    # An empty file is never an LFS file.
    api.upload_file(path_or_fileobj=b"", path_in_repo="空.bin", **KIND)
    assert files()["空.bin"] == {"path": "空.bin", "size": 0, "sha256": None, "lfs": False}
    assert fetched("空.bin") == b""
    assert api.file_exists(filename="会議/大きい", **KIND) and not api.file_exists(filename="会議/無い", **KIND)
    refused(EntryNotFoundError, lambda: fetched("会議/無い"))
    refused(RevisionNotFoundError, lambda: api.repo_info(revision="0" * 40, **KIND))


def whole_folder():
    root = Path(tempfile.mkdtemp(prefix="hub-folder-"))
    made = {}
    for number in range(30):
        path = f"写真/{'花子' if number % 2 else '太郎'}/{number:02}.jpg"
        made[path] = noise(1_000 + number)
    made["写真/目録.md"] = "# 目録\n".encode()
    made["写真/長い.jpg"] = noise(101_000)
    for path, content in made.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    commits = len(inspect(f"commits?repo={REPO}").splitlines())
    api.upload_folder(folder_path=root, commit_message="写真", **KIND)
    assert len(inspect(f"commits?repo={REPO}").splitlines()) == commits + 1
    for path, content in made.items():
        assert files()[path]["size"] == len(content), path
    local = snapshot_download(token=MINE, allow_patterns="写真/*", local_dir=f"{HOME}/all", max_workers=4, **KIND)
    for path, content in made.items():
        assert (Path(local) / path).read_bytes() == content, path
    return made


def listings(made):
    info = api.repo_info(**KIND)
    rows = list(api.list_repo_tree(recursive=True, **KIND))
    there = files()
    listed = {row.path: row for row in rows if hasattr(row, "blob_id")}
    folders = {row.path for row in rows if not hasattr(row, "blob_id")}
    assert len(rows) == len({row.path for row in rows}), "an entry came twice"
    assert set(listed) - {".gitattributes"} == set(there)
    assert folders == {"会議", "写真", "写真/太郎", "写真/花子"}, folders
    for path, one in there.items():
        assert listed[path].size == one["size"], path
        assert (listed[path].lfs.sha256 if listed[path].lfs else None) == one["sha256"], path
    text = listed["写真/目録.md"]
    blob = made["写真/目録.md"]
    assert text.blob_id == hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    pinned = {row.path for row in api.list_repo_tree(path_in_repo="写真/花子", revision=info.sha, **KIND)}
    assert pinned == {path for path in made if path.startswith("写真/花子/")}, pinned
    flat = {row.path for row in api.list_repo_tree(path_in_repo="写真", **KIND)}
    assert flat == {"写真/太郎", "写真/花子", "写真/目録.md", "写真/長い.jpg"}, flat
    expanded = list(api.list_repo_tree(path_in_repo="写真/太郎", expand=True, **KIND))
    assert expanded and all(row.last_commit.title == "写真" for row in expanded), expanded
    refused(EntryNotFoundError, lambda: list(api.list_repo_tree(path_in_repo="無い", **KIND)))

    asked = ["写真/00.jpg", "写真/太郎/00.jpg", "会議", "読んで.txt"]
    found = {row.path for row in api.get_paths_info(paths=asked, **KIND)}
    assert found == {"写真/太郎/00.jpg", "会議", "読んで.txt"}, found
    many = [f"無い/{number}" for number in range(1_001)]
    refused(HfHubHTTPError, lambda: api.get_paths_info(paths=many, **KIND), 413)
    assert [one.name for one in api.list_repo_refs(**KIND).branches] == ["main"]
    history = api.list_repo_commits(**KIND)
    assert history[0].commit_id == info.sha and history[-1].title == "initial commit", history


def many_operations():
    old = api.repo_info(**KIND).sha
    kept = files()
    added = {f"束/{number}": noise(2_000 + number) for number in range(12)}
    operations = [CommitOperationAdd(path, content) for path, content in added.items()]
    operations += [CommitOperationAdd("束/説明.txt", "説明".encode()), CommitOperationDelete("読んで.txt")]
    # A move without bytes: the same object at another path, and the old path deleted.
    operations += [
        CommitOperationCopy("写真/太郎/00.jpg", "移動/零.jpg"),
        CommitOperationDelete("写真/太郎/00.jpg"),
        CommitOperationDelete("写真/花子/"),
    ]
    inspect("requests/reset", "POST")
    made = api.create_commit(operations=operations, commit_message="束", parent_commit=old, **KIND)
    routes = json.loads(inspect("requests"))["by_route"]
    assert routes["POST commit"] == 1 and routes["POST lfs/batch"] == 1 and routes["PUT storage"] == 12, routes
    there = files()
    assert there["移動/零.jpg"]["sha256"] == kept["写真/太郎/00.jpg"]["sha256"]
    gone = {path for path in kept if path.startswith("写真/花子/")} | {"読んで.txt", "写真/太郎/00.jpg"}
    assert not gone & set(there), gone & set(there)
    for path, content in added.items():
        assert there[path]["sha256"] == hashlib.sha256(content).hexdigest(), path
        assert fetched(path) == content, path

    # The old commit still shows what it held.
    before = {row.path for row in api.list_repo_tree(recursive=True, revision=old, **KIND) if hasattr(row, "blob_id")}
    assert before - {".gitattributes"} == set(kept)
    assert fetched("読んで.txt", revision=old) == "こんにちは\n".encode()

    again = [CommitOperationAdd("束/遅い.txt", b"late")]
    stale = {"operations": again, "commit_message": "late", "parent_commit": old}
    refused(HfHubHTTPError, lambda: api.create_commit(**stale, **KIND), 412, "A commit has happened since")
    refused(EntryNotFoundError, lambda: api.delete_file("無い.txt", **KIND), 404, "A file with this name doesn't exist")
    api.delete_file("束/説明.txt", **KIND)
    api.delete_folder("移動", **KIND)
    assert not {"束/説明.txt", "移動/零.jpg"} & set(files())
    assert made.oid in {one.commit_id for one in api.list_repo_commits(**KIND)}


def large_folder():
    """Only the older generation has it: one batch request for each file."""
    if not hasattr(api, "upload_large_folder"):
        return
    root = Path(tempfile.mkdtemp(prefix="hub-large-"))
    made = {f"{number}.bin": noise(3_000 + number) for number in range(9)}
    for path, content in made.items():
        (root / path).write_bytes(content)
    api.upload_large_folder(folder_path=root, print_report=False, num_workers=4, **KIND)
    assert set(made) <= set(files())


def forever_gone():
    path = "束/0"
    oid = files()[path]["sha256"]
    listed = [one for one in api.list_lfs_files(**KIND) if one.file_oid == oid]
    assert len(listed) == 1 and listed[0].filename == path, listed
    api.permanently_delete_lfs_files(lfs_files=listed, **KIND)
    assert oid not in {one.file_oid for one in api.list_lfs_files(**KIND)}
    try:
        fetched(path, cache_dir=f"{HOME}/gone", force_download=True)
    except HfHubHTTPError as error:
        assert error.response.status_code == 404, error
    else:
        raise AssertionError("a deleted object was read")


accounts()
single_files()
listings(whole_folder())
many_operations()
large_folder()
forever_gone()
api.update_repo_settings(private=False, **KIND)
assert not HfApi(token=False).repo_info(**KIND).private
violations = json.loads(inspect("requests"))["violations"]
assert not violations, violations
api.delete_repo(**KIND)
assert not api.repo_exists(**KIND)
print(f"huggingface_hub {huggingface_hub.__version__}: all well")
