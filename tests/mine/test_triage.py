"""Triage on a drawn person whose true alpha is known: gross label errors are suspected, hard images are not."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.mine.evidence import Evidence, weigh
from segdata.mine.recipe import TriageRecipe
from segdata.mine.triage import suspicion_of, triage_case

LAY_OUT = Path(__file__).resolve().parents[2] / "../shared/data/lay_out.py"
GROSS = {
    "torso_dropped": lambda alpha: np.vstack([alpha[:496], 0 * alpha[496:]]),
    "shifted": lambda alpha: np.roll(alpha, (66, 100), axis=(0, 1)),
    "all_foreground": lambda alpha: np.full_like(alpha, 255),
    "empty": np.zeros_like,
    "inverted": lambda alpha: 255 - alpha,
    "grown": lambda alpha: cv2.dilate(alpha, np.ones((61, 61), np.uint8)),
    "half_dropped": lambda alpha: np.hstack([0 * alpha[:, :300], alpha[:, 300:]]),
}


def person(seed):
    """(image, alpha) of 800x600: a head on shoulders, textured, before a textured scene."""
    generator = np.random.default_rng(seed)
    alpha = np.zeros((800, 600), np.uint8)
    centre = int(generator.integers(270, 330))
    cv2.ellipse(alpha, (centre, 280), (105, 140), 0, 0, 360, 255, -1)
    cv2.ellipse(alpha, (centre, 800), (230, 390), 0, 0, 360, 255, -1)
    colours = generator.uniform(40, 215, (2, 3))
    while np.abs(colours[0] - colours[1]).max() < 60:
        colours = generator.uniform(40, 215, (2, 3))
    coarse = cv2.resize(generator.normal(0, 14, (20, 15, 3)), (600, 800), interpolation=cv2.INTER_CUBIC)
    share = cv2.GaussianBlur(alpha, (0, 0), 1.5)[..., None] / 255
    image = share * colours[0] + (1 - share) * (colours[1] + coarse) + generator.normal(0, 4, (800, 600, 3))
    return np.clip(image, 0, 255).astype(np.uint8), alpha


def prediction_of(alpha, seed):
    """What a good network says: sure but along the outline, where it wobbles."""
    small = cv2.resize(alpha, (224, 224), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    wobble = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(224, 224)).astype(np.float32), (0, 0), 6) * 6
    return (1 / (1 + np.exp(-(cv2.GaussianBlur(small, (0, 0), 2) * 14 - 7 + wobble)))).astype(np.float32)


@pytest.mark.parametrize("kind", GROSS)
def test_a_gross_label_error_is_suspected(kind):
    for seed in range(4):
        image, alpha = person(seed)
        found = triage_case(image, GROSS[kind](alpha), prediction_of(alpha, seed))
        assert found.triage == "suspect_label", found
        assert 0.5 <= found.label_suspicion <= 1


def test_a_right_label_is_not_suspected():
    for seed in range(4):
        image, alpha = person(seed)
        found = triage_case(image, alpha, prediction_of(alpha, seed))
        assert found.triage == "hard"
        assert found.label_suspicion < 0.1


def test_an_unsure_network_makes_a_hard_case_however_much_it_misses():
    for seed in range(4):
        image, alpha = person(seed)
        probability = prediction_of(alpha, seed)
        probability[110:, :] = np.minimum(probability[110:, :], 0.3)
        found = triage_case(image, alpha, probability)
        assert found.triage == "hard"
        assert "sure" in found.why


def test_a_network_that_is_sure_against_an_outline_on_the_images_edges_makes_a_hard_case():
    for seed in range(4):
        image, alpha = person(seed)
        probability = prediction_of(alpha, seed)
        probability[150:, :] = 0.03
        assert triage_case(image, alpha, probability).triage == "hard"


def test_an_outline_a_few_pixels_off_makes_a_hard_case():
    image, alpha = person(0)
    thinner = cv2.erode(alpha, np.ones((9, 9), np.uint8))
    assert triage_case(image, thinner, prediction_of(alpha, 0)).triage == "hard"


def test_the_reason_is_told_in_words():
    image, alpha = person(1)
    probability = prediction_of(alpha, 1)
    assert triage_case(image, GROSS["empty"](alpha), probability).why.startswith("the label is empty and the model")
    assert triage_case(image, GROSS["inverted"](alpha), probability).why.startswith("the label is inverted")
    assert triage_case(image, GROSS["all_foreground"](alpha), probability).why.startswith("the label is full")
    dropped = triage_case(image, GROSS["torso_dropped"](alpha), probability).why
    assert dropped.startswith("the label lacks")
    assert "a straight piece of the label's outline" in dropped
    grown = triage_case(image, GROSS["grown"](alpha), probability).why
    assert grown.startswith("the label invents")
    assert "edges of the image follow the prediction's outline and not the label's" in grown
    assert "no large part is in sure dispute" in triage_case(image, alpha, probability).why


def test_the_thresholds_are_the_recipes():
    image, alpha = person(2)
    label, probability = GROSS["shifted"](alpha), prediction_of(alpha, 2)
    assert triage_case(image, 0 * alpha, probability, TriageRecipe(suspect_from=1)).triage == "hard"
    sure = [triage_case(image, label, probability, TriageRecipe(confident_from=c)).label_suspicion for c in (0.8, 1)]
    assert sure[1] < sure[0]
    assert triage_case(image, alpha, probability, TriageRecipe(suspect_from=0)).triage == "suspect_label"


EVIDENCE = Evidence(
    size=0.09, sureness=0.5, edges=0.1, label_on_edges=0.2, prediction_on_edges=0.3, cut=0.09, missing=0.1, invented=0,
)  # fmt: skip


def logit(evidence):
    suspicion = suspicion_of(evidence)
    return np.log(suspicion / (1 - suspicion))


def test_the_suspicion_is_that_of_the_formula():
    expected = 1.5 * np.log(0.1) + 2 * 0.5 + 8 * 0.1 + 4 * 0.5
    assert logit(EVIDENCE) == pytest.approx(expected)
    assert logit(replace(EVIDENCE, cut=0.5)) == pytest.approx(expected + 2)
    assert logit(replace(EVIDENCE, cut=0.01)) == pytest.approx(expected - 2)
    assert logit(replace(EVIDENCE, contradiction="full")) == pytest.approx(expected + 2)
    assert logit(replace(EVIDENCE, agreement=1.0, opinions=1)) == pytest.approx(expected + 3)
    assert logit(replace(EVIDENCE, agreement=0.0, opinions=1)) == pytest.approx(expected - 3)


def test_edges_are_those_that_run_along_an_outline():
    image = np.full((256, 192, 3), 40, np.uint8)
    image[60:, 50:140] = 200
    right, label = np.zeros((256, 192), np.uint8), np.zeros((256, 192), np.uint8)
    right[60:, 50:140] = 255
    label[60:, 70:160] = 255  # shifted to the right: its upper outline lies on the edge, its sides do not
    found = weigh(image, label, right.astype(np.float32) / 255, 0.8)
    assert found.prediction_on_edges > 0.95
    assert found.label_on_edges == pytest.approx(70 / (90 + 2 * 195), abs=0.03)
    assert found.edges == pytest.approx(found.prediction_on_edges - found.label_on_edges)
    assert found.cut == pytest.approx(196 / 256, abs=0.03)  # a side of it, which nothing follows
    assert found.size == pytest.approx(40 / 110, abs=0.01)
    assert found.sureness == 1
    on_the_edge = weigh(image, right, label.astype(np.float32) / 255, 0.8)
    assert on_the_edge.cut < 0.03  # as straight, but the image has an edge there


def test_other_opinions_are_counted_where_the_dispute_is():
    image, alpha = person(3)
    dropped, probability = GROSS["torso_dropped"](alpha), prediction_of(alpha, 3)
    alone = triage_case(image, dropped, probability)
    same, other = prediction_of(alpha, 4), prediction_of(dropped, 4)
    agreed, contested = (triage_case(image, dropped, probability, opinions=[one]) for one in (same, other))
    assert contested.label_suspicion < alone.label_suspicion < agreed.label_suspicion
    assert "another model contradicts the label in 1" in agreed.why
    assert "another model contradicts the label in 0%" in contested.why
    assert weigh(image, dropped, probability, 0.8, [same, other]).agreement == pytest.approx(0.5, abs=0.02)
    assert "2 other models" in triage_case(image, dropped, probability, opinions=[same, other]).why


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (40, 30)])
def test_any_size_and_any_masks_give_a_suspicion(shape):
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (*shape, 3), np.uint8)
    for alpha in (
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
        generator.integers(0, 256, shape, np.uint8),
    ):
        for probability in (np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32), np.eye(8, dtype=np.float32)):
            assert 0 <= triage_case(image, alpha, probability).label_suspicion <= 1


def test_inputs_are_left_alone():
    image, alpha = person(0)
    probability = prediction_of(alpha, 0)
    before = image.copy(), alpha.copy(), probability.copy()
    triage_case(image, alpha, probability)
    assert all(np.array_equal(one, other) for one, other in zip((image, alpha, probability), before, strict=True))


@pytest.mark.skipif(not LAY_OUT.exists(), reason="needs the shared photographs")
def test_gross_errors_on_photographs_are_suspected_and_right_labels_are_not():
    spec = importlib.util.spec_from_file_location("lay_out", LAY_OUT)
    lay_out = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lay_out)
    photos = sorted((LAY_OUT.parent / "portraits").glob("*.jpg"))[::80]
    caught = []
    for seed, photo in enumerate(photos):
        image, alpha = cv2.imread(str(photo))[..., ::-1], lay_out.matte_of(photo)
        probability = prediction_of(alpha, seed)
        assert triage_case(image, alpha, probability).triage == "hard", photo
        damaged = [lay_out.damage(alpha, kind) for kind in lay_out.GROSS]
        caught += [triage_case(image, label, probability).triage == "suspect_label" for label in damaged]
    assert np.mean(caught) >= 0.9
