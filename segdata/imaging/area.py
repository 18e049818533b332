"""Shrinking by averages over areas, by any ratio: each new pixel is the mean of the old ones under it, those at its
rim by the share that lies under it.

OpenCV's INTER_AREA is the same up to one step of 255, and where the ratio is no whole number twice as slow: it weighs
across first, pixel by pixel, where here whole rows are added up first, sixteen pixels at a time.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from segdata.compiled import lazily_compiled
from segdata.errors import PixelError
from segdata.imaging.area_loops import SHRINK, shrink_loop

_Taps = tuple[NDArray[np.int32], NDArray[np.float32]]


def shrink_by_area(array: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """An image or alpha at a smaller size.

    Args:
        array: (H, W) or (H, W, C) uint8.
        size_hw: height and width wanted, neither more than the array's.

    Returns:
        (*size_hw) or (*size_hw, C) uint8, rounded to nearest; a new array.

    Raises:
        PixelError: Of another type, or it would have to grow.

    >>> shrink_by_area(np.array([[0, 30, 60]], np.uint8), (1, 2)).tolist()  # each new pixel is one and a half old ones
    [[10, 50]]
    """
    height, width = array.shape[:2]
    if array.dtype != np.uint8 or not (0 < size_hw[0] <= height and 0 < size_hw[1] <= width):
        raise PixelError(f"expected uint8 of at least {size_hw[0]}x{size_hw[1]}, got {array.shape} {array.dtype}")
    channels = array.shape[2] if array.ndim == 3 else 1
    rows = np.ascontiguousarray(array).reshape(height, width * channels)
    shrunk = np.empty((size_hw[0], size_hw[1] * channels), np.uint8)
    down, across = _taps(height, size_hw[0], 1), _taps(width, size_hw[1], channels)
    lazily_compiled(shrink_loop, SHRINK)(rows, *down, *across, shrunk)
    return shrunk.reshape(*size_hw, *array.shape[2:])


@lru_cache(maxsize=64)
def _taps(length: int, wanted: int, channels: int) -> _Taps:
    """What lies under each new pixel: (taps, wanted * channels) places in a row, and their shares, which sum to 1."""
    scale = length / wanted
    taps = min(length, ceil(scale) + 1)
    starts = np.array([min(floor(cell * scale), length - taps) for cell in range(wanted)])
    places = starts + np.arange(taps)[:, None]
    lows = np.arange(wanted) * scale
    covered = np.minimum(places + 1, lows + scale) - np.maximum(places, lows)
    shares = np.maximum(covered, 0) / scale
    each = np.arange(channels)
    flat = (places[..., None] * channels + each).reshape(taps, -1)
    return flat.astype(np.int32), np.repeat(shares, channels, axis=1).astype(np.float32)
