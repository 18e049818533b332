"""Estimated foregrounds, kept: a second fuse with other backgrounds estimates nothing again.

Outside the soft band a foreground is the image itself, so that only the band is stored, exactly: which pixels differ,
as packed bits, and their colours: at 600x800 some 70 KB, read in under a millisecond.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zstandard

from segdata.catalog.workspace import Workspace
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.edge import is_hard
from segdata.imaging.fusion import FusionSettings, estimate_layer
from segdata.storage.files import atomic_write, read_bytes, sha256_of

_log = logging.getLogger(__name__)
_VERSION = 1  # of the estimate and of the file: a change of either makes old files unknown, never wrong
_HEADER = struct.Struct("<4sIII")  # magic, height, width, pixels stored
_MAGIC = b"SGF1"


class ForegroundCache:
    """Foregrounds by content: the hashes of image and alpha, and what of the settings decides the estimate.

    Files lie under the catalog's `files/foregrounds/`. They can be deleted at any time: they are made again.

    Args:
        workspace: whose catalog holds the files.
        settings: the method, and what is done to hard edges.
    """

    def __init__(self, workspace: Workspace, settings: FusionSettings) -> None:
        self._folder = workspace.catalog.files / "foregrounds"
        self._settings = settings

    def foreground(self, row: Mapping[str, Any], image: Image, alpha: Alpha) -> Image:
        """The foreground of a sample: read, or estimated and kept. A damaged file is made again.

        Args:
            row: the sample's row: its `image_sha256` and `alpha_sha256`.
            image: (H, W, 3) uint8, its image.
            alpha: (H, W) uint8, its label as stored.

        Returns:
            (H, W, 3) uint8; a new array, the same one bit for bit whether it was cached.

        Raises:
            StorageError: A new foreground can't be written: a full disk, a read-only folder.
        """
        if self._settings.foreground == "observed":
            return estimate_layer(image, alpha, self._settings)
        path = self.path(row["image_sha256"], row["alpha_sha256"], is_hard(alpha))
        if path.is_file():
            try:
                return _unpack(read_bytes(path), image)
            except (zstandard.ZstdError, struct.error, ValueError) as error:
                _log.warning("%s: a damaged foreground (%s), estimated again", path, error)
        foreground = estimate_layer(image, alpha, self._settings)
        atomic_write(path, _pack(foreground, image))
        return foreground

    def path(self, image_sha256: str, alpha_sha256: str, hard: bool) -> Path:
        """Where the foreground of such an image and alpha lies.

        Args:
            image_sha256: of the image file's bytes.
            alpha_sha256: of the alpha file's bytes.
            hard: whether the label knows only 0 and 255: only then do the feather's settings matter.
        """
        settings = self._settings
        feathered = hard and settings.hard_edge == "feather"
        how = ["continued", settings.feather_px, settings.inset_px] if feathered else [settings.foreground]
        key = sha256_of(json.dumps([_VERSION, image_sha256, alpha_sha256, *how]).encode())[:32]
        return self._folder / key[:2] / f"{key}.zst"


def _pack(foreground: Image, image: Image) -> bytes:
    difference = cv2.bitwise_xor(foreground, image)
    differs = (difference[..., 0] | difference[..., 1] | difference[..., 2]) != 0
    colours = foreground.reshape(-1, 3)[np.flatnonzero(differs)]
    header = _HEADER.pack(_MAGIC, *differs.shape, len(colours))
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    return compressor.compress(header + np.packbits(differs).tobytes() + colours.tobytes())


def _unpack(data: bytes, image: Image) -> Image:
    """Raises ZstdError where bytes were lost or changed, ValueError where they are of another image."""
    height, width = image.shape[:2]
    bits = (height * width + 7) // 8
    most = _HEADER.size + bits + image.size
    if zstandard.frame_content_size(data) > most:
        raise ValueError("larger than its image")
    raw = zstandard.ZstdDecompressor().decompress(data)
    magic, stored_height, stored_width, count = _HEADER.unpack_from(raw)
    if (magic, stored_height, stored_width) != (_MAGIC, height, width) or len(raw) != _HEADER.size + bits + 3 * count:
        raise ValueError("of another image or version")
    packed = np.frombuffer(raw, np.uint8, bits, _HEADER.size)
    where = np.flatnonzero(np.unpackbits(packed, count=height * width).view(bool))  # indices: 3x as fast as a mask
    if len(where) != count:
        raise ValueError("its pixels are not those it lists")
    foreground = np.array(image, order="C")
    foreground.reshape(-1, 3)[where] = np.frombuffer(raw, np.uint8, 3 * count, _HEADER.size + bits).reshape(-1, 3)
    return foreground
