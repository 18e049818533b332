"""What a label is like, whatever a model makes of it: the measures that `samples` keeps."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.metrics.holes import SMALLEST_FRACTION, holes
from segdata.records import LABEL_CUT, AlphaKind

_SOFT_FROM = 0.001
"""A matte is soft if this share of its pixels is neither nearly 0 nor nearly 255. A hard mask kept as JPEG rings by a
few steps about 0 and 255, and one that was resized has a line of grey pixels one wide; hair has more than that."""
_NEARLY = 16


def measure_label(alpha: NDArray[np.uint8]) -> dict[str, Any]:
    """How much of a label is person, soft, and in holes, and in how many parts the person comes.

    Args:
        alpha: (H, W) uint8, 255 is person.

    Returns:
        The columns `alpha_kind`, `foreground_fraction`, `soft_fraction`, `hole_count`, `hole_fraction` and
        `component_count` of `samples`; fractions are of all pixels.

    >>> measure_label(np.full((10, 10), 255, np.uint8))["foreground_fraction"]
    1.0
    """
    mask = alpha >= LABEL_CUT
    found = holes(mask)
    between = cv2.countNonZero(cv2.inRange(alpha, _NEARLY, 255 - _NEARLY)) / alpha.size
    kind: AlphaKind = "soft" if between > _SOFT_FROM else "hard"
    return {
        "alpha_kind": kind,
        "foreground_fraction": int(np.count_nonzero(mask)) / alpha.size,
        "soft_fraction": cv2.countNonZero(cv2.inRange(alpha, 1, 254)) / alpha.size,
        "hole_count": found.count,
        "hole_fraction": found.fraction,
        "component_count": _components(mask.view(np.uint8)),
    }


def _components(mask: NDArray[np.uint8]) -> int:
    """Parts of the person, 8-connected, that with their holes have the area from which a hole counts: no specks."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # Following outlines is many times as fast as labelling; by Pick's theorem a polygon through n pixels, of area a,
    # holds a + n / 2 + 1 of them.
    return sum(cv2.contourArea(one) + len(one) / 2 + 1 >= SMALLEST_FRACTION * mask.size for one in outlines)
