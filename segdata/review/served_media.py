"""Serve registered files only, and only as pictures."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from email.utils import formatdate
from io import FileIO
from typing import Any, NamedTuple
from urllib.parse import parse_qs

_CHUNK = 256 * 1024
_ISOLATED = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
"""Whatever the bytes are, a browser takes them for a picture of our own page, and runs nothing in them."""


class OpenedPicture(NamedTuple):
    """A registered file that is a picture.

    Attributes:
        file: open for reading, after its first bytes; whoever has it closes it.
        media_type: what its first bytes say.
        size: in bytes.
        modified: in seconds since 1970.
        start: its first bytes.
    """

    file: FileIO
    media_type: str
    size: int
    modified: float
    start: bytes


async def serve_media(scope: Any, send: Any, files: Mapping[str, str]) -> None:
    """Answer a request for `/media?filepath=`: with a registered picture, else with 404, whatever there is on disk.

    Args:
        scope: of the request, as ASGI has it; GET or HEAD.
        send: ASGI's.
        files: from `registered_media`.
    """
    requested_path = parse_qs(scope["query_string"].decode("latin-1")).get("filepath", [""])[-1]
    path = files.get(requested_path)
    picture = await asyncio.to_thread(open_picture, path) if path is not None else None
    if picture is None:
        headers = [*_ISOLATED, (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"not a picture of this review"})
        return
    try:
        await _send_picture(picture, send, with_body=scope["method"] != "HEAD")
    finally:
        picture.file.close()


def open_picture(path: str) -> OpenedPicture | None:
    """Open a registered file; None where it is gone, no picture, or not the file that was registered.

    Args:
        path: with its links followed when the review opened; where a part of it is a link now, somebody put it there.
    """
    try:
        file = FileIO(path, opener=_open_no_link)
    except OSError:
        return None
    with ExitStack() as stack:
        stack.callback(file.close)
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or _path_of(file, path) != path:
            return None
        with suppress(OSError):
            start = file.read(_CHUNK)
            if media_type := media_type_of(start):
                stack.pop_all()
                return OpenedPicture(file, media_type, status.st_size, status.st_mtime, start)
    return None


def media_type_of(start: bytes) -> str | None:
    """The type of a picture by its first bytes; None if it is none that browsers show.

    >>> media_type_of(b"BM6"), media_type_of(b"<html>")
    ('image/bmp', None)
    """
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/bmp" if start.startswith(b"BM") else None


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _path_of(file: FileIO, path: str) -> str:
    """Where an open file lies, its folders' links followed."""
    try:
        return os.readlink(f"/proc/self/fd/{file.fileno()}")  # noqa: PTH115  # as a string, as `path` is
    except OSError:
        return os.path.realpath(path)  # there is no /proc


async def _send_picture(picture: OpenedPicture, send: Any, with_body: bool) -> None:
    headers = [
        *_ISOLATED,
        (b"content-type", picture.media_type.encode()),
        (b"content-length", str(picture.size).encode()),
        (b"last-modified", formatdate(picture.modified, usegmt=True).encode()),
        (b"etag", f'"{picture.modified:.6f}-{picture.size}"'.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    left, chunk = picture.size, picture.start
    while with_body and left > 0 and chunk:
        left -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
        chunk = await asyncio.to_thread(picture.file.read, _CHUNK) if left > 0 else b""
    if not with_body or left > 0:
        await send({"type": "http.response.body", "body": b""})
