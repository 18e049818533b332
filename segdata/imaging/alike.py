"""Do two thumbnails show one photograph? Proposed by their signatures, decided by laying one over the other.

A copy is found at any of the windows, plain or mirrored: `propose` compares each window of one picture with the whole
of another. Low frequencies of two portraits of strangers agree by chance, so a proposal is only a place to begin:
`similarities` shifts and stretches one thumbnail over the other until they fit best, and says how well their *details*
agree: what is left of each when its surroundings' mean is taken off.

Import this where it is used only: it needs numba, which takes a second.

Source:
    The fit is Gauss-Newton over four parameters with gain and bias: Lucas & Kanade, "An Iterative Image Registration
    Technique", IJCAI 1981, and Baker & Matthews, "Lucas-Kanade 20 Years On", IJCV 2004, section 2 (forward additive).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from segdata.imaging.appearance import EVEN, LENGTH, SIDE, WINDOWS, Signatures, Window
from segdata.imaging.kernels import lazily_compiled

LANES = 256
"""Signatures are compared so many at a time: 25 of these rows fit the first cache."""
_ROUNDS = 6  # of Gauss-Newton; most fits stop earlier
_SMOOTHED = 1 / 6  # weight of each neighbour: thumbnails sampled at other places differ in what is finer than this
_FINE_RADIUS = 6
_FITS_COARSELY = 0.6  # at 16 x 16: copies 0.64 or more, 3 strangers of 4 that were proposed less

_PROPOSE = "i8(f4[:,::1],f4[:,:,::1],f4,i4[::1],i4[::1],f4[::1],b1[::1])"
_SIMILARITIES = "void(u1[:,:,::1],u1[:,:,::1],i4[::1],i4[::1],b1[::1],f8[:,::1],f4[::1])"
_FIT = "f8(f4[:,::1],f4[:,::1],f8[::1],i8)"


@dataclass(frozen=True)
class Proposals:
    """Pairs that may show one photograph.

    Attributes:
        windows: (K,) int32, rows of what was asked with: one a window of a picture.
        wholes: (K,) int32, indices of the pictures that look like it.
        scores: (K,) float32, dot products of the signatures.
        mirrored: (K,) bool, whether it is the whole's mirror image that does.
    """

    windows: NDArray[np.int32]
    wholes: NDArray[np.int32]
    scores: NDArray[np.float32]
    mirrored: NDArray[np.bool_]


def in_lanes(signatures: Signatures) -> NDArray[np.float32]:
    """Signatures as `propose` reads them: (blocks, 25, 256), filled up with zeros, which look like nothing.

    Args:
        signatures: (N, 25) float32.
    """
    blocks = -(-len(signatures) // LANES)
    filled = np.zeros((blocks * LANES, LENGTH), np.float32)
    filled[: len(signatures)] = signatures
    return np.ascontiguousarray(filled.reshape(blocks, LANES, LENGTH).transpose(0, 2, 1))


def propose(windows: Signatures, wholes: NDArray[np.float32], least: float) -> Proposals:
    """Every window and whole picture, plain or mirrored, whose signatures agree by more than `least`.

    Args:
        windows: (Q, 25) float32 signatures.
        wholes: (blocks, 25, 256) float32, of `in_lanes`.
        least: in (0, 1).
    """
    scan = lazily_compiled(_propose, _PROPOSE, fastmath=True)
    room = 4 * len(windows) + 1024
    while True:
        found = Proposals(
            np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float32), np.empty(room, np.bool_)
        )
        count = scan(windows, wholes, np.float32(least), *vars(found).values())
        if count <= room:
            return Proposals(*(column[:count] for column in vars(found).values()))
        room = count


def similarities(
    first: NDArray[np.uint8], second: NDArray[np.uint8], pairs: tuple[NDArray[np.int32], NDArray[np.int32]],
    mirrored: NDArray[np.bool_], windows: NDArray[np.intp],
) -> NDArray[np.float32]:  # fmt: skip
    """How well the details of pairs of thumbnails agree where they overlap, laid over each other as well as can be.

    Args:
        first: (N, 32, 32) uint8.
        second: (M, 32, 32) uint8.
        pairs: K indices into `first`, and into `second`.
        mirrored: (K,) whether `second` is mirrored.
        windows: (K,) indices into `WINDOWS`: where in `first` the whole of `second` is looked for to begin with.

    Returns:
        (K,) float32, at most 1: normalised cross-correlation of the details, of the first look where that was poor.
    """
    begin = np.array([_placed(window, SIDE // 2) for window in WINDOWS])[windows]
    answer = np.empty(len(windows), np.float32)
    loop = lazily_compiled(_similarities, _SIMILARITIES, fastmath=True)
    loop(first, second, *pairs, mirrored, begin, answer)
    return answer


def fine_similarity(first: NDArray[np.uint8], second: NDArray[np.uint8], window: Window) -> float:
    """`similarities` of one pair of larger greys: what two photos of one shoot no longer share, and copies do.

    Args:
        first, second: (S, S) uint8, of `appearance.grey_square`, S at least 32.
        window: where in `first` the whole of `second` is looked for to begin with.

    Returns:
        The agreement of details finer than 13 pixels.
    """
    fit = lazily_compiled(_fit, _FIT, fastmath=True)
    place, size, agreement = _placed(window, SIDE // 2), SIDE // 2, 0.0
    for larger in (SIDE // 2, SIDE, len(first)):
        place, size = _scaled(place, larger / size), larger
        agreement = fit(_shrunk(first, size), _shrunk(second, size), place, _FINE_RADIUS)
    return float(agreement)


def _shrunk(picture: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    small = cv2.resize(picture.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    smooth: NDArray[np.float32] = cv2.GaussianBlur(small, (0, 0), 0.6, borderType=cv2.BORDER_REPLICATE)
    return smooth


def _placed(window: Window, size: int) -> NDArray[np.float64]:
    """[zoom x, shift x, zoom y, shift y]: from pixel centres of a whole to those of a window; `size` pixels a side."""
    left, top, right, bottom = window
    across, down = right - left, bottom - top
    return np.array([across, left * size + across / 2 - 0.5, down, top * size + down / 2 - 0.5])


def _scaled(place: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """The same place in pictures of `factor` times the size, whose pixel centres lie elsewhere."""
    zooms, shifts = place[0::2], place[1::2]
    return np.stack([zooms, factor * shifts + (factor - 1) * (1 - zooms) / 2], axis=1).ravel()


def _propose(windows, wholes, least, found_windows, found_wholes, scores, mirrored):  # type: ignore[no-untyped-def]  # numba
    """Even and odd part of each dot product: their sum is the plain picture's, their difference the mirrored one's."""
    count = 0
    even, odd = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    for block in range(len(wholes)):
        for query in range(len(windows)):
            even[:] = 0
            odd[:] = 0
            _add_products(windows[query], wholes[block], 0, EVEN, even)
            _add_products(windows[query], wholes[block], EVEN, LENGTH, odd)
            best = np.float32(0)
            for lane in range(LANES):
                best = max(best, even[lane] + abs(odd[lane]))
            if best <= least:
                continue
            for lane in range(LANES):
                for sign in (1, -1):
                    score = even[lane] + sign * odd[lane]
                    if score > least:
                        if count < len(scores):
                            found_windows[count], found_wholes[count] = query, block * LANES + lane
                            scores[count], mirrored[count] = score, sign < 0
                        count += 1
    return count


@register_jitable
def _add_products(query, block, start, stop, total):  # type: ignore[no-untyped-def]  # numba
    """Three products at a time: a sum that stays in a register for longer."""
    row = start
    while row + 3 <= stop:
        a, b, c = query[row], query[row + 1], query[row + 2]
        for lane in range(LANES):
            total[lane] += a * block[row, lane] + b * block[row + 1, lane] + c * block[row + 2, lane]
        row += 3
    while row < stop:
        a = query[row]
        for lane in range(LANES):
            total[lane] += a * block[row, lane]
        row += 1


def _similarities(first, second, ones, others, mirrored, places, answer):  # type: ignore[no-untyped-def]  # numba
    one, other = np.empty((SIDE, SIDE), np.float32), np.empty((SIDE, SIDE), np.float32)
    half_one, half_other = np.empty((SIDE // 2, SIDE // 2), np.float32), np.empty((SIDE // 2, SIDE // 2), np.float32)
    for k in range(len(answer)):
        place = places[k].copy()
        _load(first[ones[k]], False, one, half_one)
        _load(second[others[k]], mirrored[k], other, half_other)
        coarse = _fit(half_one, half_other, place, 2)
        if coarse < _FITS_COARSELY:
            answer[k] = coarse
            continue
        for axis in (0, 2):  # from pixel centres at 16 x 16 to those at 32 x 32, as _scaled does
            place[axis + 1] = 2 * place[axis + 1] + (1 - place[axis]) / 2
        answer[k] = _fit(one, other, place, 2)


@register_jitable
def _load(thumbnail, mirrored, smooth, half):  # type: ignore[no-untyped-def]  # numba
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


@register_jitable
def _fit(one, other, place, radius):  # type: ignore[no-untyped-def]  # numba
    """Lay `one` over `other` as well as can be, moving `place`; then compare their details."""
    for _ in range(_ROUNDS):
        moved = _solve(_normal_equations(one, other, place), place, len(one))
        if moved < 0.02:
            break
    return _details_agree(one, other, place, radius)


@register_jitable
def _normal_equations(one, other, place):  # type: ignore[no-untyped-def]  # numba
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


@register_jitable
def _solve(equations, place, size):  # type: ignore[no-untyped-def]  # numba
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


@register_jitable
def _details_agree(one, other, place, radius):  # type: ignore[no-untyped-def]  # numba
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


@register_jitable
def _running_sums(values):  # type: ignore[no-untyped-def]  # numba
    """The sum of all that lies above and to the left of each corner (Crow's summed-area table, SIGGRAPH 1984)."""
    size = len(values)
    sums = np.zeros((size + 1, size + 1))
    for y in range(size):
        row = 0.0
        for x in range(size):
            row += values[y, x]
            sums[y + 1, x + 1] = sums[y, x + 1] + row
    return sums


@register_jitable
def _sum_within(sums, top, bottom, left, right):  # type: ignore[no-untyped-def]  # numba
    return sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
