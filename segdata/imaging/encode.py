"""From pixels to a file's bytes: sRGB, and tagged so where there is colour. OpenCV's BGR stays in here and `decode`."""

from __future__ import annotations

import struct
import zlib
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.imaging.arrays import Image
from segdata.imaging.colour import srgb_profile

_METRES_PER_INCH = 0.0254
_APP0_END = 20  # of a JPEG by OpenCV: SOI, then 18 bytes
_IHDR_END = 33  # the signature's 8 bytes and the first chunk's 25


def encode_jpeg(image: Image, quality: int = 95, dpi: float | None = None) -> bytes:
    """A JPEG with full colour resolution (4:4:4): halved chroma would smear the edges that matter here.

    Args:
        image: (H, W, 3) uint8 RGB.
        quality: 1 to 100.
        dpi: dots an inch, written into the JFIF header and rounded to whole ones; None says nothing.

    Raises:
        PixelError: Not such an array.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise PixelError(f"encode_jpeg: (H, W, 3) uint8 expected, got {image.shape} {image.dtype}")
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    data = _encode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    # JFIF: SOI, APP0 with its length, "JFIF" and a zero, the version; then the unit (1 is inches) and both densities.
    density = data[13:18] if dpi is None else struct.pack(">BHH", 1, round(dpi), round(dpi))
    return data[:13] + density + data[18:_APP0_END] + _jpeg_profile() + data[_APP0_END:]


def encode_png(array: NDArray[np.uint8], dpi: float | None = None) -> bytes:
    """A PNG of what is given, without loss.

    Args:
        array: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA; uint8. It is compressed at OpenCV's default level: two to
            three times as fast as any level that is asked for.
        dpi: dots an inch, written as the chunk pHYs; None says nothing.

    Raises:
        PixelError: Not such an array.
    """
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise PixelError(f"encode_png: (H, W), (H, W, 3) or (H, W, 4) uint8 expected, got {array.shape} {array.dtype}")
    if channels == 3:
        array = cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
    elif channels == 4:
        array = cv2.cvtColor(array, cv2.COLOR_RGBA2BGRA)
    data = _encode(".png", array, [])
    chunks = b"" if channels == 1 else _png_profile()
    if dpi is not None:
        a_metre = round(dpi / _METRES_PER_INCH)
        chunks += _chunk(b"pHYs", struct.pack(">IIB", a_metre, a_metre, 1))
    return data[:_IHDR_END] + chunks + data[_IHDR_END:]


def tag_png(data: bytes) -> bytes:
    """A colour PNG that another library has written, tagged as sRGB."""
    return data[:_IHDR_END] + _png_profile() + data[_IHDR_END:]


@cache
def _jpeg_profile() -> bytes:
    """The segment APP2 with the profile of sRGB, the first of one."""
    content = b"ICC_PROFILE\0\1\1" + srgb_profile()
    return b"\xff\xe2" + struct.pack(">H", 2 + len(content)) + content


@cache
def _png_profile() -> bytes:
    """The chunk iCCP with the profile of sRGB."""
    return _chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile(), 9))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _encode(suffix: str, array: NDArray[np.uint8], options: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, array, options)
    if not done:
        raise PixelError(f"OpenCV could not encode an array of {array.shape} as {suffix}")
    return bytes(data)
