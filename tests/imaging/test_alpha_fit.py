"""Alphas of another size: of the same aspect within a pixel of rounding, or not the photo's."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.imaging.alpha_fit import fit_alpha, same_aspect
from segdata.imaging.headers import DecodeError

SIDES = st.integers(200, 5000)


@given(SIDES, SIDES, st.floats(0.05, 1), st.sampled_from([math.floor, math.ceil, round]))
def test_whatever_scaling_and_rounding_makes_of_a_size_has_its_aspect(
    height: int, width: int, scale: float, rounded: Callable[[float], int]
) -> None:
    small = (rounded(height * scale), rounded(width * scale))
    assert same_aspect(small, (height, width))
    assert same_aspect((height, width), small)


def test_a_square_mask_of_an_upright_photo_is_not_its_own() -> None:
    assert not same_aspect((600, 600), (800, 600))
    assert not same_aspect((512, 512), (800, 600))


def test_a_ramp_is_resampled_linearly() -> None:
    ramp = np.array([[0, 100]], np.uint8).repeat(2, axis=0)
    assert fit_alpha(ramp, (4, 4), "resize")[0].tolist() == [0, 25, 75, 100]


def test_a_larger_alpha_is_averaged_and_its_thin_lines_do_not_vanish() -> None:
    lines = np.zeros((40, 40), np.uint8)
    lines[:, ::4] = 200
    assert (fit_alpha(lines, (10, 10), "resize") == 50).all()


def test_an_alpha_that_fits_is_the_same_array() -> None:
    alpha = np.zeros((3, 4), np.uint8)
    assert fit_alpha(alpha, (3, 4), "reject") is alpha


def test_one_that_lies_on_its_side_is_told_to_be() -> None:
    with pytest.raises(DecodeError, match="it lies on its side; is one of them turned by EXIF"):
        fit_alpha(np.zeros((30, 40), np.uint8), (40, 30), "resize")


def test_a_mask_that_differs_by_a_few_pixels_is_of_the_same_aspect_and_one_that_differs_by_more_is_not() -> None:
    assert same_aspect((784, 600), (800, 600))
    assert not same_aspect((783, 600), (800, 600))
    with pytest.raises(DecodeError, match='of nearly the same aspect: alpha_fit = "resize" would take it'):
        fit_alpha(np.zeros((798, 600), np.uint8), (800, 600), "reject")
    assert fit_alpha(np.zeros((798, 600), np.uint8), (800, 600), "resize").shape == (800, 600)
