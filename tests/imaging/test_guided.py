"""A coarse probability becomes an alpha along the image's own edges, and cut-outs from it have no halo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.drawn.portrait import DrawnPortrait, draw_portrait
from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.composite import composite_over
from segdata.imaging.foreground import estimate_foreground
from segdata.imaging.guided import follow_edges, guided_filter


def as_predicted(alpha: Alpha, net_hw: tuple[int, int] = (384, 288)) -> Alpha:
    """What a network of that size that is right could say at best: averaged, blurred, enlarged."""
    small = cv2.resize(alpha, net_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.0), alpha.shape[::-1]), np.uint8)


@pytest.fixture(scope="module")
def drawn() -> list[DrawnPortrait]:
    return [draw_portrait(seed, camera=False) for seed in (2, 3, 5)]


def before_green(foreground: Image, alpha: Alpha) -> Any:
    green = np.zeros_like(foreground)
    green[...] = (0, 255, 60)
    return composite_over(foreground, green, alpha).astype(int)


def test_the_error_of_the_alpha_falls_to_a_third(drawn: list[DrawnPortrait]) -> None:
    for one in drawn:
        predicted = as_predicted(one.alpha)
        errors = [
            np.abs(alpha.astype(int) - one.alpha).sum() for alpha in (predicted, follow_edges(one.image, predicted))
        ]
        assert errors[1] < errors[0] / 3


def test_before_a_contrasting_background_the_halo_is_a_third_of_what_the_probability_alone_leaves(
    drawn: list[DrawnPortrait],
) -> None:
    for one in drawn:
        predicted = as_predicted(one.alpha)
        truth = before_green(one.foreground, one.alpha)
        edge = (predicted > 0) & (predicted < 255)
        followed = follow_edges(one.image, predicted)
        plain = before_green(one.image, predicted)
        ours = before_green(estimate_foreground(one.image, followed), followed)
        halo = [np.abs(picture - truth)[edge].mean() for picture in (plain, ours)]
        assert halo[1] < halo[0] / 3


def test_estimated_colours_leave_less_of_a_halo_than_observed_ones(drawn: list[DrawnPortrait]) -> None:
    for one in drawn:
        truth = before_green(one.foreground, one.alpha)
        edge = (one.alpha > 0) & (one.alpha < 255)
        ours = before_green(estimate_foreground(one.image, one.alpha), one.alpha)
        halo = [np.abs(picture - truth)[edge].mean() for picture in (before_green(one.image, one.alpha), ours)]
        assert halo[1] < halo[0] / 2


def test_what_is_sure_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    for value in (0, 255):
        alpha = np.full((60, 50), value, np.uint8)
        assert np.array_equal(follow_edges(image, alpha), alpha)


def test_an_edge_three_pixels_off_is_led_back_to_the_images_edge() -> None:
    image = np.zeros((80, 80, 3), np.uint8)
    image[:, 40:] = 200
    predicted = np.zeros((80, 80), np.uint8)
    predicted[:, 37:] = 255
    row = follow_edges(image, predicted)[40].astype(int)
    wrong = [np.abs(values[:40]).sum() for values in (predicted[40].astype(int), row)]
    assert wrong[1] < wrong[0]
    assert row[44] == 255


def test_the_filter_is_the_textbooks() -> None:
    generator = np.random.default_rng(1)
    guide = generator.random((9, 8, 3)).astype(np.float32)
    values = generator.random((9, 8)).astype(np.float32)
    assert guided_filter(guide, values, 1, 1e-2) == pytest.approx(by_windows(guide, values, 1, 1e-2), abs=2e-3)


def by_windows(guide: Any, values: Any, radius: int, epsilon: float) -> Any:
    """Equations 19 to 21 of the paper, window by window; mirrored at the border as the filter is."""
    wide = 2 * radius + 1
    padded = np.pad(guide.astype(float), ((wide, wide), (wide, wide), (0, 0)), "symmetric")
    data = np.pad(values.astype(float), wide, "symmetric")
    fits = {}
    for y in range(radius, padded.shape[0] - radius):
        for x in range(radius, padded.shape[1] - radius):
            window = padded[y - radius : y + radius + 1, x - radius : x + radius + 1].reshape(-1, 3)
            inside = data[y - radius : y + radius + 1, x - radius : x + radius + 1].reshape(-1)
            sigma = np.cov(window.T, bias=True) + epsilon * np.eye(3)
            slope = np.linalg.solve(sigma, (window * inside[:, None]).mean(0) - window.mean(0) * inside.mean())
            fits[y, x] = (*slope, inside.mean() - slope @ window.mean(0))
    out = np.empty(values.shape)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            near = [
                fits[y + wide + dy, x + wide + dx]
                for dy in range(-radius, radius + 1)
                for dx in range(-radius, radius + 1)
            ]
            mean = np.mean(near, axis=0)
            out[y, x] = mean[:3] @ guide[y, x] + mean[3]
    return out


def test_arrays_of_two_sizes_are_refused() -> None:
    with pytest.raises(PixelError, match="one size"):
        follow_edges(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8))


def test_inputs_are_left_alone(draw_head: Callable[[int], Any]) -> None:
    one = draw_head(0)
    image, alpha = one.image.copy(), one.alpha.copy()
    follow_edges(image, alpha)
    assert np.array_equal(image, one.image) and np.array_equal(alpha, one.alpha)
