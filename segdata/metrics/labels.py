"""What a label is like, whatever a model makes of it: the measures that `samples` keeps."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.metrics.bits import components, framed, pack
from segdata.metrics.holes import SMALLEST_FRACTION, closing_radius_px, holes_of_packed
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
    packed = pack(mask, closing_radius_px(*mask.shape) + 1)
    found = holes_of_packed(packed)
    soft = cv2.countNonZero(alpha) - cv2.countNonZero(cv2.compare(alpha, 255, cv2.CMP_EQ))
    # most labels are hard, and then there is nothing between to count
    between = soft and cv2.countNonZero(cv2.inRange(alpha, _NEARLY, 255 - _NEARLY)) / alpha.size
    kind: AlphaKind = "soft" if between > _SOFT_FROM else "hard"
    areas = components(framed(packed), connectivity=8).areas()
    return {
        "alpha_kind": kind,
        "foreground_fraction": packed.count / alpha.size,
        "soft_fraction": soft / alpha.size,
        "hole_count": found.count,
        "hole_fraction": found.fraction,
        # parts of the area from which a hole counts: no specks
        "component_count": int(np.count_nonzero(areas >= SMALLEST_FRACTION * alpha.size)),
    }
