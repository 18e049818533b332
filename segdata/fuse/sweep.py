"""What killed fuses left behind: rendered files of no row, and half-written ones. Swept when they are old enough."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.catalog.workspace import Workspace

OLD_SECONDS = 3600.0
"""A file this old is no longer being written by anybody; a younger one may belong to a fuse that is going on."""


def sweep(workspace: Workspace, old_seconds: float = OLD_SECONDS) -> int:
    """Delete the files under `composites/` that no row names, and the temporary ones beside the cached foregrounds.

    Args:
        workspace: whose.
        old_seconds: younger files are left alone.

    Returns:
        How many were deleted.
    """
    files, latest = workspace.catalog.files, time.time() - old_seconds
    stray = [path for path in _files_under(files / "foregrounds") if _is_temporary(path) and _is_old(path, latest)]
    rendered = [path for path in _files_under(files / "composites") if _is_old(path, latest)]
    if rendered:  # not so after a first fuse, however many it made
        where = "kind = 'composite' AND status = 'present'"
        rows = workspace.catalog.read("samples", ["image_uri", "alpha_uri"], where)
        known = {*rows["image_uri"].to_pylist(), *rows["alpha_uri"].to_pylist()}
        stray += [path for path in rendered if workspace.uri_of(path) not in known]
    return sum(_is_deleted(path) for path in stray)


def _files_under(folder: Path) -> Iterator[Path]:
    """One after the other: `Path.rglob` would hold all entries of a folder of ten thousand composites at once."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files_under(Path(entry.path))
                else:
                    yield Path(entry.path)
    except OSError:  # not there, or somebody else's sweep was quicker
        return


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".tmp"


def _is_old(path: Path, latest: float) -> bool:
    """Whether it is a file that nobody has written since."""
    try:
        state = path.stat()
    except OSError:  # somebody else's sweep was quicker
        return False
    return stat.S_ISREG(state.st_mode) and state.st_mtime <= latest


def _is_deleted(path: Path) -> bool:
    with contextlib.suppress(OSError):  # somebody else's sweep, or not ours to delete
        path.unlink()
        return True
    return False
