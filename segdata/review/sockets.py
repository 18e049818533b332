"""Where mongod listens: a Unix socket in a folder that only this user may enter. There is no TCP port."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from segdata.errors import DataError

_LONGEST = 100
"""Bytes of a path. Linux takes 107 for a socket, macOS 103."""


@contextmanager
def private_socket(folder: Path) -> Iterator[Path]:
    """The path of a Unix socket that nobody else can reach; it is removed at the end.

    It lies in the folder itself if it can: its path is short enough and of plain characters, the folder is this user's
    alone, and the disk takes sockets. Else it lies in a new private folder among the temporary files.

    Args:
        folder: where it may lie; if other users may enter it, the socket lies elsewhere.

    Raises:
        DataError: No folder takes a socket.
    """
    path = _free_path(folder)
    try:
        yield path
    finally:
        remove_socket(path, folder)


def remove_socket(path: Path, folder: Path) -> None:
    """Remove a socket that nobody listens on, and its private folder.

    Args:
        path: from `private_socket`.
        folder: what `private_socket` got, which stays.
    """
    with suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    if path.parent != folder:
        with suppress(OSError):
            path.parent.rmdir()


def socket_uri(path: Path) -> str:
    """The address of a MongoDB that listens on a socket.

    >>> socket_uri(Path("/w/review/mongo/mongod-7.sock"))
    'mongodb://%2Fw%2Freview%2Fmongo%2Fmongod-7.sock'
    """
    return f"mongodb://{quote(str(path), safe='')}"


def is_listening(path: Path) -> bool:
    """Whether anybody listens on a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _free_path(folder: Path) -> Path:
    name = f"mongod-{os.getpid()}.sock"  # two reviews that start at the same moment must not take each other's
    if _is_private(folder) and _takes_sockets(folder / name):
        return folder / name
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # TMPDIR's path may be long, too
        with suppress(OSError):
            path = Path(tempfile.mkdtemp(prefix="segdata-", dir=parent)) / name
            if _takes_sockets(path):
                return path
            path.parent.rmdir()
    raise DataError(f"{folder}: no folder takes a Unix socket for the database; set TMPDIR to a short path")


def _is_private(folder: Path) -> bool:
    found = folder.stat()
    return found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077 == 0


def _takes_sockets(path: Path) -> bool:
    """Bind a socket to test this: some file systems do not support them. mongod ends an address at a comma."""
    if len(os.fsencode(path)) > _LONGEST or "," in str(path) or not str(path).isascii():
        return False
    remove_socket(path, path.parent)  # left by a killed process that had this number
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(os.fspath(path))
        except OSError:
            return False
    path.unlink()
    return True
