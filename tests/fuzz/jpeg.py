"""JPEG files, decoded in every way."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image as Pillow

from tests.fuzz.decoding import decode_every_way, drawn_matte, drawn_photo, saved, turned_exif
from tests.fuzz.target import Target


def _seeds() -> Mapping[str, bytes]:
    photo = drawn_photo()
    cmyk = Pillow.fromarray(photo).convert("CMYK")
    return {
        "baseline": saved(photo, "JPEG", quality=60),
        "halved_chroma": saved(photo, "JPEG", quality=60, subsampling=2),
        "progressive": saved(photo, "JPEG", quality=60, progressive=True),
        "grey": saved(drawn_matte(), "JPEG", quality=60),
        "cmyk": saved(cmyk, "JPEG", quality=60),
        "restarts": saved(photo, "JPEG", quality=60, restart_marker_blocks=2),
        "turned": saved(photo, "JPEG", quality=60, exif=turned_exif(6)),
        "comment": saved(photo, "JPEG", quality=60, comment=b"drawn"),
    }


_MARKERS = tuple(bytes([0xFF, marker]) for marker in (*range(0xC0, 0xD0), 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0))

TARGET = Target(
    check=decode_every_way,
    seeds=_seeds,
    tokens=(*_MARKERS, b"Exif\0\0", b"JFIF\0", b"Adobe\0", b"MM\0*", b"II*\0", b"\x01\x12\0\x03\0\0\0\x01"),
    max_bytes=8192,
)
