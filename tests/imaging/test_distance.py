"""Distances to the contour, also where there is none: a mask that fills the frame lies infinitely far inside."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

import segdata
from segdata.imaging.distance import FAR_PX, distance_inside
from segdata.imaging.edge import feather
from segdata.imaging.foreground import extend_foreground
from segdata.imaging.label_maps import from_label_map
from segdata.imaging.refine import refine_edge

SIZES = [(1, 1), (1, 40), (60, 60), (300, 200)]


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_that_fills_the_frame_is_far_from_any_contour(size: tuple[int, int]) -> None:
    for precision in ("fast", "exact"):
        assert (distance_inside(np.ones(size, bool), precision) == FAR_PX).all()
        assert (distance_inside(np.zeros(size, bool), precision) == 0).all()


@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_exact_distances_are_those_of_scipy(mask: np.ndarray) -> None:
    if mask.all():
        return
    assert np.allclose(distance_inside(mask, "exact"), ndimage.distance_transform_edt(mask), atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_or_full_label_stays_as_it_is_in_every_function(size: tuple[int, int], value: int) -> None:
    label = np.full(size, value, np.uint8)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for inset_px in (0, 1, 2.5, 50):
        assert np.array_equal(feather(label, 2, inset_px), label)
    assert np.array_equal(refine_edge(image, label, 5), label)
    assert np.array_equal(extend_foreground(image, label, label), image)
    assert np.array_equal(from_label_map(np.full(size, 15 if value else 0, np.uint8), 15), label)


def test_a_label_map_without_background_gives_the_ignored_pixels_to_the_person() -> None:
    assert from_label_map(np.array([[15, 255, 255]], np.uint8), 15).tolist() == [[255, 255, 255]]


def test_no_other_module_calls_the_distance_transform() -> None:
    calls = re.compile(r"\bdistance_?[Tt]ransform")
    files = Path(segdata.__file__).parent.rglob("*.py")
    assert [file.name for file in files if calls.search(file.read_text("utf-8"))] == ["distance.py"]
