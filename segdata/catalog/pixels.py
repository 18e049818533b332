"""The pixels of a row of `samples`: its files, read and decoded by the one route that all stages share.

The row says how its alpha is to be read (channel, class of a label map, whether it is resized to the image), as ingest
read it: nobody has to know where a sample came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segdata.catalog.workspace import Workspace
from segdata.errors import PixelError
from segdata.imaging.alpha_fit import fit_alpha
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image
from segdata.records import MAX_PIXELS
from segdata.storage.files import read_bytes


def read_image_of(workspace: Workspace, row: Mapping[str, Any]) -> Image:
    """The image of a sample: (H, W, 3) uint8 RGB.

    Raises:
        StorageError: The file can't be read.
        PixelError: It can't be decoded; the message names the sample and the file.
    """
    path = workspace.resolve(row["image_uri"])
    try:
        return decode_image(read_bytes(path), _most_pixels(row))
    except DecodeError as error:
        raise _undecodable(row, str(path), error) from error


def read_alpha_of(workspace: Workspace, row: Mapping[str, Any]) -> Alpha:
    """The alpha of a sample: (H, W) uint8, 255 is person; all 0 for a sample without one, a background.

    Raises:
        StorageError: The file can't be read.
        PixelError: It can't be decoded; the message names the sample and the file.
    """
    if row["alpha_uri"] is None:
        return np.zeros((row["height"], row["width"]), np.uint8)
    path = workspace.resolve(row["alpha_uri"])
    try:
        index, channel = row.get("alpha_index"), row["alpha_channel"]
        alpha = decode_alpha(read_bytes(path), channel, _most_pixels(row), index=index)
        fitted = row.get("alpha_fit") == "resize"
        return fit_alpha(alpha, (row["height"], row["width"]), "resize") if fitted else alpha
    except DecodeError as error:
        raise _undecodable(row, str(path), error) from error


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


def _most_pixels(row: Mapping[str, Any]) -> int:
    """What ingest took is taken again, also where its source allowed more than usual."""
    return max(MAX_PIXELS, (row.get("width") or 0) * (row.get("height") or 0))


def _undecodable(row: Mapping[str, Any], path: str, error: DecodeError) -> PixelError:
    return PixelError(f"{row['sample_id']}: {path}: {error}; mend or remove the file, then run segdata ingest")
