"""EXIF orientation: which way up a camera was held, read from a file's EXIF block and undone.

Source:
    CIPA DC-008, "Exchangeable image file format for digital still cameras: Exif", section 4.6.5.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

_ORIENTATION, _SHORT = 0x0112, 3  # of the first directory in EXIF, which is laid out as a TIFF file


def orientation_in(exif: bytes) -> int:
    """1 to 8, as EXIF counts; 1, upright, where there is none or it is damaged: the pixels are what matters."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return 1
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, place) if place + 2 <= len(block) else (0,)
    for entry in range(place + 2, min(place + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, number, value = struct.unpack_from(f"{order}HHIH", block, entry)
        if (tag, kind, number) == (_ORIENTATION, _SHORT, 1):
            return value if 1 <= value <= 8 else 1
    return 1


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation: 2 and 4 are mirrored, 3 upside down, 5 to 8 lie on their side."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    code = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    turned = pixels if code is None else cv2.flip(pixels, code)
    return np.ascontiguousarray(turned)
