"""Colour profiles: photos with another one than sRGB become sRGB when they are read, and what is written says sRGB.

A profile that changes no colour by more than rounding is sRGB, whatever its name: such pixels stay as they are.
"""

from __future__ import annotations

import struct
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from segdata.imaging.arrays import Image

if TYPE_CHECKING:
    from PIL import Image as Pillow
    from PIL.ImageCms import ImageCmsTransform

MOST_PROFILE_BYTES = 4 << 20
"""Larger profiles are ignored: those of printers have about a megabyte."""

_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}  # colour spaces of profiles, and Pillow's modes
_CLASSES = frozenset({b"mntr", b"scnr", b"prtr", b"spac"})  # of pixels in a colour space; others are links and names
_MOST_TAGS = 100  # as LittleCMS takes
_PROGRAM_TAGS = (b"D2B", b"B2D")
_ROUNDING = 3  # of 255: how far encoders' own versions of sRGB are apart


def mode_of(profile: bytes) -> str | None:
    """Pillow's mode for the pixels that a profile describes; None for no profile, or one that segdata does not use."""
    if not 128 <= len(profile) <= MOST_PROFILE_BYTES or profile[12:16] not in _CLASSES:
        return None
    return _MODES.get(profile[16:20])


def is_srgb(profile: bytes) -> bool:
    """Whether pixels with a profile need no conversion: it is sRGB, there is none, or it can't be used."""
    return mode_of(profile) is None or _transform(profile) is None


def to_srgb(pixels: Image, profile: bytes) -> Image:
    """Pixels in sRGB.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        profile: the ICC profile that the file embeds; empty for none.

    Returns:
        (H, W, 3) uint8 sRGB: the same array if there is nothing to convert.

    Source:
        ICC.1:2022; relative colorimetric intent with black point compensation, as browsers use.
    """
    if is_srgb(profile):
        return pixels
    from PIL import Image as Pillow

    mode = mode_of(profile)
    if mode == "RGB":
        return np.array(picture_to_srgb(Pillow.fromarray(pixels), profile))
    if mode == "L" and (pixels == pixels[:, :, :1]).all():
        return np.array(picture_to_srgb(Pillow.fromarray(np.ascontiguousarray(pixels[:, :, 0])), profile))
    return pixels


def picture_to_srgb(picture: Pillow.Image, profile: bytes) -> Pillow.Image:
    """A picture in sRGB; the same if there is nothing to convert, or the profile is for another mode."""
    from PIL import ImageCms

    transform = _transform(profile) if mode_of(profile) == picture.mode else None
    if transform is None:
        return picture
    converted = ImageCms.applyTransform(picture, transform)
    assert converted is not None  # it is None in place only
    return converted


@lru_cache(maxsize=32)
def _transform(profile: bytes) -> ImageCmsTransform | None:
    """What turns pixels with a profile into sRGB; None if they are that already, or the profile is damaged."""
    import io

    from PIL import Image as Pillow
    from PIL import ImageCms

    mode = mode_of(profile)
    if mode is None:
        return None
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(_without_programs(profile))),
            ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode == "CMYK":
            return transform
        probe = Pillow.fromarray(_PROBES[mode])
        apart = np.asarray(ImageCms.applyTransform(probe, transform), np.int16) - np.asarray(
            probe.convert("RGB"), np.int16
        )
    except (ImageCms.PyCMSError, OSError, ValueError):  # a damaged profile says nothing about the colours
        return None
    return None if np.abs(apart).max() <= _ROUNDING else transform


def _without_programs(profile: bytes) -> bytes:
    """A profile without the tags that hold a list of processing elements, whose other tags say the same.

    The list may name one element many times, so that kilobytes take gigabytes and minutes. Browsers ignore these tags,
    too.

    Source:
        ICC.1:2022, 7.3 (tag table) and 10.17 (multiProcessElementsType).
    """
    count = int.from_bytes(profile[128:132], "big")
    if count > _MOST_TAGS:
        return b""
    cleaned = bytearray(profile)
    for place in range(132, 132 + 12 * count, 12):
        if cleaned[place : place + 3] in _PROGRAM_TAGS:
            cleaned[place : place + 4] = b"none"
    return bytes(cleaned)


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB, version 4, 476 bytes.

    The bytes are always the same: a profile made by a library carries the time, and files would never be equal.

    Source:
        IEC 61966-2-1 (primaries and curve), adapted to D50 by Bradford's matrix; layout by ICC.1:2022.
    """
    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    white = (0.9642, 1.0, 0.8249)
    contents = {
        b"desc": _text("sRGB"),
        b"cprt": _text("CC0"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*white),
        b"rXYZ": b"XYZ \0\0\0\0" + _fixed(0.43607, 0.22249, 0.01392),
        b"gXYZ": b"XYZ \0\0\0\0" + _fixed(0.38515, 0.71687, 0.09708),
        b"bXYZ": b"XYZ \0\0\0\0" + _fixed(0.14307, 0.06061, 0.71410),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    start = 128 + 4 + 12 * len(contents)
    table, body, places = struct.pack(">I", len(contents)), b"", dict[bytes, int]()
    for name, content in contents.items():
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", places[content], len(content))
    head = struct.pack(">II", start + len(body), 0) + b"\x04\x30\0\0" + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*white)
    return head.ljust(128, b"\0") + table + body


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", len(encoded), 28) + encoded


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


_LEVELS = np.linspace(0, 255, 9).round().astype(np.uint8)
_PROBES = {
    "RGB": np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS), -1).reshape(27, 27, 3),
    "L": np.arange(256, dtype=np.uint8)[None],
}
