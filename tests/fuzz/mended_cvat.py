"""CVAT files with mended labels: masks and polygons."""

from __future__ import annotations

from collections.abc import Mapping

from segdata.ingest.annotations.cvat import read_cvat
from tests.fuzz.labels import draw_every_label
from tests.fuzz.target import Target

_MASK = '<mask label="person" left="4" top="6" width="5" height="4" rle="3, 4, 6, 7" z_order="0"/>'
_POLYGON = '<polygon label="person" points="2.00,2.00;20.50,3.00;18.00,40.00" z_order="0"/>'


def draw(data: bytes) -> bool:
    """Draw the labels in the file."""
    return draw_every_label(data, read_cvat)


def _document(*shapes: str, declaration: str = '<?xml version="1.0" encoding="utf-8"?>') -> str:
    image = f'<image id="0" name="1.jpg" width="36" height="48">{"".join(shapes)}</image>'
    return f"{declaration}<annotations><version>1.1</version>{image}</annotations>"


def _seeds() -> Mapping[str, bytes]:
    return {
        "mask": _document(_MASK).encode(),
        "polygon": _document(_POLYGON).encode(),
        "several": _document(_MASK, _POLYGON, _MASK).encode(),
        "no_shapes": _document().encode(),
        "utf_16": _document(_POLYGON, declaration='<?xml version="1.0" encoding="utf-16"?>').encode("utf-16"),
        "latin_1": _document(_MASK, declaration='<?xml version="1.0" encoding="iso-8859-1"?>').encode("latin-1"),
    }


TARGET = Target(
    check=draw,
    seeds=_seeds,
    tokens=(
        b"<image", b"</image>", b"<mask", b"<polygon", b"/>", b"points=", b"rle=", b"left=", b"top=", b"width=",
        b"height=", b"name=", b"<!DOCTYPE a [", b"<!ENTITY a 'b'>", b"]>", b"&a;", b"&lt;", b"&#0;", b"<![CDATA[",
        b"encoding=", b"hex", b"idna", b"utf-7", b"punycode", b"rot13", b"ascii", b"cp037", b"big5", b"nan", b"inf",
        b"1e9", b"-1", b"9223372036854775807", b"4294967296", b"\xef\xbb\xbf", b"\xff\xfe", b"1_0",
    ),
    max_bytes=16_384,
)  # fmt: skip
