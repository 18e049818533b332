"""Spend a budget on cases that differ: in what went wrong, in where they come from, and in what the image is like.

Cases are put into strata by failure mode and batch (the group, or else the folder). The strata take turns, the one with
the fewest chosen so far first, so that a rare failure gets its share. In its turn a stratum gives the case that is
farthest from all that are chosen, and of equals the worst: greedy k-center, which is within a factor of two of the best
cover that so many cases can give.

Source:
    Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018, algorithm 1;
    Gonzalez, "Clustering to Minimize the Maximum Intercluster Distance", 1985.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = Mapping[str, Any]
Stratum = tuple[str, str]


def spread(cases: Sequence[Row], features: NDArray[np.float32], budget: int) -> list[int]:
    """The indices of the chosen cases, in ascending order; all of them if the budget is no less.

    Args:
        cases: worst first, with `failure_mode`, `group_id` and `path`.
        features: (N, D) float32, what each image is like; rows of zeros where that is not known.
        budget: how many to choose.

    >>> modes = ("edge", "edge", "hole_filled")
    >>> cases = [{"failure_mode": mode, "group_id": None, "path": "a/1.jpg"} for mode in modes]
    >>> spread(cases, np.zeros((3, 2), np.float32), budget=2)
    [0, 2]
    """
    if budget >= len(cases):
        return list(range(len(cases)))
    left: dict[Stratum, list[int]] = {}
    for index, case in enumerate(cases):
        left.setdefault(stratum_of(case), []).append(index)
    taken = dict.fromkeys(left, 0)
    nearest = np.full(len(cases), np.inf, np.float32)
    chosen: list[int] = []
    for _ in range(budget):
        turn = min((stratum for stratum in left if left[stratum]), key=lambda name: (taken[name], left[name][0]))
        waiting = left[turn]
        best = waiting[int(np.argmax(nearest[waiting]))]  # of equals the first, which is the worst
        waiting.remove(best)
        taken[turn] += 1
        chosen.append(best)
        nearest = np.minimum(nearest, np.linalg.norm(features - features[best], axis=1))
    return sorted(chosen)


def stratum_of(case: Row) -> Stratum:
    """What went wrong, and the batch that the case comes from.

    >>> stratum_of({"failure_mode": "edge", "group_id": None, "path": "clip_img/1803/clip_0/a.jpg"})
    ('edge', 'clip_img/1803/clip_0')
    """
    return case["failure_mode"], case["group_id"] or (case["path"] or "").rpartition("/")[0]
