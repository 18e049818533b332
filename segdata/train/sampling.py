"""Which samples an epoch shows, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.train.recipe import Sampling
from segdata.train.schedule import StepPlan

Row = Mapping[str, Any]


def weight_of(row: Row) -> float:
    """How much a sample counts: 1 unless its row says otherwise."""
    weight = row.get("weight")
    return 1.0 if weight is None else float(weight)


def shares_of(rows: Sequence[Row], sampling: Sampling) -> NDArray[np.float64] | None:
    """The probability with which each sample is drawn; None where each is shown once an epoch.

    >>> rows = [{"dataset": "a"}, {"dataset": "a"}, {"dataset": "b", "weight": 2.0}]
    >>> shares_of(rows, "balanced").tolist(), shares_of(rows, "hard").tolist()
    ([0.25, 0.25, 0.5], [0.25, 0.25, 0.5])
    """
    if sampling == "uniform":
        return None
    if sampling == "hard":
        shares = np.array([weight_of(row) for row in rows], np.float64)
    else:
        sizes = Counter(row["dataset"] for row in rows)
        shares = np.array([1 / sizes[row["dataset"]] for row in rows], np.float64)
    return np.asarray(shares / shares.sum(), np.float64)


def epoch_order(
    samples: int, plan: StepPlan, seed: int, epoch: int, shares: NDArray[np.float64] | None = None
) -> list[int]:
    """The indices of an epoch's batches, one after the other.

    Args:
        samples: how many there are.
        plan: how many are taken.
        seed, epoch: decide the order, and nothing else does.
        shares: the probability of each; None shuffles them, and fills the last batch up from the first.

    >>> order = epoch_order(5, StepPlan(batch=2, per_epoch=3, total=3), seed=0, epoch=1)
    >>> sorted(order[:5]), order[5] == order[0]
    ([0, 1, 2, 3, 4], True)
    """
    rng = np.random.default_rng([seed, epoch])
    taken = plan.in_epoch(epoch) * plan.batch
    if shares is not None:
        return [int(index) for index in rng.choice(samples, size=taken, p=shares)]
    shuffled = rng.permutation(samples)
    return [int(index) for index in np.resize(shuffled, plan.per_epoch * plan.batch)[:taken]]
