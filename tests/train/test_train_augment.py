"""Augmentations: decided by the seed, alike for image and alpha, soft, and reflected at the border."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from segdata.train.augment import blur_sigmas_px, portrait_augmentation


def pair(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A white soft-edged disc on black: the image's own brightness tells where the alpha should be."""
    alpha = np.zeros((size, size), np.uint8)
    cv2.circle(alpha, (size // 3, size // 2), size // 5, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (5, 5), 1)
    return np.repeat(alpha[..., None], 3, axis=2), alpha


def test_the_seed_alone_decides_whatever_the_thread() -> None:
    image, alpha = pair()
    augment = portrait_augmentation(blur_scale=0.3)
    alone = [augment(image, alpha, seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(lambda seed: augment(image, alpha, seed), range(24)))
    for (a, b), (c, d) in zip(alone, beside, strict=True):
        assert np.array_equal(a, c)
        assert np.array_equal(b, d)
    assert any(not np.array_equal(alone[0][1], other[1]) for other in alone[1:])


def test_the_inputs_are_untouched() -> None:
    image, alpha = pair()
    before = image.copy(), alpha.copy()
    image.flags.writeable = alpha.flags.writeable = False
    for seed in range(10):
        portrait_augmentation()(image, alpha, seed)
    assert np.array_equal(image, before[0])
    assert np.array_equal(alpha, before[1])


def test_alpha_moves_with_the_image_and_stays_soft() -> None:
    image, alpha = pair()
    augment = portrait_augmentation(blur_scale=0.3)
    soft = 0
    for seed in range(40):
        moved_image, moved_alpha = augment(image, alpha, seed)
        bright = moved_image.mean(axis=2)
        bright = bright / bright.max() * 255
        assert np.corrcoef(bright.ravel(), moved_alpha.ravel())[0, 1] > 0.97
        soft += int(((moved_alpha > 0) & (moved_alpha < 255)).sum())
    assert soft > 40 * 50


def test_a_person_cut_by_the_bottom_edge_stays_cut_by_it() -> None:
    alpha = np.zeros((64, 64), np.uint8)
    alpha[30:, 16:48] = 255
    image = np.full((64, 64, 3), 200, np.uint8)
    augment = portrait_augmentation()
    for seed in range(60):
        moved_image, moved_alpha = augment(image, alpha, seed)
        assert moved_alpha[-1].max() == 255
        assert moved_image.min() > 0, "no black border comes in"


@pytest.mark.parametrize("scale", [1.0, 0.33])
def test_the_blur_has_the_deviation_of_the_box_it_stands_for(scale: float) -> None:
    low, high = blur_sigmas_px(scale)
    box = np.arange(7) - 3
    assert high == pytest.approx(scale * float(np.sqrt((box**2).mean())))
    assert low == pytest.approx(scale * float(np.sqrt((np.arange(-1, 2) ** 2).mean())))
