"""Gradient and connectivity errors: by hand, by SciPy, and by a plain reading of the published definition."""

import numpy as np
import pytest
from scipy import ndimage

from segdata.errors import PixelError
from segdata.metrics.image_scores import score_image
from segdata.metrics.perceptual import connected_level, connectivity_error, gradient_error


def soft_pair(seed: int, size: tuple[int, int] = (40, 30)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal(size), 4)
    alpha = np.clip(field / np.abs(field).max() + 0.5, 0, 1)
    probability = np.clip(alpha + ndimage.gaussian_filter(rng.standard_normal(size), 2) * 0.5, 0, 1)
    return np.rint(alpha * 255).astype(np.uint8), probability.astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_error_is_scipys_up_to_the_filters_cut_and_length(seed: int) -> None:
    alpha, probability = soft_pair(seed)
    sigma = 1.4

    def magnitude(values: np.ndarray) -> np.ndarray:
        options = {"mode": "nearest", "truncate": 3.0}
        x = ndimage.gaussian_filter(values, sigma, order=(0, 1), **options)
        y = ndimage.gaussian_filter(values, sigma, order=(1, 0), **options)
        return np.hypot(x, y)

    # The published filters have length 1. SciPy's have the length whose square is the integral over the plane of
    # (x g(x) g(y) / sigma^2)^2: 1 / (8 pi sigma^4).
    scale = np.sqrt(8 * np.pi) * sigma**2
    expected = np.square(scale * (magnitude(probability) - magnitude(alpha / 255))).sum()
    assert gradient_error(alpha, probability) == pytest.approx(expected, rel=0.05)


def connectivity_as_published(alpha: np.ndarray, probability: np.ndarray) -> float:
    """The evaluation code's loop over thresholds, with SciPy's labels."""
    truth = alpha.astype(np.float32) / np.float32(255)
    level = np.full(truth.shape, -1.0)
    for step in range(1, 11):
        both = (truth >= np.float32(step / 10)) & (probability >= np.float32(step / 10))
        labels, count = ndimage.label(both)
        sizes = ndimage.sum(both, labels, range(1, count + 1))
        omega = labels == 1 + int(np.argmax(sizes)) if count else np.zeros_like(both)
        level[(level == -1) & ~omega] = (step - 1) / 10
    level[level == -1] = 1
    phi = [1 - (values - level) * ((values - level) >= 0.15) for values in (probability, truth)]
    return float(np.abs(phi[0] - phi[1]).sum())


@pytest.mark.parametrize("seed", range(4))
def test_the_connectivity_error_is_that_of_the_published_loop(seed: int) -> None:
    alpha, probability = soft_pair(seed)
    assert connectivity_error(alpha, probability) == pytest.approx(
        connectivity_as_published(alpha, probability), rel=1e-4
    )


def test_a_part_cut_off_from_the_person_costs_what_it_stands_out() -> None:
    alpha = np.zeros((3, 7), np.uint8)
    alpha[:, :3] = 255
    probability = (alpha / 255).astype(np.float32)
    probability[1, 5] = 0.6  # an island of one pixel: d = 0.6 there, and 0 in the label
    assert connectivity_error(alpha, probability) == pytest.approx(0.6)


def test_equal_alphas_have_no_error_and_mirroring_changes_nothing() -> None:
    alpha, probability = soft_pair(5)
    same = (alpha / 255).astype(np.float32)
    assert gradient_error(alpha, same) < 1e-6
    assert connectivity_error(alpha, same) < 1e-4
    mirrored = np.ascontiguousarray(alpha[:, ::-1]), np.ascontiguousarray(probability[:, ::-1])
    assert gradient_error(*mirrored) == pytest.approx(gradient_error(alpha, probability), rel=1e-4)
    assert connectivity_error(*mirrored) == pytest.approx(connectivity_error(alpha, probability), rel=1e-4)


def test_the_level_falls_where_only_a_thin_bridge_connects() -> None:
    both = np.ones((3, 5), np.float32)
    both[:, 2] = (0.0, 0.35, 0.0)
    # the left and the right part are one region up to 0.3; above it one of them, as large as the other, is left
    level = connected_level(both)
    assert level[0, 0] == 1.0
    assert level[0, 4] == pytest.approx(0.3)
    assert level[1, 2] == pytest.approx(0.3)


def test_they_are_measured_on_request_and_of_soft_labels_only() -> None:
    alpha, probability = soft_pair(1)
    assert score_image(alpha, probability, "soft")["gradient"] is None
    assert score_image(alpha, probability, "hard", perceptual=True)["connectivity"] is None
    asked = score_image(alpha, probability, "soft", perceptual=True)
    assert asked["gradient"] == gradient_error(alpha, probability)
    assert asked["connectivity"] == connectivity_error(alpha, probability)


def test_other_sizes_are_refused() -> None:
    for error in (gradient_error, connectivity_error):
        with pytest.raises(PixelError, match="not two planes of one size"):
            error(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.float32))
