"""One candidate, opened: decoded, hashed and measured into a row of `samples`, or rejected with its reason."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, NamedTuple

from segdata.imaging.appearance import thumbnail_of
from segdata.imaging.decode import DecodeError, decode_oriented_luma
from segdata.imaging.phash import phash_of
from segdata.ingest.label_drawing import draw_alpha
from segdata.ingest.label_file import Photo, Reading, UndecidedTurnError, read_label
from segdata.ingest.label_identity import LabelReading, hash_label
from segdata.records import MAX_FILE_BYTES, Candidate, Filtered, Reject, RejectReason, Stamps
from segdata.storage.files import read_steady, sha256_of
from segdata.storage.root import LeavesRootError, Root

Row = dict[str, Any]
STAMP_COLUMNS = ("image_size", "image_mtime_ns", "alpha_size", "alpha_mtime_ns")


class Rotated(NamedTuple):
    """An answer that waits for its source: whether the mask of a photo that EXIF turns has to be turned with it.

    Attributes:
        candidate: the candidate.
        reject: what becomes of it if nobody can say.
    """

    candidate: Candidate
    reject: Reject

    @property
    def is_ambiguous(self) -> bool:
        """Whether the mask fits the photo both ways."""
        return self.reject.reason == "implausible_alpha"


class FileData(NamedTuple):
    """The bytes of a file, their number, and its modification time; nothing where there is no file."""

    data: bytes = b""
    size: int | None = None
    mtime_ns: int | None = None


Answer = Row | Reject | Filtered | Rotated


def measure(candidate: Candidate, reading: Reading | None = None, root: Root | None = None) -> Answer:
    """Read both files of a candidate and measure it.

    Args:
        candidate: from a reader.
        reading: how its source wants files read.
        root: the candidate's root, opened once for all candidates of a source; opened here by default. A file below it
            is never read through a link that leaves it.

    Returns:
        The columns of `samples` that come from the pixels, the bytes and the file system, and the image's `thumbnail`;
        or why it can't be a sample, why nobody wants it, or that its source has to decide first.
    """
    try:
        return _measure(candidate, reading or Reading(), root)
    except MemoryError:
        detail = "measuring it takes more memory than there is"
        return Reject(candidate.dataset, candidate.path, "too_large", detail)


def _measure(candidate: Candidate, reading: Reading, root: Root | None) -> Row | Reject | Filtered | Rotated:
    if root is None and candidate.root is not None:
        root = Root(candidate.root)
    stamps: Stamps | None = None
    try:
        image_file = read_file(candidate.image, "unreadable_image", root)
        alpha_file = FileData() if candidate.drawing else read_file(candidate.alpha, "unreadable_alpha", root)
        stamps = (image_file.size, image_file.mtime_ns, alpha_file.size, alpha_file.mtime_ns)
        image, orientation = decode_oriented_luma(image_file.data, reading.max_pixels)
        thumbnail = thumbnail_of(image)
        row: Row = {
            **dict(zip(STAMP_COLUMNS, stamps, strict=True)),
            "width": image.shape[1],
            "height": image.shape[0],
            "image_sha256": sha256_of(image_file.data),
            "alpha_sha256": None,
            "alpha_file_sha256": None,
            "phash": phash_of(thumbnail),
            "thumbnail": thumbnail,
            "alpha_kind": "none",
        }
        if candidate.drawing is not None:
            drawn = draw_alpha(candidate, (image.shape[0], image.shape[1]), stamps)
            if isinstance(drawn, Reject | Filtered):
                return drawn
            alpha_file = FileData(*drawn)
            row |= {"alpha_size": alpha_file.size, "alpha_mtime_ns": alpha_file.mtime_ns}
            stamps = (*stamps[:2], *drawn[1:])
        elif candidate.alpha is None:
            return row
        photo = Photo((image.shape[0], image.shape[1]), orientation)
        label = read_label(alpha_file.data, candidate, reading, photo)
    except DecodeError as error:
        reject = Reject(candidate.dataset, candidate.path, error.reason, error.detail, stamps)
        return Rotated(candidate, reject) if isinstance(error, UndecidedTurnError) else reject
    row["alpha_file_sha256"] = sha256_of(alpha_file.data)
    label_reading = LabelReading(
        candidate.alpha_channel,
        candidate.alpha_index,
        reading.alpha.to_text() if candidate.holds_mask_of_source else None,
        label.columns.get("alpha_orientation"),
    )
    row["alpha_sha256"] = hash_label(row["alpha_file_sha256"], label_reading)
    if candidate.alpha_index is not None and label.has_person != (candidate.kind == "portrait"):
        reason = "no_person" if candidate.kind == "portrait" else "has_person"
        return Filtered(candidate.dataset, candidate.path, reason, stamps)
    return row | label.columns


def read_file(path: str | Path | None, damaged: RejectReason, root: Root | None) -> FileData:
    """A file of a candidate and its stamps; a file below the root is read without leaving it.

    Raises:
        DecodeError: It can't be read.
    """
    if path is None:
        return FileData()
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
        if error.errno == errno.ENOENT and os.path.islink(path):  # noqa: PTH114  # a str or a Path
            fetch = "fetch it, such as with git annex get or dvc checkout"
            raise DecodeError(reason, f"a link to a file that is not there; {fetch}") from error
        raise DecodeError(reason, f"can't be read ({error.strerror})") from error
    return FileData(data, found.st_size, found.st_mtime_ns)
