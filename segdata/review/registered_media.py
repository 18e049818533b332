"""The files that the App's server may hand out: the pictures and overlays of the dataset's samples, from the catalog.

FiftyOne's database has paths, too, but the App can change them. It only says here which of the catalog's samples are in
the dataset.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.review.media import picture_path
from segdata.review.overlays import overlay_paths

_COLUMNS = ("sample_id", "image_uri", "image_sha256", "alpha_sha256")
_Key = tuple[str, str | None, str | None]


def registered_media(workspace: Workspace, folder: Path, sample_ids: Set[str], overlay_px: int) -> dict[str, str]:
    """The files of some samples: by the path that the App asks for, the file that it means with all links followed.

    Args:
        workspace: its catalog says which files these are.
        folder: of the review, where overlays and copies of pictures lie.
        sample_ids: the samples of FiftyOne's dataset; those that the catalog does not have are left out.
        overlay_px: the size of the overlays.
    """
    real_folders: dict[str, str] = {}
    return {
        asked: _real_path(asked, real_folders)
        for path in _paths(workspace, folder, sample_ids, overlay_px)
        if (asked := os.path.abspath(path))  # noqa: PTH100  # as FiftyOne writes it, with links as they are
    }


def _paths(workspace: Workspace, folder: Path, sample_ids: Set[str], overlay_px: int) -> Iterator[Path]:
    wanted = pa.array(sorted(sample_ids), pa.string())
    samples = workspace.catalog.read("samples", _COLUMNS, "status = 'present'")
    scorers = _scorers(workspace.catalog, wanted)
    for sample in samples.filter(pc.is_in(samples["sample_id"], wanted)).to_pylist():
        yield picture_path(workspace, sample, folder / "pictures")
        for scorer_id in (None, *scorers.get(_key(sample), ())):
            yield from overlay_paths(sample, scorer_id, folder / "overlays", overlay_px).values()


def _scorers(catalog: Catalog, wanted: pa.Array) -> Mapping[_Key, list[str]]:
    """Whose predictions are kept of each sample, by its id and hashes."""
    rows = catalog.query("SELECT DISTINCT scorer_id, sample_id, image_sha256, alpha_sha256 FROM predictions")
    scorers: dict[_Key, list[str]] = defaultdict(list)
    for row in rows.filter(pc.is_in(rows["sample_id"], wanted)).to_pylist():
        scorers[_key(row)].append(row["scorer_id"])
    return scorers


def _key(row: Mapping[str, Any]) -> _Key:
    return row["sample_id"], row["image_sha256"], row["alpha_sha256"]


def _real_path(path: str, real_folders: dict[str, str]) -> str:
    """A path with its links followed; each folder is looked at once."""
    folder, name = os.path.split(path)
    if folder not in real_folders:
        real_folders[folder] = os.path.realpath(folder)
    joined = os.path.join(real_folders[folder], name)  # noqa: PTH118  # as many as there are files: no Paths
    return os.path.realpath(joined) if os.path.islink(joined) else joined  # noqa: PTH114  # as above
