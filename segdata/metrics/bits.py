"""A mask as bits, 64 pixels in a word: morphology and counting at a fraction of the cost of a byte a pixel.

Dilating by a shape is the union of shifted copies of the mask. Rows shift by slicing, columns by shifting words and
carrying over; runs double at each step, so a run of w pixels takes about log2(w) unions. The results are those of the
same operation on bytes, pixel for pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segdata.compiled import lazily_compiled
from segdata.metrics.arrays import Mask, check_mask
from segdata.metrics.bits_loops import CLEAR, CLOSE, COMPONENTS, clear_loop, close_loop, components_loop

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
    def left_px(self) -> int:
        """Columns of the margin on the left."""
        return _left_bytes(self.margin) * 8

    @property
    def count(self) -> int:
        """Pixels that are set, those of the margin included."""
        return int(np.bitwise_count(self.words).sum())

    def with_words(self, words: Words) -> PackedMask:
        """Another mask of the same frame."""
        return PackedMask(words, self.height, self.width, self.margin)

    def inverted(self) -> PackedMask:
        """Background and foreground exchanged, the margin's too."""
        return self.with_words(~self.words)

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
    frame = empty_frame(mask.shape[0], mask.shape[1], margin)
    bits = np.packbits(mask, axis=1, bitorder="little")
    left = _left_bytes(margin)
    frame.words.view(np.uint8)[margin : margin + frame.height, left : left + bits.shape[1]] = bits
    return frame


def empty_frame(height: int, width: int, margin: int) -> PackedMask:
    """A mask of so many pixels in which none is set, whose words are to be written."""
    row_words = -(-(_left_bytes(margin) * 8 + width + margin) // _WORD)
    return PackedMask(np.zeros((height + 2 * margin, row_words), np.uint64), height, width, margin)


def unpack(packed: PackedMask, border: int = 0) -> NDArray[np.uint8]:
    """The bits as (H + 2 border, W + 2 border) uint8 of 0 and 1; `border` pixels of the margin come along."""
    first = packed.margin - border
    rows = np.ascontiguousarray(packed.words[first : first + packed.height + 2 * border]).view(np.uint8)
    columns = _left_bytes(packed.margin) * 8 - border
    bits = np.unpackbits(rows, axis=1, bitorder="little", count=columns + packed.width + 2 * border)
    return bits[:, columns:]  # a view: OpenCV and NumPy take rows that lie apart, and a copy costs as much as unpacking


def framed(packed: PackedMask, border: int = 0) -> Words:
    """(H + 2 border, words a row): the rows of the frame, and so many of the margin; what lies beside it is cleared."""
    rows = packed.words[packed.margin - border : packed.margin + packed.height + border]
    kept: Words = rows & _columns(packed.words.shape[1], packed.left_px - border, packed.width + 2 * border)
    return kept


@lru_cache(maxsize=256)
def _columns(row_words: int, start: int, count: int) -> Words:
    """(row_words,) uint64: so many pixels set in a row, from `start` on."""
    columns = np.zeros(row_words * _WORD, bool)
    columns[start : start + count] = True
    words: Words = np.packbits(columns, bitorder="little").view("<u8")
    words.setflags(write=False)
    return words


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
    widths = np.array([isqrt(radius * radius - row * row) for row in range(radius + 1)])
    closed = np.empty_like(packed.words)
    lazily_compiled(close_loop, CLOSE)(packed.words, widths, closed)
    return packed.with_words(closed)


@dataclass(frozen=True)
class Components:
    """The connected components of some words, as runs of pixels in the order of the rows.

    Attributes:
        row, start, stop: (N,) int32: of each run its row, first column, and the column after its last.
        first: (N,) int32: the number of the first run of its component.
    """

    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    first: NDArray[np.int32]

    def areas(self) -> NDArray[np.float64]:
        """(N,): of each component its pixels, an exact number, in the place of its first run; 0 in the others."""
        lengths = (self.stop - self.start).astype(np.float64)
        return np.bincount(self.first, lengths, len(self.first)).astype(np.float64, copy=False)

    def only(self, first: int) -> Components:
        """The runs of one component."""
        its = self.first == first
        return Components(self.row[its], self.start[its], self.stop[its], self.first[its])

    def clear(self, first: int, words: Words, above: int = 0) -> None:
        """Clear the pixels of one component in words of which the first row is row number `above`."""
        lazily_compiled(clear_loop, CLEAR)(self.row, self.start, self.stop, self.first, first, above, words)

    def paint(self, plane: NDArray[np.int32], number: int, left_px: int) -> None:
        """Give their pixels a number in a (H, W) plane, which begins `left_px` columns from the left."""
        for row, start, stop in zip(self.row, self.start - left_px, self.stop - left_px, strict=True):
            plane[row, start:stop] = number


def components(words: Words, connectivity: Literal[4, 8]) -> Components:
    """Which set pixels hang together.

    Args:
        words: (R, words a row) uint64, as in a packed mask.
        connectivity: 4 joins pixels that share an edge, 8 also those that share a corner.
    """
    return Components(*lazily_compiled(components_loop, COMPONENTS)(words, connectivity == 8))


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
