"""Layers of portraits, kept: a second fuse with other backgrounds estimates nothing again.

Outside the soft band a foreground is the image itself, and the alpha mostly the label itself, so that only what differs
is stored, exactly: which pixels of the foreground, as packed bits, their colours, and the alpha's difference: at
600x800 some 70 KB, read in about a millisecond.
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
from segdata.imaging.layer import Layer, LayerSettings, estimate_layer
from segdata.storage.files import atomic_write, read_bytes, sha256_of

_log = logging.getLogger(__name__)
_VERSION = 2  # of the estimate and of the file: a change of either makes old files unknown, never wrong
_HEADER = struct.Struct("<4sIIII")  # magic, height, width, pixels of the foreground stored, bytes of alpha stored
_MAGIC = b"SGF2"


class LayerCache:
    """Layers by content: the hashes of image and label, and what of the settings decides the estimate.

    Files lie under the catalog's `files/foregrounds/`. They can be deleted at any time: they are made again.

    Args:
        workspace: whose catalog holds the files.
        settings: how portraits are cut out.
    """

    def __init__(self, workspace: Workspace, settings: LayerSettings) -> None:
        self._folder = workspace.catalog.files / "foregrounds"
        self._settings = settings

    def layer(self, row: Mapping[str, Any], image: Image, label: Alpha) -> Layer:
        """The layer of a sample: read, or estimated and kept. A damaged file is made again.

        Args:
            row: the sample's row: its `image_sha256` and `alpha_sha256`.
            image: (H, W, 3) uint8, its image.
            label: (H, W) uint8, its label as stored.

        Returns:
            New arrays, the same ones bit for bit whether they were cached.

        Raises:
            StorageError: A new layer can't be written: a full disk, a read-only folder.
        """
        hard = is_hard(label)
        if self._settings.decides(hard) == ("observed",):  # image and label themselves
            return estimate_layer(image, label, self._settings)
        path = self.path(row["image_sha256"], row["alpha_sha256"], hard)
        if path.is_file():
            try:
                return _unpack(read_bytes(path), image, label)
            except (zstandard.ZstdError, struct.error, ValueError) as error:
                _log.warning("%s: a damaged foreground (%s), estimated again", path, error)
        layer = estimate_layer(image, label, self._settings)
        atomic_write(path, _pack(layer, image, label))
        return layer

    def path(self, image_sha256: str, alpha_sha256: str, hard: bool) -> Path:
        """Where the layer of such an image and label lies.

        Args:
            image_sha256: of the image file's bytes.
            alpha_sha256: of the alpha file's bytes.
            hard: whether the label knows only 0 and 255: only then do the settings of its edge matter.
        """
        decides = [_VERSION, image_sha256, alpha_sha256, *self._settings.decides(hard)]
        key = sha256_of(json.dumps(decides).encode())[:32]
        return self._folder / key[:2] / f"{key}.zst"


def _pack(layer: Layer, image: Image, label: Alpha) -> bytes:
    difference = cv2.bitwise_xor(layer.foreground, image)
    differs = (difference[..., 0] | difference[..., 1] | difference[..., 2]) != 0
    colours = layer.foreground.reshape(-1, 3)[np.flatnonzero(differs)]
    moved = cv2.bitwise_xor(layer.alpha, label)
    alpha = moved.tobytes() if moved.any() else b""
    header = _HEADER.pack(_MAGIC, *differs.shape, len(colours), len(alpha))
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    return compressor.compress(header + np.packbits(differs).tobytes() + colours.tobytes() + alpha)


def _unpack(data: bytes, image: Image, label: Alpha) -> Layer:
    """Raises ZstdError where bytes were lost or changed, ValueError where they are of another image."""
    height, width = label.shape
    bits = (height * width + 7) // 8
    most = _HEADER.size + bits + image.size + label.size
    if zstandard.frame_content_size(data) > most:
        raise ValueError("larger than its image")
    raw = zstandard.ZstdDecompressor().decompress(data)
    magic, stored_height, stored_width, count, moved = _HEADER.unpack_from(raw)
    whole = _HEADER.size + bits + 3 * count + moved
    if (magic, stored_height, stored_width) != (_MAGIC, height, width) or len(raw) != whole:
        raise ValueError("of another image or version")
    packed = np.frombuffer(raw, np.uint8, bits, _HEADER.size)
    where = np.flatnonzero(np.unpackbits(packed, count=height * width).view(bool))  # indices: 3x as fast as a mask
    if len(where) != count or moved not in (0, label.size):
        raise ValueError("its pixels are not those it lists")
    foreground = np.array(image, order="C")
    foreground.reshape(-1, 3)[where] = np.frombuffer(raw, np.uint8, 3 * count, _HEADER.size + bits).reshape(-1, 3)
    if not moved:
        return Layer(foreground, label.copy())
    difference = np.frombuffer(raw, np.uint8, moved, whole - moved).reshape(label.shape)
    return Layer(foreground, cv2.bitwise_xor(label, difference))
