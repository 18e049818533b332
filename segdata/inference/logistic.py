"""Logistic regression with a ridge, for fewer samples than features: some hundred photos of some thousand numbers.

With N samples the weights are a sum of the samples, w = Σ aᵢxᵢ, so that Newton's method solves systems of N equations,
however many features there are.

Source:
    Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2nd edition, 4.4.1 (Newton's method) and
    18.3.5 (N samples, many more features).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS = 100
_ENOUGH = 1e-8  # of the loss, between two steps


@dataclass(frozen=True, eq=False)
class Logistic:
    """What was fitted: log-odds are `features @ weights + offset`.

    Attributes:
        weights: (C,) float64, for features as they come: the scaling is in them.
        offset: a number.
    """

    weights: Floats
    offset: float

    def logits(self, features: NDArray[np.generic]) -> Floats:
        """(N, C) of any type -> (N,) log-odds of the positive class."""
        logits: Floats = features.astype(np.float64) @ self.weights + self.offset
        return logits


def fit_logistic(features: NDArray[np.generic], positive: NDArray[np.bool_], strength: float = 0.1) -> Logistic:
    """Fit with both classes weighted as if they were of one size, on features scaled to mean 0 and deviation 1.

    Minimises ½|w|² + strength · Σ cᵢ log(1 + exp(-yᵢ(w·xᵢ + b))), in which b is one more weight, of a feature that is
    always 1, and cᵢ is N / (2 Nₖ) for the Nₖ samples of a class.

    Args:
        features: (N, C).
        positive: (N,); some of both.
        strength: how much the samples count against the ridge.
    """
    raw = features.astype(np.float64)
    mean, deviation = raw.mean(axis=0), raw.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    scaled = (raw - mean) / scale
    share = positive.mean()
    counts = strength * np.where(positive, 0.5 / share, 0.5 / (1 - share))
    sums = _newton(scaled @ scaled.T + 1.0, np.where(positive, 1.0, -1.0), counts)
    weights = (sums @ scaled) / scale
    return Logistic(weights, float(sums.sum() - weights @ mean))


def _newton(gram: Floats, signs: Floats, counts: Floats) -> Floats:
    """The (N,) factors of the samples; steps are halved until the loss falls."""
    found, logits = np.zeros(len(signs)), np.zeros(len(signs))
    loss = _loss(found, logits, signs, counts)
    for _ in range(_STEPS):
        wrong = 1 / (1 + np.exp(np.clip(signs * logits, -500, 500)))
        curve = np.maximum(counts * wrong * (1 - wrong), 1e-12)
        # Newton's step of the factors: (K + D⁻¹) a = f + D⁻¹g with curvature D and gradient g of the loss.
        aim = np.linalg.solve(gram + np.diag(1 / curve), logits + counts * signs * wrong / curve)
        size = 1.0
        while size > 1e-6:
            new = found + size * (aim - found)
            new_logits = gram @ new
            new_loss = _loss(new, new_logits, signs, counts)
            if new_loss <= loss:
                break
            size /= 2
        else:
            break
        done = loss - new_loss <= _ENOUGH * max(1.0, loss)
        found, logits, loss = new, new_logits, new_loss
        if done:
            break
    return found


def _loss(factors: Floats, logits: Floats, signs: Floats, counts: Floats) -> float:
    return float(factors @ logits / 2 + counts @ np.logaddexp(0, -signs * logits))
