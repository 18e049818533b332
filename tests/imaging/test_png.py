"""Plain PNG: what Pillow reads, filter by filter; and whatever is not plain or not whole is left to Pillow."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segdata.imaging.headers import read_header
from segdata.imaging.png import decode_plain_png

COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def filtered(pixels: NDArray[np.uint8], filters: list[int]) -> bytes:
    """Rows as PNG stores them, by the definitions of the specification's table 2."""
    height, width, step = pixels.shape
    rows = np.zeros(
        (height + 1, (width + 1) * step), np.int64
    )  # with a pixel of nothing before each row, and a row above
    rows[1:, step:] = pixels.reshape(height, width * step)
    lines = []
    for y, kind in enumerate(filters, 1):
        x, a, b, c = rows[y, step:], rows[y, :-step], rows[y - 1, step:], rows[y - 1, :-step]
        pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
        paeth = np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))
        told = (np.zeros_like(x), a, b, (a + b) // 2, paeth)[kind % 5]
        lines.append(bytes([kind]) + ((x - told) & 255).astype(np.uint8).tobytes())
    return b"".join(lines)


def png(width: int, height: int, channels: int, data: bytes, extra: bytes = b"", bits: int = 8, lace: int = 0) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, bits, COLOURS[channels], 0, 0, lace)
    whole = chunk(b"IHDR", head) + extra
    for first in range(0, len(data), 50):  # several chunks, as long files have
        whole += chunk(b"IDAT", data[first : first + 50])
    return b"\x89PNG\r\n\x1a\n" + whole + chunk(b"IEND", b"")


def decoded(data: bytes, channel: int | None = None) -> NDArray[np.uint8] | None:
    return decode_plain_png(read_header(data, "unreadable_image"), channel)


def grey(rows: int = 4, columns: int = 5) -> NDArray[np.uint8]:
    return np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns, 1)


@given(
    st.integers(1, 4), st.integers(1, 7), st.lists(st.integers(0, 4), min_size=1, max_size=7), st.integers(0, 2**32 - 1)
)
def test_every_filter_is_undone_as_pillow_undoes_it(channels: int, width: int, filters: list[int], seed: int) -> None:
    shape = (len(filters), width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    data = png(width, len(filters), channels, zlib.compress(filtered(pixels, filters)))
    ours = decoded(data)
    assert ours is not None
    assert np.array_equal(ours.reshape(shape), pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))).reshape(shape), pixels)
    for channel in range(channels):
        alone = decoded(data, channel)
        assert alone is not None and np.array_equal(alone, pixels[:, :, channel])


def test_a_channel_that_the_file_has_not_gives_all_that_it_has() -> None:
    pixels = np.dstack([grey()] * 3)
    found = decoded(png(5, 4, 3, zlib.compress(filtered(pixels, [1] * 4))), channel=3)
    assert found is not None and np.array_equal(found, pixels)


@pytest.mark.parametrize(
    ("bytes_of", "why"),
    [
        (lambda body: zlib.compress(body)[:-8], "cut short"),
        (lambda body: zlib.compress(body)[:-1] + b"?", "its checksum is wrong"),
        (lambda body: zlib.compress(body[:-1]), "a byte too few"),
        (lambda body: zlib.compress(body + b"\0"), "a byte too many"),
        (lambda body: zlib.compress(body + bytes(10_000_000)), "a bomb"),
        (lambda body: zlib.compress(b"\5" + body[1:]), "no such filter"),
        (lambda body: b"no zlib", "not deflated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_damaged_is_left_to_pillow(bytes_of: Callable[[bytes], bytes], why: str) -> None:
    body = filtered(grey(), [2] * 4)
    assert decoded(png(5, 4, 1, zlib.compress(body))) is not None
    assert decoded(png(5, 4, 1, bytes_of(body))) is None, why


def test_what_is_not_plain_is_left_to_pillow() -> None:
    data = zlib.compress(filtered(grey(), [0] * 4))
    transparent = struct.pack(">I", 2) + b"tRNS\0\1" + struct.pack(">I", zlib.crc32(b"tRNS\0\1"))
    assert decoded(png(5, 4, 1, data, transparent)) is None
    assert decoded(png(5, 4, 1, data, lace=1)) is None
    assert decoded(png(5, 4, 1, data, bits=16)) is None
    buffer = io.BytesIO()
    Image.fromarray(grey()[:, :, 0]).convert("P").save(buffer, "PNG")
    assert decoded(buffer.getvalue()) is None
