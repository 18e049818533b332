"""One candidate, opened: decoded, hashed and measured into a row of `samples`, or rejected with its reason."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from segdata.imaging.alpha_fit import fit_alpha
from segdata.imaging.appearance import thumbnail_of
from segdata.imaging.decode import DecodeError, decode_alpha, decode_luma
from segdata.imaging.phash import phash_of
from segdata.ingest.label_drawing import draw_alpha
from segdata.metrics.labels import measure_label
from segdata.records import MAX_FILE_BYTES, MAX_PIXELS, AlphaFit, Candidate, Filtered, Reject, RejectReason, Stamps
from segdata.storage.files import read_steady, sha256_of
from segdata.storage.root import LeavesRootError, Root

Row = dict[str, Any]
STAMP_COLUMNS = ("image_size", "image_mtime_ns", "alpha_size", "alpha_mtime_ns")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source wants its files read.

    Attributes:
        alpha_fit: what is done with an alpha of another size than its photo.
        max_pixels: a picture whose header says more is rejected.
    """

    alpha_fit: AlphaFit = "reject"
    max_pixels: int = MAX_PIXELS

    def of(self, candidate: Candidate) -> str:
        """All that decides about a candidate besides its bytes, as JSON: `read_as` of `rejects`."""
        how = {"kind": candidate.kind, "alpha_channel": candidate.alpha_channel, "alpha_index": candidate.alpha_index}
        drawn = {} if candidate.drawing is None else {"annotations": candidate.drawing.digest}
        return json.dumps({**asdict(self), **how, **drawn}, sort_keys=True)


class _File(NamedTuple):
    data: bytes = b""
    size: int | None = None
    mtime_ns: int | None = None


def measure(candidate: Candidate, reading: Reading | None = None, root: Root | None = None) -> Row | Reject | Filtered:
    """Read both files of a candidate and measure it.

    Args:
        candidate: from a reader.
        reading: how its source wants files read.
        root: the candidate's root, opened once for all candidates of a source; opened here by default. A file below it
            is never read through a link that leaves it.

    Returns:
        The columns of `samples` that come from the pixels, the bytes and the file system, and the image's `thumbnail`;
        or why it can't be a sample, or why nobody wants it.
    """
    try:
        return _measure(candidate, reading or Reading(), root)
    except MemoryError:
        detail = "measuring it takes more memory than there is"
        return Reject(candidate.dataset, candidate.path, "too_large", detail)


def _measure(candidate: Candidate, reading: Reading, root: Root | None) -> Row | Reject | Filtered:
    if root is None and candidate.root is not None:
        root = Root(candidate.root)
    stamps: Stamps | None = None
    try:
        image_file = _read(candidate.image, "unreadable_image", root)
        alpha_file = _File() if candidate.drawing else _read(candidate.alpha, "unreadable_alpha", root)
        stamps = (image_file.size, image_file.mtime_ns, alpha_file.size, alpha_file.mtime_ns)
        image = decode_luma(image_file.data, reading.max_pixels)
        thumbnail = thumbnail_of(image)
        row: Row = {
            **dict(zip(STAMP_COLUMNS, stamps, strict=True)),
            "width": image.shape[1],
            "height": image.shape[0],
            "image_sha256": sha256_of(image_file.data),
            "alpha_sha256": None,
            "phash": phash_of(thumbnail),
            "thumbnail": thumbnail,
            "alpha_kind": "none",
        }
        if candidate.drawing is not None:
            drawn = draw_alpha(candidate, (image.shape[0], image.shape[1]), stamps)
            if isinstance(drawn, Reject | Filtered):
                return drawn
            alpha_file = _File(*drawn)
            row |= {"alpha_size": alpha_file.size, "alpha_mtime_ns": alpha_file.mtime_ns}
            stamps = (*stamps[:2], *drawn[1:])
        elif candidate.alpha is None:
            return row
        alpha = decode_alpha(alpha_file.data, candidate.alpha_channel, reading.max_pixels, index=candidate.alpha_index)
        fitted = fit_alpha(alpha, (image.shape[0], image.shape[1]), reading.alpha_fit)
    except DecodeError as error:
        return Reject(candidate.dataset, candidate.path, error.reason, error.detail, stamps)
    row["alpha_sha256"] = sha256_of(alpha_file.data)
    if candidate.alpha_index is not None and bool(alpha.any()) != (candidate.kind == "portrait"):
        reason = "no_person" if candidate.kind == "portrait" else "has_person"
        return Filtered(candidate.dataset, candidate.path, reason, stamps)
    if candidate.kind == "background":
        return row
    row |= measure_label(fitted)
    if fitted is not alpha:  # a mask that was hard has grey edges now, and knows no more than before
        row |= {"alpha_fit": "resize", "alpha_kind": measure_label(alpha)["alpha_kind"]}
    return row


def _read(path: str | Path | None, damaged: RejectReason, root: Root | None) -> _File:
    if path is None:
        return _File()
    inside = None if root is None else root.relative(path)  # a mended label lies outside: it is segdata's own file
    try:
        if root is None or inside is None:
            data, found = read_steady(path, MAX_FILE_BYTES)
        else:
            data, found = root.read(inside, MAX_FILE_BYTES)
    except LeavesRootError as error:
        raise DecodeError("unsafe_path", str(error.strerror)) from error
    except OSError as error:
        reason: RejectReason = "too_large" if error.errno == errno.EFBIG else damaged
        if error.errno == errno.ENOENT and os.path.islink(path):  # noqa: PTH114
            fetch = "fetch it, such as with git annex get or dvc checkout"
            raise DecodeError(reason, f"a link to a file that is not there; {fetch}") from error
        raise DecodeError(reason, f"can't be read ({error.strerror})") from error
    return _File(data, found.st_size, found.st_mtime_ns)
