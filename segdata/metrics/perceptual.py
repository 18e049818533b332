"""Errors of a soft alpha as people see them: of its gradient, and of what hangs together. On request: they cost more
than all other scores together.

Departure from the source: it sums over a trimap's unknown region; there is no trimap here, so the whole image counts.

Source:
    Rhemann, Rother, Wang, Gelautz, Kohli, Rott, "A Perceptually Motivated Online Benchmark for Image Matting",
    CVPR 2009, section 3.2.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.metrics.arrays import Alpha, Probability
from segdata.metrics.matting import unit_alpha

SIGMA_PX = 1.4
"""Of the Gaussian whose first derivatives are the gradient's filters."""
STEPS = 10
"""Thresholds between 0 and 1 at which connectivity is looked at."""
TOLERATED = 0.15
"""A pixel that stands out from what it is connected to by less than this counts as connected (theta)."""

_Plane = NDArray[np.float32]


def gradient_error(alpha: Alpha, probability: Probability) -> float:
    """Sum over pixels of (|∇p| - |∇α|)², gradients by derivatives of a Gaussian of 1.4 pixels.

    Args:
        alpha: (H, W) uint8, 255 is person.
        probability: (H, W) float32 in [0, 1].

    Raises:
        PixelError: They differ in size.

    >>> flat = np.full((8, 8), 255, np.uint8)
    >>> round(gradient_error(flat, np.full((8, 8), 0.5, np.float32)), 9)  # another value, and as flat
    0.0
    """
    unit = unit_alpha(alpha, probability)
    return float(np.square(_magnitude(probability) - _magnitude(unit)).sum())


def connectivity_error(alpha: Alpha, probability: Probability) -> float:
    """Sum over pixels of |φ(p) - φ(α)|, where φ says how far a pixel is connected to what both call person.

    The source Ω(t) is the largest 4-connected region where both are at least t; l is the highest of ten thresholds at
    which a pixel still belongs to it, d = value - l is how far it stands out, and φ = 1 - d where d >= 0.15, else 1.

    Args:
        alpha: (H, W) uint8, 255 is person.
        probability: (H, W) float32 in [0, 1].

    Raises:
        PixelError: They differ in size.

    >>> alone = np.zeros((5, 5), np.float32)
    >>> alone[2, 2] = 1.0  # a spot that nobody is at, connected to nothing
    >>> connectivity_error(np.zeros((5, 5), np.uint8), alone)
    1.0
    """
    unit = unit_alpha(alpha, probability)
    level = connected_level(np.minimum(unit, probability))
    difference = _connected(probability, level) - _connected(unit, level)
    return float(np.abs(difference, dtype=np.float64).sum())


def connected_level(both: _Plane) -> _Plane:
    """The highest threshold at which each pixel belongs to the largest region that reaches it, in tenths.

    Args:
        both: (H, W) float32, the smaller of the two alphas at each pixel.
    """
    level = np.ones(both.shape, np.float32)
    left = np.ones(both.shape, np.bool_)
    for step in range(1, STEPS + 1):
        reached = both >= np.float32(step / STEPS)
        outside = left & ~_largest(reached)
        level[outside] = (step - 1) / STEPS
        left &= ~outside
    return level


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 4-connected region of a mask; nothing of an empty one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    if count == 1:
        return np.zeros(mask.shape, np.bool_)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.asarray(labels == largest, np.bool_)


def _connected(values: _Plane, level: _Plane) -> _Plane:
    stands_out = values - level
    return np.where(stands_out >= TOLERATED, 1 - stands_out, np.float32(1)).astype(np.float32)


def _magnitude(values: _Plane) -> NDArray[np.float64]:
    """The gradient's length; in double precision, since single gives other last digits where memory lies otherwise."""
    gauss, slope = _filters()
    exact = values.astype(np.float64)
    x = cv2.sepFilter2D(exact, cv2.CV_64F, slope, gauss, borderType=cv2.BORDER_REPLICATE)
    y = cv2.sepFilter2D(exact, cv2.CV_64F, gauss, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.hypot(x, y), np.float64)


def _filters() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A Gaussian and its first derivative, cut where the Gaussian falls below 0.01; the two-dimensional filter that
    they make has length 1. Both as in the published evaluation code."""
    half = int(np.ceil(SIGMA_PX * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA_PX * 0.01))))
    place = np.arange(-half, half + 1, dtype=np.float64)
    gauss = np.exp(-(place**2) / (2 * SIGMA_PX**2)) / (SIGMA_PX * np.sqrt(2 * np.pi))
    slope = -place * gauss / SIGMA_PX**2
    return gauss, slope / np.sqrt(np.square(np.outer(gauss, slope)).sum())
