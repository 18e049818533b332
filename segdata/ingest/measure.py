"""One candidate, opened: decoded, hashed and measured into a row of `samples`, or rejected with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segdata.imaging.appearance import thumbnail_of
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image
from segdata.imaging.phash import phash_of
from segdata.metrics.labels import measure_label
from segdata.records import Candidate, Reject, RejectReason
from segdata.storage.files import sha256_of

Row = dict[str, Any]


def measure(candidate: Candidate) -> Row | Reject:
    """Read both files of a candidate and measure it.

    Returns:
        The columns of `samples` that come from the pixels and bytes, and the image's `thumbnail`; or why it can't be a
        sample.
    """
    try:
        image_bytes = _read(candidate.image, "unreadable_image")
        alpha_bytes = _read(candidate.alpha, "unreadable_alpha")
        image = decode_image(image_bytes)
        alpha = decode_alpha(alpha_bytes, candidate.alpha_channel) if candidate.alpha is not None else None
    except DecodeError as error:
        return Reject(candidate.dataset, candidate.path, error.reason, error.detail)
    height, width = image.shape[:2]
    if alpha is not None and alpha.shape != (height, width):
        detail = f"the image is {width}x{height}, its alpha {alpha.shape[1]}x{alpha.shape[0]}"
        return Reject(candidate.dataset, candidate.path, "size_mismatch", detail)
    thumbnail = thumbnail_of(image)
    row: Row = {
        "width": width,
        "height": height,
        "image_sha256": sha256_of(image_bytes),
        "alpha_sha256": sha256_of(alpha_bytes) if alpha is not None else None,
        "phash": phash_of(thumbnail),
        "thumbnail": thumbnail,
        "alpha_kind": "none",
    }
    return row if alpha is None else {**row, **measure_label(alpha)}


def _read(path: Path | None, reason: RejectReason) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DecodeError(reason, f"can't be read ({error.strerror})") from error
