"""Near-duplicates over the catalog: pHash proposes, pixels decide. What crosses from test or val to training leaks.

Unrelated portraits lie as near as 10 bits of pHash, and a crop moves a copy much farther than that; so a small
distance proves nothing, and a large one rules nothing out. The nearest few are proposed, as they are and mirrored,
and each pair is compared as pictures: the middle of one is looked for in the other at several scales.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.catalog.pixels import read_image_of
from segdata.catalog.workspace import Workspace
from segdata.errors import DataError

# Measured on 800 real portraits: a copy cut by a twelfth at the top lay among the nearest 24 but for one in fifty,
# among the nearest 4 for four in five. Copies correlate by 0.97 or more, two photos of one shoot by 0.95 or more,
# strangers by 0.90 at most.
_PROPOSED = 24
_SURE_BITS = 10
_THUMBNAIL = 96
_MIDDLE = 0.6
_SCALES = (1.0, *np.geomspace(0.8, 1.4, 13).tolist())
_SAME = 0.93
# A first look at a third of the size costs a tenth; copies correlate by 0.84 or more there, 9 strangers in 10 by less
# than 0.62.
_COARSE_SCALES = (0.85, 1.0, 1.15, 1.3)
_WORTH_A_LOOK = 0.75
# Bit 8r + c of a pHash is the sign of the DCT coefficient of row r, column c. Mirroring a picture negates the
# coefficients of odd horizontal frequency, so it flips the bits of the odd columns.
_ODD_COLUMNS = np.uint64(int("10101010" * 8, 2))


@dataclass(frozen=True)
class Duplicate:
    """Two samples that show one photograph.

    Attributes:
        sample_id: of the first set, such as what would be trained on.
        other_id: of the second, such as test.
        distance: bits between the two pHashes, the mirrored one's if that is nearer; 0 for equal bytes.
        similarity: normalised cross-correlation where one lies in the other, up to 1.
        mirrored: whether one is the mirror image of the other.
    """

    sample_id: str
    other_id: str
    distance: int
    similarity: float
    mirrored: bool


def find_duplicates(
    workspace: Workspace, samples: pa.Table, others: pa.Table, proposals: int = _PROPOSED
) -> list[Duplicate]:
    """The pairs of one sample of each set that show the same photograph, by sample_id.

    Args:
        workspace: where the pixels are read.
        samples: rows of `samples`.
        others: rows of `samples`; a row that is in both sets is no pair with itself.
        proposals: how many of `samples` are looked at for each of `others` besides those within 10 bits; 0 trusts
            that a copy lies within 10 bits, which is true of re-encoded and resized ones.
    """
    left, right = samples.to_pylist(), others.to_pylist()
    look = lru_cache(maxsize=4096)(lambda uri: _thumbnail(workspace, uri))
    found: dict[tuple[str, str], Duplicate] = {}
    for one, other, distance, mirrored in _proposed(left, right, proposals):
        if one["sample_id"] == other["sample_id"]:
            continue
        similarity = 1.0 if one["image_sha256"] == other["image_sha256"] else _compare(look, one, other, mirrored)
        key = (one["sample_id"], other["sample_id"])
        if similarity >= _SAME and (key not in found or similarity > found[key].similarity):
            found[key] = Duplicate(*key, distance, round(similarity, 4), mirrored)
    return [found[key] for key in sorted(found)]


def leaked_ids(leaks: Iterable[Duplicate]) -> set[str]:
    """The samples to leave out of training."""
    return {leak.sample_id for leak in leaks}


def _proposed(
    left: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]], proposals: int
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], int, bool]]:
    if not left:
        return
    hashes = _unsigned(left)
    for other, target in zip(right, _unsigned(right), strict=True):
        for mirrored in (False, True):
            distances = np.bitwise_count(hashes ^ (target ^ _ODD_COLUMNS if mirrored else target))
            near = set(np.flatnonzero(distances <= _SURE_BITS).tolist())
            near |= (
                set(np.argpartition(distances, min(proposals, len(left)) - 1)[:proposals].tolist())
                if proposals
                else set()
            )
            for index in sorted(near):
                yield left[index], other, int(distances[index]), mirrored


def _unsigned(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.uint64]:
    return np.array([row["phash"] for row in rows], dtype=np.int64).view(np.uint64)


def _compare(look: Any, one: Mapping[str, Any], other: Mapping[str, Any], mirrored: bool) -> float:
    first, second = look(one["image_uri"]), look(other["image_uri"])
    if first is None or second is None:
        return 0.0
    if mirrored:
        first = np.ascontiguousarray(first[:, ::-1])
    coarse = similarity_of(_third(first), _third(second), _COARSE_SCALES)
    return similarity_of(first, second) if coarse >= _WORTH_A_LOOK else coarse


def _third(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small: NDArray[np.uint8] = cv2.resize(picture, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    return small


def similarity_of(one: NDArray[np.uint8], other: NDArray[np.uint8], scales: Sequence[float] = _SCALES) -> float:
    """How well the middle of either picture is found in the other: normalised cross-correlation, at most 1.

    Args:
        one, other: (H, W) uint8 grey thumbnails.
        scales: the sizes at which the middle is looked for.

    >>> picture = np.random.default_rng(0).integers(0, 255, (96, 72), dtype=np.uint8)
    >>> round(similarity_of(picture, picture), 3)
    1.0
    """
    return max(_find_middle(one, other, scales), _find_middle(other, one, scales))


def _find_middle(one: NDArray[np.uint8], other: NDArray[np.uint8], scales: Sequence[float]) -> float:
    height, width = one.shape
    top, left = int(height * (1 - _MIDDLE) / 2), int(width * (1 - _MIDDLE) / 2)
    middle = one[top : height - top, left : width - left]
    best = 0.0
    for scale in scales:
        patch = cv2.resize(middle, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        # A flat patch correlates with anything.
        if patch.shape[0] <= other.shape[0] and patch.shape[1] <= other.shape[1] and patch.std() > 4:
            best = max(best, float(cv2.matchTemplate(other, patch, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _thumbnail(workspace: Workspace, uri: str) -> NDArray[np.uint8] | None:
    """The picture in grey, 96 pixels on its longer side; None where it can't be read, so that it is no pair."""
    try:
        image = read_image_of(workspace, {"sample_id": uri, "image_uri": uri})
    except DataError:
        return None
    scale = _THUMBNAIL / max(image.shape[:2])
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    grey: NDArray[np.uint8] = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return grey
