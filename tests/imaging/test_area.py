"""Shrinking by areas: held against a picture blown up until every new pixel is a whole block, and against OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import PixelError
from segdata.imaging.area import shrink_by_area
from segdata.imaging.frame import resize_to

SIDES = st.integers(1, 40)


def mean_of_blocks(array, size_hw):
    """Each pixel repeated as often as there will be new ones: then a new one is the plain mean of a block."""
    (height, width), (new_height, new_width) = array.shape[:2], size_hw
    blown_up = array.astype(np.float64).repeat(new_height, axis=0).repeat(new_width, axis=1)
    return blown_up.reshape(new_height, height, new_width, width, *array.shape[2:]).mean(axis=(1, 3))


@given(SIDES, SIDES, st.data(), st.sampled_from([(), (1,), (3,)]), st.integers(0, 2**32 - 1))
def test_each_new_pixel_is_the_mean_of_what_lies_under_it(height, width, data, channels, seed):
    size_hw = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    array = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)
    before = array.copy()
    shrunk = shrink_by_area(array, size_hw)
    assert shrunk.shape == (*size_hw, *channels)
    assert np.abs(shrunk - mean_of_blocks(array, size_hw)).max() <= 0.5 + 1e-3
    assert np.array_equal(array, before)


@pytest.mark.parametrize("size_hw", [(224, 224), (320, 320), (384, 288), (250, 301)])
def test_it_is_opencvs_to_one_step_and_to_the_digit_at_the_sizes_of_networks(size_hw):
    image = np.random.default_rng(0).integers(0, 256, (800, 600, 3), np.uint8)
    apart = np.abs(
        cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA).astype(int) - resize_to(image, size_hw)
    )
    assert apart.max() <= (0 if size_hw != (250, 301) else 1)
    assert (apart > 0).mean() < 0.01


def test_a_flat_picture_stays_flat_and_an_alpha_keeps_its_ends():
    for value in (0, 128, 255):
        assert (shrink_by_area(np.full((37, 29), value, np.uint8), (11, 28)) == value).all()


def test_a_view_is_read_as_it_looks():
    image = np.arange(60 * 50 * 3).reshape(60, 50, 3).astype(np.uint8)
    assert np.array_equal(shrink_by_area(image[:, ::-1], (7, 11)), shrink_by_area(image, (7, 11))[:, ::-1])


def test_an_array_that_may_not_be_written_is_read_like_any_other():
    image = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    before = shrink_by_area(image, (7, 11))
    image.flags.writeable = False
    assert np.array_equal(shrink_by_area(image, (7, 11)), before)


def test_nothing_grows_and_nothing_but_bytes_is_taken():
    with pytest.raises(PixelError, match=r"expected uint8 of at least 5x2, got \(4, 4\) uint8"):
        shrink_by_area(np.zeros((4, 4), np.uint8), (5, 2))
    with pytest.raises(PixelError, match="float32"):
        shrink_by_area(np.zeros((4, 4), np.float32), (2, 2))
