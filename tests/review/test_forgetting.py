"""What `segdata forget` does in FiftyOne's database: the sample is nowhere in its files, and all else is as it was."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.mentions import Mentions
from segdata.catalog.workspace import open_workspace
from segdata.errors import DataError
from segdata.pipeline.forgetting import forget
from segdata.pipeline.session import open_session
from segdata.review import forgetting
from segdata.review.environment import free_port, place_of
from segdata.review.guest import database_name
from segdata.review.mongod import open_database
from tests.report.conftest import Builder
from tests.review.conftest import filled

pytestmark = pytest.mark.usefixtures("mongod")
VICTIM = "aisegment/pool/00001"


def review_briefly(entry: list[str], root: Path) -> None:
    """Open the App on the cases, and end it with Ctrl-C as soon as it says where it is."""
    call = [*entry, "review", "--no-browser", "--port", str(free_port())]
    process = subprocess.Popen(call, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "http://127.0.0.1:" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, "".join(printed)
    finally:
        process.kill()
        process.communicate()


def documents(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Everything in FiftyOne's database, by collection, with the indexes."""
    import pymongo

    with open_database(place_of(open_workspace(root))) as uri, pymongo.MongoClient(uri) as client:
        database = client[database_name()]
        names = database.list_collection_names()
        kept = {name: sorted(database[name].find(), key=lambda document: str(document["_id"])) for name in names}
        indexes = [{"index": str(database[name].index_information())} for name in sorted(names)]
        return {**kept, "indexes": indexes}


def files_with(root: Path, needle: str) -> set[str]:
    return {path.name for path in root.rglob("*") if path.is_file() and needle.encode() in path.read_bytes()}


@pytest.fixture(scope="module")
def reviewed_once(mongod: Path, segdata_entry: list[str], tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Four cases, mined, and opened in the App once. Read only."""
    builder = filled(tmp_path_factory.mktemp("reviewed") / "portraits")
    review_briefly(segdata_entry, builder.workspace.root)
    return builder


@pytest.fixture
def reviewed(reviewed_once: Builder, tmp_path: Path) -> Builder:
    """A copy of that workspace."""
    shutil.copytree(reviewed_once.workspace.root, tmp_path / "portraits")
    builder = Builder(open_workspace(tmp_path / "portraits"))
    builder.written = reviewed_once.written
    return builder


def test_a_forgotten_sample_is_in_no_file_of_the_review_and_the_others_are_as_before(reviewed: Builder) -> None:
    root = reviewed.workspace.root
    sha256 = reviewed.written[VICTIM]["image_sha256"]
    before = documents(root)
    held = [name for name, rows in before.items() for row in rows if row.get("sample_id") == VICTIM]
    assert len(held) == 1

    assert files_with(root / "review", sha256)  # MongoDB compresses, and a hash has nothing that repeats
    assert forgetting.reviewed_samples(reviewed.workspace, {VICTIM}) == 1
    result = forget(open_session(root), [VICTIM], yes=True).result

    assert result["removed"]["reviewed"] == 1
    assert files_with(root, VICTIM) == files_with(root, sha256) == set()
    assert sorted(path.name for path in (root / "review").iterdir() if path.name.startswith("mongo")) == ["mongo"]
    after = documents(root)
    expected = {name: [row for row in rows if row.get("sample_id") != VICTIM] for name, rows in before.items()}
    assert after == expected
    assert len(after[held[0]]) == 3


def test_names_in_other_documents_are_replaced_and_other_samples_stay_as_they_are(reviewed: Builder) -> None:
    import pymongo

    workspace = reviewed.workspace
    other = {
        "sample_id": f"{VICTIM}-b", "filepath": f"/data/{VICTIM}-b.png", "leak_of": VICTIM, "hole": 0.5,
        "label": {"mask_path": f"/data/{VICTIM}-b.png", "tags": [f"copy of {VICTIM}"]},
    }  # fmt: skip
    view = {"name": "one", "filter": f"sample_id is {VICTIM}"}
    with open_database(place_of(workspace)) as uri, pymongo.MongoClient(uri) as client:
        client[database_name()]["extra"].insert_many([dict(other), dict(view)])
    forgetting.forget_in_review(workspace, {VICTIM}, Mentions({VICTIM: "forgotten/ab"}).replace_in)
    kept = [{k: v for k, v in row.items() if k != "_id"} for row in documents(workspace.root)["extra"]]
    label = {**other["label"], "tags": ["copy of forgotten/ab"]}
    expected = {**other, "leak_of": "forgotten/ab", "label": label}
    assert kept == [expected, {"name": "one", "filter": "sample_id is forgotten/ab"}]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_while_the_copy_takes_its_place_loses_nothing(
    reviewed: Builder, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    workspace, before = reviewed.workspace, documents(reviewed.workspace.root)
    calls = iter(range(10))
    original = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if next(calls) == renames:
            raise KeyboardInterrupt
        return original(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", killed)
        forgetting.forget_in_review(workspace, {VICTIM}, lambda document: document)
    with open_database(place_of(workspace)):  # as a review does that is opened in between
        pass
    forgetting.forget_in_review(workspace, {VICTIM}, lambda document: document)
    assert documents(workspace.root) == {
        name: [row for row in rows if row.get("sample_id") != VICTIM] for name, rows in before.items()
    }


def test_without_mongod_nothing_is_removed_and_the_message_says_what_to_do(
    reviewed: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(folder: Path) -> Path:
        raise DataError("FiftyOne came without its database")

    monkeypatch.setattr(forgetting, "require_mongod", missing)
    with pytest.raises(DataError, match="came without its database"):
        forget(open_session(reviewed.workspace.root), [VICTIM], yes=True)
    rows = reviewed.workspace.catalog.read("samples", where=f"sample_id = '{VICTIM}'").to_pylist()
    assert rows[0]["status"] == "present"


def test_in_a_database_of_the_users_own_only_this_workspaces_samples_are_deleted(
    mined: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pymongo

    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "theirs"))
    workspace = mined.workspace
    place_of(workspace).folder.mkdir()
    roots = {"ours": str(workspace.root), "others": "/elsewhere"}
    with open_database(place_of(workspace)) as uri, pymongo.MongoClient(uri) as client:
        database = client[database_name()]
        for name, root in roots.items():
            dataset = {"sample_collection_name": name, "info": {"segdata": {"workspace": root}}}
            inserted = database["datasets"].insert_one(dataset).inserted_id
            database[name].insert_many([{"sample_id": VICTIM}, {"sample_id": "other", "note": f"twin of {VICTIM}"}])
            database["views"].insert_one({"name": name, "_dataset_id": inserted, "filter": f"near {VICTIM}"})
    assert forgetting.reviewed_samples(workspace, {VICTIM}) == 1
    forgetting.forget_in_review(workspace, {VICTIM}, Mentions({VICTIM: "forgotten/ab"}).replace_in)
    with open_database(place_of(workspace)) as uri, pymongo.MongoClient(uri) as client:
        database = client[database_name()]
        left = {name: [(row["sample_id"], row.get("note")) for row in database[name].find()] for name in roots}
        views = {row["name"]: row["filter"] for row in database["views"].find()}
    twin = ("other", f"twin of {VICTIM}")
    assert left == {"ours": [("other", "twin of forgotten/ab")], "others": [(VICTIM, None), twin]}
    assert views == {"ours": "near forgotten/ab", "others": f"near {VICTIM}"}
    shutil.rmtree(tmp_path / "theirs")


def test_the_workspaces_own_database_counts_too_where_the_environment_names_another(
    reviewed: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "theirs"))
    assert forgetting.reviewed_samples(reviewed.workspace, {VICTIM}) == 1
    forgetting.forget_in_review(reviewed.workspace, {VICTIM}, lambda document: document)
    assert forgetting.reviewed_samples(reviewed.workspace, {VICTIM}) == 0
    assert files_with(reviewed.workspace.root / "review", VICTIM) == set()


def test_a_workspace_that_was_never_reviewed_needs_no_database(mined: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://127.0.0.1:1")
    assert forgetting.places_with_review(mined.workspace) == []
    assert forgetting.reviewed_samples(mined.workspace, {VICTIM}) == 0
    forgetting.forget_in_review(mined.workspace, {VICTIM}, lambda document: document)
    assert not place_of(mined.workspace).folder.exists()
