"""Read a file, hash it, and write one so that a kill leaves either the old bytes or the new, never half."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from segdata.errors import StorageError

_NAME_ATTEMPTS = 100
"""Names to try for a temporary file."""
_MOST_BYTES = 1 << 30  # of what comes from outside: a list of samples, a photo


def read_bytes(path: Path, most: int | None = _MOST_BYTES) -> bytes:
    """All bytes of a file.

    Args:
        path: of the file.
        most: refuse a file of more bytes, since one that says it is larger would fill the memory; None for files that
            segdata wrote itself, such as the state of a training.

    Raises:
        StorageError: It is not there, or can't be read; the message names it.
    """
    try:
        return read_steady(path, most)[0]
    except OSError as error:
        raise StorageError(f"{path}: can't be read ({_reason(error)}); check that it exists and is readable") from error


def read_steady(path: Path | str, most: int | None = None, folder: int | None = None) -> tuple[bytes, os.stat_result]:
    """All bytes of a regular file, as they were at one moment, and what the file system says of them.

    A file that somebody writes meanwhile is read once more. A FIFO or a device, which would be waited for without
    end, is refused.

    Args:
        path: links are followed, unless a folder is given.
        most: refuse a file of more bytes before reading it.
        folder: the descriptor of an open folder. The path is then a name in it, and a link is refused (ELOOP).

    Raises:
        OSError: It can't be read, is no regular file, is too large (errno EFBIG), or changes as often as it is read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if folder is None else os.O_NOFOLLOW)
    for _ in range(2):
        # before opening it: opening a device may do something
        _refuse_irregular(os.stat(path, dir_fd=folder, follow_symlinks=folder is None))  # no dir_fd there
        handle = os.open(path, flags, dir_fd=folder)
        with os.fdopen(handle, "rb", buffering=0) as file:
            before = os.fstat(handle)
            _refuse_irregular(before)
            if most is not None and before.st_size > most:
                raise OSError(errno.EFBIG, f"{before.st_size:,} bytes; at most {most:,} are read")
            data = file.readall()
            after = os.fstat(handle)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and len(data) == after.st_size:
            return data, after
    raise OSError(errno.EBUSY, "it changes while it is read; wait until it is written, and try again")


def _refuse_irregular(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise OSError(errno.EINVAL, f"{kind}, and no file")


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
        handle, temporary = _create_beside(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other process that asks for the same folder waiting: for files that are read, changed and written.

    The lock ends with the process, also where it is killed.

    Args:
        folder: is made if need be; an empty `.lock` lies in it afterwards.

    Raises:
        StorageError: Nothing can be written there.
    """
    try:
        make_folder(folder)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and make their names durable.

    Raises:
        OSError: It can't be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def make_folder_beside(path: Path) -> Path:
    """A new folder with a hidden name beside another, whose mode follows the umask, to be renamed over it.

    Raises:
        OSError: It can't be made.
    """
    for _ in range(_NAME_ATTEMPTS):
        temporary = path.parent / _temporary_name()
        with contextlib.suppress(FileExistsError):
            temporary.mkdir()
            return temporary
    raise FileExistsError(errno.EEXIST, "no free name for a temporary folder")


def checked_target(folder: Path, place: Path | str) -> Path:
    """Where a file is to be written below a folder that the user named, and that may have been there before.

    Raises:
        StorageError: A link inside the folder leads out of it.
    """
    path = folder / place
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise StorageError(f"{path}: a link in {folder} leads out of it; remove it, or write to another folder")
    return path


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


def _temporary_name() -> str:
    """A short name that contains nothing of the final name, which may be as long as the file system allows."""
    return f".segdata.{secrets.token_hex(4)}"


def _create_beside(path: Path) -> tuple[int, Path]:
    """An open new file with a hidden name beside another; its mode follows the umask, unlike that of `tempfile`."""
    for _ in range(_NAME_ATTEMPTS):
        temporary = path.parent / f"{_temporary_name()}.tmp"
        with contextlib.suppress(FileExistsError):
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), temporary
    raise FileExistsError(errno.EEXIST, "no free name for a temporary file")
