"""Which thumbnails of two sets show one photograph: the search itself, on arrays, by threads.

Every window of every picture is held against every other picture as a whole, plain and mirrored; what looks alike is
laid over one another. Work is in chunks of the larger set, and so is memory, the thumbnails apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segdata.engines.local import map_threads
from segdata.imaging.appearance import WHOLE, WINDOWS, frequencies_of, signatures_of, signatures_of_windows

if TYPE_CHECKING:
    from segdata.imaging.alike import Proposals, Wholes, Windows

# Measured on 800 real portraits (benchmarks/duplicates.py). Signatures: copies agree by 0.97 or more where a twelfth
# was cut off, by 0.90 or more for any crop of a tenth; of pairs of strangers, 2 in 10,000 do. Details: copies agree
# by 0.91 or more, photos of one shoot by 0.90 or more, strangers by 0.83 at most, drawn from one template included.
_LOOKS_ALIKE = 0.90
_SAME = 0.87
_CHUNK = 512
_HELD = 16_384  # of the smaller set at a time: 60 MB

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
    few, many = sorted((first, second), key=len)

    def both_ways(held: _Part, part: _Part) -> Iterator[Lookalike]:
        one, other = (held, part) if few is first else (part, held)
        yield from _look(one, other)
        yield from (replace(x, first=x.second, second=x.first) for x in _look(other, one))

    return _best(_in_parts(both_ways, few, many, threads))


def lookalikes_within(pictures: Thumbnails, threads: int) -> list[Lookalike]:
    """The pairs of one set, each once, `first` below `second`; no picture is a pair with itself."""

    def one_way(held: _Part, part: _Part) -> Iterator[Lookalike]:
        for x in _look(part, held):
            if x.first != x.second:
                yield replace(x, first=min(x.first, x.second), second=max(x.first, x.second))

    return _best(_in_parts(one_way, pictures, pictures, threads))


def _best(found: Iterable[Lookalike]) -> list[Lookalike]:
    """Each pair once, as it is most alike."""
    best: dict[tuple[int, int], Lookalike] = {}
    for one in found:
        key = (one.first, one.second)
        if key not in best or one.similarity > best[key].similarity:
            best[key] = one
    return [best[key] for key in sorted(best)]


@dataclass(frozen=True)
class _Part:
    """A part of a set, and what its pictures look like.

    Attributes:
        pictures: (N, 32, 32) uint8, the whole set.
        start: index of the part's first picture.
        windows: 19 for each picture of the part.
        wholes: of the same pictures.
    """

    pictures: Thumbnails
    start: int
    windows: Windows
    wholes: Wholes

    @staticmethod
    def of(pictures: Thumbnails, start: int, count: int) -> _Part:
        from segdata.imaging.alike import Wholes, Windows

        every = signatures_of_windows(frequencies_of(pictures[start : start + count]))
        return _Part(pictures, start, Windows.of(every), Wholes.of(every[WINDOWS.index(WHOLE) :: len(WINDOWS)]))


def _in_parts(
    look: Callable[[_Part, _Part], Iterable[Lookalike]], few: Thumbnails, many: Thumbnails, threads: int
) -> Iterator[Lookalike]:
    """What is found between every part of the smaller set, which is held meanwhile, and every chunk of the larger."""
    jobs = (
        (held, start)
        for at in range(0, len(few), _HELD)
        for held in [_Part.of(few, at, _HELD)]
        for start in range(0, len(many), _CHUNK)
    )
    for found in map_threads(lambda job: list(look(job[0], _Part.of(many, job[1], _CHUNK))), jobs, threads):
        yield from found


def _look(part: _Part, other: _Part) -> Iterator[Lookalike]:
    """Where a window of one of a part's pictures looks like one of another part as a whole."""
    from segdata.imaging.alike import propose, similarities

    proposals = best_windows(propose(part.windows, other.wholes, _LOOKS_ALIKE))
    ones, windows = np.divmod(proposals.windows, len(WINDOWS))
    ones, others, mirrored = ones + np.int32(part.start), proposals.wholes + np.int32(other.start), proposals.mirrored
    if part.pictures is other.pictures:
        apart = ones != others
        ones, others, mirrored, windows = ones[apart], others[apart], mirrored[apart], windows[apart]
    values = similarities(part.pictures, other.pictures, (ones, others), mirrored, windows.astype(np.intp))
    for k in np.flatnonzero(values >= _SAME):
        yield Lookalike(int(ones[k]), int(others[k]), float(values[k]), bool(mirrored[k]))


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
    return int(np.argmax(signatures_of_windows(frequencies_of(picture[None])) @ target))
