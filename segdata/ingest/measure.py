"""One candidate, opened: decoded, hashed and measured into a row of `samples`, or rejected with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segdata.imaging.arrays import Alpha
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image
from segdata.imaging.phash import phash
from segdata.metrics.holes import SMALLEST_FRACTION, holes
from segdata.records import LABEL_CUT, AlphaKind, Candidate, Reject, RejectReason
from segdata.storage.files import sha256_of

Row = dict[str, Any]

_SOFT_FROM = 0.001
"""A matte is soft if this share of its pixels is neither nearly 0 nor nearly 255. A hard mask kept as JPEG rings by a
few steps about 0 and 255, and one that was resized has a line of grey pixels one wide; hair has more than that."""
_NEARLY = 16


def measure(candidate: Candidate) -> Row | Reject:
    """Read both files of a candidate and measure it.

    Returns:
        The columns of `samples` that come from the pixels and bytes, or why it can't be a sample.
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
    row: Row = {
        "width": width,
        "height": height,
        "image_sha256": sha256_of(image_bytes),
        "alpha_sha256": sha256_of(alpha_bytes) if alpha is not None else None,
        "phash": phash(image),
        "alpha_kind": "none",
    }
    return row if alpha is None else {**row, **measure_alpha(alpha)}


def measure_alpha(alpha: Alpha) -> Row:
    """What a label is like: how much of it is person, soft, in holes, in how many parts.

    Args:
        alpha: (H, W) uint8, 255 is person.

    >>> measure_alpha(np.full((10, 10), 255, np.uint8))["foreground_fraction"]
    1.0
    """
    mask = alpha >= LABEL_CUT
    found = holes(mask)
    between = np.count_nonzero((alpha >= _NEARLY) & (alpha <= 255 - _NEARLY)) / alpha.size
    kind: AlphaKind = "soft" if between > _SOFT_FROM else "hard"
    return {
        "alpha_kind": kind,
        "foreground_fraction": int(np.count_nonzero(mask)) / alpha.size,
        "soft_fraction": int(np.count_nonzero((alpha > 0) & (alpha < 255))) / alpha.size,
        "hole_count": found.count,
        "hole_fraction": found.fraction,
        "component_count": _components(mask.view(np.uint8)),
    }


def _components(mask: Alpha) -> int:
    """Parts of the person, 8-connected, that with their holes have the area from which a hole counts: no specks."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # Following outlines is many times as fast as labelling; by Pick's theorem a polygon through n pixels, of area a,
    # holds a + n / 2 + 1 of them.
    return sum(cv2.contourArea(one) + len(one) / 2 + 1 >= SMALLEST_FRACTION * mask.size for one in outlines)


def _read(path: Path | None, reason: RejectReason) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DecodeError(reason, f"can't be read ({error.strerror})") from error
