"""The edge of a hard label: its staircase made soft, without moving it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha
from segdata.imaging.distance import distance_inside
from segdata.records import LABEL_CUT


def is_hard(alpha: Alpha) -> bool:
    """Whether a label knows only 0 and 255.

    >>> is_hard(np.array([[0, 255]], np.uint8)), is_hard(np.array([[0, 128]], np.uint8))
    (True, False)
    """
    return alpha.size == 0 or int(cv2.countNonZero(cv2.inRange(alpha, 1, 254))) == 0


def feather(alpha: Alpha, radius_px: float, inset_px: float = 0.0) -> Alpha:
    """Blur an edge so that it falls from 255 to 0 within about `radius_px` on either side of its contour.

    A Gaussian of σ = radius / 2: it rounds the staircase of a hard label off, and leaves the contour (alpha 127.5) of
    a straight edge where it was; a curved one moves inwards by about σ² / (2R), R its radius of curvature. Where the
    frame cuts the subject nothing fades: the border is replicated.

    Args:
        alpha: (H, W) uint8.
        radius_px: half the width of the soft band; 0 blurs nothing.
        inset_px: moves the contour so far inwards: the outermost pixels of a hand-drawn mask are old background
            more often than person.

    Returns:
        (H, W) uint8; a new array.

    Raises:
        PixelError: A negative radius or inset.
    """
    if radius_px < 0 or inset_px < 0:
        raise PixelError(f"feather: radius_px {radius_px} and inset_px {inset_px} must be 0 or more")
    if alpha.size == 0:
        return alpha.copy()
    moved = _inset(alpha, inset_px)
    if radius_px == 0:
        return moved
    sigma = radius_px / 2
    size = 2 * math.ceil(3 * sigma) + 1
    feathered: Alpha = cv2.GaussianBlur(moved, (size, size), sigma, borderType=cv2.BORDER_REPLICATE)
    return feathered


def _inset(alpha: Alpha, inset_px: float) -> Alpha:
    """Move the contour inwards by the distance to it; the frame is no contour."""
    if inset_px == 0:
        return alpha.copy()
    inside = distance_inside(alpha >= LABEL_CUT)
    # The first pixel inside lies half a pixel from the contour and gets distance 1; a pixel's alpha is the share of it
    # that is still inside, so that whole and broken insets alike move the contour by just their length.
    drawn_in: Alpha = cv2.addWeighted(inside, 255, inside, 0, -255 * inset_px, dtype=cv2.CV_8U)  # saturates, rounds
    return np.minimum(alpha, drawn_in)
