"""`reports/<run_id>/mined.png`: the worst cases on one sheet, to look at before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from segdata.catalog.keys import key_of
from segdata.catalog.packing import unpack_mask
from segdata.catalog.pixels import read_pair
from segdata.catalog.workspace import RunContext
from segdata.errors import CatalogError, PixelError, StorageError
from segdata.imaging.arrays import Image
from segdata.imaging.encode import encode_png
from segdata.imaging.figures import LABEL_RGB, PREDICTION_RGB, disagreement, label_mask, over_tint, shrink
from segdata.imaging.sheet import sheet
from segdata.mine.judge import by_scorer
from segdata.mine.triage import Triaged
from segdata.mine.voices import predictions
from segdata.storage.files import atomic_write

Row = Mapping[str, Any]

NAME = "mined.png"
_TILE_PX = 220
_CAPTION_PX = 34
_PAPER, _INK = 255, (40, 40, 40)


def draw_contact_sheet(context: RunContext, cases: Sequence[dict[str, Any]], triaged: Sequence[Triaged]) -> str | None:
    """Draw cases: photo, label, prediction and disagreement side by side, with what went wrong; counts by mode on top.

    In the disagreement orange was taken but is background, and blue is person but was missed.

    Args:
        context: where photos and predictions are read, and the sheet is written.
        cases: the worst ones, worst first.
        triaged: of all selected cases, in order; those on the sheet are the first.

    Returns:
        The sheet's URI; None where no case can be drawn.

    Raises:
        StorageError: It can't be written.
    """
    masks: dict[Any, Any] = {}
    for scorer_id, ours in by_scorer(cases).items():
        masks |= predictions(context.catalog, scorer_id, ours, ["mask", "height", "width"])
    strips = [
        strip
        for case, found in zip(cases, triaged, strict=False)
        if (strip := _strip(context, case, found, masks.get(key_of(case)))) is not None
    ]
    if not strips:
        return None
    widest = max(strip.shape[1] for strip in strips)
    page = sheet([_widened(strip, widest) for strip in strips])
    modes = Counter(str(case["failure_mode"]) for case in cases[: len(strips)])
    title = f"{len(strips)} worst of {len(triaged)}: " + ", ".join(f"{n} {mode}" for mode, n in modes.most_common())
    page = np.vstack([_text(title, page.shape[1]), page])
    path = context.workspace.reports / context.run_id / NAME
    atomic_write(path, encode_png(page))
    return context.workspace.uri_of(path)


def _strip(context: RunContext, case: dict[str, Any], found: Triaged, row: Row | None) -> Image | None:
    """One case: its caption over four pictures."""
    if row is None:
        return None
    try:
        image, alpha = read_pair(context.workspace, case)
        mask = unpack_mask(row["mask"], row["height"], row["width"])
    except (StorageError, PixelError, CatalogError):
        return None
    if mask.shape != alpha.shape:
        return None
    longer = max(1, round(_TILE_PX * max(alpha.shape) / alpha.shape[0]))
    pictures = [
        shrink(image, longer),
        over_tint(image, alpha, LABEL_RGB, longer),
        over_tint(image, np.where(mask, 255, 0).astype(np.uint8), PREDICTION_RGB, longer),
        disagreement(image, label_mask(alpha), mask, longer),
    ]
    strip = np.hstack(pictures)
    strip = np.pad(strip, ((0, max(0, _TILE_PX - strip.shape[0])), (0, 0), (0, 0)), constant_values=_PAPER)
    first = f"{case['failure_mode']}  mIoU {case['miou']:.3f}"
    second = f"{found.triage} {found.label_suspicion:.2f}  {case['sample_id']}"
    caption = [_text(line, strip.shape[1], _CAPTION_PX // 2) for line in (first, second)]
    return np.vstack([*caption, strip[:_TILE_PX]])


def _text(words: str, width: int, height: int = 28) -> Image:
    """A line of text on paper; what is no ASCII becomes a question mark, and what is too long is cut."""
    line: Image = np.full((height, width, 3), _PAPER, np.uint8)
    plain = words.encode("ascii", "replace").decode()
    cv2.putText(line, plain, (4, height - 5), cv2.FONT_HERSHEY_SIMPLEX, height / 40, _INK, 1, cv2.LINE_AA)
    return line


def _widened(strip: Image, width: int) -> Image:
    return np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)), constant_values=_PAPER)
