"""Backgrounds cover the frame unsquashed; portraits stay on its bottom edge, and cut where the frame cuts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.errors import PixelError
from segdata.imaging.placement import Framing, Standing, cover, framing_of, narrow, place


def _ramps(height: int, width: int) -> np.ndarray:
    """Red grows by 1 a pixel to the right, green by 1 downwards."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([x, y, np.zeros_like(x)]).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(*[st.integers(60, 200)] * 4)
def test_a_cover_is_never_squashed(height: int, width: int, frame_height: int, frame_width: int) -> None:
    covered = cover(_ramps(height, width), (frame_height, frame_width)).astype(float)
    assert covered.shape == (frame_height, frame_width, 3)
    # Pixels of the background per pixel of the frame, read off the ramps away from the borders.
    across = (covered[30, -15, 0] - covered[30, 15, 0]) / (frame_width - 30)
    down = (covered[-15, 30, 1] - covered[15, 30, 1]) / (frame_height - 30)
    # Rounding the crop to whole pixels and the ramps to whole greys is all that may tell the two apart.
    assert across == pytest.approx(down, abs=1.5 / 30 + 1 / min(frame_height, frame_width))


def test_a_background_that_is_too_wide_keeps_its_left_right_or_middle() -> None:
    background = _ramps(10, 30)
    for crop_x, first in ((0.0, 0), (0.5, 10), (1.0, 20)):
        assert np.array_equal(cover(background, (10, 10), crop_x=crop_x), background[:, first : first + 10])


def test_a_background_that_is_too_high_keeps_its_top_or_bottom() -> None:
    background = _ramps(30, 10)
    assert np.array_equal(cover(background, (10, 10), crop_y=0), background[:10])
    assert np.array_equal(cover(background, (10, 10), crop_y=1), background[20:])


def test_a_cover_is_a_new_array() -> None:
    background = _ramps(10, 10)
    assert not np.shares_memory(cover(background, (10, 10)), background)


def test_an_empty_background_and_an_offset_outside_are_refused() -> None:
    with pytest.raises(PixelError, match="0 x 5 can't cover"):
        cover(np.zeros((0, 5, 3), np.uint8), (4, 4))
    with pytest.raises(PixelError, match=r"crop_x 1\.5"):
        cover(_ramps(4, 4), (4, 4), crop_x=1.5)


def _bust(height: int = 100, width: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """A red block in the middle, cut by the bottom edge alone; green where there is nobody."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 1] = 255
    alpha = np.zeros((height, width), np.uint8)
    image[40:, 20:60] = (200, 0, 0)
    alpha[40:, 20:60] = 255
    return image, alpha


def _place(image: np.ndarray, alpha: np.ndarray, scale: float, shift_x: float) -> tuple[np.ndarray, np.ndarray]:
    standing = narrow(framing_of(alpha), Standing(scale, scale, 0.5 + shift_x))
    return place(image, alpha, standing, (alpha.shape[0], alpha.shape[1]))


def test_no_scale_and_no_shift_change_nothing() -> None:
    image, alpha = _bust()
    placed, moved = _place(image, alpha, 1.0, 0.0)
    assert np.array_equal(placed, image)
    assert np.array_equal(moved, alpha)
    assert not np.shares_memory(placed, image)


def test_a_smaller_portrait_stays_on_the_bottom_edge() -> None:
    _, moved = _place(*_bust(), 0.5, 0.0)
    rows, columns = np.nonzero(moved >= 128)
    assert rows.max() == 99
    assert rows.min() == 70  # 60 px high before, 30 now
    assert (columns.min(), columns.max()) == (30, 49)  # 40 px wide before, 20 now, about the same middle
    assert (moved[-1, 31:49] == 255).all()


def test_a_larger_portrait_does_not_fade_at_the_bottom_edge() -> None:
    _, moved = _place(*_bust(), 1.3, 0.0)
    assert (moved[-1, 20:60] == 255).all()


def test_a_shift_moves_by_a_fraction_of_the_width() -> None:
    _, moved = _place(*_bust(), 1.0, 0.1)
    columns = np.nonzero(moved[-1] >= 128)[0]
    assert (columns.min(), columns.max()) == (28, 67)


def test_a_portrait_goes_into_a_frame_of_another_size() -> None:
    image, alpha = _bust()  # 100 x 80
    placed, moved = place(image, alpha, Standing(height=0.5, width=0.2, x=0.75), (200, 400))
    assert placed.shape == (200, 400, 3)
    rows, columns = np.nonzero(moved >= 128)
    assert (rows.min(), rows.max()) == (140, 199)  # as large as before
    assert (columns.min(), columns.max()) == (280, 319)  # about 0.75 x 400
    assert (placed[150:190, 285:315] == (200, 0, 0)).all()


def test_hair_that_shrinks_is_averaged_not_skipped() -> None:
    alpha = np.zeros((120, 120), np.uint8)
    alpha[30:, 40:80:4] = 255  # strands 1 px wide, 4 apart
    _, moved = _place(np.full((120, 120, 3), 60, np.uint8), alpha, 0.25, 0.0)
    inner = moved[100:118, 56:64].astype(float)
    assert inner.mean() == pytest.approx(255 / 4, abs=6)
    assert inner.std() < 12  # sampled without averaging, it would be all or nothing


def test_the_colour_of_transparent_pixels_never_bleeds_in() -> None:
    image, alpha = _bust()
    placed, moved = _place(image, alpha, 0.83, 0.037)
    assert placed[moved > 8][:, 1].max() <= 8  # the green of where nobody is


def test_a_subject_that_the_frame_cuts_stays_cut_by_it() -> None:
    image, alpha = _bust()
    alpha[60:, :30] = 255  # a shoulder that leaves the frame on the left
    _, moved = _place(image, alpha, 0.8, 0.15)
    assert moved[-1, 0] == 255
    assert narrow(framing_of(alpha), Standing(0.8, 0.8, 0.65)) == Standing(0.8, 0.8, 0.4)


def test_hair_that_only_just_reaches_the_frame_is_cut_by_it_too() -> None:
    _, alpha = _bust()
    alpha[50:60, -1] = 40
    assert framing_of(alpha).right
    alpha[50:60, -1] = 10  # a trace that nobody would see
    assert not framing_of(alpha).right


def test_a_speck_of_a_label_is_not_the_top_of_a_head() -> None:
    _, alpha = _bust()
    framing = framing_of(alpha)
    assert framing.box == (0.25, 0.4, 0.75)
    assert framing.head == 0.5
    alpha[3, 40] = 255
    assert framing_of(alpha) == framing


def test_a_head_cut_by_the_top_is_never_made_smaller() -> None:
    _, alpha = _bust()
    alpha[:, 30:50] = 255
    assert narrow(framing_of(alpha), Standing(0.7, 0.7, 0.55)) == Standing(1.0, 1.0, 0.55)


def test_a_larger_one_that_touches_both_sides_may_move_by_what_it_grew() -> None:
    framing = framing_of(np.full((10, 10), 255, np.uint8))
    assert narrow(framing, Standing(1.2, 1.2, 1.0)) == Standing(1.2, 1.2, 0.6)
    assert narrow(framing, Standing(1.2, 1.2, 0.0)) == Standing(1.2, 1.2, 0.4)


def test_a_frame_with_nobody_in_it_cuts_nobody() -> None:
    assert framing_of(np.zeros((5, 5), np.uint8)) == Framing(False, False, False)
