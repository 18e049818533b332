"""The loop of `labels`, as numba compiles it, which takes its types from the signature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SURVEY = "UniTuple(i8, 2)(Array(u1, 2, 'C', readonly=True), Array(u8, 2, 'C', readonly=True), i8, i8, u1[:,::1])"

_NEARLY = 16  # steps from 0, or from 255
_TOP_BITS = np.uint64(0x8080_8080_8080_8080)
_GATHER = np.uint64(0x0002_0408_1020_4081)  # moves the top bit of byte i to bit 56 + i
_TOP = np.uint64(56)
_MOST = 255  # that a byte counts to


def survey_loop(
    alpha: NDArray[np.uint8], eights: NDArray[np.uint64], margin: int, left: int, out: NDArray[np.uint8]
) -> tuple[int, int]:
    """Pack the pixels from 128 on as bits, and count those that are neither 0 nor 255, and those from 16 to 239.

    Each column counts in a byte of its own, so that the processor's vectors count many columns at once. 128 is what
    sets a pixel's top bit, so eight of them are packed by one multiplication.

    Args:
        alpha: (H, W), a multiple of 8 wide.
        eights: (H, W / 8), the same, eight pixels to a number, the first in its lowest byte.
        margin, left: rows and bytes of `out` before the first pixel's.
        out: (rows, bytes), written; bit i of a byte is its pixel i.
    """
    height, width = alpha.shape
    some, more = np.zeros(width, np.uint8), np.zeros(width, np.uint8)
    soft, between = 0, 0
    for start in range(0, height, _MOST):
        some[:] = 0
        more[:] = 0
        for y in range(start, min(start + _MOST, height)):
            pixels, row, bits = alpha[y], eights[y], out[margin + y, left:]
            for x in range(width):
                some[x] += np.uint8(pixels[x] - np.uint8(1)) < np.uint8(254)
                more[x] += np.uint8(pixels[x] - np.uint8(_NEARLY)) < np.uint8(256 - 2 * _NEARLY)
            for x in range(len(row)):
                bits[x] = ((row[x] & _TOP_BITS) * _GATHER) >> _TOP
        for x in range(width):
            soft += some[x]
            between += more[x]
    return soft, between
