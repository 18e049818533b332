"""Read a file, hash it, and write one so that a kill leaves either the old bytes or the new, never half."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from segdata.errors import StorageError


def read_bytes(path: Path) -> bytes:
    """All bytes of a file.

    Raises:
        StorageError: It is not there, or can't be read; the message names it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: can't be read ({_reason(error)}); check that it exists and is readable") from error


def sha256_of(data: bytes) -> str:
    """SHA-256 of bytes, as 64 hexadecimal digits.

    >>> sha256_of(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file whole: a temporary one beside it, fsync, rename over it, fsync the folder.

    The folder is made if need be. A reader sees the old file or the new one, after a kill and after a power cut.

    Raises:
        StorageError: It can't be written: a full disk, a read-only folder; the message names it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise _cannot_write(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner's eyes only; what we render follows the user's umask like any other file
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; a file system that can't sync folders is left alone."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: can't be written ({_reason(error)}); check the free space and the permissions")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _current_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# Read once: reading it means setting it, which would race with other threads that create files.
_UMASK = _current_umask()
