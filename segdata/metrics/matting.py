"""Errors of a soft alpha, for soft labels only: against a hard label they would measure the label's missing softness.

Departure from the source: it sums over a trimap's unknown region; there is no trimap here, so the whole image counts.

Source:
    Rhemann, Rother, Wang, Gelautz, Kohli, Rott, "A Perceptually Motivated Online Benchmark for Image Matting",
    CVPR 2009.
"""

from __future__ import annotations

import cv2
import numpy as np

from segdata.errors import PixelError
from segdata.metrics.arrays import Alpha, Probability


def sad(alpha: Alpha, probability: Probability) -> float:
    """Sum over pixels of |p - α|, both in [0, 1]; published tables give thousands of it.

    Args:
        alpha: (H, W) uint8, 255 is person.
        probability: (H, W) float32 in [0, 1].

    Raises:
        PixelError: They differ in size.

    >>> sad(np.array([[255, 0]], np.uint8), np.array([[0.5, 0.25]], np.float32))
    0.75
    """
    return sad_and_mse(alpha, probability)[0]


def mse(alpha: Alpha, probability: Probability) -> float:
    """Mean over pixels of (p - α)², both in [0, 1].

    Args:
        alpha: (H, W) uint8, 255 is person.
        probability: (H, W) float32 in [0, 1].

    Raises:
        PixelError: They differ in size.

    >>> mse(np.array([[255, 0]], np.uint8), np.array([[0.5, 0.0]], np.float32))
    0.125
    """
    return sad_and_mse(alpha, probability)[1]


def sad_and_mse(alpha: Alpha, probability: Probability) -> tuple[float, float]:
    """Both at once: converting alpha costs as much as either."""
    unit = unit_alpha(alpha, probability)
    squares = cv2.norm(unit, probability, cv2.NORM_L2SQR)
    return float(cv2.norm(unit, probability, cv2.NORM_L1)), float(squares) / alpha.size


def unit_alpha(alpha: Alpha, probability: Probability) -> Probability:
    """Alpha in [0, 1], as float32.

    Raises:
        PixelError: It is no plane, or of another size than the probability.
    """
    if alpha.shape != probability.shape or alpha.ndim != 2 or alpha.size == 0:
        raise PixelError(f"alpha {alpha.shape} and probability {probability.shape} are not two planes of one size")
    return np.multiply(alpha, np.float32(1 / 255), dtype=np.float32)
