"""The App's server, a process of its own: FiftyOne's, behind a guard, and for this machine alone.

FiftyOne's page names a font of Google's, and its server hands out any file of the disk to whoever asks. The guard tells
the browser to fetch from here and nowhere else, and answers only what was asked of this address by its name: a web
page that is open beside it can't reach it, whatever name it gives to 127.0.0.1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from segdata.errors import DataError
from segdata.review.environment import ADDRESS

_SECONDS = 120.0
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob: {own}; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'self'"
)
_OUTSIDE_FONT = re.compile(rb'<link rel="preload" href="https?://[^>]*>')


@contextmanager
def app_server(port: int, log: Path) -> Iterator[int]:
    """FiftyOne's server on a port of 127.0.0.1 while it is needed; its process id.

    Args:
        port: a free one.
        log: what it says goes there.

    Raises:
        DataError: It does not start; the message names the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    code = f"from segdata.review.server import serve; serve({port})"
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,  # closed when we end, however we end: then it ends too
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield process.pid
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def serve(port: int) -> None:
    """Serve until standard input is closed: what the server's process runs."""
    import asyncio
    import atexit

    from hypercorn.asyncio import serve as serve_app
    from hypercorn.config import Config

    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["FIFTYONE_SERVER"] = "1"
    from fiftyone.core.odm import database
    from fiftyone.server.app import app
    from fiftyone.server.events import set_port

    # In a database of the user's own, FiftyOne would tidy away what others left unsaved.
    atexit.unregister(database._delete_non_persistent_datasets_if_allowed)
    set_port(port)
    config = Config()
    config.bind = [f"{ADDRESS}:{port}"]
    config.keep_alive_timeout = (
        300  # seconds; 5 by default, and a browser that comes a moment later loses half the page
    )
    asyncio.run(serve_app(guarded(app, port), config))


def guarded(app: Any, port: int) -> Any:
    """An ASGI application that refuses foreign hosts, and whose pages may fetch from it alone.

    Args:
        app: the application.
        port: where it is served.
    """
    hosts = {f"{name}:{port}".encode() for name in (ADDRESS, "localhost")}
    policy = POLICY.format(own=" ".join(f"ws://{host.decode()}" for host in sorted(hosts))).encode()

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        foreign = origin is not None and origin.partition(b"://")[2] not in hosts
        if headers.get(b"host") not in hosts or foreign:
            await _refuse(scope, send)
            return
        await app(scope, receive, _with_policy(send, policy))

    return guard


def _with_policy(send: Any, policy: bytes) -> Any:
    """Adds the policy to each answer, and takes the font of Google's out of the page."""
    page: dict[str, Any] = {}

    async def send_on(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name != b"content-security-policy"]
            message = {**message, "headers": [*headers, (b"content-security-policy", policy)]}
            if dict(headers).get(b"content-type", b"").startswith(b"text/html"):
                page.update(start=message, body=b"")
                return
        elif message["type"] == "http.response.body" and page:
            page["body"] += message.get("body", b"")
            if not message.get("more_body", False):
                await _send_page(send, page)
            return
        await send(message)

    return send_on


async def _send_page(send: Any, page: dict[str, Any]) -> None:
    body = _OUTSIDE_FONT.sub(b"", page["body"])
    start = page["start"]
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    if page["body"]:  # the answer to HEAD has a length and no body
        headers.append((b"content-length", str(len(body)).encode()))
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(scope: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"segdata review answers only pages of its own"})


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < until:
        with closing(
            HTTPConnection(ADDRESS, port, timeout=5)
        ) as connection:  # by no proxy, whatever the environment says
            try:
                connection.request("GET", "/fiftyone")
                if connection.getresponse().status == 200:
                    return
            except (OSError, HTTPException):
                time.sleep(0.1)
    raise DataError(f"the App's server did not start; its log says why: {log}")
