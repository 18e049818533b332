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
        make_folder(path.parent)
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


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and make their names durable.

    Raises:
        OSError: It can't be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable.

    Raises:
        OSError: They could not be written after all.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; a file system that can't sync folders is left alone."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remedy_for(reason: str) -> str | None:
    """What to do about a failure of the system, by its words; None if it is none of those that people can mend.

    Libraries wrap the system's errors in their own, so the words are all that is left.

    >>> remedy_for("Unable to copy data to file: No space left on device (os error 28)")
    'make room on the disk and run it again'
    """
    return next((remedy for words, remedy in _REMEDIES.items() if words in reason), None)


_REMEDIES = {
    "No space left on device": "make room on the disk and run it again",
    "Disk quota exceeded": "make room in the quota and run it again",
    "File too large": "raise the limit of a file's size (ulimit -f) and run it again",
    "Read-only file system": "the disk is mounted read-only: remount it, or use a copy of the workspace elsewhere",
    "Permission denied": "check who may write there",
    "Operation not permitted": "check who may write there",
    "Too many open files": "raise the limit (ulimit -n) or lower --workers, and run it again",
    "Input/output error": "the disk fails: look at its health before anything else",
}


def _cannot_write(path: Path, error: OSError) -> StorageError:
    reason = _reason(error)
    remedy = remedy_for(reason) or "check the free space and the permissions"
    return StorageError(f"{path}: can't be written ({reason}); {remedy}")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _current_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# Read once: reading it means setting it, which would race with other threads that create files.
_UMASK = _current_umask()
