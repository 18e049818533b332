"""The fit, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from segdata.inference.logistic import fit_logistic


@pytest.mark.parametrize(("samples", "features", "strength"), [(60, 200, 0.1), (200, 5, 1.0), (80, 300, 100.0)])
def test_the_fit_is_that_of_scikit_learn(samples: int, features: int, strength: float) -> None:
    rng = np.random.default_rng(samples)
    positive = np.arange(samples) % 3 == 0
    values = rng.normal(3, 2, (samples, features))
    values[positive, :3] += 1.5
    values[:, -1] = 7  # says nothing, and has no deviation
    found = fit_logistic(values, positive, strength)

    scaled = values - values.mean(axis=0)
    scaled[:, :-1] /= scaled[:, :-1].std(axis=0)
    theirs = LogisticRegression(
        C=strength, class_weight="balanced", fit_intercept=False, tol=1e-10, max_iter=100_000
    ).fit(np.c_[scaled, np.ones(samples)], positive)
    expected = theirs.decision_function(np.c_[scaled, np.ones(samples)])
    assert found.logits(values) == pytest.approx(expected, abs=1e-3)


def test_features_of_8_bits_are_taken_as_they_are() -> None:
    values = np.uint8([[0, 250], [10, 255], [200, 0], [255, 5]])
    positive = np.array([False, False, True, True])
    logits = fit_logistic(values, positive).logits(values)
    assert ((logits > 0) == positive).all()
    assert logits[0] == pytest.approx(-logits[3], abs=0.3)
