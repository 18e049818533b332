"""From a file's bytes to pixels: the one route for everything that reads pictures.

    bytes --headers.read_header--> format, size, whole? --decoder--> channels --orientation--> upright 8 bit

`opening` decodes JPEG and what only Pillow reads, `png` plain PNG. This module reads photos, `alpha_file` masks. EXIF
orientation is applied to both, each by its own. Colour profiles are applied to images alone, if they are not sRGB.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.alpha_file import decode_alpha
from segdata.imaging.arrays import Alpha, Image, Luma
from segdata.imaging.colour import is_srgb, picture_to_srgb, to_srgb
from segdata.imaging.headers import DecodeError, read_header
from segdata.imaging.opening import decode_jpeg, guarded, open_picture, orientation_of, small_enough
from segdata.imaging.orientation import orientation_in, upright
from segdata.imaging.png import decode_plain_png
from segdata.records import MAX_FILE_BYTES, MAX_PIXELS, RejectReason

__all__ = [
    "MAX_PIXELS",
    "DecodeError",
    "OrientedLuma",
    "decode_alpha",
    "decode_image",
    "decode_luma",
    "decode_oriented_luma",
    "read_alpha",
    "read_image",
]


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image:
    """A photo's pixels, upright.

    Args:
        data: a JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC or AVIF file, whatever its name says; grey, palette, CMYK (as
            Adobe has it, inverted) and 16 bit come out as RGB of 8 bit. Of a TIFF of several pages the first is taken,
            of a HEIC of several pictures the primary one.
        max_pixels: a header that says more is refused.

    Returns:
        (H, W, 3) uint8 sRGB; the file's orientation and colour profile are applied, transparency is dropped.

    Raises:
        DecodeError: empty_file, unsupported_format (also an animation), too_large or unreadable_image; and nothing
            else, whatever the bytes.
    """
    return guarded(lambda: _image(data, max_pixels), "unreadable_image")[0]


def decode_luma(data: bytes, max_pixels: int = MAX_PIXELS) -> Luma:
    """A photo's lightness, upright: what a thumbnail takes, at two thirds of the cost of its colours.

    Args:
        data, max_pixels: as in `decode_image`.

    Returns:
        (H, W) uint8, ITU-R BT.601 luma. Of a JPEG it is what the file holds, of which that of the decoded colours
        differs by rounding; the colours are read too, so that damage to them is found.

    Raises:
        DecodeError: As in `decode_image`.
    """
    return decode_oriented_luma(data, max_pixels).luma


class OrientedLuma(NamedTuple):
    """A photo's lightness, and how it was turned to be upright.

    Attributes:
        luma: (H, W) uint8, upright.
        orientation: the EXIF orientation that was undone, 1 to 8; 1 for a photo that was stored upright.
    """

    luma: Luma
    orientation: int


def decode_oriented_luma(data: bytes, max_pixels: int = MAX_PIXELS) -> OrientedLuma:
    """`decode_luma`, with the EXIF orientation of the photo.

    Raises:
        DecodeError: As in `decode_luma`.
    """
    return guarded(lambda: _luma(data, max_pixels), "unreadable_image")


def read_image(path: Path) -> Image:
    """`decode_image` of a file.

    Raises:
        DecodeError: As there.
        OSError: The file can't be read.
    """
    return decode_image(_read(path))


def read_alpha(path: Path, channel: int | None = None) -> Alpha:
    """`decode_alpha` of a file.

    Raises:
        DecodeError: As there.
        OSError: The file can't be read.
    """
    return decode_alpha(_read(path), channel)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(MAX_FILE_BYTES + 1) if size <= MAX_FILE_BYTES else b""
    if max(size, len(data)) > MAX_FILE_BYTES:
        raise DecodeError("too_large", f"{max(size, len(data)):,} bytes; at most {MAX_FILE_BYTES:,} are read")
    return data


def _image(data: bytes, max_pixels: int) -> tuple[Image, int]:
    header = small_enough(read_header(data, "unreadable_image"), max_pixels)
    if header.format == "JPEG" and header.channels in (1, 3):
        pixels = decode_jpeg(header, "RGB", "unreadable_image")
        orientation = orientation_in(header.exif)
        return upright(to_srgb(pixels, header.profile), orientation), orientation
    plain = decode_plain_png(header)
    if plain is not None and header.channels >= 3:
        pixels = np.ascontiguousarray(plain[:, :, :3])
        orientation = orientation_in(header.exif)
        return upright(to_srgb(pixels, header.profile), orientation), orientation
    with open_picture(header, max_pixels, "unreadable_image") as picture:
        orientation = orientation_of(picture, header)
        if picture.mode.startswith(("I", "F")):
            grey = _to_eight_bits(np.asarray(picture), "unreadable_image")
            return upright(np.repeat(grey[:, :, None], 3, axis=2), orientation), orientation
        profile = header.profile or picture.info.get("icc_profile") or b""
        # by way of RGBA, since Pillow warns about some transparent palettes otherwise
        coloured = picture.convert("RGBA") if picture.mode == "P" else picture_to_srgb(picture, profile)
        pixels = np.array(coloured if coloured.mode == "RGB" else coloured.convert("RGB"))
        if coloured is picture or picture.mode == "P":  # the profile was for other channels than those stored
            pixels = to_srgb(pixels, profile)
    return upright(pixels, orientation), orientation


def _luma(data: bytes, max_pixels: int) -> OrientedLuma:
    header = small_enough(read_header(data, "unreadable_image"), max_pixels)
    if header.format == "JPEG" and header.channels in (1, 3) and is_srgb(header.profile):
        orientation = orientation_in(header.exif)
        return OrientedLuma(upright(decode_jpeg(header, "GRAY", "unreadable_image")[:, :, 0], orientation), orientation)
    pixels, orientation = _image(data, max_pixels)
    grey: Luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return OrientedLuma(grey, orientation)


def _to_eight_bits(values: NDArray[np.generic], damaged: RejectReason) -> NDArray[np.uint8]:
    """Values of any type on the scale 0 to 255.

    A wider type than 8 bit is read by what is in it: up to 255 it was filled with 8 bit values, beyond with its own.

    Args:
        values: (H, W) of any type.
        damaged: the reason to give where no scale fits.
    """
    highest, lowest = (float(values.max()), float(values.min())) if values.size else (0.0, 0.0)
    if not (lowest >= 0 and highest <= 65535):  # also where one is not a number
        raise DecodeError(damaged, f"its values go from {lowest:g} to {highest:g}; 0 to 255 or to 65535 is read")
    if np.issubdtype(values.dtype, np.floating):
        scale = 255 if highest <= 1 else 1 if highest <= 255 else 1 / 257
        return np.rint(values.astype(np.float64) * scale).astype(np.uint8)
    if values.dtype == np.uint8 or highest <= 255:
        return values.astype(np.uint8, copy=False)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
