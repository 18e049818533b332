"""Pixel counts and IoU, by hand and against scikit-learn and torchmetrics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.errors import PixelError
from segdata.metrics.confusion import (
    Confusion,
    confusion,
    iou_background,
    iou_foreground,
    miou,
    miou_dataset,
    miou_image,
)

LABEL = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], bool)
PREDICTION = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], bool)

pairs = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))
)


def test_each_pixel_is_counted_once_and_in_the_right_place():
    assert confusion(LABEL, PREDICTION) == Confusion(tp=2, fp=1, fn=1, tn=4)


def test_ious_are_those_worked_by_hand():
    counts = confusion(LABEL, PREDICTION)
    assert iou_foreground(counts) == 2 / 4
    assert iou_background(counts) == 4 / 6
    assert miou(counts) == pytest.approx((2 / 4 + 4 / 6) / 2)


def test_an_iou_of_two_empty_masks_is_one():
    nothing, everything = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert miou(confusion(nothing, nothing)) == 1
    assert miou(confusion(everything, everything)) == 1
    assert miou(confusion(nothing, everything)) == 0


def test_masks_need_not_lie_contiguously_in_memory():
    wide = np.zeros((4, 8), bool)
    wide[:, ::2] = True
    assert confusion(wide[:, ::2], wide[:, 1::2]) == Confusion(tp=0, fp=0, fn=16, tn=0)


@given(pairs)
def test_counts_equal_those_of_scikit_learn(pair):
    from sklearn.metrics import confusion_matrix

    label, prediction = pair
    (tn, fp), (fn, tp) = confusion_matrix(label.ravel(), prediction.ravel(), labels=[False, True])
    assert confusion(label, prediction) == Confusion(tp, fp, fn, tn)


def test_miou_equals_that_of_torchmetrics():
    import torch
    from torchmetrics.functional.classification import multiclass_jaccard_index

    generator = np.random.default_rng(0)
    for _ in range(20):
        label, prediction = generator.random((2, 13, 17)) < 0.4
        expected = multiclass_jaccard_index(
            torch.from_numpy(prediction.astype(np.int64)), torch.from_numpy(label.astype(np.int64)), 2
        )
        assert miou(confusion(label, prediction)) == pytest.approx(float(expected), abs=1e-6)


@given(pairs)
def test_miou_is_bounded_symmetric_and_the_same_after_flips_and_inversion(pair):
    label, prediction = pair
    value = miou(confusion(label, prediction))
    assert 0 <= value <= 1
    assert miou(confusion(prediction, label)) == value
    assert miou(confusion(label[:, ::-1], prediction[:, ::-1])) == value
    assert miou(confusion(~label, ~prediction)) == pytest.approx(value)
    assert (value == 1) == bool((label == prediction).all())


def test_the_dataset_pools_pixels_and_the_image_mean_does_not():
    small, large = Confusion(tp=1, fp=1, fn=0, tn=2), Confusion(tp=100, fp=0, fn=0, tn=100)
    assert miou_image([miou(small), miou(large)]) == pytest.approx((miou(small) + 1) / 2)
    assert miou_dataset([small, large]) == pytest.approx((101 / 102 + 102 / 103) / 2)


def test_a_mean_over_no_image_is_refused():
    with pytest.raises(ValueError, match="no image"):
        miou_image([])
    with pytest.raises(ValueError, match="no image"):
        miou_dataset([])


@pytest.mark.parametrize(
    ("label", "prediction", "message"),
    [
        (np.zeros((2, 2), bool), np.zeros((2, 3), bool), r"label \(2, 2\) and prediction \(2, 3\) differ in size"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), bool), r"label: expected \(H, W\) bool.* got \(2, 2\) uint8"),
        (np.zeros((2, 2), bool), np.zeros((2, 2, 1), bool), r"prediction: expected \(H, W\) bool"),
        (np.zeros((0, 2), bool), np.zeros((0, 2), bool), "at least one pixel"),
    ],
)
def test_what_is_no_pair_of_masks_is_refused(label, prediction, message):
    with pytest.raises(PixelError, match=message):
        confusion(label, prediction)
