"""Estimated foregrounds: on edges whose truth is known they take the halo of the old background away."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.errors import PixelError
from segdata.imaging.composite import composite_over
from segdata.imaging.edge import feather
from segdata.imaging.foreground import ForegroundMethod, estimate_foreground, extend_foreground
from segdata.imaging.multilevel import estimate_foreground_multilevel


def _soft_disc(size: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, alpha and true foreground: a dark, shaded disc with a 12 px soft edge before a light, shaded wall."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    radius = np.hypot(x - size / 2, y - size / 2)
    alpha = np.rint(255 * np.clip((50 - radius) / 12 + 0.5, 0, 1)).astype(np.uint8)
    truth = np.dstack([60 + 20 * np.sin(x / 30), 40 + y / 8, 50 + 15 * np.cos(y / 25)]).round().astype(np.uint8)
    wall = np.dstack([220 - x / 8, 210 + 20 * np.sin(y / 40), 230 - y / 8]).round().astype(np.uint8)
    return composite_over(truth, wall, alpha), alpha, truth


def _halo(method: ForegroundMethod) -> float:
    """Mean absolute error of the composite over black, in the soft band: the foreground's error as it is seen."""
    image, alpha, truth = _soft_disc()
    black = np.zeros_like(image)
    ours = composite_over(estimate_foreground(image, alpha, method), black, alpha)
    band = (alpha > 5) & (alpha < 250)
    return float(np.abs(ours.astype(float) - composite_over(truth, black, alpha))[band].mean())


def test_multilevel_leaves_a_tenth_of_the_halo() -> None:
    assert _halo("observed") > 20
    assert _halo("multilevel") < _halo("observed") / 10


def test_blur_fusion_leaves_a_quarter_of_the_halo() -> None:
    assert _halo("blur_fusion") < _halo("observed") / 4


@pytest.mark.parametrize("method", ["multilevel", "blur_fusion", "observed"])
def test_pixels_that_are_not_soft_are_the_images_own_and_inputs_stay_untouched(method: ForegroundMethod) -> None:
    image, alpha, _ = _soft_disc()
    before = image.copy(), alpha.copy()
    foreground = estimate_foreground(image, alpha, method)
    sure = (alpha == 0) | (alpha == 255)
    assert np.array_equal(foreground[sure], image[sure])
    assert np.array_equal(image, before[0])
    assert np.array_equal(alpha, before[1])
    assert not np.shares_memory(foreground, image)


def test_observed_is_the_image_itself() -> None:
    image, alpha, _ = _soft_disc()
    assert np.array_equal(estimate_foreground(image, alpha, "observed"), image)


def _pymatting() -> dict[str, Any]:
    """PyMatting's own file as plain Python: its package compiles all that it has on import, a minute on first use."""
    package = importlib.util.find_spec("pymatting")
    if package is None or not package.submodule_search_locations:
        pytest.skip("PyMatting is not installed")
    source = (Path(package.submodule_search_locations[0]) / "foreground" / "estimate_foreground_ml.py").read_text()
    uncompiled = {"njit": lambda *_, **__: lambda function: function, "prange": range}
    exec(source.replace("from numba import njit, prange", ""), uncompiled)
    return uncompiled


@pytest.mark.parametrize("shape", [(40, 33), (17, 50), (1, 9)])
@pytest.mark.parametrize("ours", [(0.1, 6), (1.0, 2)])
def test_multilevel_is_pymattings_to_a_millionth(shape: tuple[int, int], ours: tuple[float, int]) -> None:
    rng = np.random.default_rng(0)
    image = rng.random((*shape, 3), dtype=np.float32)
    alpha = np.clip(rng.random(shape, dtype=np.float32) * 1.5 - 0.25, 0, 1)
    weight, sweeps = ours
    expected = _pymatting()["estimate_foreground_ml"](image, alpha, gradient_weight=weight, n_big_iterations=sweeps)
    assert np.abs(estimate_foreground_multilevel(image, alpha, weight, sweeps) - expected).max() < 3e-6


def test_threads_get_the_same_as_one_alone() -> None:
    image, alpha, _ = _soft_disc()
    alone = estimate_foreground(image, alpha)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: estimate_foreground(image, alpha), range(8)))
    assert all(np.array_equal(alone, one) for one in together)


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    image, alpha, _ = _soft_disc(16)
    with pytest.raises(PixelError, match="no method 'magic'; there are multilevel, blur_fusion, observed"):
        estimate_foreground(image, alpha, "magic")  # type: ignore[arg-type]  # what is tested


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(PixelError, match=r"alpha \(3, 4\) uint8 must be"):
        estimate_foreground(np.zeros((4, 4, 3), np.uint8), np.zeros((3, 4), np.uint8))


def _drawn_too_wide() -> tuple[np.ndarray, np.ndarray]:
    """A dark disc before a white wall, photographed sharply, and a hard label 1.5 px larger than it."""
    y, x = np.mgrid[:120, :120].astype(np.float64)
    radius = np.hypot(x - 60, y - 60)
    mixed = np.clip(40 - radius + 0.5, 0, 1)[..., None]
    image = np.rint(mixed * np.array([40, 30, 60]) + (1 - mixed) * 250).astype(np.uint8)
    return image, np.where(radius <= 41.5, 255, 0).astype(np.uint8)


def test_the_old_wall_is_not_carried_along_by_a_hard_label_drawn_too_wide() -> None:
    image, label = _drawn_too_wide()
    alpha = feather(label, 2, 1)
    foreground = extend_foreground(image, label, alpha)
    seen = alpha > 0
    assert image[seen].max() == 250
    assert foreground[alpha > 127].max() < 140
    assert foreground[seen].astype(float).mean() < image[seen].astype(float).mean()
    black = np.zeros_like(image)
    assert composite_over(foreground, black, alpha).max() < composite_over(image, black, label).max() / 2


def test_a_label_too_thin_to_have_an_inside_keeps_its_own_colours() -> None:
    image = np.full((40, 40, 3), 90, np.uint8)
    label = np.zeros((40, 40), np.uint8)
    label[:, 20:22] = 255
    assert np.array_equal(extend_foreground(image, label, feather(label, 2)), image)
