"""FiftyOne's database: a mongod of the workspace's own, on a private Unix socket, which ends with the review.

FiftyOne would start one by itself, but that one listens on a TCP port without a password, and it shares the first one
that it finds among the user's processes, whatever folder that has open. segdata starts its own and hands FiftyOne the
address.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import DataError, UsageError
from segdata.review.environment import Place, require_fiftyone, require_mongods
from segdata.review.sockets import is_listening, private_socket, remove_socket, socket_uri

_SECONDS = 60.0
_IN_USE, _OTHER_VERSION = "DBPathInUse", ("UPGRADE PROBLEM", "featureCompatibilityVersion", "Incompatible")


@dataclass(frozen=True)
class _Running:
    """A database that a living review has open.

    Attributes:
        owner: the process of the review.
        socket: where its mongod listens; None where an older segdata opened it, on a TCP port.
    """

    owner: int
    socket: Path | None


@contextmanager
def open_database(place: Place, join: bool = False) -> Iterator[str]:
    """The address of the database while it is needed; what we started is stopped afterwards.

    Args:
        place: where it is kept, or the address of the user's own.
        join: take part in a review that is open already, as `--pull` does; else that is refused.

    Raises:
        DataError: No mongod, or it does not start: a database of another version, a full disk.
        UsageError: The database is open in another process.
    """
    if place.uri is not None:
        _require_answer(place.uri)
        yield place.uri
        return
    running = _running(place)
    if running is not None and join and running.socket is not None:
        yield socket_uri(running.socket)
        return
    if running is not None:
        raise UsageError(
            f"{place.database}: a review of this workspace is open already, in process {running.owner}: go there, or "
            "end it with Ctrl-C; segdata review --pull works beside it"
        )
    finish_interrupted_swap(place)
    _create_folder(place)
    with private_socket(place.database) as socket:
        process = _start(place, socket)
        try:
            _remember(place, process.pid, socket)
            yield socket_uri(socket)
        finally:
            _stop(process)
            place.address_file.unlink(missing_ok=True)


def old_database(place: Place) -> Path:
    """Where `segdata forget` puts the database for the moment in which a copy takes its place."""
    return place.database.with_name(f"{place.database.name}.old")


def finish_interrupted_swap(place: Place) -> None:
    """Bring the database back if a kill came between the two renames; else remove the old one, if there is one."""
    old = old_database(place)
    if place.own and old.is_dir():
        if place.database.is_dir():
            shutil.rmtree(old)
        else:
            old.rename(place.database)


def _create_folder(place: Place) -> None:
    """Create the folder with mode 0700: it says who was photographed.

    The workspace's own folder gets this mode also where it exists. One that the user named keeps the mode it has.
    """
    try:
        place.database.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.own:
            place.database.chmod(0o700)
        (place.database / "log").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise DataError(f"{place.database}: can't be written ({error.strerror}); check who may write there") from error


def _start(place: Place, socket: Path) -> subprocess.Popen[bytes]:
    """The newest mongod that can open the database: a newer one may refuse the files of a much older one."""
    log = place.database / "log" / "mongo.log"
    *newer, last = require_mongods(require_fiftyone())
    for mongod in (*newer, last):
        began = log.stat().st_size if log.is_file() else 0
        process = subprocess.Popen(
            _command(mongod, place, socket),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; we stop it when the verdicts are in
        )
        try:
            if _wait_until_listening(process, socket):
                return process
        except BaseException:
            _stop(process)
            raise
        told = _told(log, began)
        if mongod == last or not any(word in told for word in _OTHER_VERSION):
            raise _why(place, told, process.returncode)
    raise AssertionError("unreachable")


def _command(mongod: Path, place: Place, socket: Path) -> list[str]:
    log = place.database / "log" / "mongo.log"
    command = [str(mongod), "--dbpath", str(place.database), "--logpath", str(log), "--logappend"]
    # It listens on this socket and nowhere else: no TCP port, and no socket in /tmp, which --nounixsocket leaves out.
    command += ["--bind_ip", str(socket), "--nounixsocket", "--filePermissions", "0600"]
    # Compressed messages are of no use on one machine, and were how CVE-2025-14847 read the server's memory.
    command += ["--networkMessageCompressors", "disabled"]
    # FiftyOne's aggregations need no JavaScript; without it, whoever reaches the database runs no programs in mongod.
    command += ["--noscripting"]
    # What mongod would note of the whole machine once a second is of no use here.
    return [*command, "--setParameter", "diagnosticDataCollectionEnabled=false"]


def _wait_until_listening(process: subprocess.Popen[bytes], socket: Path) -> bool:
    until = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < until:
        if is_listening(socket):
            return True
        time.sleep(0.05)
    if process.poll() is None:
        _stop(process)
    return False


def _told(log: Path, began: int) -> str:
    """What mongod wrote to its log since."""
    try:
        with log.open("rb") as file:
            file.seek(began)
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _why(place: Place, told: str, code: int | None) -> DataError | UsageError:
    log = place.database / "log" / "mongo.log"
    if _IN_USE in told:
        return UsageError(
            f"{place.database}: another mongod has this database open: end the FiftyOne or the segdata review that "
            "started it"
        )
    if any(word in told for word in _OTHER_VERSION):
        if place.own:
            return DataError(
                f"{place.database}: this database was made by another version of MongoDB. What was pulled is safe in "
                "the catalog: move this folder away, and segdata review makes a new one"
            )
        return DataError(
            f"{place.database}: this database was made by another version of MongoDB. Unset FIFTYONE_DATABASE_DIR to "
            "have one in the workspace, or use the FiftyOne that made it"
        )
    if "No space left on device" in told or "Available space" in told:
        return DataError(f"{place.database}: the database needs room on the disk; make some and run it again")
    return DataError(f"{place.database}: mongod ended with {code}; its log says why: {log}")


def _running(place: Place) -> _Running | None:
    """The database that a living review has open; the mongod that a killed one left running is ended."""
    try:
        known = json.loads(place.address_file.read_text(encoding="utf-8"))
        owner, pid, socket = int(known["owner"]), int(known["mongod"]), known.get("socket")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    path = None if socket is None else Path(str(socket))
    if _is_mongod_of(pid, place):
        if is_alive(owner):
            return _Running(owner, path)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + _SECONDS
        while _is_mongod_of(pid, place) and time.monotonic() < until:
            time.sleep(0.05)
    if path is not None:
        remove_socket(path, place.database)
    place.address_file.unlink(missing_ok=True)
    return None


def _remember(place: Place, mongod: int, socket: Path) -> None:
    known = {"owner": os.getpid(), "mongod": mongod, "socket": str(socket)}
    place.address_file.write_text(json.dumps(known), encoding="utf-8")


def is_alive(pid: int) -> bool:
    """Whether a process is there, and has not ended already."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is_mongod_of(pid: int, place: Place) -> bool:
    """Whether a process is the mongod of this database: pids are given again to others."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(place.database) in process.cmdline()
    except psutil.Error:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it politely, so that it writes everything down."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _require_answer(uri: str) -> None:
    import pymongo
    from pymongo.errors import PyMongoError

    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(uri, serverSelectionTimeoutMS=5000)
    try:
        client.admin.command("ping")
    except PyMongoError as error:
        # Not the address itself, which may hold a password.
        raise DataError(
            f"FIFTYONE_DATABASE_URI: the MongoDB there does not answer ({type(error).__name__}); start it, or unset "
            "the variable to have one in the workspace"
        ) from error
    finally:
        client.close()
