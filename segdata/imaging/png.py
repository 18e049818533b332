"""PNG of 8 bit, decoded quickly: mattes are PNG files, and reading them is most of what an ingest of them costs.

zlib-ng inflates ten times as fast as zlib where most rows are equal, and only the channel that is asked for is
unfiltered: of an RGBA matte a quarter. Pillow takes what is not plain (palettes, 16 bit, interlaced, transparent
colours) and all that is damaged, and says what is wrong with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segdata.compiled import lazily_compiled
from segdata.imaging.headers import DecodeError, Header
from segdata.imaging.png_loops import UNFILTER, unfilter_loop
from segdata.records import RejectReason

_FIRST_CHUNK = 8
_PALETTE, _LAST_FILTER = 3, 4
_PIECE_BYTES = 1 << 14  # of deflated data; these become 17 MB at most
# Of each pass of an interlaced file: first column and row, and steps between columns and rows.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def decode_plain_png(header: Header, channel: int | None = None) -> NDArray[np.uint8] | None:
    """The pixels of a plain, undamaged PNG.

    Args:
        header: of `read_header`, which has checked the chunks; the caller has checked the size that it claims.
        channel: the only channel that is wanted; one that the file has not is as None.

    Returns:
        (H, W) or (H, W, channels) uint8, channels as stored; None for a file that wants another decoder.

    Source:
        PNG Specification, third edition (W3C, 2025), sections 7 to 11.
    """
    colour, interlaced = header.pixels[25:26], header.pixels[28:29]
    if header.format != "PNG" or header.bits != 8 or not header.channels or interlaced != b"\0":
        return None
    deflated = None if colour[0] == _PALETTE else _deflated(header.pixels)
    if deflated is None:
        return None
    lines = _inflated(deflated, header.height, 1 + header.width * header.channels)
    if lines is None:
        return None
    filters, rows, step = lines[:, 0].copy(), lines[:, 1:], header.channels
    if channel is not None and channel < step:
        rows, step = rows[:, channel::step], 1
    rows = rows.copy()
    if lazily_compiled(unfilter_loop, UNFILTER)(filters, rows, step) > _LAST_FILTER:
        return None
    return rows if step == 1 else rows.reshape(header.height, header.width, step)


def check_rows(header: Header, damaged: RejectReason) -> None:
    """Refuse a PNG whose pixel data end before its last row: Pillow leaves the missing rows black and says nothing.

    Args:
        header: of a PNG file; the caller has checked the size that it claims.
        damaged: the reason to give.

    Raises:
        DecodeError: Rows are missing.
    """
    from zlib_ng import zlib_ng

    missing = _bytes_of_rows(header)
    inflate = zlib_ng.decompressobj()
    deflated = b"".join(content for name, content in _chunks(header.pixels) if name == b"IDAT")
    for place in range(0, len(deflated), _PIECE_BYTES):
        try:
            missing -= len(inflate.decompress(deflated[place : place + _PIECE_BYTES]))
        except zlib_ng.error as error:  # type: ignore[misc]  # a class; its stubs say instance
            raise DecodeError(damaged, f"a damaged PNG file ({error})") from error
        if missing <= 0:
            return
        if inflate.eof:
            break
    raise DecodeError(damaged, "a PNG file that ends before its last row")


def _bytes_of_rows(header: Header) -> int:
    """How many bytes all rows are, each with its filter."""
    bits = header.bits * header.channels
    if header.pixels[28:29] == b"\0":
        return header.height * (1 + (header.width * bits + 7) // 8)
    sizes = [
        (len(range(left, header.width, step_x)), len(range(top, header.height, step_y)))
        for left, top, step_x, step_y in _PASSES
    ]
    return sum(height * (1 + (width * bits + 7) // 8) for width, height in sizes if width)


def _chunks(pixels: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk."""
    place = _FIRST_CHUNK
    while place < len(pixels):
        (length,) = struct.unpack_from(">I", pixels, place)
        yield pixels[place + 4 : place + 8], pixels[place + 8 : place + 8 + length]
        place += 12 + length


def _deflated(pixels: bytes) -> bytes | None:
    """The data of the IDAT chunks; None where a colour is declared transparent, or the methods are none of PNG's."""
    if pixels[26:28] != b"\0\0":
        return None
    pieces = []
    for name, content in _chunks(pixels):
        if name == b"tRNS":
            return None
        if name == b"IDAT":
            pieces.append(content)
    return b"".join(pieces)


def _inflated(deflated: bytes, height: int, width: int) -> NDArray[np.uint8] | None:
    """(height, width) uint8; None unless the data are whole, and exactly as long as the header said."""
    from zlib_ng import zlib_ng

    inflate = zlib_ng.decompressobj()
    try:
        data = inflate.decompress(deflated, height * width + 1)  # one more byte tells a bomb, and is all that it gets
    except zlib_ng.error:  # type: ignore[misc]  # a class; its stubs say instance
        return None
    if not inflate.eof or len(data) != height * width:
        return None
    return np.frombuffer(data, np.uint8).reshape(height, width)
