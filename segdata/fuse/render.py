"""One composite: its parents read, fused, written, and the row that tells of it. What a worker does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segdata.catalog.keys import mask_file_sha256
from segdata.catalog.layers import LayerCache
from segdata.catalog.pixels import read_image_of, read_pair
from segdata.catalog.workspace import Workspace
from segdata.errors import DataError
from segdata.fuse.plan import PlannedComposite, Row
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.encode import encode_jpeg, encode_png
from segdata.imaging.fusion import fuse_layers
from segdata.imaging.layer import Layer
from segdata.imaging.phash import phash
from segdata.metrics.labels import measure_label
from segdata.storage.files import atomic_write, read_bytes, sha256_of


@dataclass(frozen=True)
class Failure:
    """A composite that could not be made, since a parent can't be read or is no longer what was ingested.

    Attributes:
        sample_id: the composite's.
        reason: where, what, and what to do.
    """

    sample_id: str
    reason: str


class Renderer:
    """Renders planned composites into the catalog's files; called by several threads at once.

    Args:
        workspace: where parents are read and composites written.
        layers: the cache of portraits cut out.
        run_id: for the rows.
    """

    def __init__(self, workspace: Workspace, layers: LayerCache, run_id: str) -> None:
        self._workspace = workspace
        self._layers = layers
        self._run_id = run_id

    def render(self, planned: PlannedComposite) -> dict[str, Any] | Failure:
        """Write image and alpha, and return the composite's row; or say which parent is at fault.

        Raises:
            StorageError: A file can't be written: a full disk, a read-only folder.
        """
        made = self.fuse(planned)
        if isinstance(made, Failure):
            return made
        composite, blended = made
        image_path, alpha_path = paths_of(self._workspace, planned)
        image_data, alpha_data = encode_jpeg(composite, planned.quality), encode_png(blended)
        atomic_write(image_path, image_data)
        atomic_write(alpha_path, alpha_data)
        return {
            **_row(planned, self._run_id),
            # before the JPEG, whose quality moves no pHash, so that nothing is decoded to measure it
            **measure_label(blended),
            "height": blended.shape[0],
            "width": blended.shape[1],
            "phash": phash(composite),
            "image_uri": self._workspace.uri_of(image_path),
            "alpha_uri": self._workspace.uri_of(alpha_path),
            "image_size": len(image_data),
            "alpha_size": len(alpha_data),
            "image_mtime_ns": image_path.stat().st_mtime_ns,
            "alpha_mtime_ns": alpha_path.stat().st_mtime_ns,
            "image_sha256": sha256_of(image_data),
            "alpha_sha256": sha256_of(alpha_data),
        }

    def fuse(self, planned: PlannedComposite) -> tuple[Image, Alpha] | Failure:
        """The composite's pixels and alpha, of parents that are what was ingested; nothing of it is written.

        Raises:
            StorageError: A layer can't be kept: a full disk, a read-only folder.
        """
        try:
            for _, parent in planned.parents:
                _refuse_changed(self._workspace, parent)
            pairs = [(row, *read_pair(self._workspace, row)) for row in planned.portraits]
            scene = read_image_of(self._workspace, planned.background)
        except DataError as error:
            return Failure(planned.sample_id, str(error))
        layers: dict[str, Layer] = {
            str(row["sample_id"]): self._layers.layer(row, image, label) for row, image, label in pairs
        }
        in_depth = [layers[placed.portrait_id] for placed in planned.fusion.portraits]
        return fuse_layers(in_depth, scene, planned.fusion)


def paths_of(workspace: Workspace, planned: PlannedComposite) -> tuple[Path, Path]:
    """Where a composite's image and alpha lie: named by their content's key, so that a file is right or not there."""
    folder = workspace.catalog.files / "composites" / planned.key[:2]
    return folder / f"{planned.key}.jpg", folder / f"{planned.key}.png"


def _refuse_changed(workspace: Workspace, row: Row) -> None:
    for uri, expected in (
        (row["image_uri"], row["image_sha256"]),
        (row["alpha_uri"], mask_file_sha256(row["alpha_sha256"], row.get("alpha_file_sha256"))),
    ):
        if uri is None:
            continue
        path = workspace.resolve(uri)
        if sha256_of(read_bytes(path)) != expected:
            raise DataError(f"{row['sample_id']}: {path} has changed since it was ingested; run segdata ingest")


def _row(planned: PlannedComposite, run_id: str) -> dict[str, Any]:
    licences = dict.fromkeys(str(parent["licence"]) for _, parent in planned.parents if parent["licence"])
    return {
        "sample_id": planned.sample_id,
        "dataset": "composite",
        "kind": "composite",
        "split": "train",
        "status": "present",
        "group_id": planned.portraits[0]["group_id"],
        "path": planned.sample_id.removeprefix("composite/"),
        "alpha_channel": None,
        "parents": [
            {"role": role, **{name: parent[name] for name in ("sample_id", "image_sha256", "alpha_sha256")}}
            for role, parent in planned.parents
        ],
        "fusion": planned.fusion.to_json(),
        "licence": "; ".join(licences),
        "run_id": run_id,
    }
