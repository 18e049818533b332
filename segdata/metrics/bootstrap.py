"""Is a difference more than luck? Paired bootstrap intervals, and Holm's correction over several of them.

Sources:
    Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7(1), 1979: percentile intervals.
    Owen, "The Pigeonhole Bootstrap", Annals of Applied Statistics 1(2), 2007: two crossed things that vary, here seeds
        and images, each drawn anew on its own; the intervals are rather too wide than too narrow.
    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6(2), 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1 << 22  # drawn indices held in memory


@dataclass(frozen=True)
class Interval:
    """A mean difference and how sure it is.

    Attributes:
        mean: of the differences.
        low, high: the interval's ends.
        p_below: the probability, were the true mean at `null`, of a mean as far below it: small if it is below.
        p_above: the same of a mean as far above it.
    """

    mean: float
    low: float
    high: float
    p_below: float
    p_above: float

    @property
    def p_value(self) -> float:
        """The probability, were the true mean at `null`, of a mean as far from it to either side."""
        return min(1.0, 2 * min(self.p_below, self.p_above))


def paired_bootstrap(
    differences: NDArray[np.floating],
    seed: int = 0,
    null: float = 0.0,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """The mean of paired differences with its percentile interval over resampled pairs.

    Args:
        differences: (N,), new minus old of the same images; or (S, N), a row for each of S seeds that both were
            trained with: then seeds are drawn anew as well as images, for another seed is luck as another image is.
        seed: decides the draws; the same seed gives the same interval.
        null: what `p_below` is asked against.
        confidence: the interval's, in (0, 1).
        resamples: how many samples are drawn with replacement.

    Raises:
        ValueError: There is no difference, or one is not finite.

    >>> paired_bootstrap(np.array([0.5, 0.5]))
    Interval(mean=0.5, low=0.5, high=0.5, p_below=1.0, p_above=9.999000099990002e-05)
    """
    values = np.asarray(differences, np.float64)
    if values.ndim not in (1, 2) or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"differences: expected at least one, all finite, got {values.shape}")
    generator = np.random.default_rng(seed)
    crossed = values.ndim == 2 and len(values) > 1
    means = (_crossed_means if crossed else _resampled_means)(
        values if crossed else values.ravel(), generator, resamples
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    # The observed sample counts as one of the resamples: no p-value of exactly 0 from finitely many draws.
    p_below = (np.count_nonzero(means >= null) + 1) / (resamples + 1)
    p_above = (np.count_nonzero(means <= null) + 1) / (resamples + 1)
    return Interval(float(values.mean()), float(low), float(high), float(p_below), float(p_above))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: comparing each with the level keeps the chance of any false alarm at it.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _resampled_means(
    values: NDArray[np.float64], generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    rows = max(1, _AT_ONCE // values.size)
    blocks = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate(
        [values[generator.integers(0, values.size, (block, values.size))].mean(axis=1) for block in blocks]
    )


def _crossed_means(values: NDArray[np.float64], generator: np.random.Generator, resamples: int) -> NDArray[np.float64]:
    """Means over drawn rows and, independently of these, drawn columns."""
    seeds, images = values.shape
    rows = max(1, _AT_ONCE // images)
    means = []
    for start in range(0, resamples, rows):
        block = min(rows, resamples - start)
        times = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=block)
        of_seeds = times @ values / seeds
        drawn = generator.integers(0, images, (block, images))
        means.append(np.take_along_axis(of_seeds, drawn, axis=1).mean(axis=1))
    return np.concatenate(means)
