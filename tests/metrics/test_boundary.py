"""Boundary IoU against the published code."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from segdata.errors import PixelError
from segdata.metrics.boundary import boundary_iou, boundary_width_px


def published_boundary(mask, dilation_ratio=0.02):
    """`mask_to_boundary` of github.com/bowenc0221/boundary-iou-api, as written there."""
    h, w = mask.shape
    img_diag = np.sqrt(h**2 + w**2)
    dilation = max(1, round(dilation_ratio * img_diag))
    new_mask = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    new_mask_erode = cv2.erode(new_mask, np.ones((3, 3), np.uint8), iterations=dilation)
    return mask - new_mask_erode[1 : h + 1, 1 : w + 1]


def published_iou(label, prediction):
    ours, theirs = published_boundary(label.astype(np.uint8)), published_boundary(prediction.astype(np.uint8))
    return ((ours * theirs) > 0).sum() / ((ours + theirs) > 0).sum()


@pytest.mark.parametrize("shape", [(120, 90), (61, 200), (33, 33)])
def test_it_equals_the_published_code(shape):
    generator = np.random.default_rng(1)
    for _ in range(10):
        noise = ndimage.gaussian_filter(generator.normal(size=(2, *shape)), (0, 5, 5))
        label, prediction = noise[0] > 0, noise[0] + 0.5 * noise[1] > 0
        assert boundary_iou(label, prediction) == pytest.approx(published_iou(label, prediction))


def test_by_hand_a_band_of_one_pixel():
    label, prediction = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    label[2:6, 2:6] = True  # band: 12 pixels around 4 inner ones
    prediction[2:6, 2:7] = True  # band: 14; they share the left, and all of the two long sides but the corners
    assert boundary_width_px(10, 10) == 1
    assert boundary_iou(label, prediction) == 10 / 16


def test_a_mask_cut_by_the_frame_has_a_band_there():
    everything, all_but_the_frame = np.ones((50, 50), bool), np.zeros((50, 50), bool)
    all_but_the_frame[1:-1, 1:-1] = True
    assert boundary_iou(everything, all_but_the_frame) == 0


def test_two_empty_masks_agree():
    assert boundary_iou(np.zeros((5, 5), bool), np.zeros((5, 5), bool)) == 1
    assert boundary_iou(np.zeros((5, 5), bool), np.ones((5, 5), bool)) == 0


def test_masks_of_two_sizes_are_refused():
    with pytest.raises(PixelError, match="differ in size"):
        boundary_iou(np.zeros((5, 5), bool), np.zeros((5, 6), bool))
