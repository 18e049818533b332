"""Label Studio's brush: unpacked as its format says, and bounded by the image before anything is unpacked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.ingest.annotations.brush import Brush, pack_runs, unpack_rle
from segdata.ingest.annotations.shapes import ShapeError


def bits_to_bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def head(values: int, value_bits: int = 8) -> str:
    return f"{values:032b}{value_bits - 1:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))


def test_a_stream_worked_out_by_hand() -> None:
    run = "1" + "00" + f"{5 - 1:03b}" + f"{255:08b}"  # five times 255, counted in the first size: 3 bits
    single = "0" + "01" + f"{3 - 1:04b}" + "".join(f"{value:08b}" for value in (1, 2, 3))  # second size: 4 bits
    assert unpack_rle(bits_to_bytes(head(8) + run + single)).tolist() == [255] * 5 + [1, 2, 3]


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 300), st.booleans()), max_size=8))
def test_whatever_is_packed_is_unpacked(blocks: list[tuple[int, int, bool]]) -> None:
    stream, expected = "", []
    for value, count, is_run in blocks:
        own = [value] * count if is_run else [(value + step) % 256 for step in range(count)]
        expected += own
        stream += f"{int(is_run)}11{count - 1:016b}" + "".join(f"{one:08b}" for one in (own[:1] if is_run else own))
    assert unpack_rle(bits_to_bytes(head(len(expected)) + stream)).tolist() == expected


def test_pixels_that_are_more_than_half_opaque_are_set() -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[0, 1], pixels[1, 2], pixels[1, 0] = (0, 0, 0, 128), (9, 9, 9, 255), (255, 255, 255, 127)
    brush = Brush(pack_runs([(int(value), 1) for value in pixels.ravel()]))
    label = np.zeros((2, 3), np.uint8)
    brush.validate((2, 3))
    brush.draw(label)
    assert label.tolist() == [[0, 255, 0], [0, 0, 255]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "shorter than its head"),
        (b"\xff" * 6, "shorter than its head"),
        (bits_to_bytes(head(2**32 - 1)), "4,294,967,295 values; 3x2 pixels have 24"),
        (bits_to_bytes(head(23)), "has 23 values"),
        (bits_to_bytes(head(24, 16)), "values of another size"),
        (bits_to_bytes(head(24)) + bytes(500), "more bytes than the image can need"),
    ],
)
def test_a_stream_that_does_not_fit_the_image_is_refused_before_it_is_unpacked(data: bytes, reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        Brush(data).validate((2, 3))


@pytest.mark.parametrize("block", ["", "1", "0" + "11" + f"{23:016b}" + "0" * 8, "1" + "11" + f"{4:016b}" + f"{7:08b}"])
def test_a_stream_that_ends_early_is_refused(block: str) -> None:
    data = bits_to_bytes(head(24) + block)
    brush = Brush(data)
    brush.validate((2, 3))
    with pytest.raises(ShapeError, match="ends early"):
        brush.draw(np.zeros((2, 3), np.uint8))


@given(st.binary(max_size=40))
def test_no_bytes_end_in_anything_but_a_label_or_a_message(tail: bytes) -> None:
    brush = Brush(bits_to_bytes(head(24))[:6] + tail)
    label = np.zeros((2, 3), np.uint8)
    try:
        brush.validate((2, 3))
        brush.draw(label)
    except ShapeError:
        return
    assert set(np.unique(label).tolist()) <= {0, 255}
