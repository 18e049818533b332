"""What a picture looks like in 1 KB, and where one picture shows what another one does.

A pHash looks at 32 x 32 greys and keeps 64 signs of them: unrelated portraits agree in all but 10. The greys themselves
tell more, and cost nothing besides. A *signature* is the shape of their lowest frequencies, of the whole picture or of
a *window* of it: a copy that was cropped looks like a window of what it was cropped from.

Source:
    The 32 x 32 greys and their DCT: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions",
    2010, section 3.2. Windows and weights are our own; what they find is measured in benchmarks/duplicates.py.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Image, Luma

SIDE = 32
"""Pixels along each side of a thumbnail, whatever the picture's shape."""

Thumbnail = NDArray[np.uint8]
Window = tuple[float, float, float, float]
Signatures = NDArray[np.float32]

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)
_ZOOMS = (0.9, 0.8)
WINDOWS: tuple[Window, ...] = (
    WHOLE,
    *(
        ((1 - zoom) * x, (1 - zoom) * y, (1 - zoom) * x + zoom, (1 - zoom) * y + zoom)
        for zoom in _ZOOMS
        for y in (0.0, 0.5, 1.0)
        for x in (0.0, 0.5, 1.0)
    ),
)
"""Left, top, right, bottom in [0, 1]: the whole, and nine places each of windows of 0.9 and 0.8 of its sides. Between
them they lie near every crop that leaves four fifths of each side."""

_KEPT = 12  # frequencies of a whole thumbnail that the windows are computed from
_LOWEST = 6  # of a window: row + column frequency at most this, each below it, without the mean
_GRID = [(row, column) for row in range(_LOWEST) for column in range(_LOWEST) if 0 < row + column <= _LOWEST]
# Even horizontal frequencies first: mirroring a picture negates the odd ones and nothing else. The lowest of each
# first: they are the strongest, and tell most pairs apart.
_ORDER = sorted(_GRID, key=lambda place: (place[1] % 2, sum(place), place))
EVEN = sum(column % 2 == 0 for _, column in _ORDER)
"""So many entries of a signature stay as they are when the picture is mirrored; the others change their sign."""
LENGTH = len(_ORDER)
"""Entries of a signature."""


def thumbnail_of(image: Image | Luma) -> Thumbnail:
    """A picture in 32 x 32 greys, squeezed to a square.

    Args:
        image: (H, W, 3) uint8 RGB or (H, W) luma, fully decoded: a reduced-size decode gives another one.

    >>> thumbnail_of(np.full((20, 10, 3), 7, np.uint8)).max()
    np.uint8(7)
    """
    return grey_square(image, SIDE)


def grey_square(image: Image | Luma, side: int) -> NDArray[np.uint8]:
    """A picture in grey, squeezed to a square: (side, side) uint8.

    It is halved as often as leaves four times the square: OpenCV averages 2 x 2 pixels many times as fast as it
    averages over areas with fractions, and the rounding in between is less than what a JPEG of quality 95 changes.
    """
    grey: Luma = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    while min(grey.shape) >= 8 * side:
        grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
    square: NDArray[np.uint8] = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    return square


def colour_grid(image: Image) -> NDArray[np.float32]:
    """The colours of 8 x 8 parts of a picture, without their lightness: (8, 8, 2) float32, a* and b* of CIELAB."""
    small = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)
    colours: NDArray[np.float32] = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[..., 1:].astype(np.float32)
    return colours


def frequencies_of(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The 12 x 12 lowest DCT coefficients of each thumbnail: what the signatures of all windows are computed from.

    Args:
        thumbnails: (N, 32, 32) uint8.

    Returns:
        (N, 144) float32.
    """
    rows = _cosines(_KEPT, SIDE)
    found: NDArray[np.float32] = (rows @ thumbnails.astype(np.float32) @ rows.T).reshape(-1, _KEPT * _KEPT)
    return found


def signatures_of(frequencies: NDArray[np.float32], window: Window = WHOLE) -> Signatures:
    """The shapes of a window's lowest frequencies: their dot product is near 1 where two look alike.

    Args:
        frequencies: (N, 144) float32, of `frequencies_of`.
        window: which part of each picture.

    Returns:
        (N, 25) float32 of unit length, the 13 of even horizontal frequency first; all 0 for a picture without contrast,
        which would look like anything.
    """
    return _of_unit_length(frequencies @ _projection(window))


def signatures_of_windows(frequencies: NDArray[np.float32]) -> Signatures:
    """`signatures_of` every one of `WINDOWS`, by one product of matrices.

    Args:
        frequencies: (N, 144) float32, of `frequencies_of`.

    Returns:
        (N x 19, 25) float32: the windows of one picture after those of the other.
    """
    return _of_unit_length((frequencies @ _projections()).reshape(-1, LENGTH))


def _of_unit_length(shapes: NDArray[np.float32]) -> Signatures:
    """The same array, scaled."""
    lengths = np.sqrt(np.einsum("ij,ij->i", shapes, shapes))
    shapes *= np.where(lengths > 1.0, 1 / np.maximum(lengths, 1.0), 0).astype(np.float32)[:, None]
    return shapes


@cache
def _projections() -> NDArray[np.float32]:
    """(144, 19 x 25): `_projection` of each window, side by side."""
    return np.concatenate([_projection(window) for window in WINDOWS], axis=1)


@cache
def _projection(window: Window) -> NDArray[np.float32]:
    """(144, 25): from a whole picture's frequencies to the weighted ones of a window."""
    left, top, right, bottom = window
    down, across = _frequencies_within(top, bottom), _frequencies_within(left, right)
    # Low frequencies are the strongest in every photo: the weight lets the higher ones, which tell more, count too.
    columns = [np.outer(down[row], across[column]) * np.hypot(row, column) ** 0.5 for row, column in _ORDER]
    return np.stack([column.ravel() for column in columns], axis=1).astype(np.float32)


def _frequencies_within(start: float, stop: float) -> NDArray[np.float64]:
    """(6, 12): the lowest frequencies of a part of an axis, from those of the whole axis."""
    samples = 4 * SIDE
    places = start + (stop - start) * (np.arange(samples) + 0.5) / samples
    whole = np.cos(np.pi * np.outer(np.arange(_KEPT), places)) * np.sqrt(2 / SIDE)
    whole[0] /= np.sqrt(2)
    part: NDArray[np.float64] = _cosines(_LOWEST, samples).astype(np.float64) @ whole.T / np.sqrt(samples / SIDE)
    return part


def _cosines(count: int, size: int) -> NDArray[np.float32]:
    """(count, size): the first rows of the orthonormal DCT-II."""
    matrix = np.cos(np.pi * np.outer(np.arange(count), np.arange(size) + 0.5) / size) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    rows: NDArray[np.float32] = matrix.astype(np.float32)
    return rows
