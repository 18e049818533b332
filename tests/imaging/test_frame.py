"""Photos in a network's frame: stretched, or between bars; and found again on the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.imaging.frame import alpha_into_frame, frame_of, into_frame

SIDES = st.integers(1, 900)


def test_an_upright_photo_in_a_square_frame_gets_bars_left_and_right() -> None:
    image = np.full((8, 4, 3), 200, np.uint8)
    framed = into_frame(image, (4, 4), "keep")
    assert framed[:, :, 0].tolist() == [[127, 200, 200, 127]] * 4
    assert alpha_into_frame(np.full((8, 4), 255, np.uint8), (4, 4), "keep").tolist() == [[0, 255, 255, 0]] * 4


def test_stretching_leaves_no_bars() -> None:
    assert (into_frame(np.full((8, 4, 3), 200, np.uint8), (4, 4), "stretch") == 200).all()


@given(SIDES, SIDES, st.integers(32, 400), st.integers(32, 400))
def test_the_window_lies_in_the_frame_and_touches_two_sides(h: int, w: int, frame_h: int, frame_w: int) -> None:
    frame = frame_of((h, w), (frame_h, frame_w), "keep")
    assert frame.top >= 0
    assert frame.left >= 0
    assert frame.top + frame.height <= frame_h
    assert frame.left + frame.width <= frame_w
    assert frame.height == frame_h or frame.width == frame_w
    # half a pixel of rounding on the shorter side at most
    assert abs(frame.height * w - frame.width * h) <= max(h, w) * 0.5 + 1e-9 or 1 in (frame.height, frame.width)


@pytest.mark.parametrize("aspect", ["stretch", "keep"])
def test_what_is_placed_is_taken_out_again(aspect: str) -> None:
    frame = frame_of((800, 600), (96, 96), aspect)  # type: ignore[arg-type]  # one of the two words
    content = np.random.default_rng(0).integers(0, 255, (frame.height, frame.width), dtype=np.uint8)
    placed = frame.place(content, 0)
    assert placed.shape == (96, 96)
    assert np.array_equal(frame.take(placed.astype(np.float32)), content)
