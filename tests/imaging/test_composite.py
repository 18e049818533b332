"""The blend is exact: whatever alpha, foreground and background, it is the real quotient rounded to nearest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.errors import PixelError
from segdata.imaging.composite import composite_over

_BYTES = np.arange(256, dtype=np.uint8)


def _rounded(foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None].astype(np.float64) / 255
    return np.rint(share * foreground + (1 - share) * background).astype(np.uint8)


def _grey(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.repeat(values[..., None], 3, axis=2))


@pytest.mark.parametrize("first", range(0, 256, 32))
def test_every_alpha_foreground_and_background_is_rounded_to_nearest(first: int) -> None:
    alpha, foreground, background = np.meshgrid(_BYTES, _BYTES, _BYTES[first : first + 32], indexing="ij")
    shape = (256, 256 * 32)
    alpha, foreground, background = (one.reshape(shape) for one in (alpha, foreground, background))
    exact = 255 * 2 * background.astype(np.int64) + 2 * alpha.astype(np.int64) * (
        foreground.astype(np.int64) - background.astype(np.int64)
    )
    nearest = (exact + 255) // 510  # integers throughout: no rounding of the oracle's own
    result = composite_over(_grey(foreground), _grey(background), np.ascontiguousarray(alpha))
    assert np.array_equal(result[..., 0], nearest)
    assert np.array_equal(result[..., 0], result[..., 2])


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_colour_images_agree_with_float64(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    foreground = data.draw(arrays(np.uint8, (height, width, 3)))
    background = data.draw(arrays(np.uint8, (height, width, 3)))
    alpha = data.draw(arrays(np.uint8, (height, width)))
    before = [one.copy() for one in (foreground, background, alpha)]
    result = composite_over(foreground, background, alpha)
    assert np.array_equal(result, _rounded(foreground, background, alpha))
    assert all(np.array_equal(one, old) for one, old in zip((foreground, background, alpha), before, strict=True))


def test_full_alpha_is_the_foreground_and_none_is_the_background() -> None:
    rng = np.random.default_rng(0)
    foreground, background = rng.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(composite_over(foreground, background, np.full((5, 7), 255, np.uint8)), foreground)
    assert np.array_equal(composite_over(foreground, background, np.zeros((5, 7), np.uint8)), background)


def test_views_that_are_not_contiguous_are_blended_too() -> None:
    rng = np.random.default_rng(1)
    foreground, background = rng.integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (6, 8), dtype=np.uint8)
    flipped = composite_over(foreground[:, ::-1], background[:, ::-1, ::-1], alpha[:, ::-1])
    assert np.array_equal(flipped, _rounded(foreground[:, ::-1], background[:, ::-1, ::-1], alpha[:, ::-1]))


def test_arrays_that_may_only_be_read_are_blended_too() -> None:
    image, alpha = np.full((4, 4, 3), 200, np.uint8), np.full((4, 4), 255, np.uint8)
    for one in (image, alpha):
        one.setflags(write=False)
    assert np.array_equal(composite_over(image, image, alpha), image)


def test_threads_that_blend_pictures_of_several_sizes_at_once_do_not_mix_them_up() -> None:
    rng = np.random.default_rng(2)
    jobs = [
        (*rng.integers(0, 256, (2, height, 9, 3), dtype=np.uint8), rng.integers(0, 256, (height, 9), dtype=np.uint8))
        for height in (5, 40, 5, 17) * 12
    ]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda job: composite_over(*job), jobs))
    for job, result in zip(jobs, results, strict=True):
        assert np.array_equal(result, _rounded(*job))


def test_an_empty_picture_stays_empty() -> None:
    nothing = np.zeros((0, 4, 3), np.uint8)
    assert composite_over(nothing, nothing, np.zeros((0, 4), np.uint8)).shape == (0, 4, 3)


def test_arrays_of_different_sizes_are_refused_by_name() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(PixelError, match=r"alpha \(4, 5\) must be"):
        composite_over(image, image, np.zeros((4, 5), np.uint8))


def test_arrays_that_are_not_bytes_are_refused() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(PixelError, match="must be uint8, not uint8, uint8 and float32"):
        composite_over(image, image, np.zeros((4, 4), np.float32))  # type: ignore[arg-type]  # what is tested
