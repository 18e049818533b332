"""Feathering softens the staircase of a hard label and leaves its contour where it was."""

from __future__ import annotations

import numpy as np
import pytest

from segdata.errors import PixelError
from segdata.imaging.edge import feather, is_hard


def _half(width: int, edge: int, height: int = 20) -> np.ndarray:
    alpha = np.zeros((height, width), np.uint8)
    alpha[:, :edge] = 255
    return alpha


def _disc(size: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.where(np.hypot(x, y) <= radius, 255, 0).astype(np.uint8)


def test_a_label_of_0_and_255_is_hard_and_any_value_between_makes_it_soft() -> None:
    alpha = _half(8, 3)
    assert is_hard(alpha)
    alpha[0, 0] = 254
    assert not is_hard(alpha)


@pytest.mark.parametrize("radius_px", [0.5, 1, 2, 3, 6])
def test_a_straight_edge_keeps_its_contour(radius_px: float) -> None:
    alpha = _half(40, 17)
    soft = feather(alpha, radius_px)
    assert np.array_equal(soft >= 128, alpha >= 128)
    across = soft[10].astype(int)
    assert across[16] + across[17] == pytest.approx(255, abs=1)  # the two pixels at the contour mirror each other


def test_the_band_is_about_as_wide_as_asked() -> None:
    across = feather(_half(60, 30), 4)[10]
    assert across[30 - 7] == 255
    assert across[30 + 6] == 0
    assert across[33] == pytest.approx(10.2, abs=1.5)  # 3.5 px outside at σ = 2: 255 x Φ(-1.75)


def test_a_disc_keeps_its_area_within_a_hundredth() -> None:
    disc = _disc(121, 45)
    soft = feather(disc, 2)
    assert soft.sum() == pytest.approx(disc.sum(), rel=0.001)
    assert np.count_nonzero(soft >= 128) == pytest.approx(np.count_nonzero(disc), rel=0.01)


def test_a_subject_cut_by_the_frame_does_not_fade_there() -> None:
    alpha = np.zeros((30, 30), np.uint8)
    alpha[10:, :] = 255
    soft = feather(alpha, 3, inset_px=1)
    assert (soft[20:] == 255).all()


@pytest.mark.parametrize("inset_px", [0.5, 1.0, 1.5, 2.0])
def test_an_inset_moves_the_contour_by_just_that_length(inset_px: float) -> None:
    across = feather(_half(40, 20), 0, inset_px)[10]
    assert across.sum() / 255 == pytest.approx(20 - inset_px, abs=0.06)


def test_nothing_asked_is_nothing_done_on_a_new_array() -> None:
    alpha = _half(10, 4)
    same = feather(alpha, 0)
    assert np.array_equal(same, alpha)
    assert not np.shares_memory(same, alpha)


def test_the_label_itself_is_left_alone() -> None:
    alpha = _disc(31, 9)
    before = alpha.copy()
    feather(alpha, 2, 1)
    assert np.array_equal(alpha, before)


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(PixelError, match="radius_px -1"):
        feather(_half(4, 2), -1)
