"""`segdata fuse --preview`: a few composites of the plan on one sheet, to look at before hundreds are rendered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.fuse.recipe import FuseRecipe
from segdata.fuse.run import planned_composites
from segdata.records import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from segdata.catalog.workspace import RunContext
    from segdata.fuse.render import Failure
    from segdata.imaging.arrays import Image

_ROW_PX = 320
_GAP_PX = 6
_SHEET_PX = 1600  # about as wide as a sheet gets


@dataclass(frozen=True)
class PreviewResult:
    """What was drawn.

    Attributes:
        path: the sheet, a JPEG.
        uri: the same as the catalog would name it.
        portraits: how many portraits those on it were made for.
        composites: how many are on it.
        sample_ids: theirs, row by row from the left.
        failed: those that a parent prevented, and why.
    """

    path: Path
    uri: str
    portraits: int
    composites: int
    sample_ids: tuple[str, ...]
    failed: tuple[Failure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        failed = [{"sample_id": one.sample_id, "reason": one.reason} for one in self.failed]
        return {
            "preview": self.uri,
            "portraits": self.portraits,
            "composites": self.composites,
            "written": 0,
            "reused": 0,
            "shown": list(self.sample_ids),
            "failed": failed,
        }


def preview(
    context: RunContext, recipe: FuseRecipe, portraits: pa.Table, backgrounds: pa.Table, count: int
) -> PreviewResult:
    """Draw `reports/<run_id>/composites.jpg`: composites spread evenly over the plan. No row of the catalog changes.

    Args:
        context: `workers` threads render.
        recipe: `[fuse]`.
        portraits: rows of `samples`.
        backgrounds: rows of `samples`.
        count: composites on the sheet.

    Raises:
        TooFewSamplesError: The plan holds no composite, or can't be made.
        StorageError: The sheet can't be written.
    """
    from segdata.catalog.layers import LayerCache
    from segdata.engines.local import map_threads
    from segdata.errors import TooFewSamplesError
    from segdata.fuse.render import Failure, Renderer
    from segdata.imaging.encode import encode_jpeg
    from segdata.storage.files import atomic_write

    everything = planned_composites(context, recipe, portraits, backgrounds)
    if not everything:
        raise TooFewSamplesError(f"fuse: ratio {recipe.ratio:g} of the training portraits is none; raise --ratio")
    number = min(count, len(everything))
    chosen = [everything[index * len(everything) // number] for index in range(number)]
    renderer = Renderer(context.workspace, LayerCache(context.workspace, recipe.settings().layer), context.run_id)
    pictures: list[Image] = []
    names: list[str] = []
    first: set[str] = set()
    failed: list[Failure] = []
    for planned, made in zip(chosen, map_threads(renderer.fuse, chosen, context.workers), strict=True):
        if isinstance(made, Failure):
            failed.append(made)
        else:
            pictures.append(_to_height(made[0], _ROW_PX))
            names.append(planned.sample_id)
            first.add(str(planned.portraits[0]["sample_id"]))
        context.progress(Progress("fuse", "preview", len(pictures) + len(failed), number, "composites"))
    path = context.workspace.reports / context.run_id / "composites.jpg"
    atomic_write(path, encode_jpeg(sheet(pictures), 92))
    uri = context.workspace.uri_of(path)
    return PreviewResult(path, uri, len(first), len(pictures), tuple(names), tuple(failed))


def sheet(pictures: Sequence[Image]) -> Image:
    """Pictures of one height in rows on white.

    Args:
        pictures: (h, w, 3) uint8 each, all of one h; their widths may differ.

    Returns:
        (H, W, 3) uint8; of a single white pixel row where there are none.
    """
    import numpy as np

    if not pictures:
        return np.full((1, _GAP_PX, 3), 255, np.uint8)
    height = pictures[0].shape[0]
    widest = max(picture.shape[1] for picture in pictures)
    across = max(1, min(_SHEET_PX // (widest + _GAP_PX), math.ceil(math.sqrt(2 * len(pictures)))))
    rows = [pictures[start : start + across] for start in range(0, len(pictures), across)]
    width = max(sum(picture.shape[1] + _GAP_PX for picture in row) for row in rows) + _GAP_PX
    page: Image = np.full((len(rows) * (height + _GAP_PX) + _GAP_PX, width, 3), 255, np.uint8)
    for number, row in enumerate(rows):
        top, left = _GAP_PX + number * (height + _GAP_PX), _GAP_PX
        for picture in row:
            page[top : top + height, left : left + picture.shape[1]] = picture
            left += picture.shape[1] + _GAP_PX
    return page


def _to_height(image: Image, height: int) -> Image:
    import cv2

    width = max(1, round(image.shape[1] * height / image.shape[0]))
    how = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
    resized: Image = cv2.resize(image, (width, height), interpolation=how)
    return resized
