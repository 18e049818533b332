"""The contract of the picture decoders: pixels that match the header, or a DecodeError."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from segdata.drawn.portrait import draw_portrait
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image, decode_luma
from segdata.imaging.headers import Header, read_header
from tests.fuzz.target import check_message

MAX_PIXELS = 1_000_000

_DECODERS: Mapping[str, Callable[[bytes], NDArray[np.uint8]]] = {
    "image": lambda data: decode_image(data, MAX_PIXELS),
    "luma": lambda data: decode_luma(data, MAX_PIXELS),
    "alpha": lambda data: decode_alpha(data, None, MAX_PIXELS),
    "channel 3 as alpha": lambda data: decode_alpha(data, 3, MAX_PIXELS),
    "label map": lambda data: decode_alpha(data, None, MAX_PIXELS, index=15),
}


def decode_every_way(data: bytes) -> bool:
    """Decode a picture as a photo, as its lightness, as a matte and as a label map.

    Returns:
        Whether one of the decoders accepted it.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for name, decode in _DECODERS.items():
        try:
            pixels = decode(data)
        except DecodeError as error:
            check_message(error.detail)
            continue
        assert pixels.dtype == np.uint8, name
        assert pixels.flags.c_contiguous, name
        assert pixels.shape[2:] == ((3,) if name == "image" else ()), name
        assert 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS, name
        shapes[name] = pixels.shape[:2]
    assert ("image" in shapes) == ("luma" in shapes), "a photo and its lightness are refused together"
    assert len({frozenset(shape) for shape in shapes.values()}) <= 1, shapes
    if shapes:
        _check_header(read_header(data, "unreadable_image"), next(iter(shapes.values())))
    return bool(shapes)


def _check_header(header: Header, size_hw: tuple[int, ...]) -> None:
    if header.format in ("JPEG", "PNG"):
        assert {header.height, header.width} == set(size_hw), (header, size_hw)


@cache
def drawn_photo() -> NDArray[np.uint8]:
    """(48, 36, 3) uint8 RGB: a drawn portrait."""
    return np.asarray(Pillow.fromarray(draw_portrait(0, (160, 120)).image).resize((36, 48)))


@cache
def drawn_matte() -> NDArray[np.uint8]:
    """(48, 36) uint8: its alpha."""
    return np.asarray(Pillow.fromarray(draw_portrait(0, (160, 120)).alpha).resize((36, 48)))


def saved(pixels: NDArray[np.generic] | Pillow.Image, kind: str, **options: object) -> bytes:
    """A picture as a file of a format that Pillow writes."""
    picture = pixels if isinstance(pixels, Pillow.Image) else Pillow.fromarray(pixels)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def turned_exif(orientation: int) -> bytes:
    """An EXIF block that says how the camera was held."""
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()
