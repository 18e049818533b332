"""PNG files, decoded in every way. The target corrects each chunk's CRC, so that damage reaches the decoders."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image as Pillow

from tests.fuzz.decoding import decode_every_way, drawn_matte, drawn_photo, saved, turned_exif
from tests.fuzz.target import Target

_HEAD = b"\x89PNG\r\n\x1a\n"


def decode_png(data: bytes) -> bool:
    """Decode the file with correct CRCs, and see that what was accepted has all its rows."""
    data = with_correct_crcs(data)
    accepted = decode_every_way(data)
    if accepted and data[12:16] == b"IHDR":
        _check_rows(data)
    return accepted


def _check_rows(data: bytes) -> None:
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    deflated = b"".join(content for name, content in _chunks(data) if name == b"IDAT")
    if not interlaced:
        rows = zlib.decompressobj().decompress(deflated)
        assert len(rows) >= height * (1 + (width * bits * channels + 7) // 8), "an accepted picture lacks rows"


def with_correct_crcs(data: bytes) -> bytes:
    """The same chunks, each with its CRC; bytes that are no whole chunk stay as they are."""
    if not data.startswith(_HEAD):
        return data
    pieces = [_HEAD]
    for name, content in _chunks(data):
        pieces += [struct.pack(">I", len(content)), name, content, struct.pack(">I", zlib.crc32(name + content))]
    return b"".join([*pieces, data[sum(map(len, pieces)) :]])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each whole chunk."""
    place = len(_HEAD)
    while place + 12 <= len(data):
        end = place + 12 + struct.unpack_from(">I", data, place)[0]
        if end > len(data):
            return
        yield data[place + 4 : place + 8], data[place + 8 : end - 4]
        place = end


def _seeds() -> Mapping[str, bytes]:
    photo, matte = drawn_photo(), drawn_matte()
    rgba = np.dstack([photo, matte])
    palette = Pillow.fromarray(photo).quantize(16)
    classes = Pillow.fromarray(np.where(matte > 127, 15, 0).astype(np.uint8), "P")
    classes.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    return {
        "rgb": saved(photo, "PNG"),
        "rgb_stored": saved(photo[:12, :9], "PNG", compress_level=0),
        "grey": saved(matte, "PNG"),
        "grey_stored": saved(matte[:12, :9], "PNG", compress_level=0),
        "rgba": saved(rgba, "PNG"),
        "grey_alpha": saved(np.dstack([photo[:, :, 0], matte]), "PNG"),
        "grey_16": saved(matte.astype(np.uint16) * 257, "PNG"),
        "rgba_16": rgba_16(rgba[:24, :18]),
        "palette": saved(palette, "PNG"),
        "palette_transparent": saved(palette, "PNG", transparency=bytes(range(16))),
        "label_map": saved(classes, "PNG"),
        "black_and_white": saved(Pillow.fromarray(matte).convert("1"), "PNG"),
        "transparent_colour": saved(photo, "PNG", transparency=(9, 9, 9)),
        "turned": saved(photo, "PNG", exif=turned_exif(8)),
    }


def rgba_16(rgba: np.ndarray) -> bytes:
    """A PNG of 16 bit with four channels, which Pillow can't write."""
    height, width, _ = rgba.shape
    rows = (rgba.astype(">u2") * 257).reshape(height, -1).view(np.uint8)
    filtered = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered)), (b"IEND", b""))
    packed = (struct.pack(">I", len(content)) + name + content + bytes(4) for name, content in chunks)
    return with_correct_crcs(_HEAD + b"".join(packed))


TARGET = Target(
    check=decode_png,
    seeds=_seeds,
    tokens=(
        _HEAD, b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"gAMA", b"iCCP", b"zTXt", b"sBIT",
        b"\0\0\0\rIHDR", b"\0\0\0\0IEND", b"\x08\x02\0\0\0", b"\x10\x06\0\0\0", b"\x08\x03\0\0\x01", b"\x78\x9c",
    ),
    max_bytes=8192,
)  # fmt: skip
