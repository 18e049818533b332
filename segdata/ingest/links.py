"""Which folders outside a source its links may lead into: the caches of tools that replace files by links.

    <repository>/.dvc/cache/             DVC with cache.type = symlink
    <repository>/.git/annex/objects/     git-annex, DataLad
    <hub>/datasets--*/blobs/             the Hugging Face hub, whose files lie in snapshots/ beside it

A cache belongs to the source if the source lies in the same repository or snapshot. Any other link that leaves the
source needs `links = "follow"` in the recipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Links = Literal["inside", "follow"]
_HUB_FOLDERS = ("datasets--", "models--", "spaces--")


def link_targets(root: Path, links: Links = "inside") -> tuple[str, ...]:
    """The folders outside a source that its links may lead into, absolute; "/" if every link is followed.

    Args:
        root: of the source, its own links resolved.
        links: as the recipe says.
    """
    if links == "follow":
        return ("/",)
    # A cache that is itself reached by a link may be any folder of this machine.
    return tuple(str(cache) for cache in _caches(root) if cache.is_dir() and os.path.realpath(cache) == str(cache))


def _caches(root: Path) -> Iterator[Path]:
    """The caches of the innermost repositories and of the snapshot that contain a folder."""
    places = (root, *root.parents)
    for marker, cache in ((".dvc", ".dvc/cache"), (".git", ".git/annex/objects")):
        repository = next((place for place in places if os.path.lexists(place / marker)), None)
        if repository is not None:
            yield repository / cache
    for place in root.parents:
        if place.name == "snapshots" and place.parent.name.startswith(_HUB_FOLDERS):
            yield place.parent / "blobs"
            return
