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

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.compiled import lazily_compiled
from segdata.imaging.alike_loops import (
    FIT,
    LANES,
    LEADING_EVEN,
    LEADING_ODD,
    OUTLINE,
    PROPOSE,
    SIMILARITIES,
    fit_loop,
    propose_loop,
    similarities_loop,
)
from segdata.imaging.appearance import EVEN, SIDE, WINDOWS, Signatures, Window

_FINE_RADIUS = 6


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


@dataclass(frozen=True)
class Windows:
    """Signatures of windows, as `propose` reads them.

    Attributes:
        signatures: (Q, 25) float32.
        outlines: (Q, 13) float32, of `outlines_of`.
    """

    signatures: Signatures
    outlines: NDArray[np.float32]

    @staticmethod
    def of(signatures: Signatures) -> Windows:
        """Of (Q, 25) float32."""
        return Windows(signatures, outlines_of(signatures))


@dataclass(frozen=True)
class Wholes:
    """Signatures of whole pictures, as `propose` reads them.

    Attributes:
        signatures: (N, 25) float32.
        lanes: (blocks, 13, 64) float32, their outlines; filled up with zeros, which look like nothing.
    """

    signatures: Signatures
    lanes: NDArray[np.float32]

    @staticmethod
    def of(signatures: Signatures) -> Wholes:
        """Of (N, 25) float32."""
        blocks = -(-len(signatures) // LANES)
        filled = np.zeros((blocks * LANES, OUTLINE), np.float32)
        filled[: len(signatures)] = outlines_of(signatures)
        lanes = np.ascontiguousarray(filled.reshape(blocks, LANES, OUTLINE).transpose(0, 2, 1))
        return Wholes(np.ascontiguousarray(signatures), lanes)


def outlines_of(signatures: Signatures) -> NDArray[np.float32]:
    """What of a signature is enough to see that most others are unlike it: half of its entries, the rest by its length.

    Args:
        signatures: (N, 25) float32.

    Returns:
        (N, 13) float32: 6 even entries, the lengths of the other even and of the other odd ones, 5 odd entries.
    """
    even, odd = signatures[:, :EVEN], signatures[:, EVEN:]
    rests = [np.linalg.norm(part, axis=1) for part in (even[:, LEADING_EVEN:], odd[:, LEADING_ODD:])]
    return np.column_stack([even[:, :LEADING_EVEN], *rests, odd[:, :LEADING_ODD]])


def propose(windows: Windows, wholes: Wholes, least: float) -> Proposals:
    """Every window and whole picture, plain or mirrored, whose signatures agree by more than `least`.

    None is missed: a pair is left out unseen only where its outlines prove that it agrees by less.

    Args:
        windows: of any pictures.
        wholes: of the pictures that they may look like.
        least: in (0, 1).
    """
    scan = lazily_compiled(propose_loop, PROPOSE, fastmath=True)
    asked = (windows.signatures, windows.outlines, wholes.signatures, wholes.lanes, np.float32(least))
    room = 4 * len(windows.signatures) + 1024
    while True:
        found = Proposals(
            np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float32), np.empty(room, np.bool_)
        )
        count = scan(*asked, *vars(found).values())
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
    loop = lazily_compiled(similarities_loop, SIMILARITIES, fastmath=True)
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
    fit = lazily_compiled(fit_loop, FIT, fastmath=True)
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
