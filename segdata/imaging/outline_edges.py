"""How well the outline of a mask follows the edges of its photo, at a longer side of 256 px.

The strength of the edge at a pixel of an outline is the derivative of the image (in the channel where it is steepest)
across the outline, the largest within a pixel, in units of the image's 95th percentile of gradients, 1 at most.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha, Image, Mask
from segdata.records import LABEL_CUT

LONG_SIDE_PX = 256
_FEWEST_PX = 12  # of an outline, to say anything about it
_SMOOTH_PX = 2.0  # of a mask, to know which way its outline runs
_STRONG_QUANTILE = 0.95
_LEAST_STRONG = 20.0  # of the Sobel derivative, 8 times the step a pixel: below it is noise

Plane = NDArray[np.float32]


def edge_agreement(image: Image, alpha: Alpha) -> float | None:
    """The mean strength of the image's edges along the outline of a label, 0 to 1; None if it has no outline.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, of about the same aspect.
    """
    scale = LONG_SIDE_PX / max(image.shape[:2])
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    mask: Mask = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) >= LABEL_CUT
    gradient = gradient_of(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return mean_over(edges_across(gradient, mask), outline_of(mask))


def gradient_of(image: Image) -> tuple[Plane, Plane]:
    """The image's derivatives to the right and downwards, each pixel's in the channel where it is steepest, in units
    of a strong edge."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    steepness = across**2 + down**2
    channel = steepness.argmax(axis=2)[..., None]
    steepest = np.sqrt(np.take_along_axis(steepness, channel, axis=2))
    unit = max(_LEAST_STRONG, float(np.quantile(steepest, _STRONG_QUANTILE)))
    right = np.asarray(np.take_along_axis(across, channel, axis=2)[..., 0] / unit, np.float32)
    below = np.asarray(np.take_along_axis(down, channel, axis=2)[..., 0] / unit, np.float32)
    return right, below


def edges_across(gradient: tuple[Plane, Plane], mask: Mask) -> Plane:
    """The strength in [0, 1] of the image's edges that run along with the mask's outline, the largest within a pixel.

    The direction is that of the smoothed mask's slope, and means nothing far from the outline.
    """
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SMOOTH_PX)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    slope = np.sqrt(across**2 + down**2) + 1e-6
    strength = np.abs(gradient[0] * across + gradient[1] * down) / slope
    widest: Plane = np.minimum(1, cv2.dilate(strength, np.ones((3, 3), np.uint8)))
    return widest


def outline_of(mask: Mask) -> Mask:
    """A mask's own pixels beside its background; the frame is no outline."""
    inside: Alpha = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8))
    outline: Mask = np.logical_and(mask, inside == 0)
    return outline


def mean_over(strength: Plane, outline: Mask) -> float | None:
    """The mean strength along an outline; None for one too short to say anything."""
    return float(strength[outline].mean()) if np.count_nonzero(outline) >= _FEWEST_PX else None
