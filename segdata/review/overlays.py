"""The overlays of a case: two outlines and what lies between them, as masks that FiftyOne colours.

Label and prediction are lines, not surfaces, so that all can be on at once: where both agree, the label's line lies
outside the shared outline and the prediction's inside. Only the disagreement is a surface. White and violet
lines show on light ground and on dark, and with the report's orange and blue they are told apart with any common
colour vision deficiency: a test simulates them (Machado et al. 2009).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.catalog.packing import unpack_mask
from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.workspace import Workspace
from segdata.errors import SegdataError
from segdata.imaging.arrays import Mask
from segdata.imaging.encode import encode_png
from segdata.records import LABEL_CUT

TAKEN, MISSED = 1, 2
"""The values of the disagreement's mask: background that was taken for person, and person that was missed."""
LABEL_COLOUR, PREDICTION_COLOUR = "#ffffff", "#6600cc"
TAKEN_COLOUR, MISSED_COLOUR = "#f09600", "#46aff5"
NAMES = ("disagreement", "label", "prediction")
_LINE_FRACTION = 0.004  # of the longer side: how wide a line is


@dataclass(frozen=True)
class Overlays:
    """The files of one case's overlays.

    Attributes:
        label, prediction, disagreement: PNG files; None where there is nothing to draw.
        note: why one is missing; empty if none is.
    """

    label: Path | None
    prediction: Path | None
    disagreement: Path | None
    note: str = ""


def draw_overlays(label: Mask, prediction: Mask | None, longer_px: int) -> dict[str, NDArray[np.uint8]]:
    """The masks by name: 0 is transparent, 1 a line; in the disagreement 1 is taken, 2 is missed.

    Args:
        label: (H, W) bool.
        prediction: (H, W) bool; None where nothing is predicted, and only the label is drawn.
        longer_px: of the results, which are never larger than the label.

    Returns:
        (h, w) uint8 each.

    >>> square = np.zeros((9, 9), bool)
    >>> square[3:6, 3:6] = True
    >>> drawn = draw_overlays(square, square, 9)
    >>> int(drawn["label"].sum()), int(drawn["prediction"].sum()), int(drawn["disagreement"].sum())
    (16, 8, 0)
    """
    drawn = {"label": _outside(_shrunk(label, longer_px))}
    if prediction is None:
        return drawn
    taken, missed = _shrunk(prediction & ~label, longer_px), _shrunk(label & ~prediction, longer_px)
    drawn["prediction"] = _inside(_shrunk(prediction, longer_px))
    drawn["disagreement"] = np.where(missed, MISSED, np.where(taken, TAKEN, 0)).astype(np.uint8)
    return drawn


def overlay_paths(sample: Mapping[str, Any], scorer_id: str | None, folder: Path, longer_px: int) -> dict[str, Path]:
    """The files of a case's overlays by name: each name depends on the files' hashes and on the scorer.

    Args:
        sample: its row of `samples`.
        scorer_id: whose prediction is drawn; None where only the label is.
        folder: where they lie.
        longer_px: of the masks.
    """
    names = ("label",) if scorer_id is None else NAMES
    return {
        name: folder / _file_name(sample, scorer_id if scorer_id and name != "label" else "", name, longer_px)
        for name in names
    }


def write_overlays(
    workspace: Workspace, sample: dict[str, Any], prediction: dict[str, Any] | None, folder: Path, longer_px: int
) -> Overlays:
    """Draw a case's overlays, unless they are there: their names say of which bytes and whose prediction they are.

    Args:
        workspace: where the sample's files are found.
        sample: its row of `samples`.
        prediction: its row of `predictions`, None if there is none.
        folder: where they go.
        longer_px: of the masks.
    """
    paths = overlay_paths(sample, prediction["scorer_id"] if prediction else None, folder, longer_px)
    if sample["alpha_uri"] is None:
        return Overlays(None, None, None, "a background has no label")
    if not all(path.is_file() for path in paths.values()):
        try:
            label: Mask = read_alpha_of(workspace, sample) >= LABEL_CUT
            mask = unpack_mask(prediction["mask"], prediction["height"], prediction["width"]) if prediction else None
        except (SegdataError, OSError):
            return Overlays(None, None, None, "the label or the prediction can't be read")
        if mask is not None and mask.shape != label.shape:
            return Overlays(None, None, None, "the prediction is of another size than the label")
        for name, drawn in draw_overlays(label, mask, longer_px).items():
            _write(paths[name], encode_png(drawn))
    return Overlays(
        paths["label"],
        paths.get("prediction"),
        paths.get("disagreement"),
        "" if prediction else "no prediction is kept for these files",
    )


def _file_name(sample: Mapping[str, Any], scorer: str, name: str, longer_px: int) -> str:
    told = "\x1f".join((str(sample["image_sha256"]), str(sample["alpha_sha256"]), scorer, name, str(longer_px)))
    digest = hashlib.sha256(told.encode()).hexdigest()[:40]
    return f"{digest[:2]}/{digest}-{name}.png"


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and without waiting for the disk: whatever a power cut takes is drawn again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{id(data)}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _shrunk(mask: Mask, longer_px: int) -> NDArray[np.uint8]:
    """By area, and cut so low that a strand of a pixel's width stays."""
    height, width = mask.shape
    scale = longer_px / max(height, width)
    if scale >= 1:
        return mask.astype(np.uint8)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    share = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    return np.asarray(share >= 80, np.uint8)


def _outside(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(mask, _kernel(mask)) - mask, np.uint8)


def _inside(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    eroded = cv2.erode(mask, _kernel(mask), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return np.asarray(mask - eroded, np.uint8)


def _kernel(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    width = max(1, round(_LINE_FRACTION * max(mask.shape)))
    return np.ones((2 * width + 1, 2 * width + 1), np.uint8)
