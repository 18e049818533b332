"""The pixels of a row of `samples`: its files, read and decoded by the one route that all stages share.

The row says how its alpha is to be read (channel, class of a label map, what its values mean, whether it is turned or
resized), as ingest read it: nobody has to know where a sample came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segdata.catalog.keys import mask_file_sha256
from segdata.catalog.workspace import Workspace
from segdata.errors import PixelError
from segdata.imaging.alpha_fit import fit_alpha
from segdata.imaging.alpha_reading import reading_from_text
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image
from segdata.imaging.headers import Format, read_header
from segdata.imaging.orientation import upright
from segdata.records import MAX_PIXELS
from segdata.storage.files import read_bytes, sha256_of


def read_image_of(workspace: Workspace, row: Mapping[str, Any]) -> Image:
    """The image of a sample: (H, W, 3) uint8 RGB.

    Raises:
        StorageError: The file can't be read.
        PixelError: It can't be decoded; the message names the sample and the file.
    """
    path = workspace.resolve(row["image_uri"])
    return _decode_image(row, path, read_bytes(path))


def read_alpha_of(workspace: Workspace, row: Mapping[str, Any]) -> Alpha:
    """The alpha of a sample: (H, W) uint8, 255 is person; all 0 for a sample without one, a background.

    Raises:
        StorageError: The file can't be read.
        PixelError: It can't be decoded; the message names the sample and the file.
    """
    if row["alpha_uri"] is None:
        return np.zeros((row["height"], row["width"]), np.uint8)
    path = workspace.resolve(row["alpha_uri"])
    return _decode_alpha(row, path, read_bytes(path))


def read_unchanged_image(workspace: Workspace, row: Mapping[str, Any]) -> tuple[bytes, Format]:
    """The bytes of a sample's image, for a copy that leaves the workspace: nothing but what was ingested.

    Returns:
        The bytes, and the format that they have.

    Raises:
        StorageError: The file can't be read.
        PixelError: It is not the file that was ingested, or no picture; the message names the sample and the file.
    """
    path, data = _read_unchanged(workspace, row, "image")
    try:
        return data, read_header(data, "unreadable_image").format
    except DecodeError as error:
        raise _undecodable(row, path, error) from error


def read_unchanged_alpha(workspace: Workspace, row: Mapping[str, Any]) -> Alpha:
    """As `read_alpha_of`, of the file that was ingested and no other.

    Raises:
        StorageError: The file can't be read.
        PixelError: It is not the file that was ingested, or can't be decoded.
    """
    if row["alpha_uri"] is None:
        return np.zeros((row["height"], row["width"]), np.uint8)
    return _decode_alpha(row, *_read_unchanged(workspace, row, "alpha"))


def read_pair(workspace: Workspace, row: Mapping[str, Any]) -> tuple[Image, Alpha]:
    """Image and alpha of a sample, of one height and width.

    Raises:
        StorageError: A file can't be read.
        PixelError: One can't be decoded, or their sizes differ by now.
    """
    image, alpha = read_image_of(workspace, row), read_alpha_of(workspace, row)
    if image.shape[:2] != alpha.shape:
        raise PixelError(
            f"{row['sample_id']}: image {image.shape[:2]} and alpha {alpha.shape} differ in size; ingest it again"
        )
    return image, alpha


def _read_unchanged(
    workspace: Workspace, row: Mapping[str, Any], part: Literal["image", "alpha"]
) -> tuple[Path, bytes]:
    path = workspace.resolve(row[f"{part}_uri"])
    data = read_bytes(path)
    expected = row[f"{part}_sha256"]
    if part == "alpha":
        expected = mask_file_sha256(expected, row.get("alpha_file_sha256"))
    if sha256_of(data) != expected:
        raise PixelError(f"{row['sample_id']}: {path}: not the file that was ingested; run segdata ingest")
    return path, data


def _decode_image(row: Mapping[str, Any], path: Path, data: bytes) -> Image:
    try:
        return decode_image(data, _most_pixels(row))
    except DecodeError as error:
        raise _undecodable(row, path, error) from error


def _decode_alpha(row: Mapping[str, Any], path: Path, data: bytes) -> Alpha:
    try:
        reading = reading_from_text(row.get("alpha_reading"))
        alpha = decode_alpha(data, row["alpha_channel"], _most_pixels(row), row.get("alpha_index"), reading)
        alpha = upright(alpha, row.get("alpha_orientation") or 1)
        fitted = row.get("alpha_fit") == "resize"
        return fit_alpha(alpha, (row["height"], row["width"]), "resize") if fitted else alpha
    except DecodeError as error:
        raise _undecodable(row, path, error) from error


def _most_pixels(row: Mapping[str, Any]) -> int:
    """What ingest took is taken again, also where its source allowed more than usual."""
    return max(MAX_PIXELS, (row.get("width") or 0) * (row.get("height") or 0))


def _undecodable(row: Mapping[str, Any], path: Path, error: DecodeError) -> PixelError:
    return PixelError(f"{row['sample_id']}: {path}: {error}; mend or remove the file, then run segdata ingest")
