"""What signatures promise: a crop looks like its window, mirroring changes signs, flat pictures look like nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segdata.imaging.appearance import (
    EVEN,
    LENGTH,
    WHOLE,
    WINDOWS,
    frequencies_of,
    signatures_of,
    signatures_of_windows,
    thumbnail_of,
)
from segdata.imaging.phash import hamming, phash, phash_of


def photo(seed: int, size_hw: tuple[int, int] = (400, 300)) -> np.ndarray:
    """A picture whose low frequencies are strong, as a photo's are."""
    rng = np.random.default_rng(seed)
    waves = [rng.normal(0, max(90 / n, 8), (n, n)) for n in (3, 6, 12, 24, 96)]
    layers = [cv2.resize(wave, size_hw[::-1], interpolation=cv2.INTER_CUBIC) for wave in waves]
    grey = np.clip(128 + sum(layers), 0, 255).astype(np.uint8)
    return np.dstack([grey] * 3)


def signature(image: np.ndarray, window: tuple[float, float, float, float] = WHOLE) -> np.ndarray:
    return signatures_of(frequencies_of(thumbnail_of(image)[None]), window)[0]


def test_a_signature_has_unit_length() -> None:
    assert np.linalg.norm(signature(photo(0))) == pytest.approx(1)
    assert (EVEN, LENGTH) == (13, 25)


@pytest.mark.parametrize("window", WINDOWS[1::3], ids=str)
def test_a_crop_looks_like_the_window_it_was_cut_at(window: tuple[float, float, float, float]) -> None:
    image = photo(1)
    left, top, right, bottom = (round(a * b) for a, b in zip(window, (300, 400, 300, 400), strict=True))
    cut = signature(image[top:bottom, left:right])
    assert float(signature(image, window) @ cut) > 0.99
    assert float(signature(image, window) @ cut) > float(signature(image) @ cut)


def test_the_windows_of_many_pictures_are_those_of_each() -> None:
    frequencies = frequencies_of(np.array([thumbnail_of(photo(4)), thumbnail_of(photo(5)), np.full((32, 32), 9)]))
    every = signatures_of_windows(frequencies).reshape(3, len(WINDOWS), LENGTH)
    for index, window in enumerate(WINDOWS):
        np.testing.assert_allclose(every[:, index], signatures_of(frequencies, window), atol=1e-6)


def test_mirroring_negates_the_odd_entries_and_nothing_else() -> None:
    plain, mirrored = signature(photo(2)), signature(photo(2)[:, ::-1].copy())
    np.testing.assert_allclose(mirrored[:EVEN], plain[:EVEN], atol=0.01)
    np.testing.assert_allclose(mirrored[EVEN:], -plain[EVEN:], atol=0.01)


def test_a_picture_without_contrast_looks_like_nothing() -> None:
    assert not signature(np.full((60, 40, 3), 200, np.uint8)).any()


def test_the_hash_of_a_thumbnail_is_that_of_its_picture() -> None:
    image = photo(3)
    assert phash_of(thumbnail_of(image)) == phash(image)
    assert hamming(phash(image), phash(image[:, ::-1].copy())) > 10
