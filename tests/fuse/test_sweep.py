"""What killed fuses left behind goes; what is of use, or may be written still, stays."""

from __future__ import annotations

import os
from pathlib import Path

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.fuse.sweep import sweep


def test_old_strays_go_and_cached_foregrounds_and_young_files_stay(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    names = ("foregrounds/a/one.npy", "foregrounds/a/.one.npy.tmp", "composites/p/stray.jpg", "composites/p/young.jpg")
    for name in names:
        path = workspace.catalog.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if "young" not in name:
            os.utime(path, (1, 1))
    assert sweep(workspace) == 2
    left = {name for name in names if (workspace.catalog.files / name).exists()}
    assert left == {"foregrounds/a/one.npy", "composites/p/young.jpg"}
