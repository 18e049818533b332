"""What kind of mask some values are: each kind, with and without the noise of a lossy format."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.imaging.levels import is_hard_but_for_noise, may_be_levels, survey_levels

PERSON = np.zeros((160, 120), np.uint8)
cv2.circle(PERSON, (55, 50), 24, 255, -1)
cv2.rectangle(PERSON, (25, 90), (90, 159), 255, -1)
UNKNOWN = np.where(cv2.dilate(PERSON, np.ones((9, 9))) != cv2.erode(PERSON, np.ones((9, 9))), 128, PERSON).astype(
    np.uint8
)


def as_jpeg(values: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Pillow.fromarray(values).save(file, "JPEG", quality=quality)
    return np.asarray(Pillow.open(file))


@pytest.mark.parametrize("quality", [20, 50, 75, 95, 100])
def test_noise_changes_no_kind(quality: int) -> None:
    soft = cv2.GaussianBlur(PERSON, (0, 0), 2.0)
    assert [survey_levels(as_jpeg(mask, quality)).kind for mask in (PERSON, soft)] == ["hard", "soft"]
    if quality >= 75:  # a worse one blurs the unknown band of a trimap into a soft edge
        assert survey_levels(as_jpeg(UNKNOWN, quality)).kind == "trimap"


def test_constant_masks_are_empty_or_full() -> None:
    assert survey_levels(PERSON * 0).kind == "empty"
    assert survey_levels(PERSON * 0 + 255).kind == "full"
    assert survey_levels(PERSON * 0 + 7).kind == "classes"


@pytest.mark.parametrize("values", [(0, 2), (1, 2), (0, 15), (0, 38), (0, 200), (15, 255), (128, 255)], ids=str)
def test_areas_of_other_values_are_classes(values: tuple[int, int]) -> None:
    classes = np.where(PERSON > 0, values[1], values[0]).astype(np.uint8)
    assert survey_levels(classes) == ("classes", values)
    assert may_be_levels(classes)


def test_a_soft_mask_that_never_gets_near_white_is_faint() -> None:
    assert survey_levels(np.tile(np.linspace(0, 150, 256).astype(np.uint8), (100, 1))).kind == "faint"


def test_a_wide_soft_edge_is_no_label_map() -> None:
    ramp = np.tile(np.linspace(0, 255, 256).astype(np.uint8), (100, 1))
    assert survey_levels(ramp).kind == "soft"
    assert survey_levels(cv2.GaussianBlur(PERSON, (0, 0), 8.0)).kind == "soft"


def test_an_edge_of_one_grey_pixel_is_soft_only_if_all_along_the_contour() -> None:
    assert is_hard_but_for_noise(PERSON)
    assert not is_hard_but_for_noise(cv2.GaussianBlur(PERSON, (0, 0), 1.0))
