"""The loop of `png`, as numba compiles it, which takes its types from the signature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNFILTER = "i8(u1[::1], u1[:,::1], i8)"

_NONE, _SUB, _UP, _AVERAGE = 0, 1, 2, 3  # 4 is Paeth's


def unfilter_loop(filters: NDArray[np.uint8], rows: NDArray[np.uint8], step: int) -> int:
    """Undo PNG's filters in place: each byte was foretold by those of its own channel to its left and above.

    Args:
        filters: (H,), the number of each row's.
        rows: (H, W * step), filtered bytes, overwritten.
        step: bytes a pixel.

    Returns:
        The highest filter number: above 4 there is none, and the rows are worth nothing.

    Source:
        PNG Specification, third edition (W3C, 2025), section 9, "Filtering".
    """
    highest = 0
    height, length = rows.shape
    above = np.zeros(length, np.uint8)  # of the first row
    for y in range(height):
        kind, row = filters[y], rows[y]
        highest = max(highest, int(kind))
        if kind == _UP:
            if y > 0:  # by their places in one array: of two rows as variables the compiler makes no vectors
                for x in range(length):
                    rows[y, x] += rows[y - 1, x]
        elif kind == _SUB:
            for channel in range(step):
                byte = np.uint8(0)  # kept at hand: reading back what was just written takes five times as long
                for x in range(channel, length, step):
                    byte += row[x]
                    row[x] = byte
        elif kind == _AVERAGE:
            for channel in range(step):
                left = np.int32(0)
                for x in range(channel, length, step):
                    left = (np.int32(row[x]) + ((left + np.int32(above[x])) >> 1)) & 255
                    row[x] = left
        elif kind != _NONE:
            for channel in range(step):
                left, corner = np.int32(0), np.int32(0)
                for x in range(channel, length, step):
                    up = np.int32(above[x])
                    if up == corner:  # in a matte nearly always: the left one is nearest, whatever it is
                        left = (np.int32(row[x]) + left) & 255
                        row[x] = left
                        continue
                    from_left, from_up = abs(up - corner), abs(left - corner)
                    from_corner = abs(left + up - 2 * corner)
                    nearest = up if from_up <= from_corner else corner
                    nearest = left if from_left <= from_up and from_left <= from_corner else nearest
                    left, corner = (np.int32(row[x]) + nearest) & 255, up
                    row[x] = left
        above = row
    return highest
