"""From a network's probability to an alpha that follows the image's own edges.

A network says how sure it is that a pixel is person, at its own coarse size: a band many pixels wide that says nothing
about how light mixed. Taken for an alpha it lays a glow of the old background around the person, which no estimate of
the foreground can take away. So the band is narrowed about its middle, and a guided filter leads it along the image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image

Values = NDArray[np.float32]

_RAMP = (0.4, 0.6)  # what is below is background, what is above person
_RADIUS = 1 / 160  # of the longer side: 5 px of a photo of 800
_EPSILON = 1e-5  # of colours in [0, 1]: edges of a contrast above 0.003 lead the filter

_ROWS = 128


def follow_edges(image: Image, probability: Alpha) -> Alpha:
    """An alpha for compositing, from a probability that was predicted coarsely and enlarged.

    Args:
        image: (H, W, 3) uint8 sRGB.
        probability: (H, W) uint8, of a person, in 255ths.

    Returns:
        (H, W) uint8; 0 or 255 but for a few pixels about the contour; a new array.

    Raises:
        PixelError: The two do not share one height and width.

    Source:
        He, Sun & Tang, "Guided Image Filtering", TPAMI 2013, with the colour image as the guide.
    """
    if image.shape != (*probability.shape, 3):
        raise PixelError(f"guided: image {image.shape} and probability {probability.shape} must be of one size")
    low, high = _RAMP
    narrowed = np.clip((probability.astype(np.float32) / 255 - low) / (high - low), 0, 1).astype(np.float32)
    radius_px = max(2, round(max(probability.shape) * _RADIUS))
    followed = guided_filter(image.astype(np.float32) / np.float32(255), narrowed, radius_px, _EPSILON)
    return np.rint(np.clip(followed, 0, 1) * 255).astype(np.uint8)


def guided_filter(guide: Values, values: Values, radius_px: int, epsilon: float) -> Values:
    """Values that are, in each window, the linear function of the guide's colours that fits them best.

    In window k: q = aₖᵀI + bₖ with aₖ = (Σₖ + εE)⁻¹ cov(I, p) and bₖ = mean(p) - aₖᵀ mean(I); a pixel takes the mean of
    the windows that it lies in. Where the values are constant they stay as they are.

    Args:
        guide: (H, W, 3) float32 in [0, 1].
        values: (H, W) float32.
        radius_px: half the window's side.
        epsilon: how much variance of the guide counts as flat.
    """
    box = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(array: Values) -> Values:
        averaged: Values = cv2.blur(array, box, borderType=cv2.BORDER_REFLECT)
        return averaged

    channels = cv2.split(guide)
    means, mean_value = [mean(channel) for channel in channels], mean(values)
    covariance = [mean(channel * values) - m * mean_value for channel, m in zip(channels, means, strict=True)]
    sigma = {
        (i, j): mean(channels[i] * channels[j]) - means[i] * means[j] + np.float32(epsilon * (i == j))
        for i in range(3)
        for j in range(i, 3)
    }
    slopes = _solved(sigma, covariance)
    offset = mean_value - sum(slope * m for slope, m in zip(slopes, means, strict=True))
    led: Values = sum((mean(slope) * channel for slope, channel in zip(slopes, channels, strict=True)), mean(offset))
    return led


def _solved(sigma: dict[tuple[int, int], Values], right: list[Values]) -> list[Values]:
    """x of Σx = y at each pixel, Σ symmetric 3x3, by its cofactors.

    In double precision, a few rows at a time: in single the determinant of a nearly flat window is noise.
    """
    solved = [np.empty_like(values) for values in right]
    for start in range(0, len(right[0]), _ROWS):
        rows = slice(start, start + _ROWS)
        a, b, c, d, e, f = (sigma[place][rows].astype(np.float64) for place in sorted(sigma))
        x, y, z = (values[rows] for values in right)
        c00, c01, c02 = d * f - e * e, c * e - b * f, b * e - c * d
        c11, c12, c22 = a * f - c * c, b * c - a * e, a * d - b * b
        determinant = a * c00 + b * c01 + c * c02
        for one, (p, q, r) in zip(solved, ((c00, c01, c02), (c01, c11, c12), (c02, c12, c22)), strict=True):
            one[rows] = (p * x + q * y + r * z) / determinant
    return solved
