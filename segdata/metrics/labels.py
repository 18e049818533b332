"""What a label is like, whatever a model makes of it: the measures that `samples` keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.compiled import lazily_compiled
from segdata.metrics.bits import PackedMask, components, empty_frame
from segdata.metrics.holes import SMALLEST_FRACTION, closing_radius_px, holes_of_packed
from segdata.metrics.labels_loops import SURVEY, survey_loop
from segdata.records import LABEL_CUT, AlphaKind

_SOFT_FROM = 0.001
"""A matte is soft if this share of its pixels is neither nearly 0 nor nearly 255. A hard mask kept as JPEG rings by a
few steps about 0 and 255, and one that was resized has a line of grey pixels one wide; hair has more than that."""


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
    height = alpha.shape[0]
    packed, soft, between = _surveyed(alpha)
    found = holes_of_packed(packed)
    kind: AlphaKind = "soft" if between / alpha.size > _SOFT_FROM else "hard"
    person = packed.words[packed.margin : packed.margin + height]  # nothing is set beside it
    areas = components(person, connectivity=8).areas()
    return {
        "alpha_kind": kind,
        "foreground_fraction": packed.count / alpha.size,
        "soft_fraction": soft / alpha.size,
        "hole_count": found.count,
        "hole_fraction": found.fraction,
        # parts of the area from which a hole counts: no specks
        "component_count": int(np.count_nonzero(areas >= SMALLEST_FRACTION * alpha.size)),
    }


def frame_fraction(alpha: NDArray[np.uint8]) -> float:
    """How much of the top edge and of the upper halves of both sides is person: little, unless a label is inverted.

    >>> frame_fraction(np.array([[0, 0, 0], [0, 255, 0]], np.uint8))
    0.0
    """
    half = (alpha.shape[0] + 1) // 2
    edges = (alpha[0], alpha[:half, 0], alpha[:half, -1])
    inside = sum(int(np.count_nonzero(edge >= LABEL_CUT)) for edge in edges)
    return inside / max(1, sum(edge.size for edge in edges))


def _surveyed(alpha: NDArray[np.uint8]) -> tuple[PackedMask, int, int]:
    """The mask as bits; how many pixels are neither 0 nor 255, and how many are nearly neither."""
    height, width = alpha.shape
    packed = empty_frame(height, width, closing_radius_px(height, width) + 1)
    whole = np.pad(alpha, ((0, 0), (0, -width % 8))) if width % 8 else np.ascontiguousarray(alpha)
    eights = np.require(whole.view("<u8"), requirements="A")  # a view may start at any byte; machine code is told 8
    survey = lazily_compiled(survey_loop, SURVEY)
    soft, between = survey(whole, eights, packed.margin, packed.left_px // 8, packed.words.view(np.uint8))
    return packed, soft, between
