"""Read files below a folder without ever leaving it, whatever links appear there meanwhile.

A walk over a tree looks at names; its files are opened later. In between, somebody may replace a file or a folder by a
link. So each folder is opened relative to the one above it and each file relative to its folder, and no link is
followed (`openat` with `O_NOFOLLOW`). A link that stays inside the root is resolved by name first; its target is then
opened in the same way. So is a link into one of the other folders that the caller allows, such as the cache of DVC.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from segdata.storage.files import read_steady

_MOST_OPEN = 64  # folders that stay open at a time; a tree may have a folder per person
_LINK_ERRORS = frozenset({errno.ELOOP, errno.ENOTDIR})  # ENOTDIR: a link where a folder is expected
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LeavesRootError(OSError):
    """A path that leads out of its root: by a link, or by `..`."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EXDEV, "a link that leaves the root", path)


class Root:
    """A folder whose files are read without leaving it. Several threads may read at once.

    Args:
        path: the folder, absolute, its own links resolved. It is opened at the first read.
        link_targets: other folders that links below the root may lead into, absolute, their own links resolved; what
            they lead to is read in the same way. "/" allows every link.
    """

    def __init__(self, path: str | Path, link_targets: Iterable[str | Path] = ()) -> None:
        self._path = os.fspath(path).rstrip("/")
        self._folders: dict[str, _Folder] = {}  # single operations on a dict are atomic, so it needs no lock
        self._others = [Root(folder) for folder in link_targets]

    def relative(self, path: str | Path) -> str | None:
        """The path of a file under this root; None if it does not begin with the root's own path."""
        text = os.fspath(path)
        return text[len(self._path) + 1 :] if text.startswith(f"{self._path}/") else None

    def read(self, path: str, most: int | None = None) -> tuple[bytes, os.stat_result]:
        """All bytes of a regular file, and its stat; as `read_steady`.

        Args:
            path: under the root, posix.
            most: refuse a file of more bytes before reading it.

        Raises:
            LeavesRootError: It lies outside the root and the allowed targets, its links resolved.
            OSError: As `read_steady`.
        """
        try:
            return self._read(path, most)
        except OSError as error:
            if error.errno not in _LINK_ERRORS:
                raise
        root, inside = self._resolve(path)
        return root._read(inside, most)

    def _read(self, path: str, most: int | None) -> tuple[bytes, os.stat_result]:
        parent, _, name = path.rpartition("/")
        folder = self._folder(parent)  # the name keeps the folder open while its file is read
        if name in ("", ".", ".."):
            raise LeavesRootError(path)
        return read_steady(name, most, folder.handle)

    def _folder(self, path: str) -> _Folder:
        folder = self._folders.get(path)
        if folder is None:
            folder = self._open(path)
            if len(self._folders) >= _MOST_OPEN:
                self._folders.clear()
            self._folders[path] = folder
        return folder

    def _open(self, path: str) -> _Folder:
        try:
            return self._descend(path)
        except OSError as error:
            if error.errno not in _LINK_ERRORS:
                raise
        root, inside = self._resolve(path)
        return root._descend(inside)

    def _descend(self, path: str) -> _Folder:
        """Open a folder below the root, component by component, following no link."""
        folder = _Folder(os.open(self._path or "/", _FOLDER_FLAGS))
        for part in path.split("/") if path else ():
            if part in ("", ".", ".."):
                raise LeavesRootError(path)
            folder = _Folder(os.open(part, _FOLDER_FLAGS, dir_fd=folder.handle))
        return folder

    def _resolve(self, path: str) -> tuple[Root, str]:
        """The root that the path leads into, and the path below it without links.

        It is what the file system says now, so nobody may rely on it without `O_NOFOLLOW`.
        """
        real = os.path.realpath(f"{self._path}/{path}")
        for root in (self, *self._others):
            inside = "" if real == root._path else root.relative(real)
            if inside is not None:
                return root, inside
        raise LeavesRootError(path)


class _Folder:
    """An open folder; it is closed when nobody refers to it any more, so that a cache may drop one that is in use."""

    __slots__ = ("handle",)

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self) -> None:
        os.close(self.handle)
