"""A perceptual hash: 64 bits that change little when a picture is resized or compressed again.

Source:
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2 (DCT based).
"""

from __future__ import annotations

import cv2
import numpy as np

from segdata.imaging.appearance import Thumbnail, thumbnail_of
from segdata.imaging.arrays import Image

_KEPT = 8


def phash(image: Image) -> int:
    """The signs of the 8x8 lowest DCT coefficients about their median.

    Args:
        image: (H, W, 3) uint8 RGB, fully decoded: a reduced-size decode gives another hash.

    Returns:
        A signed 64-bit integer; bit 8r + c belongs to vertical frequency r and horizontal frequency c.

    >>> phash(np.zeros((20, 10, 3), np.uint8))
    0
    """
    return phash_of(thumbnail_of(image))


def phash_of(thumbnail: Thumbnail) -> int:
    """`phash` of a picture whose thumbnail is there already.

    Args:
        thumbnail: (32, 32) uint8, of `thumbnail_of`.
    """
    low = cv2.dct(thumbnail.astype(np.float32))[:_KEPT, :_KEPT]
    ordered = np.sort(low, axis=None)  # np.median takes twenty times as long over 64 numbers
    bits = (low > (ordered[31] + ordered[32]) / 2).ravel()
    return int(np.packbits(bits, bitorder="little").view("<i8")[0])


def hamming(one: int, other: int) -> int:
    """How many bits of two hashes differ, 0 to 64.

    >>> hamming(0b1011, -1)
    61
    """
    return ((one ^ other) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()
