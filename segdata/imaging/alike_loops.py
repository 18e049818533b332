"""The loops of `alike`, as numba compiles them: over plain arrays, with results written into arrays that are handed in.

Numba takes its types from the signatures below, and the annotations are for readers; `alike` is what is to be called,
and its docstrings say what comes out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from segdata.compiled import called_by_loops
from segdata.imaging.appearance import EVEN, LENGTH, SIDE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Greys = NDArray[np.uint8]
Indices = NDArray[np.int32]
Flags = NDArray[np.bool_]

LANES = 64
"""Outlines are compared so many at a time, whose bounds are looked through only where one of them is high."""
LEADING_EVEN, LEADING_ODD = 6, 5
"""So many entries of a signature stand in its outline as they are, of even and of odd horizontal frequency."""
_SUMMED = LEADING_EVEN + 2
OUTLINE = _SUMMED + LEADING_ODD
"""Numbers of an outline: leading even entries, the lengths of the other even and of the other odd ones, leading odd."""
_ROUNDING = 1e-4  # far above that of the sums
_ROUNDS = 6  # of Gauss-Newton; most fits stop earlier
_SMOOTHED = 1 / 6  # weight of each neighbour: thumbnails sampled at other places differ in what is finer than this
_FITS_COARSELY = 0.6  # at 16 x 16: copies 0.64 or more, 3 strangers of 4 that were proposed less

PROPOSE = "i8(f4[:,::1],f4[:,::1],f4[:,::1],f4[:,:,::1],f4,i4[::1],i4[::1],f4[::1],b1[::1])"
SIMILARITIES = "void(u1[:,:,::1],u1[:,:,::1],i4[::1],i4[::1],b1[::1],f8[:,::1],f4[::1])"
FIT = "f8(f4[:,::1],f4[:,::1],f8[::1],i8)"


def propose_loop(
    windows: Floats,
    outlines: Floats,
    wholes: Floats,
    lanes: Floats,
    least: float,
    found_windows: Indices,
    found_wholes: Indices,
    scores: Floats,
    mirrored: Flags,
) -> int:
    """Even and odd part of each dot product: their sum is the plain picture's, their difference the mirrored one's.

    Neither is more than what the outlines allow: of the entries that they lack, a·b <= |a| |b| (Cauchy and Schwarz).
    """
    count = 0
    bounds = np.empty(LANES, np.float32)
    low = np.float32(least - _ROUNDING)  # as a double it would halve how many lanes are computed at once
    for block in range(len(lanes)):
        for query in range(len(windows)):
            outline, rows = outlines[query], lanes[block]
            near = np.float32(0)  # a float for the same reason
            for lane in range(LANES):
                summed, odd = np.float32(0), np.float32(0)
                for row in range(_SUMMED):
                    summed += outline[row] * rows[row, lane]
                for row in range(_SUMMED, OUTLINE):
                    odd += outline[row] * rows[row, lane]
                bound = summed + abs(odd)
                bounds[lane] = bound
                near += np.float32(1) if bound > low else np.float32(0)
            if near == 0:
                continue
            for lane in range(LANES):
                if bounds[lane] <= low:
                    continue
                whole = block * LANES + lane
                even, odd = _products(windows[query], wholes[whole])
                for sign in (1, -1):
                    score = even + sign * odd
                    if score > least:
                        if count < len(scores):
                            found_windows[count], found_wholes[count] = query, whole
                            scores[count], mirrored[count] = score, sign < 0
                        count += 1
    return count


@called_by_loops
def _products(one: Floats, other: Floats) -> tuple[np.floating, np.floating]:
    """The even and the odd part of a dot product."""
    even, odd = np.float32(0), np.float32(0)
    for row in range(EVEN):
        even += one[row] * other[row]
    for row in range(EVEN, LENGTH):
        odd += one[row] * other[row]
    return even, odd


def similarities_loop(
    first: Greys, second: Greys, ones: Indices, others: Indices, mirrored: Flags, places: Doubles, answer: Floats
) -> None:
    one, other = np.empty((SIDE, SIDE), np.float32), np.empty((SIDE, SIDE), np.float32)
    half_one, half_other = np.empty((SIDE // 2, SIDE // 2), np.float32), np.empty((SIDE // 2, SIDE // 2), np.float32)
    for k in range(len(answer)):
        place = places[k].copy()
        _load(first[ones[k]], False, one, half_one)
        _load(second[others[k]], mirrored[k], other, half_other)
        coarse = fit_loop(half_one, half_other, place, 2)
        if coarse < _FITS_COARSELY:
            answer[k] = coarse
            continue
        for axis in (0, 2):  # from pixel centres at 16 x 16 to those at 32 x 32, as _scaled does
            place[axis + 1] = 2 * place[axis + 1] + (1 - place[axis]) / 2
        answer[k] = fit_loop(one, other, place, 2)


@called_by_loops
def _load(thumbnail: Greys, mirrored: bool, smooth: Floats, half: Floats) -> None:
    """A thumbnail slightly smoothed, and at half its size."""
    across = np.empty((SIDE, SIDE), np.float32)
    for y in range(SIDE):
        for x in range(SIDE):
            place, step = (SIDE - 1 - x, -1) if mirrored else (x, 1)
            left, right = min(max(place - step, 0), SIDE - 1), min(max(place + step, 0), SIDE - 1)
            middle = np.float32(thumbnail[y, place])
            across[y, x] = middle + _SMOOTHED * (thumbnail[y, left] + np.float32(thumbnail[y, right]) - 2 * middle)
            if x % 2 and y % 2:
                back = place - step
                four = (
                    np.float32(thumbnail[y, place])
                    + thumbnail[y, back]
                    + thumbnail[y - 1, place]
                    + thumbnail[y - 1, back]
                )
                half[y // 2, x // 2] = four / 4
    for y in range(SIDE):
        above, below = max(y - 1, 0), min(y + 1, SIDE - 1)
        for x in range(SIDE):
            smooth[y, x] = across[y, x] + _SMOOTHED * (across[above, x] + across[below, x] - 2 * across[y, x])


@called_by_loops
def fit_loop(one: Floats, other: Floats, place: Doubles, radius: int) -> float:
    """Lay `one` over `other` as well as can be, moving `place`; then compare their details."""
    for _ in range(_ROUNDS):
        moved = _solve(_normal_equations(one, other, place), place, len(one))
        if moved < 0.02:
            break
    return _details_agree(one, other, place, radius)


@called_by_loops
def _normal_equations(one: Floats, other: Floats, place: Doubles) -> Doubles:
    """Of other = gain one(place) + bias, linear in [gain, bias, gain x changes of the place]: (6, 7), the last column
    the right-hand side."""
    size = len(one)
    equations, terms = np.zeros((6, 7)), np.empty(7)
    for y in range(size):
        at_y = place[2] * y + place[3]
        row = math.floor(at_y)
        if row < 0 or row > size - 2:
            continue
        for x in range(size):
            at_x = place[0] * x + place[1]
            column = math.floor(at_x)
            if column < 0 or column > size - 2:
                continue
            down, right = at_y - row, at_x - column
            corner, beside = one[row, column], one[row, column + 1]
            under, across = one[row + 1, column], one[row + 1, column + 1]
            slope_x = (beside - corner) * (1 - down) + (across - under) * down
            slope_y = (under - corner) * (1 - right) + (across - beside) * right
            value = corner + right * (beside - corner) + down * slope_y
            terms[0], terms[1], terms[2], terms[3] = value, 1.0, slope_x * x, slope_x
            terms[4], terms[5], terms[6] = slope_y * y, slope_y, other[y, x]
            for i in range(6):
                for j in range(i, 7):
                    equations[i, j] += terms[i] * terms[j]
    return equations


@called_by_loops
def _solve(equations: Doubles, place: Doubles, size: int) -> float:
    """One step of Gauss-Newton, each change limited; how far it moved, in pixels. 0 where nothing can be solved."""
    for i in range(6):
        equations[i, i] += 1e-6 * (equations[i, i] + 1)
        for j in range(i):
            equations[i, j] = equations[j, i]
    for i in range(6):
        for k in range(i + 1, 6):
            share = equations[k, i] / equations[i, i]
            for j in range(i, 7):
                equations[k, j] -= share * equations[i, j]
    change = np.zeros(6)
    for i in range(5, -1, -1):
        left = equations[i, 6]
        for j in range(i + 1, 6):
            left -= equations[i, j] * change[j]
        change[i] = left / equations[i, i]
    moved = 0.0
    if change[0] > 0.1:  # a negative or vanishing gain: these pictures have nothing in common
        for i in range(4):
            limit = 0.1 if i % 2 == 0 else size / 16
            step = min(max(change[2 + i] / change[0], -limit), limit)
            place[i] += step
            moved = max(moved, abs(step) * (size if i % 2 == 0 else 1))
    return moved


@called_by_loops
def _details_agree(one: Floats, other: Floats, place: Doubles, radius: int) -> float:
    """Normalised cross-correlation, where the two overlap, of what differs from the mean of its surroundings."""
    size = len(one)
    laid, inside = np.zeros((size, size)), np.zeros((size, size))
    count = 0
    for y in range(size):
        at_y = place[2] * y + place[3]
        for x in range(size):
            at_x = place[0] * x + place[1]
            if at_x < -0.5 or at_x > size - 0.5 or at_y < -0.5 or at_y > size - 0.5:
                continue
            row, column = int(min(max(at_y, 0.0), size - 1.001)), int(min(max(at_x, 0.0), size - 1.001))
            down, right = min(max(at_y - row, 0.0), 1.0), min(max(at_x - column, 0.0), 1.0)
            upper = one[row, column] + right * (one[row, column + 1] - one[row, column])
            lower = one[row + 1, column] + right * (one[row + 1, column + 1] - one[row + 1, column])
            laid[y, x], inside[y, x] = upper + down * (lower - upper), 1.0
            count += 1
    if count < 0.4 * size * size:
        return 0.0
    sums_one, sums_other, sums_inside = _running_sums(laid), _running_sums(other * inside), _running_sums(inside)
    ours, theirs, both = 0.0, 0.0, 0.0
    for y in range(size):
        top, bottom = max(0, y - radius), min(size, y + radius + 1)
        for x in range(size):
            if inside[y, x] == 0:
                continue
            left, right = max(0, x - radius), min(size, x + radius + 1)
            near = _sum_within(sums_inside, top, bottom, left, right)
            detail_one = laid[y, x] - _sum_within(sums_one, top, bottom, left, right) / near
            detail_other = other[y, x] - _sum_within(sums_other, top, bottom, left, right) / near
            ours += detail_one * detail_one
            theirs += detail_other * detail_other
            both += detail_one * detail_other
    # Less than half a grey of detail is rounding and noise, which agree with nothing.
    return both / math.sqrt(ours * theirs) if min(ours, theirs) > 0.25 * count else 0.0


@called_by_loops
def _running_sums(values: Doubles) -> Doubles:
    """The sum of all that lies above and to the left of each corner (Crow's summed-area table, SIGGRAPH 1984)."""
    size = len(values)
    sums = np.zeros((size + 1, size + 1))
    for y in range(size):
        row = 0.0
        for x in range(size):
            row += values[y, x]
            sums[y + 1, x + 1] = sums[y, x + 1] + row
    return sums


@called_by_loops
def _sum_within(sums: Doubles, top: int, bottom: int, left: int, right: int) -> float:
    within: float = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return within
