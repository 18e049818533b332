"""What a label is like, on masks that can be checked by eye."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.metrics.labels import measure_label


def label(height: int = 100, width: int = 100) -> NDArray[np.uint8]:
    """Two people of 20x40, one with a hole of 10x10."""
    alpha = np.zeros((height, width), np.uint8)
    alpha[20:60, 10:30] = 255
    alpha[20:60, 60:80] = 255
    alpha[30:40, 15:25] = 0
    return alpha


def test_two_people_and_a_hole() -> None:
    assert measure_label(label()) == {
        "alpha_kind": "hard",
        "foreground_fraction": (2 * 20 * 40 - 100) / 10_000,
        "soft_fraction": 0.0,
        "hole_count": 1,
        "hole_fraction": 0.01,
        "component_count": 2,
    }


def test_specks_are_no_parts_of_the_person() -> None:
    alpha = label()
    alpha[90, 90] = 255
    assert measure_label(alpha)["component_count"] == 2


def test_a_hard_mask_that_was_kept_as_jpeg_is_still_hard_and_hair_is_soft() -> None:
    alpha = label()
    _, data = cv2.imencode(".jpg", alpha, [cv2.IMWRITE_JPEG_QUALITY, 95])
    rung = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    assert measure_label(rung)["soft_fraction"] > 0
    assert measure_label(rung)["alpha_kind"] == "hard"
    alpha[60:70, 10:30] = 100
    assert measure_label(alpha)["alpha_kind"] == "soft"
    assert measure_label(alpha)["soft_fraction"] == pytest.approx(0.02)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_parts_are_those_that_labelling_finds(seed: int) -> None:
    """An independent count: 8-connected components from 0.1 % of the image on."""
    rng = np.random.default_rng(seed)
    alpha = (cv2.resize(rng.random((12, 12)), (90, 70)) > 0.55).astype(np.uint8) * 255
    _, _, stats, _ = cv2.connectedComponentsWithStats(alpha, connectivity=8)
    large = stats[1:, cv2.CC_STAT_AREA] >= 0.001 * alpha.size
    assert measure_label(alpha)["component_count"] == large.sum()
