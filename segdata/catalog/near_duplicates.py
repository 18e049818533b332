"""Pairs of samples that show one photograph: by their bytes, or by what they look like. What crosses to test leaks.

A pHash alone proves nothing: strangers lie as near as 10 bits, and a crop moves a copy much farther than that. So every
picture is held against every other in 19 windows, plain and mirrored, and what looks alike is laid over one another.
Two photos of one shoot are nearly as alike as two copies; the pixels themselves tell these apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.catalog.appearances import thumbnails_of
from segdata.catalog.lookalikes import Lookalike, best_window, lookalikes, lookalikes_within
from segdata.catalog.pixels import read_image_of
from segdata.catalog.workspace import Workspace
from segdata.errors import DataError
from segdata.imaging.appearance import SIDE, WINDOWS, colour_grid, grey_square

Rows = list[dict[str, Any]]
Alikeness = Literal["identical", "copy", "same_shoot", "alike"]

COLUMNS = ("sample_id", "image_sha256", "image_uri", "phash")
"""The columns of `samples` that a search for duplicates needs."""
# Bit 8r + c of a pHash is the sign of the DCT coefficient of row r, column c. Mirroring a picture negates the
# coefficients of odd horizontal frequency, so it flips the bits of the odd columns.
_ODD_COLUMNS = np.uint64(int("10101010" * 8, 2))
# At 192 x 192 the details of copies agree by 0.98 or more, resized, cropped and at JPEG quality 70; those of two
# photos of one shoot by 0.96 at most.
_FINE_SIDE = 192
_COPY = 0.97
# Details of people drawn from one template agree by up to 0.92, and their colours differ by 13 or more; those of two
# photos of one shoot by 4 at most. Of what agrees by more the colours are not asked: a copy may be grey or retouched.
_SURE = 0.95
_COLOURS_DIFFER = 8.0


@dataclass(frozen=True)
class Duplicate:
    """Two samples that show one photograph, or two photographs of one shoot.

    Attributes:
        sample_id: of the first set, such as what would be trained on.
        other_id: of the second, such as test.
        distance: bits between the two pHashes, the mirrored one's if that is what looks alike; 0 for equal bytes.
        similarity: how well their details agree where they overlap, up to 1.
        mirrored: whether one is the mirror image of the other.
        kind: `identical` bytes; a `copy`, that was encoded again, resized, mirrored or cropped; another photo of the
            `same_shoot`; or `alike`, one of these two, where nobody looked more closely.
    """

    sample_id: str
    other_id: str
    distance: int
    similarity: float
    mirrored: bool
    kind: Alikeness = "alike"


def find_duplicates(
    workspace: Workspace, samples: pa.Table, others: pa.Table, threads: int | None = None
) -> list[Duplicate]:
    """The pairs of one sample of each set that show the same photograph or shoot, by sample_id.

    Args:
        workspace: where thumbnails are kept, and where pixels are read of what has none.
        samples: rows of `samples`, at least `COLUMNS`.
        others: rows of `samples`; a row that is in both sets is no pair with itself.
        threads: all cores by default.
    """
    workers = threads or os.cpu_count() or 1
    left, right = _Contents.of(samples), _Contents.of(others)
    if not samples.num_rows or not others.num_rows:
        return []
    first, second = (thumbnails_of(workspace, side.firsts, workers) for side in (left, right))
    found = lookalikes(first, second, workers)
    same = left.shared_with(right)
    ours = left.rows_of({match.first for match in found} | {one for one, _ in same})
    theirs = right.rows_of({match.second for match in found} | {other for _, other in same})
    pairs = [
        _pair(one, other, match)
        for match in _of_one_colour(workspace, found, ours, theirs)
        if (match.first, match.second) not in same
        for one in ours[match.first]
        for other in theirs[match.second]
    ]
    pairs += [
        Duplicate(one["sample_id"], other["sample_id"], 0, 1.0, False, "identical")
        for at, there in same
        for other in theirs[there]
        for one in ours[at]
    ]
    return sorted((pair for pair in pairs if pair.sample_id != pair.other_id), key=_by_ids)


def find_within(workspace: Workspace, samples: pa.Table, threads: int | None = None) -> list[Duplicate]:
    """The duplicates inside one set: of equal bytes each with the first of them, of alike ones the first of each.

    Args:
        workspace: as in `find_duplicates`.
        samples: rows of `samples`, at least `COLUMNS`.
        threads: all cores by default.
    """
    workers = threads or os.cpu_count() or 1
    contents = _Contents.of(samples)
    if not samples.num_rows:
        return []
    found = lookalikes_within(thumbnails_of(workspace, contents.firsts, workers), workers)
    repeated = contents.repeated()
    rows = contents.rows_of({at for match in found for at in (match.first, match.second)} | repeated)
    pairs = [
        _pair(rows[match.first][0], rows[match.second][0], match)
        for match in _of_one_colour(workspace, found, rows, rows)
    ]
    pairs += [
        Duplicate(one["sample_id"], rows[at][0]["sample_id"], 0, 1.0, False, "identical")
        for at in repeated
        for one in rows[at][1:]
    ]
    return sorted(pairs, key=_by_ids)


def tell_apart(
    workspace: Workspace, duplicates: Iterable[Duplicate], rows: Mapping[str, Mapping[str, Any]]
) -> list[Duplicate]:
    """The same pairs, each that is `alike` now a `copy` or of the `same_shoot`: by the pixels of both.

    Where a file can't be read they stay `alike`.

    Args:
        workspace: where the pixels are read.
        duplicates: pairs.
        rows: rows of `samples` by sample_id.
    """
    look = lru_cache(maxsize=256)(lambda sample_id: _fine(workspace, rows[sample_id]))
    told = []
    for pair in duplicates:
        one, other = (look(pair.sample_id), look(pair.other_id)) if pair.kind == "alike" else (None, None)
        if one is None or other is None:
            told.append(pair)
            continue
        kind: Alikeness = "copy" if _fine_agreement(one, other, pair.mirrored) >= _COPY else "same_shoot"
        told.append(replace(pair, kind=kind))
    return told


def leaked_ids(leaks: Iterable[Duplicate]) -> set[str]:
    """The samples to leave out of training."""
    return {leak.sample_id for leak in leaks}


@dataclass(frozen=True)
class _Contents:
    """Samples by the bytes of their image: what is equal is looked at once. No Python object for each of a million.

    Attributes:
        samples: the rows.
        keys: what tells each content, in the order of their first rows.
        order: (N,) indices of the rows, content by content.
        starts: (contents + 1,) where in `order` each content's rows begin.
    """

    samples: pa.Table
    keys: pa.Array
    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    @staticmethod
    def of(samples: pa.Table) -> _Contents:
        """Grouped; a sample whose hash is unknown is of a content of its own."""
        hashes, ids = samples["image_sha256"], samples["sample_id"]
        known = pc.if_else(pc.equal(hashes, ""), pa.scalar(None, pa.string()), hashes)
        keys = pc.coalesce(known, pc.binary_join_element_wise("unknown", ids, ": "))
        coded = keys.combine_chunks().dictionary_encode()  # numbered as they are met
        codes = coded.indices.to_numpy(zero_copy_only=False)
        starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))])
        return _Contents(samples.select(list(COLUMNS)), coded.dictionary, np.argsort(codes, kind="stable"), starts)

    @property
    def firsts(self) -> pa.Table:
        """One row for each content."""
        once = len(self.keys) == self.samples.num_rows
        return self.samples if once else self.samples.take(pa.array(self.order[self.starts[:-1]]))

    def repeated(self) -> set[int]:
        """The contents of more than one sample."""
        return set(np.flatnonzero(np.diff(self.starts) > 1).tolist())

    def shared_with(self, other: _Contents) -> dict[tuple[int, int], None]:
        """Each content that is in both, as its indices in this and in the other."""
        where = pc.index_in(other.keys, value_set=self.keys)
        there = np.flatnonzero(where.is_valid().to_numpy(zero_copy_only=False))
        here = where.drop_null().to_numpy(zero_copy_only=False)
        return dict.fromkeys(zip(here.tolist(), there.tolist(), strict=True))

    def rows_of(self, contents: Iterable[int]) -> dict[int, Rows]:
        """The samples of some contents, by content: of a million, a few."""
        wanted = sorted(contents)
        places = [self.order[self.starts[at] : self.starts[at + 1]] for at in wanted]
        rows = iter(self.samples.take(pa.array(np.concatenate([np.empty(0, np.intp), *places]))).to_pylist())
        return {at: list(islice(rows, len(some))) for at, some in zip(wanted, places, strict=True)}


def _of_one_colour(
    workspace: Workspace, found: Iterable[Lookalike], ours: Mapping[int, Rows], theirs: Mapping[int, Rows]
) -> list[Lookalike]:
    """Those whose details agree for sure, or whose colours do too: a few are decoded for it. Unreadable ones stay."""
    look = lru_cache(maxsize=1024)(lambda uri: _colours(workspace, uri))

    def agree(match: Lookalike) -> bool:
        one, other = (look(rows[0]["image_uri"]) for rows in (ours[match.first], theirs[match.second]))
        if one is None or other is None:
            return True
        return float(np.abs(one - (other[:, ::-1] if match.mirrored else other)).mean()) <= _COLOURS_DIFFER

    return [match for match in found if match.similarity >= _SURE or agree(match)]


def _colours(workspace: Workspace, uri: str) -> NDArray[np.float32] | None:
    try:
        return colour_grid(read_image_of(workspace, {"sample_id": uri, "image_uri": uri}))
    except DataError:
        return None


def _pair(one: Mapping[str, Any], other: Mapping[str, Any], match: Lookalike) -> Duplicate:
    hashes = np.array([one["phash"] or 0, other["phash"] or 0], np.int64).view(np.uint64)
    distance = int(np.bitwise_count(hashes[0] ^ hashes[1] ^ (_ODD_COLUMNS if match.mirrored else np.uint64(0))))
    return Duplicate(one["sample_id"], other["sample_id"], distance, round(match.similarity, 4), match.mirrored)


def _by_ids(pair: Duplicate) -> tuple[str, str]:
    return pair.sample_id, pair.other_id


def _fine(workspace: Workspace, row: Mapping[str, Any]) -> NDArray[np.uint8] | None:
    try:
        return grey_square(read_image_of(workspace, row), _FINE_SIDE)
    except DataError:
        return None


def _fine_agreement(one: NDArray[np.uint8], other: NDArray[np.uint8], mirrored: bool) -> float:
    """The better of both ways round: either may be the crop."""
    import cv2

    from segdata.imaging.alike import fine_similarity

    pictures = (one, np.ascontiguousarray(other[:, ::-1]) if mirrored else other)
    best = 0.0
    for first, second in (pictures, pictures[::-1]):
        small = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in (first, second)]
        best = max(best, fine_similarity(first, second, WINDOWS[best_window(*small)]))
    return best
