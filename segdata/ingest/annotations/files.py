"""The files of what came back: a folder, a ZIP archive or a single file, listed and read within limits.

Nothing outside the folder is read: a link to outside is refused when it is read, and a folder that is such a link is
reported and not entered. An archive is never unpacked to disk, and an entry that would unpack to more bytes than are
read is refused.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from segdata.ingest.annotations.shapes import ShapeError
from segdata.storage.root import LeavesRootError, Root

MOST_FILES = 500_000
_LEFTOVERS = frozenset({"__MACOSX", "@eaDir", "#recycle", "Thumbs.db", "desktop.ini"})


class Files(Protocol):
    """Files by name, such as those of a folder.

    Attributes:
        names: of all files, posix, sorted.
        refused: names that are not read, with the reason.
    """

    names: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]

    def read(self, name: str, most: int) -> bytes:
        """All bytes of a file.

        Raises:
            ShapeError: It lies outside.
            ValueError: It can't be read, or has more bytes than that.
        """


def open_files(path: Path) -> Files:
    """The files of a folder or an archive, or a single file.

    Args:
        path: absolute, its own links resolved.

    Raises:
        ValueError: There is nothing, it can't be read, or it has too many files.
    """
    if path.is_dir():
        return FolderFiles(path)
    try:
        if zipfile.is_zipfile(path):
            return ZipFiles(path)
    except OSError as error:
        raise ValueError(f"it can't be read ({error.strerror})") from error
    if not path.exists():
        raise ValueError("there is no such file or folder")
    return FolderFiles(path.parent, path.name)


class FolderFiles:
    """The files of a folder.

    Args:
        folder: absolute, its own links resolved.
        only: the one file that counts; None for all.
    """

    def __init__(self, folder: Path, only: str | None = None) -> None:
        self._folder, self._root = folder, Root(folder)
        self._refused: list[tuple[str, str]] = []
        names = [only] if only is not None else self._walk()
        self.names, self.refused = _checked(names), tuple(self._refused)

    def read(self, name: str, most: int) -> bytes:
        """As `Files.read`."""
        try:
            return self._root.read(name, most)[0]
        except LeavesRootError as error:
            raise ShapeError(f"{Path(name).name} leaves its folder") from error
        except OSError as error:
            raise ValueError(f"{name}: can't be read ({error.strerror})") from error

    def _walk(self) -> list[str]:
        names: list[str] = []
        seen = {os.path.realpath(self._folder)}
        waiting = [""]
        while waiting:
            place = waiting.pop()
            try:
                entries = sorted(os.scandir(self._folder / place), key=lambda entry: entry.name)
            except OSError as error:
                self._refused.append((place, f"the folder can't be read ({error.strerror})"))
                continue
            for entry in entries:
                name = f"{place}/{entry.name}" if place else entry.name
                if not entry.is_dir():
                    names.append(name)
                elif not entry.is_symlink() or self._stays_inside(name, seen):
                    waiting.append(name)
            if len(names) + len(waiting) > MOST_FILES:
                raise ValueError(f"more than {MOST_FILES:,} files")
        return names

    def _stays_inside(self, name: str, seen: set[str]) -> bool:
        """Whether a link to a folder is followed: it stays inside and leads to a folder that no link led to before."""
        real = os.path.realpath(self._folder / name)
        if not real.startswith(f"{self._folder}/"):
            self._refused.append((name, "a link that leaves its folder; copy the files instead"))
            return False
        is_new = real not in seen
        seen.add(real)
        return is_new


class ZipFiles:
    """The files of a ZIP archive.

    Args:
        path: of the archive.

    Raises:
        ValueError: It is damaged, or has too many files.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        # zipfile raises NotImplementedError of an archive in several parts
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ValueError(f"a damaged ZIP archive ({error})") from error
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        if len(infos) > MOST_FILES:
            raise ValueError(f"more than {MOST_FILES:,} files")
        self._infos: dict[str, zipfile.ZipInfo] = {}
        refused = []
        for info in infos:
            name = info.filename.replace("\\", "/")
            if stat.S_ISLNK(info.external_attr >> 16) or name.startswith("/") or ".." in name.split("/"):
                refused.append((name, "a name or a link that leaves the archive"))
            elif self._infos.setdefault(name, info) is not info:
                refused.append((name, "the archive has this name twice; the first file is read"))
        self.names, self.refused = _checked(self._infos), tuple(refused)

    def read(self, name: str, most: int) -> bytes:
        """As `Files.read`."""
        info = self._infos.get(name)
        if info is None:
            raise ValueError(f"{name}: the archive has no such file")
        if info.file_size > most:
            raise ValueError(f"{name}: {info.file_size:,} bytes; at most {most:,} are read")
        try:
            with self._archive.open(info) as file:
                data = file.read(most + 1)
        except Exception as error:  # zipfile passes on what each compression raises, and asserts
            raise ValueError(f"{name}: can't be unpacked ({error})") from error
        if len(data) > most:
            raise ValueError(f"{name}: more than {most:,} bytes; at most that many are read")
        return data


def _checked(names: Iterable[str]) -> tuple[str, ...]:
    """Names without leftovers of file systems, sorted."""
    return tuple(sorted(name for name in names if not _is_leftover(PurePosixPath(name))))


def _is_leftover(path: PurePosixPath) -> bool:
    return not _LEFTOVERS.isdisjoint(path.parts) or path.name.startswith("._") or path.name == ".DS_Store"
