"""What holds of every metric, whatever the masks: bounds, the two sides exchanged, and pictures turned over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.metrics.boundary import boundary_iou
from segdata.metrics.confusion import confusion, iou_background, iou_foreground, miou
from segdata.metrics.holes import false_hole_fraction, hole_recall, hole_recall_worst, holes
from segdata.metrics.image_scores import score_image
from segdata.metrics.matting import mse, sad
from segdata.metrics.perceptual import connectivity_error, gradient_error

SHAPES = st.sampled_from([(60, 40), (41, 67), (90, 70)])
SEEDS = st.integers(0, 10_000)
SHARES = st.floats(0.05, 0.95)
FEW = settings(max_examples=25)


def blobs(seed, shape, share):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return noise < np.quantile(noise, share)


def soft(seed, shape):
    """A label and a prediction near it, both in 256 steps, so that they can change places."""
    generator = np.random.default_rng(seed)
    planes = ndimage.gaussian_filter(generator.normal(size=(2, *shape)), (0, 3, 3)) * 8
    return [np.rint(255 / (1 + np.exp(-plane))).astype(np.uint8) for plane in (planes[0], planes[0] + planes[1] / 2)]


def unit(steps):
    return steps.astype(np.float32) / np.float32(255)


@FEW
@given(SEEDS, SEEDS, SHAPES, SHARES)
def test_ious_are_in_0_and_1_symmetric_and_the_same_after_flips(one, other, shape, share):
    label, prediction = blobs(one, shape, share), blobs(other, shape, 1 - share)

    def measured(first, second):
        counts = confusion(first, second)
        return [iou_foreground(counts), iou_background(counts), miou(counts), boundary_iou(first, second)]

    found = measured(label, prediction)
    assert all(0 <= value <= 1 for value in found)
    assert measured(prediction, label) == found
    for turn in (np.fliplr, np.flipud):
        assert measured(*map(np.ascontiguousarray, (turn(label), turn(prediction)))) == found
    assert measured(label, label) == [1, 1, 1, 1]


@FEW
@given(SEEDS, SEEDS, SHAPES, st.floats(0.5, 0.95))
def test_hole_recall_equals_a_count_by_scipys_labels_and_never_falls_where_less_is_filled(one, other, shape, share):
    label, prediction = blobs(one, shape, share), blobs(other, shape, share)
    found = holes(label)
    pooled, worst = hole_recall(found, prediction), hole_recall_worst(found, prediction)
    parts, count = ndimage.label(found.labels > 0)  # 4-connected, as the holes are
    if count == 0:
        assert pooled is None
        assert worst is None
        return
    left = ndimage.sum(~prediction, parts, range(1, count + 1))
    areas = ndimage.sum(parts > 0, parts, range(1, count + 1))
    assert pooled == pytest.approx(left.sum() / areas.sum())
    assert worst == pytest.approx((left / areas).min())
    assert 0 <= worst <= pooled <= 1
    assert hole_recall(found, prediction & blobs(one + 1, shape, share)) >= pooled


@FEW
@given(SEEDS, SEEDS, SHAPES, st.floats(0.5, 0.95))
def test_hole_measures_are_the_same_when_both_are_mirrored(one, other, shape, share):
    label, prediction = blobs(one, shape, share), blobs(other, shape, share)
    mirrored = [np.ascontiguousarray(mask[:, ::-1]) for mask in (label, prediction)]
    for measure in (hole_recall, hole_recall_worst):
        assert measure(holes(label), prediction) == measure(holes(mirrored[0]), mirrored[1])
    false = false_hole_fraction(label, holes(prediction))
    assert 0 <= false <= 1
    assert false == false_hole_fraction(mirrored[0], holes(mirrored[1]))
    assert false == np.count_nonzero(label & (holes(prediction).labels > 0)) / np.count_nonzero(label)


@FEW
@given(SEEDS, SHAPES)
def test_errors_of_soft_alphas_are_bounded_symmetric_and_the_same_after_flips(seed, shape):
    one, other = soft(seed, shape)
    pixels = one.size
    for measure, most in ((sad, pixels), (mse, 1), (gradient_error, np.inf), (connectivity_error, pixels)):
        found = measure(one, unit(other))
        assert 0 <= found <= most
        assert measure(other, unit(one)) == pytest.approx(found, rel=1e-4)
        for turn in (np.fliplr, np.flipud):
            turned = np.ascontiguousarray(turn(one)), np.ascontiguousarray(turn(unit(other)))
            # Of two largest regions of one size the first counts: turned over, it is the other one.
            assert measure(*turned) == pytest.approx(found, rel=1e-2 if measure is connectivity_error else 1e-4)
        assert measure(one, unit(one)) == pytest.approx(0, abs=1e-3)


@settings(max_examples=15)
@given(SEEDS, SHAPES)
def test_all_scores_of_an_image_are_those_of_the_mirrored_one(seed, shape):
    alpha, steps = soft(seed, shape)
    sampled = ("confidence", "person_probability")  # read off every second pixel: other ones, where the width is even
    scores = score_image(alpha, unit(steps), "soft")
    mirrored = score_image(np.ascontiguousarray(alpha[:, ::-1]), np.ascontiguousarray(unit(steps)[:, ::-1]), "soft")
    for name in scores.keys() - sampled:
        assert mirrored[name] == (scores[name] if isinstance(scores[name], str | None) else pytest.approx(scores[name]))
    for name in sampled:
        assert mirrored[name] == pytest.approx(scores[name], abs=0.05)
