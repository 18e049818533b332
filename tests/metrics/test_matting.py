"""SAD and MSE by hand and by NumPy in double precision."""

import numpy as np
import pytest

from segdata.errors import PixelError
from segdata.metrics.matting import mse, sad, sad_and_mse


def test_they_are_those_worked_by_hand():
    alpha = np.array([[255, 0], [255, 0]], np.uint8)
    probability = np.array([[1.0, 0.0], [0.5, 0.25]], np.float32)
    assert sad(alpha, probability) == 0.75
    assert mse(alpha, probability) == pytest.approx((0.25 + 0.0625) / 4)


def test_they_equal_scikit_learn_in_double_precision():
    from sklearn.metrics import mean_absolute_error, mean_squared_error

    generator = np.random.default_rng(0)
    alpha = generator.integers(0, 256, (64, 48)).astype(np.uint8)
    probability = generator.random((64, 48), np.float32)
    truth = (alpha / 255).ravel()
    assert sad(alpha, probability) == pytest.approx(mean_absolute_error(truth, probability.ravel()) * alpha.size)
    assert mse(alpha, probability) == pytest.approx(mean_squared_error(truth, probability.ravel()), rel=1e-5)
    assert sad_and_mse(alpha, probability) == (sad(alpha, probability), mse(alpha, probability))


def test_planes_of_two_sizes_are_refused():
    with pytest.raises(PixelError, match="not two planes of one size"):
        sad(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.float32))
