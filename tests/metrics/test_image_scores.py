"""All scores of an image: they are those of each metric, and named as the table names them."""

import numpy as np
import pytest
from scipy import ndimage

from segdata.catalog.schemas import SCORES
from segdata.errors import PixelError
from segdata.metrics.boundary import boundary_iou
from segdata.metrics.confusion import Confusion, confusion, miou
from segdata.metrics.holes import false_hole_fraction, hole_recall, hole_recall_worst, holes
from segdata.metrics.image_scores import FAILURE_MODES, Disagreement, failure_mode, score_image
from segdata.metrics.matting import mse, sad


def soft_blobs(seed, shape=(120, 90)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 6)
    return (1 / (1 + np.exp(-60 * noise))).astype(np.float32)


def torso(gap=False):
    alpha = np.zeros((400, 300), np.uint8)
    alpha[100:, 60:240] = 255
    if gap:
        alpha[200:260, 100:140] = 0
    return alpha


def certain(alpha):
    return alpha.astype(np.float32) / 255


def test_every_score_is_that_of_its_own_function():
    for seed in range(5):
        probability = soft_blobs(seed)
        alpha = (soft_blobs(seed) * 0.7 + soft_blobs(seed + 100) * 0.3) * 255
        alpha = alpha.round().astype(np.uint8)
        scores = score_image(alpha, probability, "soft")
        label, prediction = alpha >= 128, probability >= 0.5
        assert scores["miou"] == miou(confusion(label, prediction))
        assert scores["boundary_iou"] == boundary_iou(label, prediction)
        assert scores["hole_recall"] == hole_recall(holes(label), prediction)
        assert scores["hole_recall_worst"] == hole_recall_worst(holes(label), prediction)
        assert scores["false_hole_fraction"] == false_hole_fraction(label, holes(prediction))
        assert (scores["sad"], scores["mse"]) == (sad(alpha, probability), mse(alpha, probability))
        assert scores["confidence"] == pytest.approx(np.abs(2 * probability[::2, ::2] - 1).mean(), abs=1 / 255)


def test_the_keys_are_columns_of_the_table():
    known = {"scorer_id", "model_id", "runtime", "precision", "sample_id", "image_sha256", "alpha_sha256"}
    measured = set(SCORES.names) - known - {"status", "reason", "run_id"}
    assert set(score_image(torso(), certain(torso()), "hard")) == measured


@pytest.mark.parametrize("kind", ["hard", "none"])
def test_errors_of_a_soft_alpha_are_null_without_one(kind):
    scores = score_image(torso(), certain(torso()), kind)
    assert scores["sad"] is None
    assert scores["mse"] is None


def test_a_perfect_prediction_scores_one_and_has_no_failure():
    scores = score_image(torso(gap=True), certain(torso(gap=True)), "soft")
    assert (scores["miou"], scores["boundary_iou"], scores["hole_recall"], scores["sad"]) == (1, 1, 1, 0)
    assert (scores["confidence"], scores["person_probability"], scores["failure_mode"]) == (1, 1, "none")


def test_a_filled_gap_is_named_although_its_miou_is_high():
    scores = score_image(torso(gap=True), certain(torso()), "hard")
    assert scores["miou"] > 0.95
    assert scores["hole_recall"] == 0
    assert scores["failure_mode"] == "hole_filled"


def test_what_goes_wrong_is_named():
    label = torso()
    half, more, thin = label.copy(), label.copy(), label.copy()
    half[:, :150] = 0
    more[100:250] = 255
    thin[:, 60:64], thin[:, 236:240], thin[100:104] = 0, 0, 0
    modes = {
        name: score_image(label, certain(prediction), "hard")["failure_mode"]
        for name, prediction in {"half": half, "more": more, "thin": thin, "nothing": label * 0}.items()
    }
    assert modes == {"half": "missed_part", "more": "leaked_background", "thin": "edge", "nothing": "missed_person"}
    assert score_image(label * 0, certain(label), "none")["failure_mode"] == "empty_label"
    assert score_image(label * 0, certain(label * 0), "none")["failure_mode"] == "none"
    assert set(modes.values()) < set(FAILURE_MODES)


def test_a_part_is_called_missed_only_if_it_is_deeper_than_an_edge():
    counts = Confusion(tp=700, fp=0, fn=300, tn=1000)
    assert failure_mode(Disagreement(counts, deep_fp=0, deep_fn=10, hole_recall=None)) == "edge"
    assert failure_mode(Disagreement(counts, deep_fp=0, deep_fn=200, hole_recall=None)) == "missed_part"


def test_person_probability_asks_for_one_percent_of_the_image():
    probability = np.full((100, 100), 0.1, np.float32)
    probability[:8, :8] = 0.9  # 0.64 %
    assert score_image(torso()[:100, :100], probability, "none")["person_probability"] == pytest.approx(0.1, abs=0.01)
    probability[:20, :20] = 0.9  # 4 %
    assert score_image(torso()[:100, :100], probability, "none")["person_probability"] == pytest.approx(0.9, abs=0.01)


def test_inputs_are_left_alone():
    alpha, probability = torso(gap=True), soft_blobs(0, (400, 300))
    before = alpha.copy(), probability.copy()
    score_image(alpha, probability, "soft")
    assert np.array_equal(alpha, before[0])
    assert np.array_equal(probability, before[1])


def test_other_types_are_refused():
    with pytest.raises(PixelError, match="expected uint8 alpha and float32 probability, got bool and float32"):
        score_image(torso() > 0, certain(torso()), "hard")
