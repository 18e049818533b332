"""What the readers share: walking a tree by names alone, and refusing paths that lead out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from segdata.errors import SourceError
from segdata.records import Candidate, Filtered, Reject

Found: TypeAlias = Candidate | Reject | Filtered

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def image_files(folder: Path) -> Iterator[Path]:
    """The picture files below a folder, sorted; hidden ones, such as AppleDouble `._` leftovers, are no pictures.

    Links to folders are not followed: a tree with a loop in it ends.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(place, name)


def leads_out(path: Path, root: Path) -> bool:
    """Whether a path, its links followed, lies outside the root.

    Args:
        path: of a file, below the root by its name.
        root: with its own links followed already.
    """
    return not Path(os.path.realpath(path)).is_relative_to(root)


def sample_id(dataset: str, path: str) -> str:
    """`<dataset>/<path within the source, without suffix>`.

    >>> sample_id("coco", "val2017/000000000139.jpg")
    'coco/val2017/000000000139'
    """
    return f"{dataset}/{Path(path).with_suffix('').as_posix()}"


def require_folders(root: Path, dataset: str, *names: str) -> None:
    """Refuse a root that is missing or has another layout.

    Raises:
        SourceError: It says what was looked for, what is there, and a folder below that looks right.
    """
    if not root.is_dir():
        raise SourceError(f"source {dataset}: root {root}: no such folder; correct it in the recipe, or give --root")
    if all((root / name).is_dir() for name in names):
        return
    children = sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))
    wanted = " and ".join(f"{name}/" for name in names)
    nested = next((child for child in children if all((child / name).is_dir() for name in names)), None)
    if nested is not None:
        raise SourceError(f"source {dataset}: root {root}: lacks {wanted}; {nested} has them: make that the root")
    there = ", ".join(f"{child.name}/" for child in children[:8]) or "no folders"
    raise SourceError(f"source {dataset}: root {root}: lacks {wanted}; it has {there}. Correct the root")
