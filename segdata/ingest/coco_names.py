"""Which file a `file_name` of COCO annotations means: somebody's text, looked up among the files of a folder.

Tools write the name alone, a path from the folder of photos or from the root, with slashes or backslashes, or a path of
another machine.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from segdata.ingest.path_ends import PathEnds
from segdata.ingest.reading import fault_of

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class NamedFile(NamedTuple):
    """What a `file_name` means.

    Attributes:
        path: under the root, of the file that is meant, or that should be there; empty for a name with a fault.
        fault: what is wrong with the name; None if nothing is.
    """

    path: str
    fault: str | None = None


def match_names(names: Sequence[object], folder: str, files: Collection[str], moved: bool = False) -> list[NamedFile]:
    """The file that each name means.

    A name that is the path of a file, from the folder or from the root, means that file. Any other means the one file
    whose path ends as the name does, if no other name means it too: a photo must not get the annotations of another.

    Args:
        names: the `file_name` of each entry; anything but text is a fault.
        folder: where the photos lie, under the root.
        files: the paths of the files in it, under the root.
        moved: look a path that leaves the folder up by its last part.
    """
    matches = [_match_exactly(name, folder, files) for name in names]
    taken = {match.path for match in matches}
    ends: PathEnds | None = None  # most lists name every file by its path, and need none
    meant: dict[int, str] = {}
    for number, (name, match) in enumerate(zip(names, matches, strict=True)):
        if match.path in files or not isinstance(name, str) or (match.fault is not None and not moved):
            continue
        parts = name.replace("\\", "/").split("/")
        if match.fault is not None:
            parts = parts[-1:]
        if ends is None:
            ends = PathEnds((path for path in files if path not in taken), folder)
        alike = ends.find(parts)
        if len(alike) == 1:
            meant[number] = alike[0]
    wanted = Counter(meant.values())
    for number, path in meant.items():
        if wanted[path] == 1:
            matches[number] = NamedFile(path)
    return matches


def _match_exactly(name: object, folder: str, files: Collection[str]) -> NamedFile:
    if not isinstance(name, str):
        return NamedFile("", "is missing")
    plain = name.replace("\\", "/")
    fault = "leaves its folder" if _DRIVE.match(name) else fault_of(plain)
    if fault is not None:
        return NamedFile("", fault)
    below = posixpath.normpath(f"{folder}/{plain}")
    if below in files:
        return NamedFile(below)
    # an archive of Windows, unpacked here, gives files whose own names contain backslashes
    for path in (posixpath.normpath(plain), f"{folder}/{name}".removeprefix("./")):
        if path in files:
            return NamedFile(path)
    return NamedFile(below)
