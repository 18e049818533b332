"""A coarse probability comes to the photo's size with its contours at the photo's edges."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.imaging.arrays import Image, Mask
from segdata.imaging.guided import enlarge_along


def scene(height: int = 480, width: int = 360) -> tuple[Image, Mask]:
    """A disk of one colour before another, with the grain of a camera."""
    y, x = np.mgrid[:height, :width]
    disk = np.hypot(y - height / 2, x - width / 2) < width / 3
    colours = np.where(disk[..., None], (190, 120, 90), (70, 110, 140))
    grain = np.random.default_rng(0).normal(0, 4, (height, width, 3))
    return np.clip(colours + grain, 0, 255).astype(np.uint8), disk


def coarse(mask: Mask, size_hw: tuple[int, int]) -> np.ndarray:
    """What a network of that size says of it: right, and blurred over its head's cells."""
    small = cv2.resize(mask.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 3)


def wrong(probability: np.ndarray, truth: Mask) -> int:
    return int(np.count_nonzero((probability >= 0.5) != truth))


def test_a_contour_moves_to_the_edge_that_the_photo_has_beside_it() -> None:
    image, disk = scene()
    moved = np.roll(disk, 5, axis=1)  # five pixels off, which at the network's size is two
    probability = coarse(moved, (192, 144))
    linear = cv2.resize(probability, (360, 480), interpolation=cv2.INTER_LINEAR)
    led = enlarge_along(image, probability)
    assert wrong(led, disk) < 0.25 * wrong(linear, disk)


def test_without_any_edge_a_contour_moves_by_a_pixel_of_the_network_at_most() -> None:
    _, disk = scene()
    flat = np.full((480, 360, 3), 128, np.uint8)
    probability = coarse(disk, (192, 144))
    linear = cv2.resize(probability, (360, 480), interpolation=cv2.INTER_LINEAR)
    led = enlarge_along(flat, probability)
    pixel = np.ones((7, 7), np.uint8)  # of the network: 2.5 of the photo to either side
    least, most = (work((linear >= 0.5).astype(np.uint8), pixel) for work in (cv2.erode, cv2.dilate))
    assert ((led >= 0.5) >= least.astype(bool)).all() and ((led >= 0.5) <= most.astype(bool)).all()


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_where_the_network_is_sure_everywhere_nothing_changes(certain: float) -> None:
    image, _ = scene()
    led = enlarge_along(image, np.full((192, 144), certain, np.float32))
    assert np.abs(led - certain).max() < 1e-4


@given(st.tuples(*[st.integers(1, 40)] * 4), st.integers(0, 2**32 - 1))
def test_any_sizes_give_probabilities_of_the_photos_size(sides: tuple[int, int, int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*sides[:2], 3), np.uint8)
    led = enlarge_along(image, rng.random(sides[2:], np.float32))
    assert led.shape == sides[:2]
    assert led.dtype == np.float32
    assert led.min() >= 0 and led.max() <= 1
