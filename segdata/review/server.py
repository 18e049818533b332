"""The App's server, a process of its own: FiftyOne's, behind a guard, and for this user of this machine alone.

FiftyOne's server answers everybody, hands out any file of the disk, and its page names a font of Google's. `guard`
says what is answered, `served_media` which files, `limits` what FiftyOne's own code may do.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from segdata.errors import DataError
from segdata.review.environment import ADDRESS, bound_socket
from segdata.review.guard import Access

_SECONDS = 120.0


@contextmanager
def app_server(port: int, log: Path, decide_access: Callable[[], Access]) -> Iterator[int]:
    """FiftyOne's server on a port of 127.0.0.1 while it is needed; its process id.

    Args:
        port: a free one.
        log: what it says goes there.
        decide_access: called while the server's process imports FiftyOne.

    Raises:
        DataError: It does not start; the message names the log.
        UsageError: The port is taken.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with bound_socket(port) as listening:  # by us, so that nobody else can be there when the token is sent
        listening.listen(100)
        process = _start(log, listening)
    try:
        access = decide_access()
        _send_access(process, access)
        _wait(process, access, log)
        yield process.pid
    finally:
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def serve(handle: int) -> None:
    """Serve until standard input is closed: what the server's process runs.

    Args:
        handle: of the socket that listens. The first line of standard input is the `Access`, as JSON: other users can
            read a process's arguments.
    """
    import asyncio
    import atexit

    from hypercorn.asyncio import serve as serve_app
    from hypercorn.config import Config

    os.environ["FIFTYONE_SERVER"] = "1"
    from fiftyone.core.odm import database
    from fiftyone.server.app import app
    from fiftyone.server.events import set_port

    from segdata.review.guard import guarded
    from segdata.review.limits import limit_fiftyone

    # In a database of the user's own, FiftyOne would tidy away what others left unsaved.
    atexit.unregister(database._delete_non_persistent_datasets_if_allowed)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    access = Access(**json.loads(line))
    set_port(access.port)
    limit_fiftyone(access.files)
    config = Config()
    config.bind = [f"fd://{handle}"]
    config.keep_alive_timeout = (
        300  # seconds; 5 by default, and a browser that comes a moment later loses half the page
    )
    asyncio.run(serve_app(guarded(app, access), config))


def _start(log: Path, listening: socket.socket) -> subprocess.Popen[bytes]:
    code = f"from segdata.review.server import serve; serve({listening.fileno()})"
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,  # closed when we end, however we end: then it ends too
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )


def _send_access(process: subprocess.Popen[bytes], access: Access) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it ended; `_wait` says so
        process.stdin.write(json.dumps(asdict(access)).encode() + b"\n")
        process.stdin.flush()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _wait(process: subprocess.Popen[bytes], access: Access, log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < until:
        with closing(
            HTTPConnection(ADDRESS, access.port, timeout=5)
        ) as connection:  # by no proxy, whatever the environment says
            try:
                connection.request("GET", "/fiftyone", headers={"Cookie": f"{access.cookie}={access.token}"})
                if connection.getresponse().status == 200:
                    return
            except (OSError, HTTPException):
                time.sleep(0.1)
    raise DataError(f"the App's server did not start; its log says why: {log}")
