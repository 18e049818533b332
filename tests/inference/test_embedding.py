"""The network's view of a photo: the same on every call, and as PyTorch gives it."""

from __future__ import annotations

import numpy as np
import pytest

from segdata.inference.embedding import LONGER_SIDE_PX, Embedder, _from_pixels, fit_frame


def _photo(seed: int, height: int, width: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (height // 40, width // 40, 3), np.uint8)
    return np.kron(small, np.ones((40, 40, 1), np.uint8))


def test_the_embedding_is_that_of_pytorch_to_a_step() -> None:
    import torch

    photo = _photo(0, 480, 640)
    found = Embedder()(photo)
    with torch.inference_mode():
        expected = _from_pixels()(torch.from_numpy(photo[None]))[0].numpy() * 255 / 6
    assert found.dtype == np.uint8
    assert found.shape == (2560,)
    assert np.abs(found - expected).max() < 0.6
    assert found[:1280].max() == 255  # the largest values of a ReLU6; and the means lie below them
    assert (found[1280:] <= found[:1280]).all()


@pytest.mark.parametrize(
    ("size", "shown"),
    [((480, 640), (480, 640)), ((2000, 1000), (640, 320)), ((100, 150), (416, 640)), ((9, 999), (32, 640))],
)
def test_a_photo_is_shown_640_pixels_long(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert max(shown) == LONGER_SIDE_PX
    assert fit_frame(np.zeros((*size, 3), np.uint8)).shape == (*shown, 3)
