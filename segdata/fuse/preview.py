"""`segdata fuse --preview`: a few composites of the plan on one sheet, to look at before hundreds are rendered."""

from __future__ import annotations

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
    from segdata.imaging.sheet import sheet, to_height
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
            pictures.append(to_height(made[0], _ROW_PX))
            names.append(planned.sample_id)
            first.add(str(planned.portraits[0]["sample_id"]))
        context.progress(Progress("fuse", "preview", len(pictures) + len(failed), number, "composites"))
    path = context.workspace.reports / context.run_id / "composites.jpg"
    atomic_write(path, encode_jpeg(sheet(pictures), 92))
    uri = context.workspace.uri_of(path)
    return PreviewResult(path, uri, len(first), len(pictures), tuple(names), tuple(failed))
