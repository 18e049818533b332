"""What each picture looks like, in 1 KB, by the hash of its bytes: so that a search for copies decodes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.catalog.pixels import read_image_of
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.engines.local import map_threads
from segdata.errors import DataError
from segdata.imaging.appearance import SIDE, Thumbnail, thumbnail_of

_BYTES = SIDE * SIDE


class AppearanceWriter:
    """Keeps the thumbnails of pictures that the catalog has none of yet.

    Args:
        catalog: whose table `appearances` is appended to.
        run_id: for the rows.
    """

    def __init__(self, catalog: Catalog, run_id: str) -> None:
        self._catalog, self._run_id = catalog, run_id
        self._known: set[str] | None = None
        self._version = 0

    def add(self, thumbnails: Mapping[str, Thumbnail]) -> None:
        """Append, in one commit, those that are new.

        Args:
            thumbnails: (32, 32) uint8 by the `image_sha256` of the picture.
        """
        if self._known is None:
            self._known = self._in_catalog()
        while new := sorted(set(thumbnails) - self._known):
            rows: list[dict[str, object]] = [
                {"image_sha256": name, "thumbnail": thumbnails[name].tobytes(), "run_id": self._run_id} for name in new
            ]
            # what another ingest has written since is not written twice
            written = self._catalog.append(
                "appearances",
                rows_to_table("appearances", rows),
                transaction=f"appearances-after-{self._version}",
                after=self._version,
            )
            if written:
                self._version += 1
                self._known.update(new)
            else:
                self._known = self._in_catalog()

    def _in_catalog(self) -> set[str]:
        self._version = max(self._catalog.version("appearances"), 0)  # 0: the first write makes the table
        return set(self._catalog.read("appearances", ["image_sha256"])["image_sha256"].to_pylist())


def thumbnails_of(workspace: Workspace, samples: pa.Table, threads: int) -> NDArray[np.uint8]:
    """The thumbnail of each sample; from its pixels where the catalog keeps none, as for rows of an older version.

    Args:
        workspace: where they are kept, and where pixels are read.
        samples: rows of `samples`: `sample_id`, `image_sha256`, `image_uri`.
        threads: decode so many at a time.

    Returns:
        (N, 32, 32) uint8; all 0, which looks like nothing, where a picture can't be read.
    """
    wanted = pa.table({"key": samples["image_sha256"], "place": np.arange(samples.num_rows)})
    found, kept = np.zeros((samples.num_rows, _BYTES), np.uint8), np.zeros(samples.num_rows, bool)
    for batch in workspace.catalog.matching("appearances", "thumbnail", wanted):
        places = batch["place"].to_numpy()
        found[places], kept[places] = _values(batch["thumbnail"]), True
    thumbnails = found.reshape(-1, SIDE, SIDE)
    missing = np.flatnonzero(~kept)
    pairs = zip(missing, samples.take(pa.array(missing)).to_pylist(), strict=True)
    for index, thumbnail in map_threads(lambda pair: (pair[0], _decoded(workspace, pair[1])), pairs, threads):
        thumbnails[index] = thumbnail
    return thumbnails


def _values(column: pa.Array) -> NDArray[np.uint8]:
    """(N, 1024) uint8: the bytes of a column."""
    fixed = column.cast(pa.binary(_BYTES))
    return np.frombuffer(fixed.buffers()[1], np.uint8).reshape(-1, _BYTES)[fixed.offset : fixed.offset + len(fixed)]


def _decoded(workspace: Workspace, row: Mapping[str, Any]) -> Thumbnail:
    try:
        return thumbnail_of(read_image_of(workspace, row))
    except DataError:
        return np.zeros((SIDE, SIDE), np.uint8)
