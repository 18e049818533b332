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


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.integers(1, 80), st.integers(0, 2**31), st.booleans())
def test_pixels_are_counted_at_any_width_and_height(height: int, width: int, seed: int, shifted: bool) -> None:
    """Also where a column has more pixels than a byte counts, and where the alpha is a view that starts anywhere."""
    values = np.array([0, 1, 15, 16, 127, 128, 239, 240, 254, 255], np.uint8)
    alpha = np.random.default_rng(seed).choice(values, (height, width + 1))[:, 1:]
    alpha = alpha if shifted else np.ascontiguousarray(alpha)
    found = measure_label(alpha)
    assert found["foreground_fraction"] == (alpha >= 128).mean()
    assert found["soft_fraction"] == ((alpha > 0) & (alpha < 255)).mean()
    assert found["alpha_kind"] == ("soft" if ((alpha >= 16) & (alpha < 240)).mean() > 0.001 else "hard")


@pytest.mark.parametrize("height", [255, 256, 511, 512])
def test_a_column_may_be_soft_from_top_to_bottom(height: int) -> None:
    assert measure_label(np.full((height, 9), 100, np.uint8))["soft_fraction"] == 1.0


@pytest.mark.parametrize(("grey", "kind"), [(15, "hard"), (16, "soft"), (239, "soft"), (240, "hard")])
def test_nearly_black_and_nearly_white_are_hard(grey: int, kind: str) -> None:
    assert measure_label(np.full((20, 20), grey, np.uint8))["alpha_kind"] == kind


def test_a_label_that_starts_at_an_odd_byte_is_measured_alike() -> None:
    alpha = label()[:96, :96].copy()
    shifted = np.frombuffer(b"x" + alpha.tobytes(), np.uint8)[1:].reshape(96, 96)
    assert measure_label(shifted) == measure_label(alpha)
