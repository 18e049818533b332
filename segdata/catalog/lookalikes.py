"""Which thumbnails of two sets show one photograph: the search itself, on arrays, by threads.

Every window of every picture is held against every other picture as a whole, plain and mirrored; what looks alike is
laid over one another. Work and memory are in chunks of one side, so that a million pictures fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segdata.engines.local import map_threads
from segdata.imaging.appearance import WHOLE, WINDOWS, Signatures, frequencies_of, signatures_of

if TYPE_CHECKING:
    from segdata.imaging.alike import Proposals

# Measured on 800 real portraits (benchmarks/duplicates.py). Signatures: copies agree by 0.97 or more where a twelfth
# was cut off, by 0.90 or more for any crop of a tenth; of pairs of strangers, 2 in 10,000 do. Details: copies agree
# by 0.91 or more, photos of one shoot by 0.90 or more, strangers by 0.83 at most, drawn from one template included.
_LOOKS_ALIKE = 0.90
_SAME = 0.87
_CHUNK = 512

Thumbnails = NDArray[np.uint8]


@dataclass(frozen=True)
class Lookalike:
    """Two pictures that show one photograph, or two of one shoot.

    Attributes:
        first: index into the first set.
        second: index into the second set.
        similarity: how well their details agree, up to 1.
        mirrored: whether one is the mirror image of the other.
    """

    first: int
    second: int
    similarity: float
    mirrored: bool


def lookalikes(first: Thumbnails, second: Thumbnails, threads: int) -> list[Lookalike]:
    """The pairs of one picture of each set that show one photograph, ordered by their indices.

    Args:
        first: (N, 32, 32) uint8.
        second: (M, 32, 32) uint8.
        threads: so many chunks at a time.
    """
    found: dict[tuple[int, int], Lookalike] = {}
    _keep(found, _one_way(first, second, threads))
    _keep(found, (Lookalike(x.second, x.first, x.similarity, x.mirrored) for x in _one_way(second, first, threads)))
    return [found[key] for key in sorted(found)]


def lookalikes_within(pictures: Thumbnails, threads: int) -> list[Lookalike]:
    """The pairs of one set, each once, `first` below `second`; no picture is a pair with itself."""
    found: dict[tuple[int, int], Lookalike] = {}
    _keep(
        found,
        (
            Lookalike(min(x.first, x.second), max(x.first, x.second), x.similarity, x.mirrored)
            for x in _one_way(pictures, pictures, threads)
            if x.first != x.second
        ),
    )
    return [found[key] for key in sorted(found)]


def _keep(found: dict[tuple[int, int], Lookalike], more: Iterator[Lookalike]) -> None:
    for one in more:
        key = (one.first, one.second)
        if key not in found or one.similarity > found[key].similarity:
            found[key] = one


def _one_way(pictures: Thumbnails, wholes: Thumbnails, threads: int) -> Iterator[Lookalike]:
    """Where a window of one of `pictures` looks like one of `wholes`."""
    from segdata.imaging.alike import in_lanes

    if not len(pictures) or not len(wholes):
        return
    parts = [
        signatures_of(frequencies_of(wholes[start : start + 16 * _CHUNK]))
        for start in range(0, len(wholes), 16 * _CHUNK)
    ]
    lanes = in_lanes(np.concatenate(parts))
    starts = range(0, len(pictures), _CHUNK)
    for some in map_threads(lambda start: _look(pictures, wholes, lanes, start), starts, threads):
        yield from some


def _look(pictures: Thumbnails, wholes: Thumbnails, lanes: NDArray[np.float32], start: int) -> list[Lookalike]:
    from segdata.imaging.alike import propose, similarities

    some = pictures[start : start + _CHUNK]
    proposals = best_windows(propose(windows_of(some), lanes, _LOOKS_ALIKE))
    ones, windows = np.divmod(proposals.windows, len(WINDOWS))
    apart = ones + start != proposals.wholes if pictures is wholes else np.ones(len(ones), bool)
    ones, windows = ones[apart].astype(np.int32), windows[apart].astype(np.intp)
    others, mirrored = proposals.wholes[apart], proposals.mirrored[apart]
    values = similarities(some, wholes, (ones, others), mirrored, windows)
    return [
        Lookalike(int(ones[k]) + start, int(others[k]), float(values[k]), bool(mirrored[k]))
        for k in np.flatnonzero(values >= _SAME)
    ]


def windows_of(pictures: Thumbnails) -> Signatures:
    """(N x 19, 25) float32: the signatures of all windows of each picture, one picture after the other."""
    frequencies = frequencies_of(pictures)
    every = np.stack([signatures_of(frequencies, window) for window in WINDOWS], axis=1)
    return np.ascontiguousarray(every.reshape(-1, every.shape[2]))


def best_windows(found: Proposals) -> Proposals:
    """The one window of a picture that looks most like a whole, for each pair and each way round."""
    pairs = ((found.windows // len(WINDOWS)).astype(np.int64) << 33) | (found.wholes.astype(np.int64) << 1)
    pairs |= found.mirrored
    order = np.lexsort((-found.scores, pairs))
    first = np.ones(len(order), bool)
    first[1:] = pairs[order][1:] != pairs[order][:-1]
    chosen = order[first]
    return type(found)(found.windows[chosen], found.wholes[chosen], found.scores[chosen], found.mirrored[chosen])


def best_window(picture: NDArray[np.uint8], whole: NDArray[np.uint8]) -> int:
    """The index of the window of one picture that looks most like another as a whole: both (32, 32) uint8."""
    target = signatures_of(frequencies_of(whole[None]), WHOLE)[0]
    return int(np.argmax(windows_of(picture[None]) @ target))
