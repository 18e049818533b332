"""What the readers share: walking a tree by names alone, joining pairs, and refusing paths that lead out of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from segdata.errors import SourceError
from segdata.imaging.formats import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from segdata.ingest.links import Links, link_targets
from segdata.records import (
    Candidate,
    Filtered,
    NamingReport,
    PhotoSet,
    Reject,
    TreeReport,
    is_text,
    printable,
)
from segdata.storage.root import LeavesRootError, Root

Found: TypeAlias = Candidate | Reject | Filtered | PhotoSet | NamingReport | TreeReport
Reports = PhotoSet | NamingReport | TreeReport
"""What a reader says about a source as a whole, and not about one of its files."""

_LONGEST = 4096  # what Linux takes
_LONGEST_LIST = 1 << 30  # bytes: the annotations of COCO's train2017 have 470 MB
_LEFTOVER_FOLDERS = frozenset(
    {"@eaDir", "@tmp", "@Recycle", "#recycle", "#snapshot", "__MACOSX", "$RECYCLE.BIN", "System Volume Information"}
)
_LEFTOVER_FILES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})  # in lower case


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
        links: which links are followed, as the recipe says.

    Attributes:
        unread: pictures in formats that segdata does not read, by their names, in the folders walked so far.
    """

    def __init__(self, root: Path, dataset: str, links: Links = "inside") -> None:
        self.unread: list[Picture] = []
        self._root, self._dataset = os.fspath(root), dataset
        self._inside = (self._root, *link_targets(root, links))
        self._follows_folders = links == "follow"
        self._refused: list[Reject | Filtered] = []
        self._ignored = 0
        self._other_files: Counter[str] = Counter()

    @property
    def refused(self) -> list[Reject | Filtered | TreeReport]:
        """What the walks and pairings so far could not use, and a report of other files; a reader yields it last."""
        report = TreeReport(self._dataset, self._ignored, dict(sorted(self._other_files.items())))
        unread = [  # in a folder of labels they may be of a photo with another path
            replace(self.reject_unread(picture), sample_id=f"{self._dataset}/{picture.stem}") for picture in self.unread
        ]
        return [*self._refused, *unread, *([report] if self._ignored or self._other_files else [])]

    def take_unread(self) -> list[Picture]:
        """The pictures in formats that segdata does not read, in the folders walked since the last call.

        The reader reports what it takes; `refused` reports the others.
        """
        taken, self.unread = self.unread, []
        return taken

    def reject_unread(self, picture: Picture) -> Reject:
        """The reject of a picture in a format that segdata does not read."""
        suffix = picture.path[len(picture.stem) :]
        detail = f"{UNREAD_SUFFIXES[suffix.lower()]} ({suffix}), which is not read; convert it to JPEG or PNG"
        return Reject(self._dataset, picture.path, "unsupported_format", detail)

    def pictures(self, folder: str, any_name: bool = False, without: Collection[str] = ()) -> Iterator[Picture]:
        """The pictures below a folder, sorted; hidden ones, such as AppleDouble `._` leftovers, are no pictures.

        Links to folders are refused unless the recipe follows all links, and one to a folder that contains it always,
        so that a tree with a loop in it ends. A folder whose name ends like a picture's counts as one, and fails as
        one when it is read.

        Args:
            folder: under the root.
            any_name: take files whatever their suffix, hidden ones too.
            without: folders under the root that are left out.
        """
        start = os.path.normpath(folder) if folder else ""
        outside = self._leads_out(start)
        waiting: list[tuple[str, tuple[str, ...]]] = [("" if start == "." else start, ())]
        while waiting:
            here, links = waiting.pop()
            folders = []
            for entry in self._entries(here):
                name = entry.name
                path = f"{here}/{name}" if here else name
                stem, dot, suffix = path.rpartition(".")
                is_picture = dot + suffix.lower() in IMAGE_SUFFIXES
                if name[0] == "." and not any_name:
                    self._set_aside_hidden(entry, path, is_picture)
                elif is_picture or (any_name and not entry.is_dir()):
                    if any_name and _is_leftover(name):
                        self._ignored += 1
                    leads_out = outside or (entry.is_symlink() and self._leads_out(path))
                    yield Picture(path, stem if "/" not in suffix else path, leads_out)
                elif name in _LEFTOVER_FOLDERS:
                    self._ignored += 1
                elif not entry.is_symlink() and entry.is_dir():
                    if path not in without:
                        folders.append((path, links))
                elif os.path.isdir(entry.path):  # noqa: PTH112  # a link, perhaps to nowhere or in a circle
                    folders += self._follow_folder(path, links)
                else:
                    self._note_other(path, stem, suffix)
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
                self._refused.append(Reject(self._dataset, label.path, "unsafe_path", detail, sample_id=sample_id))
        return found

    def pair(self, image: Picture, alpha: Picture | None, **columns: Any) -> Candidate | Reject:
        """An image and its alpha as a candidate, if their names can be trusted.

        Args:
            image: the image; its path is the candidate's.
            alpha: its alpha; None for a background.
            columns: the rest of the candidate: kind, split, licence, alpha_channel, alpha_index.
        """
        if image.leads_out or (alpha is not None and alpha.leads_out):
            follow = 'links = "follow" in [[sources]] follows it, if you trust it'
            return self._unsafe(image.path, f"a link that leaves the root; {follow}")
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

    def merge(self, image: Picture, alphas: Sequence[Picture], **columns: Any) -> Candidate | Reject:
        """As `pair`, with several alphas, which are merged."""
        pairs = [self.pair(image, alpha, **columns) for alpha in alphas]
        reject = next((one for one in pairs if isinstance(one, Reject)), None)
        if reject is not None:
            return reject
        first, *others = (one for one in pairs if isinstance(one, Candidate))
        return first._replace(more_alphas=tuple(str(other.alpha) for other in others))

    def refuse(self, path: str, detail: str) -> None:
        """Remember a path that is not safe to use."""
        self._refused.append(self._unsafe(path, detail))

    def _unsafe(self, path: str, detail: str) -> Reject:
        return Reject(self._dataset, path, "unsafe_path", detail)

    def _set_aside_hidden(self, entry: os.DirEntry[str], path: str, is_picture: bool) -> None:
        """Count a hidden file or folder: a leftover, or a picture that somebody hid."""
        if _is_leftover(entry.name) or entry.is_dir(follow_symlinks=False):
            self._ignored += 1
        elif is_picture:
            self._refused.append(Filtered(self._dataset, path, "hidden"))

    def _follow_folder(self, path: str, links: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        """A link to a folder, to be walked with the folders that led to it, or nothing if it is refused."""
        if not self._follows_folders:
            self.refuse(path, 'a link to a folder; links = "follow" in [[sources]] follows it, if you trust it')
            return []
        real = os.path.realpath(f"{self._root}/{path}")
        folder = Path(self._root, path).parent
        chain = (*links, os.path.realpath(folder))
        if any(_is_below(place, real) for place in chain):
            self.refuse(path, "a link to a folder that contains it; remove the link")
            return []
        return [(path, (*chain, real))]

    def _note_other(self, path: str, stem: str, suffix: str) -> None:
        """Count a file that is no picture by its name, or remember it as a picture that segdata does not read."""
        name = path.rpartition("/")[2]
        if _is_leftover(name):
            self._ignored += 1
        elif f".{suffix.lower()}" in UNREAD_SUFFIXES:
            self.unread.append(Picture(path, stem, False))
        else:
            has_suffix = "." in name.lstrip(".")
            self._other_files[printable(f".{suffix.lower()}") if has_suffix else ""] += 1

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:  # noqa: PTH118  # 68,000 of them: no Paths
                return sorted(entries, key=attrgetter("name"))
        except OSError as error:
            detail = f"a folder that can't be listed ({error.strerror})"
            self._refused.append(Reject(self._dataset, folder, "unreadable_image", detail))
            return []

    def _leads_out(self, path: str) -> bool:
        real = os.path.realpath(f"{self._root}/{path}")
        return not any(_is_below(real, folder) for folder in self._inside)


def is_picture_name(path: str) -> bool:
    """Whether a file is a picture by its name, and not hidden."""
    name = path.rpartition("/")[2]
    return not name.startswith(".") and f".{name.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES


def _is_leftover(name: str) -> bool:
    """Whether a file is a leftover of a file system or of a file manager."""
    return name.startswith("._") or name.lower() in _LEFTOVER_FILES


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def read_list(root: Path, path: str, dataset: str, links: Links = "inside") -> bytes:
    """All bytes of a list that belongs to a source.

    Args:
        root: of the source, its own links followed.
        path: of the list, under the root.
        dataset: the source's name in the recipe.
        links: which links are followed, as the recipe says.

    Raises:
        SourceError: It lies outside the root, its links followed.
        OSError: It can't be read.
    """
    try:
        return Root(root, link_targets(root, links)).read(path, _LONGEST_LIST)[0]
    except LeavesRootError as error:
        raise SourceError(
            f"source {dataset}: {printable(str(root / path))}: a link that leaves the root is not read; put the file "
            'itself there, or write links = "follow" in [[sources]]'
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
