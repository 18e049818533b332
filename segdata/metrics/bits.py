"""A mask as bits, 64 pixels in a word: morphology and counting at a fraction of the cost of a byte a pixel.

Dilating by a shape is the union of shifted copies of the mask. Rows shift by slicing, columns by shifting words and
carrying over; runs double at each step, so a run of w pixels takes about log2(w) unions. The results are those of the
same operation on bytes, pixel for pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from segdata.metrics.arrays import Mask, check_mask

Words = NDArray[np.uint64]

_WORD = 64


@dataclass(frozen=True)
class PackedMask:
    """A mask within a margin of background, so that nothing shifted out of a row arrives in the next.

    Attributes:
        words: (H + 2 margin, words a row) uint64; bit i of a word is its pixel i, from the left.
        height, width: of the mask, in pixels.
        margin: rows above and below, and at least so many columns on either side, in pixels.
    """

    words: Words
    height: int
    width: int
    margin: int

    @property
    def count(self) -> int:
        """Pixels that are set, those of the margin included."""
        return int(np.bitwise_count(self.words).sum())

    def with_words(self, words: Words) -> PackedMask:
        """Another mask of the same frame."""
        return PackedMask(words, self.height, self.width, self.margin)

    def with_margin_below(self) -> PackedMask:
        """The same mask over a margin that is foreground below the frame's bottom edge."""
        words = self.words.copy()
        words[self.margin + self.height :] = ~np.uint64(0)
        return self.with_words(words)


def pack(mask: Mask, margin: int) -> PackedMask:
    """The mask as bits.

    Args:
        mask: (H, W) bool.
        margin: the largest radius that it will be dilated or eroded by, in pixels.

    Raises:
        PixelError: Not a mask.
    """
    check_mask(mask)
    height, width = mask.shape
    left = _left_bytes(margin)
    row_bytes = -(-(left * 8 + width + margin) // _WORD) * 8
    rows = np.zeros((height + 2 * margin, row_bytes), np.uint8)
    packed = np.packbits(mask, axis=1, bitorder="little")
    rows[margin : margin + height, left : left + packed.shape[1]] = packed
    return PackedMask(rows.view("<u8"), height, width, margin)


def unpack(packed: PackedMask, border: int = 0) -> NDArray[np.uint8]:
    """The bits as (H + 2 border, W + 2 border) uint8 of 0 and 1; `border` pixels of the margin come along."""
    first = packed.margin - border
    rows = np.ascontiguousarray(packed.words[first : first + packed.height + 2 * border]).view(np.uint8)
    columns = _left_bytes(packed.margin) * 8 - border
    bits = np.unpackbits(rows, axis=1, bitorder="little", count=columns + packed.width + 2 * border)
    return bits[:, columns:]  # a view: OpenCV and NumPy take rows that lie apart, and a copy costs as much as unpacking


def count_both(one: PackedMask, other: PackedMask) -> int:
    """Pixels set in both."""
    return int(np.bitwise_count(one.words & other.words).sum())


def erode_square(packed: PackedMask, radius: int) -> PackedMask:
    """The pixels whose (2 radius + 1)² neighbourhood is all set; outside the frame nothing is."""
    work = _Work(~packed.words)
    work.spread_columns(radius)
    work.spread_rows(radius)
    return packed.with_words(~work.run)


def close_disk(packed: PackedMask, radius: int) -> PackedMask:
    """Dilation, then erosion, by the disk {(x, y): x² + y² <= radius²}; right within the frame."""
    return packed.with_words(~_dilate_disk(~_dilate_disk(packed.words, radius), radius))


def _dilate_disk(words: Words, radius: int) -> Words:
    out = words.copy()
    work = _Work(words)
    for row in range(radius, 0, -1):
        work.spread_columns(isqrt(radius * radius - row * row))
        out[row:] |= work.run[:-row]
        out[:-row] |= work.run[row:]
    work.spread_columns(radius)
    out |= work.run
    return out


class _Work:
    """A copy of some words that is widened step by step, with the two buffers that this takes.

    Attributes:
        run: the words so far.
        reach: pixels by which `run` is wider than at first, to either side.
    """

    def __init__(self, words: Words) -> None:
        self.run, self.reach = words.copy(), 0
        self._next, self._shifted = np.empty_like(words), np.empty(words.size, np.uint64)

    def spread_columns(self, wanted: int) -> None:
        """Widen to `wanted` pixels on either side."""
        shifted = self._shifted
        while self.reach < wanted:
            # Copies moved by up to 2 reach + 1 leave no gap between them.
            step = min(wanted - self.reach, 2 * self.reach + 1, _WORD - 1)
            flat, out = self.run.reshape(-1), self._next.reshape(-1)
            np.left_shift(flat, step, out=out)
            out |= flat
            np.right_shift(flat, step, out=shifted)
            out |= shifted
            np.right_shift(flat, _WORD - step, out=shifted)
            out[1:] |= shifted[:-1]
            np.left_shift(flat, _WORD - step, out=shifted)
            out[:-1] |= shifted[1:]
            self.run, self._next = self._next, self.run
            self.reach += step

    def spread_rows(self, wanted: int) -> None:
        """Widen by `wanted` pixels upwards and downwards."""
        reach = 0
        while reach < wanted:
            step = min(wanted - reach, 2 * reach + 1)
            np.copyto(self._next, self.run)
            self._next[step:] |= self.run[:-step]
            self._next[:-step] |= self.run[step:]
            self.run, self._next = self._next, self.run
            reach += step


def _left_bytes(margin: int) -> int:
    return -(-margin // _WORD) * (_WORD // 8)
