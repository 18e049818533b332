"""What the readers share: walking a tree by names alone, joining pairs, and refusing paths that lead out of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from segdata.errors import SourceError
from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.records import Candidate, Filtered, PhotoSet, Reject, is_text, printable
from segdata.storage.root import LeavesRootError, Root

Found: TypeAlias = Candidate | Reject | Filtered | PhotoSet

_LONGEST = 4096  # what Linux takes


class Picture(NamedTuple):
    """A file that is a picture by its name.

    Attributes:
        path: under the tree's root, posix.
        stem: the path without its suffix.
        leads_out: whether it lies outside the root, its links followed.
    """

    path: str
    stem: str
    leads_out: bool


class Tree:
    """A source's files, by their names alone: nothing is opened, and only what is a link is asked where it leads.

    Args:
        root: of the source, its own links followed.
        dataset: the source's name in the recipe.

    Attributes:
        refused: what the walks and pairings so far could not use; a reader yields these at its end.
    """

    def __init__(self, root: Path, dataset: str) -> None:
        self.refused: list[Reject] = []
        self._root, self._dataset = os.fspath(root), dataset

    def pictures(self, folder: str, any_name: bool = False) -> Iterator[Picture]:
        """The pictures below a folder, sorted; hidden ones, such as AppleDouble `._` leftovers, are no pictures.

        Links to folders are refused, so that a tree with a loop in it ends. A folder whose name ends like a
        picture's counts as one, and fails as one when it is read.

        Args:
            folder: under the root.
            any_name: take files whatever their suffix, hidden ones too.
        """
        start = os.path.normpath(folder) if folder else ""
        outside = self._leads_out(start)
        waiting = ["" if start == "." else start]
        while waiting:
            here = waiting.pop()
            folders = []
            for entry in self._entries(here):
                name = entry.name
                path = f"{here}/{name}" if here else name
                stem, dot, suffix = path.rpartition(".")
                if name.startswith(".") and not any_name:
                    continue
                if dot + suffix.lower() in IMAGE_SUFFIXES or (any_name and not entry.is_dir()):
                    leads_out = outside or (entry.is_symlink() and self._leads_out(path))
                    yield Picture(path, stem if "/" not in suffix else path, leads_out)
                elif not entry.is_symlink() and entry.is_dir():
                    folders.append(path)
                elif os.path.isdir(entry.path):  # noqa: PTH112  # a link, perhaps to nowhere or in a circle
                    self.refuse(path, "a link to a folder; such links are not followed")
            waiting += reversed(folders)

    def by_stem(
        self, labels: Iterable[Picture], start: int = 0, photo_stem: Callable[[str], str] | None = None
    ) -> dict[str, Picture]:
        """Labels by stem; of two that differ in their suffix alone the first is taken and the other refused.

        Args:
            labels: from `pictures`.
            start: how many characters of the stem to leave out, such as the folder's name.
            photo_stem: gives the stem of a label's photo, for the stem that it is found by; the same by default.
        """
        found: dict[str, Picture] = {}
        for label in labels:
            if found.setdefault(label.stem[start:], label) is not label:
                detail = f"a second label beside {found[label.stem[start:]].path}; keep one of them"
                sample_id = photo_stem and f"{self._dataset}/{photo_stem(label.stem[start:])}"
                self.refused.append(Reject(self._dataset, label.path, "unsafe_path", detail, sample_id=sample_id))
        return found

    def pair(self, image: Picture, alpha: Picture | None, **columns: Any) -> Candidate | Reject:
        """An image and its alpha as a candidate, if their names can be trusted.

        Args:
            image: the image; its path is the candidate's.
            alpha: its alpha; None for a background.
            columns: the rest of the candidate: kind, split, licence, alpha_channel, alpha_index.
        """
        if image.leads_out or (alpha is not None and alpha.leads_out):
            return self._unsafe(image.path, "a link that leaves the root")
        if not (is_text(image.path) and (alpha is None or is_text(alpha.path))):
            return self._unsafe(image.path, "a name that is not UTF-8; rename it")
        return Candidate(
            dataset=self._dataset,
            sample_id=f"{self._dataset}/{image.stem}",
            path=image.path,
            image=f"{self._root}/{image.path}",
            alpha=None if alpha is None else f"{self._root}/{alpha.path}",
            root=self._root,
            **columns,
        )

    def refuse(self, path: str, detail: str) -> None:
        """Remember a path that is not safe to use."""
        self.refused.append(self._unsafe(path, detail))

    def _unsafe(self, path: str, detail: str) -> Reject:
        return Reject(self._dataset, path, "unsafe_path", detail)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:  # noqa: PTH118  # 68,000 of them: no Paths
                return sorted(entries, key=attrgetter("name"))
        except OSError as error:
            detail = f"a folder that can't be listed ({error.strerror})"
            self.refused.append(Reject(self._dataset, folder, "unreadable_image", detail))
            return []

    def _leads_out(self, path: str) -> bool:
        return leads_out(Path(self._root, path), Path(self._root))


def leads_out(path: Path, root: Path) -> bool:
    """Whether a path, its links followed, lies outside the root.

    Args:
        path: of a file, below the root by its name.
        root: with its own links followed already.
    """
    return not Path(os.path.realpath(path)).is_relative_to(root)


def read_list(root: Path, path: str, dataset: str) -> bytes:
    """All bytes of a list that belongs to a source.

    Args:
        root: of the source, its own links followed.
        path: of the list, under the root.
        dataset: the source's name in the recipe.

    Raises:
        SourceError: It lies outside the root, its links followed.
        OSError: It can't be read.
    """
    try:
        return Root(root).read(path)[0]
    except LeavesRootError as error:
        raise SourceError(
            f"source {dataset}: {printable(str(root / path))}: a link that leaves the root is not read; put the file "
            "itself there"
        ) from error


def fault_of(path: str) -> str | None:
    """What is wrong with a path that somebody wrote into a file and that should stay under a folder; None if nothing.

    >>> fault_of("../../etc/passwd"), fault_of("2007/000027.jpg")
    ('leaves its folder', None)
    """
    if not path or path.startswith("/") or ".." in path.split("/"):
        return "leaves its folder" if path else "is empty"
    if "://" in path or "\\" in path or "\0" in path:
        return "is an address" if "://" in path else "is no path under a folder"
    if len(path) > _LONGEST or not is_text(path):
        return "is longer than any path" if len(path) > _LONGEST else "is no text"
    return None


def require_folders(root: Path, dataset: str, *names: str) -> None:
    """Refuse a root that is missing or has another layout.

    Raises:
        SourceError: It says what was looked for, what is there, and a folder below that looks right.
    """
    if not is_text(str(root)):
        raise SourceError(f"source {dataset}: root {printable(str(root))}: the path is not UTF-8; rename the folder")
    try:
        if not root.is_dir():
            raise SourceError(
                f"source {dataset}: root {root}: no such folder; correct it in the recipe, or give --root"
            )
        if all((root / name).is_dir() for name in names):
            return
        children = sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))
        nested = next((child for child in children if all((child / name).is_dir() for name in names)), None)
    except OSError as error:
        raise SourceError(f"source {dataset}: root {root}: can't be listed ({error.strerror})") from error
    wanted = " and ".join(f"{name}/" for name in names)
    if nested is not None:
        raise SourceError(f"source {dataset}: root {root}: lacks {wanted}; {nested} has them: make that the root")
    there = ", ".join(f"{printable(child.name)}/" for child in children[:8]) or "no folders"
    raise SourceError(f"source {dataset}: root {root}: lacks {wanted}; it has {there}. Correct the root")
