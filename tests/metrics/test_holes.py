"""Holes: what encloses, what nearly encloses, what is too small, and how well a prediction keeps them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.errors import PixelError
from segdata.metrics.holes import (
    closing_radius_px,
    false_hole_fraction,
    hole_recall,
    hole_recall_worst,
    holes,
)


def person(height=400, width=300):
    """A torso that is cut by the frame's bottom edge."""
    mask = np.zeros((height, width), bool)
    mask[100:, 60:240] = True
    return mask


def with_gap(rows, columns):
    mask = person()
    mask[rows, columns] = False
    return mask


def expected_areas(mask):
    """The definition, by OpenCV and SciPy."""
    height, width = mask.shape
    radius = closing_radius_px(height, width)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    padded = np.pad(mask, 2 * radius).astype(np.uint8)
    padded[2 * radius + height :] = 1
    closed = cv2.erode(cv2.dilate(padded, disk), disk)[2 * radius - 1 : 2 * radius + height + 1]
    closed = closed[:, 2 * radius - 1 : 2 * radius + width + 1]
    filled = ndimage.binary_fill_holes(closed)[1:-1, 1:-1]
    labels, count = ndimage.label(filled & ~mask)
    areas = [int((labels == number).sum()) for number in range(1, count + 1)]
    return sorted(area for area in areas if area >= 0.001 * mask.size)


def test_an_enclosed_gap_is_a_hole():
    found = holes(with_gap(slice(200, 240), slice(100, 130)))
    assert found.areas == (40 * 30,)
    assert found.count == 1
    assert found.fraction == 1200 / 120_000
    assert found.labels.dtype == np.int32
    assert (found.labels[200:240, 100:130] == 1).all()
    assert found.labels.sum() == 1200


def test_a_person_without_a_gap_has_no_hole():
    assert holes(person()).count == 0
    assert holes(np.zeros((40, 40), bool)).count == 0
    assert holes(np.ones((40, 40), bool)).count == 0


def test_a_gap_that_is_cut_by_the_bottom_edge_is_a_hole_and_one_at_the_side_is_none():
    assert holes(with_gap(slice(300, 400), slice(100, 130))).areas == (3000,)
    beside = np.zeros((400, 300), bool)
    beside[100:, 150:] = True
    beside[150:200, 270:300] = False
    assert holes(beside).count == 0


def test_a_gap_open_by_less_than_twice_the_radius_counts_and_a_wider_one_does_not():
    assert closing_radius_px(400, 300) == 5
    narrow = with_gap(slice(200, 260), slice(60, 120))
    narrow[200:252, 60:80] = True  # leaves 8 pixels open at the side
    assert holes(narrow).count == 1
    wide = with_gap(slice(200, 260), slice(60, 120))
    wide[200:240, 60:80] = True  # leaves 20
    assert holes(wide).count == 0


def test_specks_do_not_count_and_the_threshold_is_a_thousandth_of_the_image():
    assert holes(with_gap(slice(200, 210), slice(100, 112))).areas == (120,)  # 400 * 300 / 1000
    assert holes(with_gap(slice(200, 207), slice(100, 117))).areas == ()  # 119


def test_gaps_that_touch_at_a_corner_are_two_holes():
    mask = with_gap(slice(200, 220), slice(100, 120))
    mask[220:240, 120:140] = False
    assert holes(mask).areas == (400, 400)


def test_an_island_of_person_in_a_gap_may_have_a_hole_of_its_own():
    mask = with_gap(slice(150, 350), slice(80, 220))
    mask[200:300, 110:190] = True
    mask[230:260, 140:160] = False
    assert sorted(holes(mask).areas) == [600, 200 * 140 - 100 * 80]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(80, 60), (61, 130), (200, 150)]), st.floats(0.3, 0.9))
def test_areas_equal_those_of_scipy_on_random_shapes(seed, shape, share):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    mask = noise < np.quantile(noise, share)
    found = holes(mask)
    assert sorted(found.areas) == expected_areas(mask)
    assert [int((found.labels == number + 1).sum()) for number in range(found.count)] == list(found.areas)
    assert not (found.labels > 0)[mask].any()


@given(st.integers(0, 1000))
def test_a_mirrored_mask_has_the_mirrored_holes(seed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(60, 90)), 3)
    mask = noise < 0.05
    assert np.array_equal(holes(mask[:, ::-1]).labels > 0, (holes(mask).labels > 0)[:, ::-1])


def test_recall_is_pooled_and_the_worst_hole_is_told():
    label = with_gap(slice(200, 240), slice(100, 130))  # 1200 pixels
    label[300:320, 100:120] = False  # 400 pixels
    prediction = label.copy()
    prediction[300:320, 100:115] = True  # 300 of the 400 filled
    found = holes(label)
    assert hole_recall(found, prediction) == 1300 / 1600
    assert hole_recall_worst(found, prediction) == 100 / 400
    assert hole_recall(found, label) == 1
    assert hole_recall(found, person()) == 0


def test_without_a_hole_recall_is_null():
    assert hole_recall(holes(person()), person()) is None
    assert hole_recall_worst(holes(person()), person()) is None


def test_holes_of_the_prediction_count_as_false_only_inside_the_label():
    label = person()
    prediction = with_gap(slice(200, 240), slice(100, 130))
    assert false_hole_fraction(label, holes(prediction)) == 1200 / label.sum()
    assert false_hole_fraction(prediction, holes(prediction)) == 0
    assert false_hole_fraction(np.zeros_like(label), holes(prediction)) == 0


def test_wrong_arrays_are_refused():
    with pytest.raises(PixelError, match=r"expected \(H, W\) bool"):
        holes(np.zeros((4, 4), np.uint8))
    with pytest.raises(PixelError, match="differ in size"):
        hole_recall(holes(person()), np.zeros((4, 4), bool))
