"""On drawn portraits, whose foreground is known: the default takes three quarters of the halo away, or far more."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from segdata.drawn.portrait import draw_portrait
from segdata.imaging.composite import composite_over
from segdata.imaging.foreground import ForegroundMethod, estimate_foreground
from segdata.imaging.layer import LayerSettings

_APART = 60  # of 255: mean over the channels
_DEFAULT = LayerSettings().foreground
_HAIRY = (0, 10, 11)  # curls, a bob, and long hair under a brim


@cache
def _portrait(seed: int, level: int, sigma_px: float) -> tuple[np.ndarray, ...]:
    """Image, foreground, old background and alpha; out of focus where sigma is not 0."""
    height, width = 400, 300
    shades = cv2.resize(np.random.default_rng(seed).normal(0, 14, (8, 6, 3)), (width, height))
    wall = np.clip(level + shades, 0, 255).astype(np.uint8)
    drawn = draw_portrait(seed, (height, width), wall, camera=False)
    foreground, alpha = drawn.foreground, drawn.alpha
    if sigma_px:
        share = alpha[..., None] / 255
        seen, blurred = (cv2.GaussianBlur(one, (0, 0), sigma_px) for one in (foreground * share, share))
        foreground = np.rint(np.clip(seen / np.maximum(blurred, 1 / 510)[..., None], 0, 255)).astype(np.uint8)
        alpha = np.rint(255 * blurred).astype(np.uint8)
    return composite_over(foreground, drawn.background, alpha), foreground, drawn.background, alpha


def _errors(method: ForegroundMethod, level: int, sigma_px: float, apart: bool) -> float:
    """Mean error of the composite over a new background, where person and old background are far apart, or are not."""
    found = []
    for seed in _HAIRY:
        image, foreground, background, alpha = _portrait(seed, level, sigma_px)
        new = np.full_like(image, (40, 120, 90))
        ours = composite_over(estimate_foreground(image, alpha, method), new, alpha).astype(float)
        error = np.abs(ours - composite_over(foreground, new, alpha)).mean(axis=-1)
        far = np.abs(foreground.astype(float) - background).mean(axis=-1) >= _APART
        share = alpha / 255
        found.append(error[(share > 0.02) & (share < 0.98) & (far == apart)])
    errors = np.concatenate(found)
    return float(errors.mean()) if errors.size else 0.0


@pytest.mark.parametrize("level", [35, 215], ids=["dark wall", "light wall"])
@pytest.mark.parametrize("sigma_px", [0.0, 2.0], ids=["hair", "soft edges"])
def test_the_default_leaves_at_most_a_quarter_of_observeds_error_and_little_elsewhere(
    level: int, sigma_px: float
) -> None:
    assert _errors("observed", level, sigma_px, apart=True) > 8
    assert _errors(_DEFAULT, level, sigma_px, apart=True) <= _errors("observed", level, sigma_px, apart=True) / 4
    assert _errors(_DEFAULT, level, sigma_px, apart=False) <= 4


def test_the_default_beats_the_quick_way_which_beats_none() -> None:
    errors = [_errors(method, 215, 0.0, apart=True) for method in (_DEFAULT, "blur_fusion", "observed")]
    assert errors == sorted(errors)
    assert errors[0] < errors[2] / 10
