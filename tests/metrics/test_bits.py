"""Morphology on packed bits equals that on bytes, pixel for pixel."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.metrics.bits import close_disk, components, count_both, erode_square, framed, pack, unpack

sizes = st.tuples(st.integers(1, 40), st.integers(1, 150))


def blobs(shape, seed, share=0.5):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return noise > np.quantile(noise, 1 - share)


def disk(radius):
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius


@given(sizes, st.integers(0, 99), st.integers(0, 70))
def test_packing_and_unpacking_gives_the_mask_back(shape, seed, margin):
    mask = blobs(shape, seed)
    packed = pack(mask, margin)
    assert np.array_equal(unpack(packed), mask)
    assert packed.count == mask.sum()


def test_the_margin_is_background_all_around():
    framed = unpack(pack(np.ones((3, 70), bool), 5), border=2)
    assert framed.shape == (7, 74)
    assert framed.sum() == 3 * 70
    assert framed[2:5, 2:72].all()


@settings(max_examples=60)
@given(sizes, st.integers(0, 99), st.integers(1, 80))
def test_erosion_equals_that_of_opencv_with_background_outside(shape, seed, radius):
    mask = blobs(shape, seed, share=0.95)
    side = 2 * radius + 1
    expected = cv2.erode(
        mask.astype(np.uint8), np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    assert np.array_equal(unpack(erode_square(pack(mask, radius), radius)), expected)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 99), st.integers(1, 12))
def test_closing_equals_that_of_scipy(shape, seed, radius):
    mask = blobs(shape, seed, share=0.2)
    expected = ndimage.binary_closing(np.pad(mask, 2 * radius), disk(radius))[
        2 * radius : -2 * radius, 2 * radius : -2 * radius
    ]
    assert np.array_equal(unpack(close_disk(pack(mask, radius), radius)), expected)


def test_a_radius_of_more_than_a_word_is_right_too():
    mask = blobs((60, 500), 3, share=0.02)
    kernel = disk(80).astype(np.uint8)
    expected = cv2.erode(cv2.dilate(np.pad(mask, 160).astype(np.uint8), kernel), kernel)[160:-160, 160:-160]
    assert np.array_equal(unpack(close_disk(pack(mask, 80), 80)), expected)


def test_pixels_in_both_are_counted():
    one, other = blobs((30, 99), 1), blobs((30, 99), 2)
    assert count_both(pack(one, 4), pack(other, 4)) == (one & other).sum()


@pytest.mark.parametrize("radius", [1, 7])
def test_the_packed_mask_is_left_alone(radius):
    packed = pack(blobs((20, 80), 5), 8)
    before = packed.words.copy()
    erode_square(packed, radius)
    close_disk(packed, radius)
    assert np.array_equal(packed.words, before)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 99), st.sampled_from([4, 8]))
def test_components_are_those_of_scipy(shape, seed, connectivity):
    mask = np.random.default_rng(seed).random(shape) < 0.6
    packed = pack(mask, 2)
    found = components(framed(packed), connectivity)
    labels, count = ndimage.label(mask, np.ones((3, 3)) if connectivity == 8 else None)
    areas = found.areas()
    assert sorted(areas[areas > 0]) == sorted(np.bincount(labels.ravel())[1:])
    painted = np.zeros(shape, np.int32)
    for number, first in enumerate(np.flatnonzero(areas), 1):
        found.only(first).paint(painted, number, packed.left_px)
    assert np.array_equal(painted > 0, mask)
    assert len({(one, other) for one, other in zip(painted[mask], labels[mask], strict=True)}) == count


@given(sizes, st.integers(0, 99), st.integers(0, 3))
def test_clearing_a_component_leaves_the_others(shape, seed, above):
    packed = pack(blobs(shape, seed), 3)
    words = framed(packed)
    found = components(words, 4)
    labels, _ = ndimage.label(unpack(packed))
    for first in np.flatnonzero(found.areas()):
        left = words[above:].copy()
        found.clear(first, left, above)
        row, column = found.row[first], found.start[first] - packed.left_px
        expected = np.where(labels == labels[row, column], 0, unpack(packed))
        assert np.array_equal(left, framed(pack(expected.astype(bool), 3))[above:])


def test_clearing_fills_words_up_to_their_last_pixel():
    words = np.array([[2**64 - 1, 2**63], [2**64 - 1, 2**64 - 1]], np.uint64)
    found = components(words[:1], 4)
    found.clear(1, words)
    assert words.tolist() == [[2**64 - 1, 0], [2**64 - 1, 2**64 - 1]]
    found.clear(0, words)
    assert words.tolist() == [[0, 0], [2**64 - 1, 2**64 - 1]]


def test_runs_that_end_with_a_word_or_fill_it_are_whole():
    words = np.array([[2**64 - 1, 2**63], [1, 0]], np.uint64)
    found = components(words, 4)
    assert found.start.tolist() == [0, 127, 0]
    assert found.stop.tolist() == [64, 128, 1]
    assert found.first.tolist() == [0, 1, 0]


def test_a_frame_is_cut_out_with_its_border():
    packed = pack(np.ones((3, 70), bool), 5)
    assert np.bitwise_count(framed(packed.inverted(), border=1)).sum() == 5 * 72 - 3 * 70
    assert np.bitwise_count(framed(packed, border=2)).sum() == 3 * 70
