"""Label maps: one class becomes alpha, and what the annotators ignored goes with its nearest neighbour."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from segdata.imaging.label_maps import from_label_map

CLASSES = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 7, 15, 255])
)


def test_a_pixel_as_near_to_both_is_background() -> None:
    assert from_label_map(np.array([[15, 255, 0]], np.uint8), 15).tolist() == [[255, 0, 0]]


def test_the_ring_of_another_thing_is_background() -> None:
    assert not from_label_map(np.array([[7, 255, 0, 0, 15]], np.uint8), 15)[0, 1]


def test_a_map_that_is_ignored_throughout_shows_nobody() -> None:
    assert not from_label_map(np.full((3, 3), 255, np.uint8), 15).any()


def test_the_class_255_can_be_the_person_and_then_nothing_is_ignored() -> None:
    assert from_label_map(np.array([[255, 0]], np.uint8), 255).tolist() == [[255, 0]]


@given(CLASSES)
def test_every_pixel_is_of_its_nearest_label(classes: np.ndarray) -> None:
    alpha = from_label_map(classes, 15)
    labelled, person = classes != 255, classes == 15
    assert ((alpha == 255) == person)[labelled].all()
    if person.any() and (labelled & ~person).any():
        to_person = ndimage.distance_transform_edt(~person)
        to_other = ndimage.distance_transform_edt(~(labelled & ~person))
        ignored = ~labelled
        assert ((alpha == 255) == (to_person < to_other))[ignored].all()
