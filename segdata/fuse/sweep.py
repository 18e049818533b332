"""What killed fuses left behind: rendered files of no row, and half-written ones. Swept when they are old enough."""

from __future__ import annotations

import contextlib
import time
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
    rows = workspace.catalog.read("samples", ["image_uri", "alpha_uri"], "kind = 'composite' AND status = 'present'")
    known = {*rows["image_uri"].to_pylist(), *rows["alpha_uri"].to_pylist()}
    files = workspace.catalog.files
    rendered = (path for path in (files / "composites").rglob("*") if path.is_file())
    stray = [path for path in rendered if workspace.uri_of(path) not in known]
    stray += list((files / "foregrounds").rglob(".*.tmp"))
    latest = time.time() - old_seconds
    return sum(_delete_if_old(path, latest) for path in stray)


def _delete_if_old(path: Path, latest: float) -> bool:
    with contextlib.suppress(OSError):  # somebody else's sweep, or not ours to delete
        if path.stat().st_mtime <= latest:
            path.unlink()
            return True
    return False
