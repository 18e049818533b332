"""The headers of every picture format, read without decoding."""

from __future__ import annotations

from collections.abc import Mapping

from segdata.imaging.headers import DecodeError, read_header
from segdata.imaging.orientation import orientation_in
from tests.fuzz import jpeg, pictures, png
from tests.fuzz.target import Target, check_message

_SIDE = 2**32


def read(data: bytes) -> bool:
    """Read the header, and the orientation in its EXIF block."""
    try:
        header = read_header(data, "unreadable_image")
    except DecodeError as error:
        check_message(error.detail)
        return False
    least = 1 if header.format in ("JPEG", "PNG") else 0
    assert least <= header.width < _SIDE, header.width
    assert least <= header.height < _SIDE, header.height
    assert 0 <= header.channels <= 255, header.channels
    assert len(header.pixels) <= len(data)
    assert 1 <= orientation_in(header.exif) <= 8
    return True


def _seeds() -> Mapping[str, bytes]:
    kinds = {"jpeg": jpeg.TARGET, "png": png.TARGET, "other": pictures.TARGET}
    return {f"{kind}_{name}": data for kind, target in kinds.items() for name, data in target.seeds().items()}


TARGET = Target(
    check=read,
    seeds=_seeds,
    tokens=(*jpeg.TARGET.tokens, *png.TARGET.tokens, *pictures.TARGET.tokens, b"<svg", b"<!DOCTYPE html", b"ftypheic"),
    max_bytes=4096,
)
