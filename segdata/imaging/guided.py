"""From a network's probability to one, or to an alpha, that follows the image's own edges.

A network says how sure it is that a pixel is person, at its own coarse size: a band many pixels wide whose middle lies
somewhere near the contour. `enlarge_along` moves it to the edge that the photo has there. For an alpha that is not
enough: the band says nothing about how light mixed, and lays a glow of the old background around the person, which no
estimate of the foreground can take away. So `follow_edges` narrows it about its middle, and leads what is left.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image, Probability

Values = NDArray[np.float32]

_RAMP = (0.4, 0.6)  # what is below is background, what is above person
_RADIUS = 1 / 160  # of the longer side: 5 px of a photo of 800
_EPSILON = 1e-5  # of colours in [0, 1]: edges of a contrast above 0.003 lead the filter

# Found on val portraits at 384x288: half the network's size is as good as all of it, and a third of the cost; radii of
# 1.5 to 2 cells of the network's head (8 px of its own) are best, and of EPSILON anything from 1e-4 to 3e-3 will do.
_SHRINK = 2
_ENLARGE_RADIUS = 6
_ENLARGE_EPSILON = 1e-3

_ROWS = 128


def enlarge_along(image: Image, probability: Probability) -> Probability:
    """A network's probability at the photo's own size, its contours at the photo's edges.

    What the probability is of the photo's colours is fitted window by window at half the network's size, and then laid
    over the photo's own pixels. 4 ms for 800x600 from 384x288.

    Args:
        image: (H, W, 3) uint8 sRGB.
        probability: (h, w) float32 in [0, 1], of all of the image, as coarse as it was computed.

    Returns:
        (H, W) float32 in [0, 1].

    Source:
        He & Sun, "Fast Guided Filter", arXiv:1505.00996, 2015.
    """
    height, width = image.shape[:2]
    rows, columns = (max(1, side // _SHRINK) for side in probability.shape)
    grid = (min(columns, width), min(rows, height))
    guide = cv2.resize(image, grid, interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
    values = cv2.resize(probability, grid, interpolation=cv2.INTER_AREA)
    slopes, offset = _fitted(guide, values, _ENLARGE_RADIUS, _ENLARGE_EPSILON)
    *slopes, led = cv2.split(cv2.resize(np.dstack([*slopes, offset]), (width, height), interpolation=cv2.INTER_LINEAR))
    for slope, channel in zip(slopes, cv2.split(image), strict=True):
        led += slope * (channel * np.float32(1 / 255))
    enlarged: Probability = np.clip(led, 0, 1, out=led)
    return enlarged


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
    slopes, offset = _fitted(guide, values, radius_px, epsilon)
    led: Values = sum((slope * channel for slope, channel in zip(slopes, cv2.split(guide), strict=True)), offset)
    return led


def _fitted(guide: Values, values: Values, radius_px: int, epsilon: float) -> tuple[list[Values], Values]:
    """At each pixel the mean of aₖ, channel by channel, and of bₖ over the windows that it lies in."""
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
    return [mean(slope) for slope in slopes], mean(offset)


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
