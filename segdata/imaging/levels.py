"""What kind of mask some values are: hard, soft, a trimap, or the classes of a label map.

Looked for are the values that fill areas: a soft edge has many values, each on a line one or two pixels wide, and a
class or the unknown part of a trimap fills an area with one value. The noise of a lossy format lies near black and near
white.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.records import LABEL_CUT

LevelKind = Literal["empty", "full", "hard", "soft", "trimap", "classes", "faint"]

BLACK, WHITE = 0, 255
_LEAST_WHITE = 200  # reached by every mask with a person, also by a soft one
_FEW = 24  # values in use: more of them are a soft edge, or the noise of a lossy format
_AREA_SHARE = 0.002  # of the pixels that a value has to have, to be looked at
_SQUARE = np.ones((3, 3), np.uint8)
_NOISE, _NEAR = 24, 8  # steps from black or white, where many values are in use and where few are
_DOMINATES = 4  # times as frequent as a value that is its noise
_MOST_BETWEEN, _MOST_PEAKS = 0.8, 4  # of many values: few peaks hold most of the pixels between black and white
_SPIKE_SHARE = 0.02  # of the pixels
_PEAK_REACH = 8  # steps to both sides of a peak: what a lossy format makes of one value
_MIDDLE = range(64, 192)
_SOFT_PER_CONTOUR_PX = 0.5  # grey pixels for each pixel of the contour: a sharp edge has fewer
_STRIDE = 4  # pixels apart are those that `may_be_levels` looks at
_PEAK = 0.6  # of the pixels between black and white are about one value


class Levels(NamedTuple):
    """What kind of mask it is, and the values that fill areas, in order."""

    kind: LevelKind
    values: tuple[int, ...]


def survey_levels(values: NDArray[np.uint8]) -> Levels:
    """Look at the values of a mask.

    Args:
        values: (H, W), on a scale on which 255 is white.

    Returns:
        `empty` where all is black and `full` where all is white; `hard`: black and white areas; `soft`: black and white
        with a soft edge; `trimap`: black, white, and one value between; `classes`: other areas, which mean nothing by
        themselves; `faint`: a soft mask that reaches nothing near white.

    >>> survey_levels(np.repeat(np.array([[0, 15, 255]], np.uint8), 5, axis=1).repeat(5, axis=0))
    Levels(kind='classes', values=(0, 15, 255))
    """
    counts = np.bincount(values.ravel(), minlength=256)
    used = np.flatnonzero(counts)
    if len(used) == 1 and used[0] in (BLACK, WHITE):
        return Levels("empty" if used[0] == BLACK else "full", (int(used[0]),))
    areas = _merge_noise(_areas(values, counts), counts)
    if len(used) > _FEW:
        ends = [level for level in areas if not _NOISE <= level < 256 - _NOISE]
        ends = [level for level in ends if level in (BLACK, WHITE) or _is_spike(level, counts)]
        areas = sorted({*ends, *_peaks(values, counts)})
    elif not any(_NOISE <= level < 256 - _NOISE for level in areas):  # perhaps a grain on every area
        areas = sorted({*areas, *_peaks(values, counts)})
    between = [level for level in areas if level not in (BLACK, WHITE)]
    if between:
        is_trimap = len(between) == 1 and between[0] in _MIDDLE and {BLACK, WHITE} <= set(areas)
        return Levels("trimap" if is_trimap else "classes", tuple(areas))
    if used[-1] < _LEAST_WHITE:
        return Levels("empty" if used[-1] <= 1 else "faint", (int(used[0]), int(used[-1])))
    if used[0] >= 256 - _NOISE:
        return Levels("full", (WHITE,))
    return Levels("hard" if is_hard_but_for_noise(values) else "soft", (BLACK, WHITE))


def may_be_levels(alpha: Alpha) -> bool:
    """A quick look at some of the pixels: whether `survey_levels` might find a trimap, classes, or a faint mask."""
    counts = np.bincount(alpha[:: 2 * _STRIDE, ::_STRIDE].ravel(), minlength=256)
    inside = counts[_NOISE : 256 - _NOISE]
    around = np.convolve(inside, np.ones(2 * _PEAK_REACH + 1, np.int64))
    return bool(
        not counts[_LEAST_WHITE:].any()
        or np.count_nonzero(counts) <= _FEW
        or (inside.sum() > _AREA_SHARE * counts.sum() and around.max() >= _PEAK * inside.sum())
    )


def is_hard_but_for_noise(alpha: Alpha) -> bool:
    """Whether a mask has no soft edge: its grey pixels are the noise that a lossy format leaves beside a sharp one.

    Args:
        alpha: (H, W) uint8.
    """
    inside = alpha >= LABEL_CUT
    contour = np.count_nonzero(inside[1:] != inside[:-1]) + np.count_nonzero(inside[:, 1:] != inside[:, :-1])
    grey = int(cv2.countNonZero(cv2.inRange(alpha, _MIDDLE.start, _MIDDLE.stop - 1)))
    return bool(grey <= _SOFT_PER_CONTOUR_PX * contour)


def _areas(values: NDArray[np.uint8], counts: NDArray[np.int64]) -> list[int]:
    """The values of which a square of 3 by 3 pixels is somewhere."""
    frequent = np.flatnonzero(counts >= max(1, _AREA_SHARE * values.size))
    return [
        int(level) for level in frequent if cv2.erode((values == level).view(np.uint8), _SQUARE, borderValue=1).any()
    ]


def _peaks(values: NDArray[np.uint8], counts: NDArray[np.int64]) -> list[int]:
    """The values about which nearly all pixels between black and white lie, and fill areas; none of a soft edge."""
    inside = counts.copy()
    inside[:_NOISE] = inside[256 - _NOISE :] = 0
    total, held, peaks = int(inside.sum()), 0, list[int]()
    while total and held < _MOST_BETWEEN * total and len(peaks) < _MOST_PEAKS:
        around = np.convolve(inside, np.ones(2 * _PEAK_REACH + 1, np.int64), "same")
        window = slice(max(0, int(around.argmax()) - _PEAK_REACH), int(around.argmax()) + _PEAK_REACH + 1)
        part = cv2.inRange(values, window.start, min(window.stop - 1, WHITE))
        if around.max() < _AREA_SHARE * values.size or not cv2.erode(part, _SQUARE, borderValue=1).any():
            break
        peaks.append(window.start + int(inside[window].argmax()))
        held += int(around.max())
        inside[window] = 0
    return peaks if total and held >= _MOST_BETWEEN * total else []


def _is_spike(level: int, counts: NDArray[np.int64]) -> bool:
    """Whether many pixels have a value and few have those beside it, unlike in the tail of a soft edge or of noise."""
    beside = counts[max(0, level - 2) : level + 3].sum() - counts[level]
    return bool(counts[level] >= _SPIKE_SHARE * counts.sum() and 2 * beside <= counts[level])


def _merge_noise(areas: list[int], counts: NDArray[np.int64]) -> list[int]:
    """Values beside black and white that are noise become black and white."""
    used = np.flatnonzero(counts)
    if len(used) > _FEW:
        reach = _NOISE
    else:
        noisy = bool(counts[1:5].any() and counts[251:255].any())
        reach = _NEAR if noisy else 0
    merged = set()
    for level in areas:
        for end in (BLACK, WHITE):
            near = [one for one in areas if abs(one - end) <= _NOISE]
            if not near or level not in near:
                continue
            main = max(near, key=lambda one: counts[one])
            lone = len(near) == 1 and abs(level - end) <= (_NOISE if reach else 3)
            noise = abs(level - end) <= reach and (
                abs(level - main) <= 1 or counts[level] * _DOMINATES <= counts[main] or level == main
            )
            if lone or noise:
                merged.add(end)
                break
        else:
            merged.add(level)
    return sorted(merged)
