"""The loops of `bits`, as numba compiles them: over rows of 64-bit words, bit i of a word being its pixel i.

Numba takes its types from the signatures below, and the annotations are for readers; `bits` is what is to be called.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Runs = NDArray[np.int32]

CLOSE = "void(u8[:,::1], i8[::1], u8[:,::1])"
COMPONENTS = "Tuple((i4[::1], i4[::1], i4[::1], i4[::1]))(u8[:,::1], i8)"
CLEAR = "void(i4[::1], i4[::1], i4[::1], i4[::1], i8, i8, u8[:,::1])"

_ONE, _LAST, _WORD = np.uint64(1), np.uint64(63), 64
_FULL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
# Which bit is set in a power of two: the top six bits of its product with a de Bruijn sequence tell them apart.
_DE_BRUIJN, _TOP_SIX = np.uint64(0x03F7_9D71_B4CB_0A89), np.uint64(58)
_PLACES = np.zeros(64, np.int64)
for _bit in range(64):
    _PLACES[(0x03F7_9D71_B4CB_0A89 << _bit & 0xFFFF_FFFF_FFFF_FFFF) >> 58] = _bit


def close_loop(words: Words, widths: NDArray[np.int64], out: Words) -> None:
    """Dilate by a shape that is symmetric and widest in its middle row, then erode by it.

    Dilation is Horner's scheme over the shape's rows: what lies `widths[d]` pixels beside a row d rows off is reached
    by widening the middle row by the difference to the next width, taking in the rows next to it, widening again, and
    so on: each row of the shape costs one union of three and each pixel of its radius one step at most. Words lie
    column by column meanwhile: the processor's vectors then run down the picture, and no pixel that crosses from word
    to word crosses within a vector. To erode is to dilate what is not set.

    Args:
        words: (R, W); outside there is nothing, and once dilated all is set.
        widths: (radius + 1,), falling: half the shape's width, d rows from its middle.
        out: (R, W), written.
    """
    rows, count = words.shape
    radius = len(widths) - 1
    columns = np.zeros((count, rows + 2 * radius), np.uint64)  # rows of nothing at either end
    line = np.zeros((count + 2, rows), np.uint64)  # a word of nothing at either end
    other = np.zeros((count + 2, rows), np.uint64)
    for y in range(rows):
        for i in range(count):
            columns[i, radius + y] = line[i + 1, y] = words[y, i]
    for _ in range(2):
        for d in range(1, radius + 1):
            reach, wanted = 0, widths[d - 1] - widths[d]
            while reach < wanted:
                step = min(wanted - reach, 2 * reach + 1, _WORD - 1)
                near, far = np.uint64(step), np.uint64(_WORD - step)
                for i in range(count):
                    before, own, after, wider = line[i], line[i + 1], line[i + 2], other[i + 1]
                    for y in range(rows):
                        wider[y] = own[y] | own[y] << near | own[y] >> near | before[y] >> far | after[y] << far
                line, other = other, line
                reach += step
            for i in range(count):
                own, above, below = line[i + 1], columns[i, radius - d :], columns[i, radius + d :]
                for y in range(rows):
                    own[y] |= above[y] | below[y]
        for i in range(count):
            own, middle = line[i + 1], columns[i, radius:]
            for y in range(rows):
                own[y] = ~own[y]
                middle[y] = own[y]
    for y in range(rows):
        for i in range(count):
            out[y, i] = line[i + 1, y]


def components_loop(words: Words, touching: int) -> tuple[Runs, Runs, Runs, Runs]:
    """Runs of set pixels, row by row, and which of them hang together.

    Args:
        words: (R, W).
        touching: 0 joins runs of neighbouring rows that share a column (4-connected), 1 also those that meet at a
            corner (8-connected).

    Returns:
        (N,) int32 each: row, first column, column after the last, and the number of the first run of its component.

    Source:
        He, Chao & Suzuki, "A Run-Based Two-Scan Labeling Algorithm", IEEE Transactions on Image Processing 17(5), 2008.
    """
    places = _PLACES
    rows, count = words.shape
    total = 0
    for y in range(rows):
        before = np.uint64(0)
        for i in range(count):
            word = words[y, i]
            begins = word & ~(word << _ONE | before)
            while begins:
                begins &= begins - _ONE
                total += 1
            before = word >> _LAST
    row = np.empty(total, np.int32)
    start, stop, first = np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, np.int32)
    found, above = 0, 0
    for y in range(rows):
        here = found
        inside, before = False, np.uint64(0)
        for i in range(count):
            word = words[y, i]
            changes = word ^ (word << _ONE | before)
            before = word >> _LAST
            while changes:
                lowest = changes & (~changes + _ONE)
                column = i * _WORD + places[(lowest * _DE_BRUIJN) >> _TOP_SIX]
                changes ^= lowest
                if inside:
                    stop[found] = column
                    found += 1
                else:
                    row[found], start[found], first[found] = y, column, found
                inside = not inside
        if inside:
            stop[found] = count * _WORD
            found += 1
        up = above
        for own in range(here, found):
            while up < here and stop[up] + touching <= start[own]:
                up += 1
            other = up
            while other < here and start[other] < stop[own] + touching:
                one, two = other, own
                while first[one] != one:
                    first[one] = first[first[one]]
                    one = first[one]
                while first[two] != two:
                    first[two] = first[first[two]]
                    two = first[two]
                first[max(one, two)] = min(one, two)
                other += 1
        above = here
    for own in range(total):  # a run's parent stands before it, and so is resolved already
        first[own] = first[first[own]]
    return row, start, stop, first


def clear_loop(row: Runs, start: Runs, stop: Runs, first: Runs, number: int, above: int, out: Words) -> None:
    """Clear the pixels of one component.

    Args:
        row, start, stop, first: (N,) of `components_loop`.
        number: of the component's first run.
        above: rows that lie above those of `out`, or below, and are left out.
        out: (R, W), overwritten.
    """
    for run in range(len(row)):
        y = row[run] - above
        if first[run] != number or y < 0 or y >= len(out):
            continue
        low, high = start[run], stop[run]
        begin, last = low // _WORD, (high - 1) // _WORD
        for i in range(begin, last + 1):
            kept = np.uint64(0)
            if i == begin:
                kept |= ~(_FULL << np.uint64(low - i * _WORD))
            if i == last and high < _WORD * (i + 1):
                kept |= _FULL << np.uint64(high - i * _WORD)
            out[y, i] &= kept
