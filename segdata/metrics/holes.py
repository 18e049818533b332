"""Holes: background that the person encloses, or nearly, such as the gap between arm and body.

The holes of a mask G are fill(close(G, r)) minus G: close is morphological closing by a disk of r = 1 % of the image's
diagonal, so that a gap open by less than 2r counts; fill sets every background component, 4-connected, that does not
reach the frame's top, left or right edge; the bottom edge counts as foreground, since a portrait is cut there. A
component (4-connected) counts from 0.1 % of the image on: most real masks hold specks of one pixel.

An image without a hole has no hole recall: null, neither 0 nor 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.metrics.arrays import Mask, check_mask
from segdata.metrics.bits import PackedMask, close_disk, components, framed, pack

CLOSING_RATIO = 0.01
"""The closing's radius, of the image's diagonal."""
SMALLEST_FRACTION = 0.001
"""The smallest component that counts as a hole, of the image's area."""


@dataclass(frozen=True)
class LabelledHoles:
    """The holes of one mask.

    Attributes:
        labels: (H, W) int32; 0 is no hole, i is hole number i.
        areas: pixels of each hole, those of number 1 first.
    """

    labels: NDArray[np.int32]
    areas: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many holes there are."""
        return len(self.areas)

    @property
    def fraction(self) -> float:
        """Pixels in holes, of the image's pixels."""
        return sum(self.areas) / self.labels.size


def closing_radius_px(height: int, width: int) -> int:
    """1 % of the diagonal, rounded, at least 1 pixel.

    >>> closing_radius_px(800, 600)
    10
    """
    return max(1, round(CLOSING_RATIO * hypot(height, width)))


def holes(mask: Mask) -> LabelledHoles:
    """Find a mask's holes.

    Args:
        mask: (H, W) bool, of a label or of a prediction.

    Raises:
        PixelError: Not a mask.

    >>> ring = np.zeros((40, 40), bool)
    >>> ring[10:30, 10:30] = True
    >>> ring[15:25, 15:25] = False
    >>> holes(ring).areas
    (100,)
    """
    return holes_of_packed(pack(mask, closing_radius_px(*mask.shape) + 1))


def holes_of_packed(packed: PackedMask) -> LabelledHoles:
    """Find the holes of a packed mask, whose margin is at least one pixel more than the closing's radius."""
    height, width = packed.height, packed.width
    smallest = SMALLEST_FRACTION * height * width
    closed = close_disk(packed.with_margin_below(), closing_radius_px(height, width))
    background = components(framed(closed.inverted(), border=1), connectivity=4)
    # No disk above or beside the frame's corner touches the mask, so the corner, in the first run, is outside.
    found = framed(packed.inverted())
    background.clear(0, found, above=1)
    # Closing leaves a sliver in every concave corner: most of what is found is too small.
    pieces = components(found, connectivity=4)
    areas = pieces.areas()
    large = np.flatnonzero(areas >= smallest)
    labels = np.broadcast_to(np.int32(0), (height, width))
    if len(large):
        labels = np.zeros((height, width), np.int32)
    for number, first in enumerate(large.tolist(), 1):
        pieces.only(first).paint(labels, number, packed.left_px)
    return LabelledHoles(labels, tuple(int(area) for area in areas[large]))


def hole_recall(label_holes: LabelledHoles, prediction: Mask) -> float | None:
    """The share of the label's hole pixels that the prediction leaves background, all holes pooled; null without one.

    Args:
        label_holes: the label's holes.
        prediction: (H, W) bool.
    """
    recalled = _recalled(label_holes, prediction)
    return None if recalled is None else float(recalled.sum() / sum(label_holes.areas))


def hole_recall_worst(label_holes: LabelledHoles, prediction: Mask) -> float | None:
    """The same share of the hole where it is lowest; null without a hole."""
    recalled = _recalled(label_holes, prediction)
    return None if recalled is None else float((recalled / np.array(label_holes.areas)).min())


def false_hole_fraction(label: Mask, prediction_holes: LabelledHoles) -> float:
    """Pixels of the prediction's holes that are person in the label, of the label's person pixels; 0 if it has none.

    Args:
        label: (H, W) bool.
        prediction_holes: the prediction's holes.
    """
    _check_sizes(prediction_holes, label)
    if prediction_holes.count == 0 or not label.any():
        return 0.0
    return float(np.count_nonzero(label & (prediction_holes.labels > 0)) / np.count_nonzero(label))


def _recalled(label_holes: LabelledHoles, prediction: Mask) -> NDArray[np.int64] | None:
    """Background pixels of the prediction in each of the label's holes."""
    _check_sizes(label_holes, prediction)
    if label_holes.count == 0:
        return None
    inside = np.flatnonzero(label_holes.labels)  # few: to look at all of the background takes ten times as long
    kept = label_holes.labels.ravel()[inside[~prediction.ravel()[inside]]]
    return np.bincount(kept, minlength=label_holes.count + 1)[1:].astype(np.int64)


def _check_sizes(found: LabelledHoles, mask: Mask) -> None:
    check_mask(mask)
    if found.labels.shape != mask.shape:
        raise PixelError(f"holes {found.labels.shape} and mask {mask.shape} differ in size")
